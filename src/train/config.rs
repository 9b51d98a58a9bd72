//! The table `[train]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::check_monitor;
use crate::setting::Problems;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training part. With 0 nothing is trained: the run measures the weights that it begins with,
    /// those of `model.weights` for one.
    pub epochs: usize,
    /// Samples a step. Batch norm cannot train on a batch of one sample, the last batch included.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Whether every epoch draws a new order.
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out.
    pub drop_last: bool,
    /// Batches whose gradients make one step of the optimizer: the gradient of their mean loss, in which every sample
    /// counts as `loss` weighs it, so that two batches of 16 do what one of 32 does. (Batch norm and dropout still see
    /// each batch alone.)
    #[schemars(range(min = 1))]
    pub accumulate: usize,
    /// The largest L2 norm that the gradient by all parameters together may have; a larger one is scaled down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_grad_norm: Option<f64>,
    /// The largest size that each number of a gradient may have, before `clip_grad_norm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_grad_value: Option<f64>,
    /// The column that decides which weights are the best. Default: `valid_loss`, or `train_loss` without a
    /// validation part. Where it is NaN in every epoch, the weights of the first are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// Ends the training when a metric no longer improves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Steps of the optimizer from one line of `steps.csv` to the next; no such file unless given. Does not change a
    /// result, so it is not part of a run's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub log_every: Option<u64>,
    /// When the state is saved.
    pub checkpoint: CheckpointConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 256,
            shuffle: true,
            drop_last: false,
            accumulate: 1,
            clip_grad_norm: None,
            clip_grad_value: None,
            monitor: None,
            early_stopping: None,
            log_every: None,
            checkpoint: CheckpointConfig::default(),
        }
    }
}

/// Patience with a metric that stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// The column that is watched. Default: `train.monitor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// Epochs in a row without an improvement after which the training ends.
    #[schemars(range(min = 1))]
    pub patience: usize,
    /// An improvement must be larger than this.
    #[schemars(range(min = 0))]
    pub min_delta: f64,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { monitor: None, patience: 3, min_delta: 0.0 }
    }
}

/// When the state of a training is saved. Does not change a result, so it is not part of a run's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Epochs from one checkpoint to the next; the last epoch always has one.
    #[schemars(range(min = 1))]
    pub every: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 1 }
    }
}

impl TrainConfig {
    /// Fills what depends on the data: whether there is a validation part.
    pub fn resolve(&mut self, has_validation: bool) {
        let default = if has_validation { "valid_loss" } else { "train_loss" };
        let monitor = self.monitor.get_or_insert_with(|| default.to_owned()).clone();
        if let Some(stopping) = &mut self.early_stopping {
            stopping.monitor.get_or_insert(monitor);
        }
    }

    /// The column that says which epoch, and which run, is best.
    pub fn monitor(&self) -> &str {
        self.monitor.as_deref().unwrap_or("valid_loss")
    }

    /// Batches in an epoch over so many samples.
    pub fn batches(&self, samples: usize) -> usize {
        let size = self.batch_size.max(1);
        if self.drop_last { samples / size } else { samples.div_ceil(size) }
    }

    /// Steps of the optimizer in an epoch over so many samples; the last may be of fewer batches.
    pub fn steps(&self, samples: usize) -> usize {
        self.batches(samples).div_ceil(self.accumulate.max(1))
    }

    /// Refuses what cannot be trained; `columns` are those that can be monitored.
    pub fn check(&self, columns: &[String], problems: &mut Problems) {
        problems.require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1");
        problems.require(self.accumulate >= 1, "accumulate", self.accumulate, "at least 1");
        let limits = [("clip_grad_norm", self.clip_grad_norm), ("clip_grad_value", self.clip_grad_value)];
        for (key, limit) in limits.into_iter().filter_map(|(key, limit)| Some((key, limit?))) {
            problems.require(limit > 0.0 && limit.is_finite(), key, limit, "a number above 0");
        }
        if let Some(every) = self.log_every {
            problems.require(every >= 1, "log_every", every, "at least 1");
        }
        check_monitor(self.monitor.as_deref(), columns, problems);
        if let Some(stopping) = &self.early_stopping {
            problems.within("early_stopping", |problems| {
                check_monitor(stopping.monitor.as_deref(), columns, problems);
                problems.require(stopping.patience >= 1, "patience", stopping.patience, "at least 1");
                let fits = stopping.min_delta.is_finite() && stopping.min_delta >= 0.0;
                problems.require(fits, "min_delta", stopping.min_delta, "a number, 0 or more");
            });
        }
        problems.within("checkpoint", |problems| {
            problems.require(self.checkpoint.every >= 1, "every", self.checkpoint.every, "at least 1");
        });
    }
}
