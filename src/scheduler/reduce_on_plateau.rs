//! Falls when a metric stands still, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_not_negative;
use super::{Course, Curve, CurveConfig, Moment, Scheduler, Surroundings};
use crate::metric::{Direction, check_monitor, direction_of};
use crate::setting::Problems;
use crate::{Error, Result};

/// lr falls to lr · `factor` behind more than `patience` epochs in a row without an improvement of `monitor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReduceOnPlateauConfig {
    /// The column that is watched; whether it is to fall or to rise is the metric's. Default: `train.monitor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// The factor of each fall.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub factor: f64,
    /// Epochs in a row without an improvement that are let pass.
    pub patience: usize,
    /// An improvement must be larger than this.
    #[schemars(range(min = 0))]
    pub threshold: f64,
    /// What the threshold is measured by.
    pub threshold_mode: ThresholdMode,
    /// Epochs behind a fall that are not counted.
    pub cooldown: usize,
    /// The lowest rate.
    #[schemars(range(min = 0))]
    pub min_lr: f64,
    /// A fall by no more than this is left out.
    #[schemars(range(min = 0))]
    pub eps: f64,
}

/// What the threshold of an improvement is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMode {
    /// The best value so far.
    #[default]
    Rel,
    /// 1.
    Abs,
}

impl Default for ReduceOnPlateauConfig {
    fn default() -> Self {
        Self {
            monitor: None,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::default(),
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
        }
    }
}

impl Curve for ReduceOnPlateauConfig {
    fn resolved(&self, _epochs: Option<usize>, monitor: &str) -> Option<CurveConfig> {
        let monitor = self.monitor.clone().or_else(|| Some(monitor.to_owned()));
        Some(CurveConfig::ReduceOnPlateau(Self { monitor, ..self.clone() }))
    }

    fn check(&self, around: &Surroundings<'_>, problems: &mut Problems) {
        check_monitor(self.monitor.as_deref(), around.columns, problems);
        problems.require(
            (0.0..1.0).contains(&self.factor),
            "factor",
            self.factor,
            "a number from 0 to below 1",
        );
        check_not_negative("threshold", self.threshold, problems);
        check_not_negative("min_lr", self.min_lr, problems);
        check_not_negative("eps", self.eps, problems);
    }

    fn monitor(&self) -> Option<&str> {
        self.monitor.as_deref()
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        let column = self.monitor.as_deref().unwrap_or_default();
        let direction = direction_of(column)
            .ok_or_else(|| Error::Request(format!("there is no metric \"{column}\" to monitor")))?;
        Ok(Box::new(ReduceOnPlateau { config: self.clone(), direction }))
    }
}

struct ReduceOnPlateau {
    config: ReduceOnPlateauConfig,
    direction: Direction,
}

impl ReduceOnPlateau {
    /// NaN never improves on anything.
    fn improves(&self, value: f64, best: f64) -> bool {
        let threshold = self.config.threshold;
        match (self.direction, self.config.threshold_mode) {
            (Direction::Minimise, ThresholdMode::Rel) => value < best * (1.0 - threshold),
            (Direction::Minimise, ThresholdMode::Abs) => value < best - threshold,
            (Direction::Maximise, ThresholdMode::Rel) => value > best * (1.0 + threshold),
            (Direction::Maximise, ThresholdMode::Abs) => value > best + threshold,
        }
    }

    /// How often patience has run out.
    fn falls(&self, history: &[f64]) -> usize {
        let mut best = match self.direction {
            Direction::Minimise => f64::INFINITY,
            Direction::Maximise => f64::NEG_INFINITY,
        };
        let (mut falls, mut waited, mut resting) = (0, 0, 0);
        for value in history {
            if self.improves(*value, best) {
                best = *value;
                waited = 0;
            } else {
                waited += 1;
            }
            if resting > 0 {
                resting -= 1;
                waited = 0;
            }
            if waited > self.config.patience {
                falls += 1;
                resting = self.config.cooldown;
                waited = 0;
            }
        }
        falls
    }
}

impl Scheduler for ReduceOnPlateau {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let mut rate = lr;
        for _ in 0..self.falls(at.history) {
            let lower = (rate * self.config.factor).max(self.config.min_lr);
            if rate - lower > self.config.eps {
                rate = lower;
            }
        }
        rate
    }
}
