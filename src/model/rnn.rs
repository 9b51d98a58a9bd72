//! A recurrent network: an embedding where samples are tokens, recurrent layers, and a linear layer over what
//! is pooled from the steps.
//!
//! Samples of numbers are sequences as they are if they have the shape `[T, F]`; images `[C, H, W]` are read row by
//! row, `[H, C · W]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::LayerConfig;
use super::layer::embedding::EmbeddingConfig;
use super::layer::linear::{LinearConfig, MAX_WIDTH};
use super::layer::recurrent::{
    ElmanConfig, ElmanNonlinearity, MAX_LAYERS, PoolingConfig, RecurrentConfig, check_sizes,
};
use crate::sample::SampleShape;
use crate::setting::Problems;
use crate::{Error, Result};

/// Numbers for each token when `embedding` is not given.
const DEFAULT_EMBEDDING: usize = 128;

/// `kind = "rnn"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RnnConfig {
    /// What happens at a step.
    pub cell: CellKind,
    /// Numbers for each token, where samples are texts; 128 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub embedding: Option<usize>,
    /// Numbers in the state of each direction.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub hidden_size: usize,
    /// How many recurrent layers are stacked.
    #[schemars(range(min = 1, max = MAX_LAYERS))]
    pub num_layers: usize,
    /// Whether a second direction reads each sequence from its end.
    pub bidirectional: bool,
    /// The probability of a zero between two recurrent layers; without a second layer it does nothing.
    #[schemars(range(min = 0, max = 1))]
    pub dropout: f64,
    /// What the linear layer behind is given of the steps.
    pub pooling: RnnPooling,
}

impl Default for RnnConfig {
    fn default() -> Self {
        Self {
            cell: CellKind::Lstm,
            embedding: None,
            hidden_size: 128,
            num_layers: 1,
            bidirectional: false,
            dropout: 0.0,
            pooling: RnnPooling::Last,
        }
    }
}

/// The sorts of recurrent cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// Elman's network, with tanh.
    Rnn,
    /// A memory behind gates.
    #[default]
    Lstm,
    /// Gated updates.
    Gru,
}

/// What one row is made of out of those of all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RnnPooling {
    /// The forward state at the last real step, with the backward state at the first.
    #[default]
    Last,
    /// The mean over the real steps.
    Mean,
    /// The maximum over the real steps, number by number.
    Max,
}

impl RnnConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        if let Some(width) = self.embedding {
            let valid = (1..=MAX_WIDTH).contains(&width);
            problems.require(valid, "embedding", width, "a whole number from 1 to 16777216");
        }
        check_sizes(self.hidden_size, self.num_layers, self.dropout, problems);
    }

    /// The layers themselves.
    ///
    /// # Errors
    /// [`Error::Request`] for samples without steps, and for an embedding of numbers.
    pub fn layers(&self, input: &SampleShape, outputs: usize) -> Result<Vec<LayerConfig>> {
        let mut layers = Vec::new();
        match input {
            SampleShape::Tokens { .. } => {
                let embedding = EmbeddingConfig::new(self.embedding.unwrap_or(DEFAULT_EMBEDDING));
                layers.push(LayerConfig::Embedding(embedding.for_samples(input)?));
            }
            SampleShape::Numbers(shape) if !matches!(shape.len(), 2 | 3) => {
                return Err(Error::Request(format!(
                    "an rnn needs sequences: tokens, samples [steps, features] or images [channels, height, \
                     width], but these have the shape {input}; use a model of kind mlp"
                )));
            }
            SampleShape::Numbers(_) if self.embedding.is_some() => {
                return Err(Error::Request(format!(
                    "model.embedding is for tokens, but samples are numbers of the shape {input}: leave it out"
                )));
            }
            SampleShape::Numbers(_) => {}
        }
        layers.push(self.recurrent());
        layers.push(LayerConfig::Linear(LinearConfig { out_features: outputs, bias: true }));
        Ok(layers)
    }

    fn recurrent(&self) -> LayerConfig {
        let Self { hidden_size, num_layers, bidirectional, dropout, .. } = *self;
        let pooling = match self.pooling {
            RnnPooling::Last => PoolingConfig::Last,
            RnnPooling::Mean => PoolingConfig::Mean,
            RnnPooling::Max => PoolingConfig::Max,
        };
        let config = RecurrentConfig { hidden_size, num_layers, bias: true, dropout, bidirectional, pooling };
        match self.cell {
            CellKind::Lstm => LayerConfig::Lstm(config),
            CellKind::Gru => LayerConfig::Gru(config),
            CellKind::Rnn => {
                let nonlinearity = ElmanNonlinearity::Tanh;
                let bias = config.bias;
                LayerConfig::Rnn(ElmanConfig {
                    hidden_size,
                    num_layers,
                    nonlinearity,
                    bias,
                    dropout,
                    bidirectional,
                    pooling,
                })
            }
        }
    }

    /// The shape that samples have at the first layer.
    pub fn first_shape(input: &SampleShape) -> Vec<usize> {
        match input.dims().as_slice() {
            [channels, height, width] => vec![*height, channels.saturating_mul(*width)],
            other => other.to_vec(),
        }
    }
}
