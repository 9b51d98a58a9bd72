//! The mean squared error, as `sklearn.metrics.mean_squared_error`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::errors::{MeanError, squared};
use super::{About, Direction, Measured, Metric};
use crate::target::TaskKind;

/// The mean of (prediction − target)², in the square of the target's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MseConfig {}

const ABOUT: About =
    About { name: "mse", direction: Direction::Minimise, unit: None, task: TaskKind::Regression };

impl Measured for MseConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(MeanError::new(squared))
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::checks::{check_values, values};
    use super::*;

    /// ```python
    /// # scikit-learn 1.9.1
    /// y = np.array([0.5, -1.25, 3.0, 7.5, 0.25, 2.0, -4.5])
    /// p = np.array([0.25, -1.0, 2.5, 9.0, 0.75, 2.0, -3.25])
    /// mean_squared_error(y, p)
    /// ```
    #[test]
    fn is_that_of_scikit_learn() {
        let (predicted, targets) = values();
        check_values(MseConfig {}.build().as_mut(), &predicted, &targets, 0.6339285714285714);
    }
}
