//! Cosine annealing, as `torch.optim.lr_scheduler.CosineAnnealingLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{check_eta_min, check_length};
use super::{Course, Curve, CurveConfig, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = `eta_min` + (lr − `eta_min`) · (1 + cos(π · epoch / `t_max`)) / 2, which rises again beyond
/// `t_max`.
///
/// Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CosineConfig {
    /// Epochs from the highest rate to the lowest; those of the training less the warm-up unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub t_max: Option<usize>,
    /// The lowest rate.
    #[schemars(range(min = 0))]
    pub eta_min: f64,
}

impl Curve for CosineConfig {
    fn follows_length(&self) -> bool {
        self.t_max.is_none()
    }

    fn resolved(&self, epochs: Option<usize>, _monitor: &str) -> Option<CurveConfig> {
        let t_max = self.t_max.or(epochs);
        Some(CurveConfig::Cosine(Self { t_max, ..self.clone() }))
    }

    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        check_length("t_max", self.t_max, problems);
        check_eta_min(self.eta_min, problems);
    }

    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>> {
        let t_max = self.t_max.unwrap_or(course.epochs).max(1);
        Ok(Box::new(Cosine { t_max, eta_min: self.eta_min }))
    }
}

struct Cosine {
    t_max: usize,
    eta_min: f64,
}

impl Scheduler for Cosine {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        half_wave(lr, self.eta_min, at.epoch as f64 / self.t_max as f64)
    }
}

/// From `high` at 0 to `low` at 1 along a cosine.
pub(super) fn half_wave(high: f64, low: f64, way: f64) -> f64 {
    low + (high - low) * (1.0 + libm::cos(std::f64::consts::PI * way)) / 2.0
}
