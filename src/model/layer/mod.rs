//! Layers: an explicit forward and backward pass each, with exact gradients.
//!
//! A layer's type lives in one file with its configuration; this one holds the trait, the list of types and
//! the matches over it. A new type is a file, a variant and an arm in each match.

pub mod activation;
pub mod batch_norm;
#[cfg(test)]
pub(crate) mod checks;
pub mod dropout;
pub mod linear;

use std::fmt::Debug;

use candle_core::Tensor;

use self::activation::ActivationLayer;
use self::batch_norm::{BatchNorm, BatchNormConfig};
use self::dropout::{Dropout, DropoutConfig};
use self::linear::{Linear, LinearConfig};
use super::Parameter;
use super::initializer::Initializer;
use crate::kernel::activation::Activation;
use crate::{Error, Result};

/// What a forward pass is for.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// Training or evaluation.
    pub mode: Mode<'a>,
    /// How many steps of each sequence are real, row-major `[R, B]`; what follows is padding. `None` where
    /// every step is real, or where samples are no sequences.
    pub lengths: Option<&'a [u32]>,
}

/// How layers behave in a pass.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// A training step: layers keep what their backward pass needs.
    Training {
        /// The seed of each run.
        seeds: &'a [u64],
        /// Batches taken in before this one; random masks depend on it.
        step: u64,
    },
    /// Nothing is kept, running statistics are used, nothing is dropped.
    Evaluation,
}

impl<'a> Pass<'a> {
    /// An evaluation without padding.
    pub const EVALUATION: Self = Self { mode: Mode::Evaluation, lengths: None };

    /// A training step of the runs with these seeds, without padding.
    pub const fn training(seeds: &'a [u64], step: u64) -> Self {
        Self { mode: Mode::Training { seeds, step }, lengths: None }
    }

    /// The same with the real steps of each sequence.
    #[must_use]
    pub const fn with_lengths(self, lengths: Option<&'a [u32]>) -> Self {
        Self { lengths, ..self }
    }

    /// Whether layers keep what their backward pass needs.
    pub const fn is_training(&self) -> bool {
        matches!(self.mode, Mode::Training { .. })
    }
}

/// A differentiable step of a model. Activations are `[R, B, …]`.
pub trait Layer: Debug + Send {
    /// y for `input`. In training the layer keeps what [`backward`](Self::backward) needs.
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor>;

    /// Sets the gradients of the trainable parameters for the gradient of the last training pass's output,
    /// and gives that of its input if it is needed. What the layer kept is used up.
    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>>;

    /// Parameters by their `PyTorch` names, in `PyTorch`'s order.
    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        Vec::new()
    }

    /// As [`parameters`](Self::parameters), to be changed.
    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        Vec::new()
    }

    /// State that is saved but not trained, `[R, …]` each, by its `PyTorch` names, in `PyTorch`'s order.
    fn buffers(&self) -> Result<Vec<(&'static str, Tensor)>> {
        Ok(Vec::new())
    }

    /// Puts a buffer of [`buffers`](Self::buffers) back; name, shape and type are those given there.
    fn set_buffer(&mut self, name: &str, _value: Tensor) -> Result<()> {
        Err(Error::Bug(format!("{} has no buffer {name}", self.describe())))
    }

    /// The shape of one output sample for input samples of shape `input`.
    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        input.to_vec()
    }

    /// The layer as `PyTorch` prints it, in short: `Linear(784, 630)`.
    fn describe(&self) -> String;
}

/// A layer as it is asked for; sizes of the input are inferred.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerConfig {
    /// y = x wᵀ + b.
    Linear(LinearConfig),
    /// An element-wise nonlinearity.
    Activation(Activation),
    /// Normalisation over the batch.
    BatchNorm(BatchNormConfig),
    /// Random zeros.
    Dropout(DropoutConfig),
}

impl LayerConfig {
    /// The name that layers of this type are counted by: initial weights and masks depend on the count.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Activation(_) => "activation",
            Self::BatchNorm(_) => "batch_norm",
            Self::Dropout(_) => "dropout",
        }
    }

    /// The shape of one output sample; an error if samples of shape `input` do not fit.
    pub fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match self {
            Self::Linear(config) => Ok(vec![config.sizes(input)?.1]),
            Self::BatchNorm(_) => Ok(vec![width(input, "a batch norm")?]),
            Self::Activation(_) | Self::Dropout(_) => Ok(input.to_vec()),
        }
    }

    /// How many numbers there are to train for input samples of shape `input`.
    pub fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        match self {
            Self::Linear(config) => config.parameter_count(input),
            Self::BatchNorm(_) => Ok(2 * width(input, "a batch norm")? as u64),
            Self::Activation(_) | Self::Dropout(_) => Ok(0),
        }
    }

    /// The layer for input samples of shape `input`, the `ordinal`th of its type.
    pub fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(match self {
            Self::Linear(config) => Box::new(Linear::build(config, input, ordinal, init)?),
            Self::Activation(activation) => Box::new(ActivationLayer::new(*activation)),
            Self::BatchNorm(config) => {
                Box::new(BatchNorm::build(config, width(input, "a batch norm")?, init)?)
            }
            Self::Dropout(config) => Box::new(Dropout::new(vec![config.p; init.runs()], ordinal)),
        })
    }
}

/// The width of flat samples, which `what` asks for.
fn width(input: &[usize], what: &str) -> Result<usize> {
    match input {
        [width] => Ok(*width),
        other => Err(Error::Request(format!("{what} needs flat samples, but they have the shape {other:?}"))),
    }
}

/// What a training pass kept, for its backward pass.
fn take_kept<T>(kept: &mut Option<T>, layer: &str) -> Result<T> {
    kept.take().ok_or_else(|| Error::Bug(format!("{layer} went backward without a training pass before")))
}
