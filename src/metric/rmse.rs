//! The root of the mean squared error, as `sklearn.metrics.root_mean_squared_error`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::errors::{MeanError, squared};
use super::{About, Direction, Measured, Metric};
use crate::target::TaskKind;

/// The root of the mean of (prediction − target)², in the target's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RmseConfig {}

const ABOUT: About =
    About { name: "rmse", direction: Direction::Minimise, unit: None, task: TaskKind::Regression };

impl Measured for RmseConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(MeanError::new(squared).then(f64::sqrt))
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
    /// root_mean_squared_error(y, p)
    /// ```
    #[test]
    fn is_that_of_scikit_learn() {
        let (predicted, targets) = values();
        check_values(RmseConfig {}.build().as_mut(), &predicted, &targets, 0.7961963146288554);
    }
}
