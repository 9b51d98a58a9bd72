//! No schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Course, Curve, Moment, Scheduler};
use crate::Result;

/// lr(epoch) = lr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantConfig {}

impl Curve for ConstantConfig {
    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(Box::new(self.clone()))
    }
}

impl Scheduler for ConstantConfig {
    fn rate(&self, lr: f64, _at: &Moment<'_>) -> f64 {
        lr
    }
}
