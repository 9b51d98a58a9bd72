//! A straight line, as `torch.optim.lr_scheduler.LinearLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_length;
use super::{Course, Curve, CurveConfig, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = lr · (`start_factor` + (`end_factor` − `start_factor`) · min(epoch, `total_iters`) / `total_iters`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// The factor of the first epoch.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1))]
    pub start_factor: f64,
    /// The factor at the end of the line and behind it.
    #[schemars(range(min = 0, max = 1))]
    pub end_factor: f64,
    /// Epochs from the one to the other; those of the training less the warm-up unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub total_iters: Option<usize>,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: None }
    }
}

impl Curve for LinearConfig {
    fn follows_length(&self) -> bool {
        self.total_iters.is_none()
    }

    fn resolved(&self, epochs: Option<usize>, _monitor: &str) -> Option<CurveConfig> {
        let total_iters = self.total_iters.or(epochs);
        Some(CurveConfig::Linear(Self { total_iters, ..self.clone() }))
    }

    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        let Self { start_factor, end_factor, total_iters } = self;
        let holds = *start_factor > 0.0 && *start_factor <= 1.0;
        problems.require(holds, "start_factor", start_factor, "a number above 0 and up to 1");
        let holds = (0.0..=1.0).contains(end_factor);
        problems.require(holds, "end_factor", end_factor, "a number from 0 to 1");
        check_length("total_iters", *total_iters, problems);
    }

    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>> {
        let total = self.total_iters.unwrap_or(course.epochs).max(1);
        Ok(Box::new(Line { start: self.start_factor, end: self.end_factor, total }))
    }
}

struct Line {
    start: f64,
    end: f64,
    total: usize,
}

impl Scheduler for Line {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let way = at.epoch.min(self.total) as f64 / self.total as f64;
        lr * (self.start + (self.end - self.start) * way)
    }
}
