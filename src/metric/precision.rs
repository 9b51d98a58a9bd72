//! Macro-averaged precision, as `sklearn.metrics.precision_score(average="macro", zero_division=0)` with all known classes
//! as `labels`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{ClassMean, Count};
use super::{About, Direction, Measured, Metric};
use crate::target::TaskKind;

/// The mean over the classes of right / predicted samples, 0 for a class that is never predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrecisionConfig {}

const ABOUT: About =
    About { name: "precision", direction: Direction::Maximise, unit: None, task: TaskKind::Classification };

impl Measured for PrecisionConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(ClassMean::new(Count::precision))
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::checks::{ABSENT, check_classes, columns};
    use super::*;

    /// ```python
    /// # scikit-learn 1.9.1
    /// outputs = np.array([[(7 * row + 3 * column * column) % 5 for column in range(4)] for row in range(30)])
    /// targets = np.array([(5 * row + row // 7) % 4 for row in range(30)])
    /// precision_score(targets, outputs.argmax(axis=1), labels=range(4), average="macro", zero_division=0)
    /// y, p = [0, 0, 1, 1, 2, 2, 2, 0], [0, 1, 1, 3, 2, 0, 2, 0]
    /// precision_score(y, p, labels=range(5), average="macro", zero_division=0)
    /// ```
    #[test]
    fn is_that_of_scikit_learn_with_absent_classes() {
        let (scores, targets) = columns();
        check_classes(PrecisionConfig {}.build().as_mut(), &scores, 4, &targets, 0.20833333333333331);
        let (scores, targets) = ABSENT;
        check_classes(PrecisionConfig {}.build().as_mut(), &scores.concat(), 5, &targets, 0.4333333333333333);
    }
}
