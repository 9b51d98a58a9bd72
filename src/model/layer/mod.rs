//! Layers: an explicit forward and backward pass each, with exact gradients.
//!
//! A layer's type lives in one file with its configuration; this one holds the trait, the list of types and
//! the matches over it. A new type is a file, a variant and an arm in each match.

pub mod activation;
pub mod adaptive_avg_pool2d;
pub mod avg_pool2d;
pub mod batch_norm;
#[cfg(test)]
pub(crate) mod checks;
pub mod conv2d;
pub mod dropout;
pub mod embedding;
pub mod flatten;
pub mod layer_norm;
pub mod linear;
pub mod max_pool2d;
pub mod pair;
pub mod recurrent;
pub mod residual;
pub mod softmax;

use std::fmt::Debug;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use self::activation::{ActivationConfig, ActivationLayer, EluConfig, LeakyReluConfig, SoftplusConfig};
use self::adaptive_avg_pool2d::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use self::avg_pool2d::{AvgPool2d, AvgPool2dConfig};
use self::batch_norm::{BatchNorm, BatchNormConfig};
use self::conv2d::{Conv2d, Conv2dConfig};
use self::dropout::{Dropout, DropoutConfig};
use self::embedding::{Embedding, EmbeddingConfig};
use self::flatten::Flatten;
use self::layer_norm::{LayerNorm, LayerNormConfig};
use self::linear::{Linear, LinearConfig};
use self::max_pool2d::{MaxPool2d, MaxPool2dConfig};
use self::recurrent::{ElmanConfig, Recurrent, RecurrentConfig};
use self::residual::ResidualConfig;
use self::softmax::Softmax;
use super::Parameter;
use super::config::NoKeys;
use super::initializer::Initializer;
use super::shapes;
use crate::kernel::recurrent::Cell;
use crate::kernel::row_softmax::Scale;
use crate::setting::{Kind, Problems, by_kind, keys_of, read_kind};
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

    /// Whether its outputs have no steps any more, so that lengths of sequences mean nothing to what follows.
    fn ends_time(&self) -> bool {
        false
    }

    /// The layer as `PyTorch` prints it, in short: `Linear(784, 630)`.
    fn describe(&self) -> String;
}

/// A layer as it is asked for; sizes of the input are inferred.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = by_kind::<Self>)]
pub enum LayerConfig {
    /// y = x wᵀ + b, over the last dimension.
    Linear(LinearConfig),
    /// Kernels that slide over images.
    Conv2d(Conv2dConfig),
    /// The largest pixel of each window.
    MaxPool2d(MaxPool2dConfig),
    /// The mean of each window.
    AvgPool2d(AvgPool2dConfig),
    /// Means of so many parts of an image.
    AdaptiveAvgPool2d(AdaptiveAvgPool2dConfig),
    /// Normalisation over the batch.
    BatchNorm(BatchNormConfig),
    /// Normalisation of every sample by itself.
    LayerNorm(LayerNormConfig),
    /// Random zeros.
    Dropout(DropoutConfig),
    /// A learned row of numbers for each token.
    Embedding(EmbeddingConfig),
    /// Elman's recurrent network.
    Rnn(ElmanConfig),
    /// A recurrent network with a memory behind gates.
    Lstm(RecurrentConfig),
    /// A recurrent network with gated updates.
    Gru(RecurrentConfig),
    /// All numbers of a sample in a row.
    Flatten,
    /// Shares that add up to 1, over the last dimension. Not before a cross entropy, which has its own.
    Softmax,
    /// Their natural logarithms.
    LogSoftmax,
    /// Layers whose input is added to their output.
    Residual(ResidualConfig),
    /// `PyTorch`'s `ReLU`.
    Relu,
    /// `PyTorch`'s `LeakyReLU`.
    LeakyRelu(LeakyReluConfig),
    /// `PyTorch`'s `ELU`.
    Elu(EluConfig),
    /// `PyTorch`'s `GELU`, exact.
    Gelu,
    /// `PyTorch`'s `SiLU`.
    Silu,
    /// `PyTorch`'s `Sigmoid`.
    Sigmoid,
    /// `PyTorch`'s `Tanh`.
    Tanh,
    /// `PyTorch`'s `Softplus`.
    Softplus(SoftplusConfig),
}

impl Kind for LayerConfig {
    const KINDS: &'static [&'static str] = &[
        "linear",
        "conv2d",
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "batch_norm",
        "layer_norm",
        "dropout",
        "flatten",
        "softmax",
        "log_softmax",
        "residual",
        "embedding",
        "rnn",
        "lstm",
        "gru",
        "relu",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "sigmoid",
        "tanh",
        "softplus",
    ];

    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "linear" => LinearConfig::deserialize(rest).map(Self::Linear),
            "conv2d" => Conv2dConfig::deserialize(rest).map(Self::Conv2d),
            "max_pool2d" => MaxPool2dConfig::deserialize(rest).map(Self::MaxPool2d),
            "avg_pool2d" => AvgPool2dConfig::deserialize(rest).map(Self::AvgPool2d),
            "adaptive_avg_pool2d" => AdaptiveAvgPool2dConfig::deserialize(rest).map(Self::AdaptiveAvgPool2d),
            "batch_norm" => BatchNormConfig::deserialize(rest).map(Self::BatchNorm),
            "layer_norm" => LayerNormConfig::deserialize(rest).map(Self::LayerNorm),
            "dropout" => DropoutConfig::deserialize(rest).map(Self::Dropout),
            "softmax" => NoKeys::deserialize(rest).map(|_| Self::Softmax),
            "log_softmax" => NoKeys::deserialize(rest).map(|_| Self::LogSoftmax),
            "residual" => ResidualConfig::deserialize(rest).map(Self::Residual),
            "embedding" => EmbeddingConfig::deserialize(rest).map(Self::Embedding),
            "rnn" => ElmanConfig::deserialize(rest).map(Self::Rnn),
            "lstm" => RecurrentConfig::deserialize(rest).map(Self::Lstm),
            "gru" => RecurrentConfig::deserialize(rest).map(Self::Gru),
            "relu" | "leaky_relu" | "elu" | "gelu" | "silu" | "sigmoid" | "tanh" | "softplus" => {
                // `none` alone is no layer, and it is not among the names.
                ActivationConfig::read(kind, rest).map(|config| config.layer().unwrap_or(Self::Relu))
            }
            _ => NoKeys::deserialize(rest).map(|_| Self::Flatten),
        }
    }

    fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "linear" => keys_of::<LinearConfig>(),
            "conv2d" => keys_of::<Conv2dConfig>(),
            "max_pool2d" => keys_of::<MaxPool2dConfig>(),
            "avg_pool2d" => keys_of::<AvgPool2dConfig>(),
            "adaptive_avg_pool2d" => keys_of::<AdaptiveAvgPool2dConfig>(),
            "batch_norm" => keys_of::<BatchNormConfig>(),
            "layer_norm" => keys_of::<LayerNormConfig>(),
            "dropout" => keys_of::<DropoutConfig>(),
            "residual" => keys_of::<ResidualConfig>(),
            "embedding" => keys_of::<EmbeddingConfig>(),
            "rnn" => keys_of::<ElmanConfig>(),
            "lstm" | "gru" => keys_of::<RecurrentConfig>(),
            other => ActivationConfig::keys(other),
        }
    }
}

impl<'de> Deserialize<'de> for LayerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_kind(deserializer)
    }
}

impl LayerConfig {
    /// The name that layers of this type are counted by: initial weights and masks depend on the count.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Conv2d(_) => "conv2d",
            Self::MaxPool2d(_) => "max_pool2d",
            Self::AvgPool2d(_) => "avg_pool2d",
            Self::AdaptiveAvgPool2d(_) => "adaptive_avg_pool2d",
            Self::BatchNorm(_) => "batch_norm",
            Self::LayerNorm(_) => "layer_norm",
            Self::Dropout(_) => "dropout",
            Self::Flatten => "flatten",
            Self::Softmax => "softmax",
            Self::LogSoftmax => "log_softmax",
            Self::Residual(_) => "residual",
            Self::Embedding(_) => "embedding",
            Self::Rnn(_) | Self::Lstm(_) | Self::Gru(_) => "recurrent",
            Self::Relu
            | Self::LeakyRelu(_)
            | Self::Elu(_)
            | Self::Gelu
            | Self::Silu
            | Self::Sigmoid
            | Self::Tanh
            | Self::Softplus(_) => "activation",
        }
    }

    /// The nonlinearity, if this is one.
    pub fn activation(&self) -> Option<ActivationConfig> {
        Some(match self {
            Self::Relu => ActivationConfig::Relu,
            Self::LeakyRelu(config) => ActivationConfig::LeakyRelu(config.clone()),
            Self::Elu(config) => ActivationConfig::Elu(config.clone()),
            Self::Gelu => ActivationConfig::Gelu,
            Self::Silu => ActivationConfig::Silu,
            Self::Sigmoid => ActivationConfig::Sigmoid,
            Self::Tanh => ActivationConfig::Tanh,
            Self::Softplus(config) => ActivationConfig::Softplus(config.clone()),
            _ => return None,
        })
    }

    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Linear(config) => config.check(problems),
            Self::Conv2d(config) => config.check(problems),
            Self::MaxPool2d(config) => config.check(problems),
            Self::AvgPool2d(config) => config.check(problems),
            Self::AdaptiveAvgPool2d(config) => config.check(problems),
            Self::BatchNorm(config) => config.check(problems),
            Self::LayerNorm(config) => config.check(problems),
            Self::Dropout(config) => config.check(problems),
            Self::Residual(config) => config.check(problems),
            Self::Embedding(config) => config.check(problems),
            Self::Rnn(config) => config.check(problems),
            Self::Lstm(config) | Self::Gru(config) => config.check(problems),
            other => {
                if let Some(activation) = other.activation() {
                    activation.check(problems);
                }
            }
        }
    }

    /// The shape of one output sample; an error if samples of shape `input` do not fit.
    pub fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match self {
            Self::Embedding(config) => config.output_shape(input),
            Self::Rnn(config) => config.layers().output_shape(input),
            Self::Lstm(config) => config.of(Cell::Lstm).output_shape(input),
            Self::Gru(config) => config.of(Cell::Gru).output_shape(input),
            Self::Linear(config) => config.output_shape(input),
            Self::Conv2d(config) => config.output_shape(input),
            Self::MaxPool2d(config) => config.output_shape(input),
            Self::AvgPool2d(config) => config.output_shape(input),
            Self::AdaptiveAvgPool2d(config) => config.output_shape(input),
            Self::BatchNorm(_) => BatchNormConfig::channels(input).map(|_| input.to_vec()),
            Self::LayerNorm(config) => config.parameter_count(input).map(|_| input.to_vec()),
            Self::Flatten => {
                Ok(vec![input.iter().fold(1usize, |product, side| product.saturating_mul(*side))])
            }
            Self::Residual(config) => shapes::residual(config, "residual", input, &mut |_, _| Ok(())),
            Self::Softmax | Self::LogSoftmax if input.is_empty() => {
                Err(Error::Request("a softmax needs samples with a dimension".to_owned()))
            }
            _ => Ok(input.to_vec()),
        }
    }

    /// How many numbers there are to train for input samples of shape `input`, those of layers in it left out.
    pub fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        match self {
            Self::Linear(config) => config.parameter_count(input),
            Self::Embedding(config) => config.parameter_count(input),
            Self::Rnn(config) => config.layers().parameter_count(input),
            Self::Lstm(config) => config.of(Cell::Lstm).parameter_count(input),
            Self::Gru(config) => config.of(Cell::Gru).parameter_count(input),
            Self::Conv2d(config) => config.parameter_count(input),
            Self::BatchNorm(_) => Ok(2 * BatchNormConfig::channels(input)? as u64),
            Self::LayerNorm(config) => config.parameter_count(input),
            _ => Ok(0),
        }
    }

    /// The layer for input samples of shape `input`, the `ordinal`th of its type.
    pub fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(match self {
            Self::Linear(config) => Box::new(Linear::build(config, input, ordinal, init)?),
            Self::Conv2d(config) => Box::new(Conv2d::build(config, input, ordinal, init)?),
            Self::MaxPool2d(config) => Box::new(MaxPool2d::new(config.window())),
            Self::AvgPool2d(config) => Box::new(AvgPool2d::new(config)),
            Self::AdaptiveAvgPool2d(config) => Box::new(AdaptiveAvgPool2d::new(config)),
            Self::BatchNorm(config) => Box::new(BatchNorm::build(config, input, init)?),
            Self::LayerNorm(config) => Box::new(LayerNorm::build(config, input, init)?),
            Self::Dropout(config) => Box::new(Dropout::new(vec![config.p; init.runs()], ordinal)),
            Self::Embedding(config) => Box::new(Embedding::build(config, input, ordinal, init)?),
            Self::Rnn(config) => Box::new(Recurrent::build(&config.layers(), input, ordinal, init)?),
            Self::Lstm(config) => Box::new(Recurrent::build(&config.of(Cell::Lstm), input, ordinal, init)?),
            Self::Gru(config) => Box::new(Recurrent::build(&config.of(Cell::Gru), input, ordinal, init)?),
            Self::Flatten => Box::new(Flatten::default()),
            Self::Softmax => Box::new(Softmax::new(Scale::Linear)),
            Self::LogSoftmax => Box::new(Softmax::new(Scale::Log)),
            other => match other.activation().and_then(|activation| activation.function()) {
                Some(function) => Box::new(ActivationLayer::new(function)),
                None => return Err(Error::Bug("a residual block is built by the list that holds it".into())),
            },
        })
    }
}

/// Channels, height and width of images, which `what` asks for.
fn images(input: &[usize], what: &str) -> Result<[usize; 3]> {
    <[usize; 3]>::try_from(input).map_err(|_| {
        Error::Request(format!("{what} needs images of the shape [C, H, W], but gets {input:?}"))
    })
}

/// What a training pass kept, for its backward pass.
fn take_kept<T>(kept: &mut Option<T>, layer: &str) -> Result<T> {
    kept.take().ok_or_else(|| Error::Bug(format!("{layer} went backward without a training pass before")))
}
