//! Falls at chosen epochs, as `torch.optim.lr_scheduler.MultiStepLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_gamma;
use super::step::default_gamma;
use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = lr · `gamma` ^ (milestones up to epoch).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiStepConfig {
    /// The epochs, counted from 0, with which the rate falls, in increasing order.
    pub milestones: Vec<usize>,
    /// The factor of each fall.
    #[serde(default = "default_gamma")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gamma: f64,
}

impl Curve for MultiStepConfig {
    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        problems.within("milestones", |problems| {
            for (index, pair) in self.milestones.windows(2).enumerate() {
                if pair[1] <= pair[0] {
                    let message = format!("milestone {} comes behind {}", pair[1], pair[0]);
                    problems.within_entry(index + 1, |problems| {
                        problems.refuse("", message, "expected increasing epochs");
                    });
                }
            }
        });
        check_gamma(self.gamma, problems);
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(self.clone()))
    }
}

impl Scheduler for MultiStepConfig {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let passed = self.milestones.iter().filter(|milestone| **milestone <= at.epoch).count();
        lr * libm::pow(self.gamma, passed as f64)
    }
}
