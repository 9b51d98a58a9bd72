//! The coefficient of determination, as `sklearn.metrics.r2_score`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::target::{Targets, TaskKind};

/// 1 − Σ (prediction − target)² / Σ (target − mean of the targets)².
///
/// Where all targets are equal it is 1 if every prediction is right and 0 otherwise; NaN for fewer than two
/// samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct R2Config {}

const ABOUT: About =
    About { name: "r2", direction: Direction::Maximise, unit: None, task: TaskKind::Regression };

impl Measured for R2Config {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(R2::default())
    }
}

#[derive(Debug, Default)]
pub(super) struct R2 {
    /// Σ (prediction − target)².
    errors: f64,
    mean: f64,
    /// Σ (target − mean)².
    spread: f64,
    samples: u64,
}

impl Metric for R2 {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        for (value, target) in answers.values().iter().zip(targets.values()?) {
            let target = f64::from(*target);
            self.errors += (f64::from(*value) - target).powi(2);
            // As Welford does: exactly 0 as long as all targets are equal.
            self.samples += 1;
            let before = target - self.mean;
            self.mean += before / self.samples as f64;
            self.spread += before * (target - self.mean);
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        match (self.samples, self.spread == 0.0, self.errors == 0.0) {
            (..2, _, _) => f64::NAN,
            (_, true, true) => 1.0,
            (_, true, false) if self.errors.is_finite() => 0.0,
            _ => 1.0 - self.errors / self.spread,
        }
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
    /// r2_score(y, p)
    /// ```
    #[test]
    fn is_that_of_scikit_learn() {
        let (predicted, targets) = values();
        check_values(&mut R2::default(), &predicted, &targets, 0.9467538032997643);
    }

    /// ```python
    /// # scikit-learn 1.9.1
    /// r2_score([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]), r2_score([2, 2, 2], [2, 2, 3]), r2_score([2], [2])
    /// ```
    #[test]
    fn equal_targets_and_single_samples_are_as_in_scikit_learn() {
        check_values(&mut R2::default(), &[0.1; 3], &[0.1; 3], 1.0);
        check_values(&mut R2::default(), &[2.0, 2.0, 3.0], &[2.0; 3], 0.0);
        check_values(&mut R2::default(), &[2.0], &[2.0], f64::NAN);
        check_values(&mut R2::default(), &[f32::NAN, 2.0], &[2.0; 2], f64::NAN);
    }
}
