//! No schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scheduler;

/// lr(epoch) = lr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantConfig {}

impl Scheduler for ConstantConfig {
    fn rate(&self, base_lr: f64, _epoch: usize) -> f64 {
        base_lr
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_rates;

    #[test]
    fn stays() {
        check_rates("", [0.1; 12]);
    }
}
