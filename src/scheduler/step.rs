//! A geometric staircase, as `torch.optim.lr_scheduler.StepLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_gamma;
use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = lr · `gamma` ^ ⌊epoch / `step_size`⌋.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// Epochs from one fall to the next.
    #[schemars(range(min = 1))]
    pub step_size: usize,
    /// The factor of each fall.
    #[serde(default = "default_gamma")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gamma: f64,
}

/// The factor of a fall unless the user says.
pub(super) fn default_gamma() -> f64 {
    0.1
}

impl Curve for StepConfig {
    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        problems.require(self.step_size > 0, "step_size", self.step_size, "a number of epochs, 1 or more");
        check_gamma(self.gamma, problems);
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(self.clone()))
    }
}

impl Scheduler for StepConfig {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        lr * libm::pow(self.gamma, (at.epoch / self.step_size.max(1)) as f64)
    }
}
