//! The mean absolute error, as `sklearn.metrics.mean_absolute_error`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::target::{Targets, TaskKind};

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
        Box::new(Mae::default())
    }
}

#[derive(Debug, Default)]
pub(super) struct Mae {
    sum: f64,
    samples: u64,
}

impl Metric for Mae {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        for (value, target) in answers.values().iter().zip(targets.values()?) {
            self.sum += (f64::from(*value) - f64::from(*target)).abs();
            self.samples += 1;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.sum / self.samples as f64
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
    /// mean_absolute_error(y, p)
    /// ```
    #[test]
    fn is_that_of_scikit_learn() {
        let (predicted, targets) = values();
        check_values(&mut Mae::default(), &predicted, &targets, 0.6071428571428571);
    }
}
