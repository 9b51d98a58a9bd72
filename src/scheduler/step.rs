//! A geometric staircase, as `torch.optim.lr_scheduler.StepLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scheduler;
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

fn default_gamma() -> f64 {
    0.1
}

impl StepConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.require(self.step_size > 0, "step_size", self.step_size, "a number of epochs, 1 or more");
        let holds = self.gamma > 0.0 && self.gamma.is_finite();
        problems.require(holds, "gamma", self.gamma, "a number above 0");
    }
}

impl Scheduler for StepConfig {
    fn rate(&self, base_lr: f64, epoch: usize) -> f64 {
        base_lr * libm::pow(self.gamma, (epoch / self.step_size.max(1)) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_rates;

    /// ```python
    /// rates(lambda optimizer: StepLR(optimizer, 3))
    /// rates(lambda optimizer: StepLR(optimizer, 4, gamma=0.5))
    /// ```
    #[test]
    fn falls_as_pytorch_does() {
        check_rates(
            "kind = 'step'\nstep_size = 3",
            [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001, 0.0001, 0.0001, 0.0001],
        );
        check_rates(
            "kind = 'step'\nstep_size = 4\ngamma = 0.5",
            [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025],
        );
    }
}
