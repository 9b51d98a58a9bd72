//! The settings of recurrent layers, which are `PyTorch`'s, and what becomes of the outputs at the steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recurrent;
use crate::kernel::recurrent::{Cell, EVALUATION_ROWS, Pooling};
use crate::model::initializer::Initializer;
use crate::model::layer::linear::MAX_WIDTH;
use crate::model::layer::memory::{Keeps, Memory};
use crate::model::layer::{Layer, LayerSettings};
use crate::setting::Problems;
use crate::{Error, Result};

/// More layers than this are a typing error: states stop reaching through them long before.
pub const MAX_LAYERS: usize = 100;

/// An LSTM or a GRU, which have the same settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Numbers in the state of each direction.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub hidden_size: usize,
    /// How many of them are stacked.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = MAX_LAYERS))]
    pub num_layers: usize,
    /// Whether biases are added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The probability of a zero between two of the layers; without a second layer it does nothing.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub dropout: f64,
    /// Whether a second direction reads each sequence from its end.
    #[serde(default)]
    pub bidirectional: bool,
    /// What becomes of the outputs at the steps.
    #[serde(default)]
    pub pooling: PoolingConfig,
}

/// Elman's network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElmanConfig {
    /// Numbers in the state of each direction.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub hidden_size: usize,
    /// How many of them are stacked.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = MAX_LAYERS))]
    pub num_layers: usize,
    /// The function of a state's sum.
    #[serde(default)]
    pub nonlinearity: ElmanNonlinearity,
    /// Whether biases are added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The probability of a zero between two of the layers; without a second layer it does nothing.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub dropout: f64,
    /// Whether a second direction reads each sequence from its end.
    #[serde(default)]
    pub bidirectional: bool,
    /// What becomes of the outputs at the steps.
    #[serde(default)]
    pub pooling: PoolingConfig,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// What `torch.nn.RNN` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ElmanNonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0).
    Relu,
}

/// What becomes of the outputs at a sequence's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolingConfig {
    /// They stay as they are, a row a step.
    #[default]
    None,
    /// The forward state at the last real step, with the backward state at the first.
    Last,
    /// Their mean.
    Mean,
    /// Their maximum, number by number.
    Max,
}

impl From<PoolingConfig> for Pooling {
    fn from(config: PoolingConfig) -> Self {
        match config {
            PoolingConfig::None => Self::None,
            PoolingConfig::Last => Self::Last,
            PoolingConfig::Mean => Self::Mean,
            PoolingConfig::Max => Self::Max,
        }
    }
}

impl RecurrentConfig {
    /// As many layers of one direction as `PyTorch` makes by default: one, with biases.
    pub fn new(hidden_size: usize) -> Self {
        let pooling = PoolingConfig::None;
        Self { hidden_size, num_layers: 1, bias: true, dropout: 0.0, bidirectional: false, pooling }
    }

    /// With the sort of cell.
    pub fn of(&self, cell: Cell) -> Layers<'_> {
        Layers { cell, config: std::borrow::Cow::Borrowed(self) }
    }
}

impl ElmanConfig {
    /// With the sort of cell, and what all sorts have.
    pub fn layers(&self) -> Layers<'static> {
        let Self { hidden_size, num_layers, nonlinearity, bias, dropout, bidirectional, pooling } = *self;
        let cell = match nonlinearity {
            ElmanNonlinearity::Tanh => Cell::RnnTanh,
            ElmanNonlinearity::Relu => Cell::RnnRelu,
        };
        let config = RecurrentConfig { hidden_size, num_layers, bias, dropout, bidirectional, pooling };
        Layers { cell, config: std::borrow::Cow::Owned(config) }
    }
}

/// What the settings of every recurrent layer, and of a recurrent model, have to keep to.
pub(in crate::model) fn check_sizes(hidden: usize, layers: usize, dropout: f64, problems: &mut Problems) {
    let valid = (1..=MAX_WIDTH).contains(&hidden);
    problems.require(valid, "hidden_size", hidden, "a whole number from 1 to 16777216");
    let valid = (1..=MAX_LAYERS).contains(&layers);
    problems.require(valid, "num_layers", layers, "a whole number from 1 to 100");
    problems.require((0.0..=1.0).contains(&dropout), "dropout", dropout, "a number from 0 to 1");
}

/// Recurrent layers of one sort.
#[derive(Debug, Clone)]
pub struct Layers<'a> {
    pub(super) cell: Cell,
    pub(super) config: std::borrow::Cow<'a, RecurrentConfig>,
}

impl Layers<'_> {
    /// D.
    pub(super) fn directions(&self) -> usize {
        if self.config.bidirectional { 2 } else { 1 }
    }

    /// Numbers in a row of the input of each layer, for samples of shape `[T, F]`.
    pub(super) fn inputs(&self, input: &[usize]) -> Result<Vec<usize>> {
        let [_, features] = *input else {
            return Err(Error::Request(format!(
                "a recurrent layer needs sequences [steps, features], but samples have the shape {input:?}"
            )));
        };
        let (hidden, layers) = (self.config.hidden_size, self.config.num_layers);
        for size in [features, hidden] {
            if !(1..=MAX_WIDTH).contains(&size) {
                return Err(Error::Request(format!(
                    "a recurrent layer cannot be {size} wide: widths go from 1 to {MAX_WIDTH}"
                )));
            }
        }
        if !(1..=MAX_LAYERS).contains(&layers) {
            return Err(Error::Request(format!("num_layers is {layers}: it goes from 1 to {MAX_LAYERS}")));
        }
        let above = std::iter::repeat_n(self.directions() * hidden, layers - 1);
        Ok(std::iter::once(features).chain(above).collect())
    }
}

impl LayerSettings for Layers<'_> {
    /// One count for all sorts: an exchange of one for another leaves the others as they begin.
    fn counted_as(&self) -> Option<&'static str> {
        Some("recurrent")
    }

    /// Refuses sizes that are 0 or absurd, and what is no probability.
    fn check(&self, problems: &mut Problems) {
        let RecurrentConfig { hidden_size, num_layers, dropout, .. } = *self.config;
        check_sizes(hidden_size, num_layers, dropout, problems);
    }

    /// `[T, D · H]`, or `[D · H]` where steps are pooled.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        self.inputs(input)?;
        let width = self.directions() * self.config.hidden_size;
        Ok(match self.config.pooling {
            PoolingConfig::None => vec![input[0], width],
            _ => vec![width],
        })
    }

    /// G · H (inputs + H + 2) for each direction of each layer.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let hidden = self.config.hidden_size as u64;
        let rows = self.cell.gates() as u64 * hidden;
        let biases = if self.config.bias { 2 } else { 0 };
        // Widths are below 2²⁵, so a product with rows is below 2⁵² and no sum over the layers overflows.
        let of = |inputs: usize| rows * (inputs as u64 + hidden + biases) * self.directions() as u64;
        Ok(self.inputs(input)?.into_iter().map(of).sum())
    }

    /// Sequences are packed, so padding costs nothing; here all are as long as the longest.
    fn memory(&self, input: &[usize], batch: u64) -> Result<Memory> {
        let inputs = self.inputs(input)?;
        let (features, width) = (inputs[0] as u64, (self.directions() * self.config.hidden_size) as u64);
        let layers = inputs.len() as u64;
        let dropped = if self.config.dropout > 0.0 { layers - 1 } else { 0 };
        // A copy of the input; outputs, what dropout made of them, gates and cells of every layer.
        let a_row = features + width * (layers * (1 + self.cell.kept() as u64) + dropped);
        let steps = input[0] as u64;
        let rows = batch.saturating_mul(steps);
        let at_once = rows.min(steps.max(EVALUATION_ROWS as u64));
        Ok(Memory {
            keeps: Keeps::Nothing,
            is_view: false,
            beside: rows.saturating_mul(a_row),
            // Gradients of a layer's output and of its input, and of the input as it was packed.
            backward: rows.saturating_mul(2 * width + features),
            evaluation: at_once.saturating_mul(a_row),
        })
    }

    fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Recurrent::build(self, input, ordinal, init)?))
    }
}
