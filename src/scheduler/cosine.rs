//! Cosine annealing, as `torch.optim.lr_scheduler.CosineAnnealingLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scheduler;
use crate::setting::Problems;

/// lr(epoch) = `eta_min` + (lr − `eta_min`) · (1 + cos(π · epoch / `t_max`)) / 2, which rises again beyond
/// `t_max`.
///
/// Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CosineConfig {
    /// Epochs from the highest rate to the lowest; the epochs of the training unless given.
    #[schemars(range(min = 1))]
    pub t_max: Option<usize>,
    /// The lowest rate.
    #[schemars(range(min = 0))]
    pub eta_min: f64,
}

impl CosineConfig {
    pub(super) fn resolve(&mut self, epochs: usize) {
        self.t_max.get_or_insert(epochs);
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(t_max) = self.t_max {
            problems.require(t_max > 0, "t_max", t_max, "a number of epochs, 1 or more");
        }
        let holds = self.eta_min >= 0.0 && self.eta_min.is_finite();
        problems.require(holds, "eta_min", self.eta_min, "a number, 0 or more");
    }

    pub(super) fn build(&self, epochs: usize) -> Box<dyn Scheduler> {
        let t_max = self.t_max.unwrap_or(epochs).max(1);
        Box::new(Cosine { t_max, eta_min: self.eta_min })
    }
}

struct Cosine {
    t_max: usize,
    eta_min: f64,
}

impl Scheduler for Cosine {
    fn rate(&self, base_lr: f64, epoch: usize) -> f64 {
        let wave = libm::cos(std::f64::consts::PI * epoch as f64 / self.t_max as f64);
        self.eta_min + (base_lr - self.eta_min) * (1.0 + wave) / 2.0
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::check_rates;

    /// ```python
    /// rates(lambda optimizer: CosineAnnealingLR(optimizer, 12))
    /// ```
    #[test]
    fn the_lowest_rate_comes_after_the_last_epoch() {
        let expected = [
            0.1,
            0.09829629131445342,
            0.09330127018922195,
            0.08535533905932738,
            0.07500000000000001,
            0.06294095225512605,
            0.05000000000000001,
            0.03705904774487397,
            0.025000000000000015,
            0.01464466094067263,
            0.006698729810778066,
            0.0017037086855465904,
        ];
        check_rates("kind = 'cosine'", expected);
    }

    /// ```python
    /// rates(lambda optimizer: CosineAnnealingLR(optimizer, 4, eta_min=0.01))
    /// rates(lambda optimizer: CosineAnnealingLR(optimizer, 3))
    /// ```
    #[test]
    fn it_rises_again_beyond_t_max() {
        let expected = [
            0.1,
            0.08681980515339464,
            0.05500000000000001,
            0.023180194846605363,
            0.01,
            0.023180194846605363,
            0.05500000000000002,
            0.08681980515339469,
            0.10000000000000006,
            0.0868198051533947,
            0.05500000000000005,
            0.023180194846605412,
        ];
        check_rates("kind = 'cosine'\nt_max = 4\neta_min = 0.01", expected);
        let expected = [0.1, 0.075, 0.025, 0.0, 0.025, 0.075, 0.1, 0.075, 0.025, 0.0, 0.025, 0.075];
        check_rates("kind = 'cosine'\nt_max = 3", expected);
    }
}
