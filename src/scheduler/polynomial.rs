//! A power of what is left, as `torch.optim.lr_scheduler.PolynomialLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{check_above_zero, check_length};
use super::{Course, Curve, CurveConfig, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// lr(epoch) = lr · (1 − min(epoch, `total_iters`) / `total_iters`) ^ `power`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolynomialConfig {
    /// Epochs until the rate is 0; those of the training less the warm-up unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub total_iters: Option<usize>,
    /// 1 is a straight line; above it the rate falls fast at first.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub power: f64,
}

impl Default for PolynomialConfig {
    fn default() -> Self {
        Self { total_iters: None, power: 1.0 }
    }
}

impl Curve for PolynomialConfig {
    fn follows_length(&self) -> bool {
        self.total_iters.is_none()
    }

    fn resolved(&self, epochs: Option<usize>, _monitor: &str) -> Option<CurveConfig> {
        let total_iters = self.total_iters.or(epochs);
        Some(CurveConfig::Polynomial(Self { total_iters, ..self.clone() }))
    }

    fn check(&self, _around: &Surroundings<'_>, problems: &mut Problems) {
        check_length("total_iters", self.total_iters, problems);
        check_above_zero("power", self.power, problems);
    }

    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(Power { total: self.total_iters.unwrap_or(course.epochs).max(1), power: self.power }))
    }
}

struct Power {
    total: usize,
    power: f64,
}

impl Scheduler for Power {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let left = self.total.saturating_sub(at.epoch) as f64 / self.total as f64;
        lr * libm::pow(left, self.power)
    }
}
