//! A fall every epoch, as `torch.optim.lr_scheduler.ExponentialLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_gamma;
use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = lr · `gamma` ^ epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExponentialConfig {
    /// The factor of each epoch.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gamma: f64,
}

impl Curve for ExponentialConfig {
    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        check_gamma(self.gamma, problems);
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(self.clone()))
    }
}

impl Scheduler for ExponentialConfig {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        lr * libm::pow(self.gamma, at.epoch as f64)
    }
}
