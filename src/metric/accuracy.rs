//! Accuracy, as `sklearn.metrics.accuracy_score` on the largest output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::target::{Targets, TaskKind};

/// Right samples / samples, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccuracyConfig {}

const ABOUT: About =
    About { name: "accuracy", direction: Direction::Maximise, unit: None, task: TaskKind::Classification };

impl Measured for AccuracyConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(Accuracy::default())
    }
}

/// The position of the largest output, the lowest one on a tie; none if there is a NaN or nothing at all.
pub fn predicted_class(outputs: &[f32]) -> Option<u32> {
    let mut best = 0;
    for (class, output) in outputs.iter().enumerate() {
        if output.is_nan() {
            return None;
        }
        if *output > outputs[best] {
            best = class;
        }
    }
    (!outputs.is_empty()).then_some(best as u32)
}

#[derive(Debug, Default)]
pub(super) struct Accuracy {
    right: u64,
    samples: u64,
}

impl Metric for Accuracy {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        let targets = targets.classes()?;
        // A row that is missing counts as wrong: only targets count as samples.
        let pairs = answers.predicted().iter().zip(targets);
        self.right += pairs.filter(|(predicted, target)| **predicted == Some(**target)).count() as u64;
        self.samples += targets.len() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.samples as f64
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
#[expect(clippy::float_cmp, reason = "a quotient of the same counts has the same bits")]
mod tests {
    use super::*;

    /// ```python
    /// # scikit-learn 1.9.1
    /// outputs = np.array([[(7 * row + 3 * column * column) % 5 for column in range(4)] for row in range(30)])
    /// targets = np.array([(5 * row + row // 7) % 4 for row in range(30)])
    /// accuracy_score(targets, outputs.argmax(axis=1))
    /// ```
    #[test]
    fn agrees_with_scikit_learn_in_any_batches() {
        let output = |row: u32, column: u32| ((7 * row + 3 * column * column) % 5) as f32;
        let outputs: Vec<f32> =
            (0..30).flat_map(|row| (0..4).map(move |column| output(row, column))).collect();
        let targets: Vec<u32> = (0..30).map(|row| (5 * row + row / 7) % 4).collect();
        let mut accuracy = Accuracy::default();
        for size in [30, 7, 1] {
            accuracy.reset();
            for (outputs, targets) in outputs.chunks(4 * size).zip(targets.chunks(size)) {
                accuracy.update(&Answers::new(outputs, 4), &Targets::Classes(targets.to_vec())).unwrap();
            }
            assert_eq!(accuracy.value(), 0.26666666666666666);
        }
    }

    #[test]
    fn nan_is_never_right_and_a_tie_goes_to_the_first() {
        assert_eq!(predicted_class(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(predicted_class(&[f32::NEG_INFINITY; 2]), Some(0));
        assert_eq!(predicted_class(&[]), None);
        for position in 0..3 {
            let mut outputs = [1.0, 2.0, 3.0];
            outputs[position] = f32::NAN;
            assert_eq!(predicted_class(&outputs), None);
            let mut accuracy = Accuracy::default();
            for target in 0..3 {
                accuracy.update(&Answers::new(&outputs, 3), &Targets::Classes(vec![target])).unwrap();
            }
            assert_eq!(accuracy.value(), 0.0);
        }
    }

    #[test]
    fn no_outputs_are_no_right_answers() {
        let mut accuracy = Accuracy::default();
        accuracy.update(&Answers::new(&[], 0), &Targets::Classes(vec![0, 1])).unwrap();
        assert_eq!(accuracy.value(), 0.0);
        accuracy.reset();
        assert!(accuracy.value().is_nan());
    }
}
