//! No schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, Scheduler};

/// lr(epoch) = lr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantConfig {}

impl Scheduler for ConstantConfig {
    fn rate(&self, lr: f64, _at: &Moment<'_>) -> f64 {
        lr
    }
}
