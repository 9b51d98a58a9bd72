//! The way up from 0 before a schedule starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::Problems;

/// A rate that rises from 0 along a straight line, step by step, to the one that the schedule starts with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarmupConfig {
    /// How long, in steps of the optimizer; instead of `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// How long, in epochs; instead of `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
}

impl WarmupConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        match (self.steps, self.epochs) {
            (Some(_), Some(_)) => {
                problems.refuse("epochs", "both `steps` and `epochs`", "expected one of them");
            }
            (None, None) => problems.refuse("", "a warm-up without a length", "expected `steps` or `epochs`"),
            _ => {}
        }
    }

    /// Its length for so many steps an epoch.
    pub(super) fn in_steps(&self, steps_per_epoch: u64) -> u64 {
        let of_epochs = |epochs: usize| (epochs as u64).saturating_mul(steps_per_epoch);
        self.steps.unwrap_or_else(|| self.epochs.map_or(0, of_epochs))
    }
}
