//! What a training is made of.

use candle_core::Device;

use super::config::TrainConfig;
use crate::data::Prepared;
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::ModelConfig;
use crate::optimizer::OptimizerConfig;
use crate::scheduler::SchedulerConfig;

/// All that a training is made of. Data is lent: every run of a sweep shares it.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Governs initial weights, the order of samples and dropout.
    pub seed: u64,
    /// The network.
    pub model: &'a ModelConfig,
    /// What is minimised.
    pub loss: &'a LossConfig,
    /// How weights follow gradients.
    pub optimizer: &'a OptimizerConfig,
    /// How the learning rate changes.
    pub scheduler: &'a SchedulerConfig,
    /// Epochs, batches, stopping.
    pub train: &'a TrainConfig,
    /// What is reported beside the loss.
    pub metrics: &'a [MetricConfig],
    /// The samples, which of them are for what, and the preprocessing fitted on the training part.
    pub data: &'a Prepared,
    /// Where the arithmetic is done.
    pub device: &'a Device,
    /// The text that goes into every checkpoint.
    pub metadata: &'a str,
}
