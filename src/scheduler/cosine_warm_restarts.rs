//! Cosine annealing that starts again, as `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_eta_min;
use super::cosine::half_wave;
use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// Half a wave of a cosine from lr to `eta_min` over `t_0` epochs, then over `t_0` · `t_mult`, and so on.
///
/// Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CosineWarmRestartsConfig {
    /// Epochs until the first restart.
    #[schemars(range(min = 1))]
    pub t_0: usize,
    /// How many times longer every wave is than the one before.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub t_mult: usize,
    /// The lowest rate.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub eta_min: f64,
}

fn one() -> usize {
    1
}

impl Curve for CosineWarmRestartsConfig {
    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        problems.require(self.t_0 > 0, "t_0", self.t_0, "a number of epochs, 1 or more");
        problems.require(self.t_mult > 0, "t_mult", self.t_mult, "a whole number, 1 or more");
        check_eta_min(self.eta_min, problems);
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(self.clone()))
    }
}

impl Scheduler for CosineWarmRestartsConfig {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let mut length = self.t_0.max(1);
        let mut epoch = at.epoch;
        if self.t_mult <= 1 {
            epoch %= length;
        }
        while epoch >= length {
            epoch -= length;
            length = length.saturating_mul(self.t_mult);
        }
        half_wave(lr, self.eta_min, epoch as f64 / length as f64)
    }
}
