//! The list of layers as they are asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Layer;
use super::activation::{ActivationConfig, EluConfig, LeakyReluConfig, SoftplusConfig};
use super::adaptive_avg_pool2d::AdaptiveAvgPool2dConfig;
use super::avg_pool2d::AvgPool2dConfig;
use super::batch_norm::BatchNormConfig;
use super::conv2d::Conv2dConfig;
use super::dropout::DropoutConfig;
use super::embedding::EmbeddingConfig;
use super::flatten::Flatten;
use super::layer_norm::LayerNormConfig;
use super::linear::LinearConfig;
use super::max_pool2d::MaxPool2dConfig;
use super::memory::Memory;
use super::recurrent::{ElmanConfig, RecurrentConfig};
use super::residual::ResidualConfig;
use crate::Result;
use crate::kernel::recurrent::Cell;
use crate::kernel::row_softmax::Scale;
use crate::model::initializer::Initializer;
use crate::setting::{Kind, Problems, by_kind, kind};

/// What the settings of a layer have to say.
pub trait LayerSettings {
    /// The name that such layers are counted by, if it is not that of the layer: initial weights and masks depend
    /// on the count.
    fn counted_as(&self) -> Option<&'static str> {
        None
    }

    /// Refuses what no data would make right.
    fn check(&self, _problems: &mut Problems) {}

    /// The shape of one output sample.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) if samples of shape `input` do not fit.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    /// How many numbers there are to train for input samples of shape `input`, those of layers in it left out.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn parameter_count(&self, _input: &[usize]) -> Result<u64> {
        Ok(0)
    }

    /// What it holds on to and works in for a batch of so many input samples of shape `input`, weights left out.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::default())
    }

    /// The layer for input samples of shape `input`, the `ordinal`th of its type.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>>;
}

/// A layer as it is asked for; sizes of the input are inferred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
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
    /// All numbers of a sample in a row.
    Flatten,
    /// Shares that add up to 1, over the last dimension. Not before a cross entropy, which has its own.
    Softmax,
    /// Their natural logarithms.
    LogSoftmax,
    /// Layers whose input is added to their output.
    Residual(ResidualConfig),
    /// A learned row of numbers for each token.
    Embedding(EmbeddingConfig),
    /// Elman's recurrent network.
    Rnn(ElmanConfig),
    /// A recurrent network with a memory behind gates.
    Lstm(RecurrentConfig),
    /// A recurrent network with gated updates.
    Gru(RecurrentConfig),
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

kind!(LayerConfig);

impl LayerConfig {
    /// Asks the layer's own settings.
    fn ask<T>(&self, ask: impl FnOnce(&dyn LayerSettings) -> T) -> T {
        match self {
            Self::Linear(config) => ask(config),
            Self::Conv2d(config) => ask(config),
            Self::MaxPool2d(config) => ask(config),
            Self::AvgPool2d(config) => ask(config),
            Self::AdaptiveAvgPool2d(config) => ask(config),
            Self::BatchNorm(config) => ask(config),
            Self::LayerNorm(config) => ask(config),
            Self::Dropout(config) => ask(config),
            Self::Flatten => ask(&Flatten::default()),
            Self::Softmax => ask(&Scale::Linear),
            Self::LogSoftmax => ask(&Scale::Log),
            Self::Residual(config) => ask(config),
            Self::Embedding(config) => ask(config),
            Self::Rnn(config) => ask(&config.layers()),
            Self::Lstm(config) => ask(&config.of(Cell::Lstm)),
            Self::Gru(config) => ask(&config.of(Cell::Gru)),
            Self::Relu => ask(&ActivationConfig::Relu),
            Self::LeakyRelu(config) => ask(&ActivationConfig::LeakyRelu(config.clone())),
            Self::Elu(config) => ask(&ActivationConfig::Elu(config.clone())),
            Self::Gelu => ask(&ActivationConfig::Gelu),
            Self::Silu => ask(&ActivationConfig::Silu),
            Self::Sigmoid => ask(&ActivationConfig::Sigmoid),
            Self::Tanh => ask(&ActivationConfig::Tanh),
            Self::Softplus(config) => ask(&ActivationConfig::Softplus(config.clone())),
        }
    }

    /// The name that layers of this type are counted by.
    pub fn type_name(&self) -> &'static str {
        self.ask(|settings| settings.counted_as()).unwrap_or(self.kind())
    }

    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        self.ask(|settings| settings.check(problems));
    }

    /// The shape of one output sample.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) if samples of shape `input` do not fit.
    pub fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        self.ask(|settings| settings.output_shape(input))
    }

    /// How many numbers there are to train for input samples of shape `input`, those of layers in it left out.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        self.ask(|settings| settings.parameter_count(input))
    }

    /// What it holds on to and works in for a batch of so many input samples of shape `input`, weights left out.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn memory(&self, input: &[usize], batch: u64) -> Result<Memory> {
        self.ask(|settings| settings.memory(input, batch))
    }

    /// The layer for input samples of shape `input`, the `ordinal`th of its type.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        self.ask(|settings| settings.build(input, ordinal, init))
    }
}
