//! The root of the mean squared error, as `sklearn.metrics.root_mean_squared_error`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mse::Mse;
use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::target::{Targets, TaskKind};

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
        Box::new(Rmse::default())
    }
}

#[derive(Debug, Default)]
pub(super) struct Rmse(Mse);

impl Metric for Rmse {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        self.0.update(answers, targets)
    }

    fn value(&self) -> f64 {
        self.0.value().sqrt()
    }

    fn reset(&mut self) {
        *self = Self::default();
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
        check_values(&mut Rmse::default(), &predicted, &targets, 0.7961963146288554);
    }
}
