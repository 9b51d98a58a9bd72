//! The table `[train]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::Problems;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training part.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Samples a step.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Whether every epoch draws a new order.
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out.
    pub drop_last: bool,
    /// The column that decides which weights are the best. Default: `valid_loss`, or `train_loss` without a
    /// validation part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// Ends the training when a metric no longer improves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingConfig>,
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
            monitor: None,
            early_stopping: None,
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

    /// Refuses what cannot be trained; `columns` are those that can be monitored.
    pub fn check(&self, columns: &[String], problems: &mut Problems) {
        problems.require(self.epochs >= 1, "epochs", self.epochs, "at least 1");
        problems.require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1");
        check_column(self.monitor.as_deref(), columns, problems);
        if let Some(stopping) = &self.early_stopping {
            problems.within("early_stopping", |problems| {
                check_column(stopping.monitor.as_deref(), columns, problems);
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

fn check_column(column: Option<&str>, columns: &[String], problems: &mut Problems) {
    if let Some(column) = column
        && !columns.iter().any(|known| known == column)
    {
        let expected = format!("expected one of: {}", columns.join(", "));
        problems.refuse("monitor", format!("there is no metric \"{column}\""), expected);
        if let Some(near) = crate::setting::nearest(column, columns.iter().map(String::as_str)) {
            problems.advise(format!("did you mean \"{near}\"?"));
        }
    }
}
