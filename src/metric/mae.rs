//! The mean absolute error, as `sklearn.metrics.mean_absolute_error`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::errors::MeanError;
use super::{About, Direction, Measured, Metric};
use crate::target::TaskKind;

/// The mean of |prediction − target|, in the target's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaeConfig {}

const ABOUT: About =
    About { name: "mae", direction: Direction::Minimise, unit: None, task: TaskKind::Regression };

impl Measured for MaeConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(MeanError::new(f64::abs))
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
    /// mean_absolute_error(y, p)
    /// ```
    #[test]
    fn is_that_of_scikit_learn() {
        let (predicted, targets) = values();
        check_values(MaeConfig {}.build().as_mut(), &predicted, &targets, 0.6071428571428571);
    }
}
