//! The area under the ROC curve, as `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::target::{Targets, TaskKind};
use crate::{Error, Result};

/// How often a sample of a class has a larger probability of it than one of another class, a tie counting half:
/// of two classes for the second, of more the mean over the classes.
///
/// NaN where a class has no sample or all of them, and where a probability is NaN. All probabilities of an epoch
/// are kept: 4 bytes a sample and class, for the training part as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AucConfig {}

const ABOUT: About =
    About { name: "auc", direction: Direction::Maximise, unit: None, task: TaskKind::Classification };

impl Measured for AucConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn needs_probabilities(&self) -> bool {
        true
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(Auc::default())
    }
}

/// Sorts at the end of an epoch: O(n log n) for each class.
#[derive(Debug, Default)]
pub(super) struct Auc {
    /// Row-major `[n, classes]`.
    probabilities: Vec<f32>,
    targets: Vec<u32>,
}

impl Metric for Auc {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        let (targets, probabilities) = (targets.classes()?, answers.probabilities());
        if probabilities.len() != targets.len() * answers.width() {
            return Err(Error::Bug("the area under the curve was not given all probabilities".into()));
        }
        self.probabilities.extend_from_slice(probabilities);
        self.targets.extend_from_slice(targets);
        Ok(())
    }

    fn value(&self) -> f64 {
        let classes = self.probabilities.len().checked_div(self.targets.len()).unwrap_or(0);
        if classes == 2 {
            return area(&self.probabilities, &self.targets, 2, 1);
        }
        let areas = (0..classes).map(|class| area(&self.probabilities, &self.targets, classes, class));
        areas.sum::<f64>() / classes as f64
    }

    fn reset(&mut self) {
        self.probabilities.clear();
        self.targets.clear();
    }
}

/// The area under the curve of `class` against all others; `probabilities` row-major `[n, classes]`.
///
/// It is the statistic of Mann and Whitney, counted in whole numbers, so that it is exact whatever the order:
/// J. Hanley and B. `McNeil`, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
/// Radiology 143, 1982.
pub(super) fn area(probabilities: &[f32], targets: &[u32], classes: usize, class: usize) -> f64 {
    let column = probabilities.iter().skip(class).step_by(classes.max(1));
    let mut keys = Vec::with_capacity(targets.len());
    for (probability, target) in column.zip(targets) {
        if probability.is_nan() {
            return f64::NAN;
        }
        keys.push(key(*probability, *target as usize == class));
    }
    keys.sort_unstable();
    // Twice the number of pairs of a positive and a smaller negative, so that a tie counts 1.
    let (mut pairs, mut below, mut positives) = (0u64, 0u64, 0u64);
    for group in keys.chunk_by(|left, right| left >> 1 == right >> 1) {
        let positive = group.iter().map(|key| key & 1).sum::<u64>();
        let negative = group.len() as u64 - positive;
        pairs += positive * (2 * below + negative);
        positives += positive;
        below += negative;
    }
    // 0 / 0 where one of the two sorts is missing.
    pairs as f64 / (2.0 * positives as f64 * below as f64)
}

/// A number that is ordered as the probability, with the sort of the sample in its last bit.
fn key(probability: f32, is_positive: bool) -> u64 {
    // Adding 0 makes one of the two zeros.
    let bits = (probability + 0.0).to_bits();
    let sign = 1 << 31;
    let ordered = if bits & sign == 0 { bits | sign } else { !bits };
    u64::from(ordered) << 1 | u64::from(is_positive)
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::checks::{check_classes, columns};
    use super::*;

    /// ```python
    /// # scikit-learn 1.9.1
    /// raw = np.array([[(7 * row + 3 * column * column) % 5 + 1 for column in range(4)] for row in range(30)])
    /// p = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    /// targets = np.array([(5 * row + row // 7) % 4 for row in range(30)])
    /// np.mean([roc_auc_score(targets == c, p[:, c].astype(float)) for c in range(4)])
    /// ```
    #[test]
    fn of_many_classes_is_that_of_scikit_learn_with_ties() {
        let (scores, targets) = columns();
        let probabilities: Vec<f32> = scores
            .chunks(4)
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|score| f64::from(*score) + 1.0).sum();
                row.iter().map(move |score| ((f64::from(*score) + 1.0) / sum) as f32)
            })
            .collect();
        check_classes(&mut Auc::default(), &probabilities, 4, &targets, 0.4638035575535575);
    }

    /// ```python
    /// # scikit-learn 1.9.1
    /// y = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    /// p = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.7, 0.7, 0.9], dtype=np.float32)
    /// roc_auc_score(y, p)
    /// ```
    #[test]
    fn of_two_classes_is_that_of_the_second() {
        let second = [0.1f32, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.7, 0.7, 0.9];
        let rows: Vec<f32> = second.into_iter().flat_map(|p| [1.0 - p, p]).collect();
        let targets = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1];
        check_classes(&mut Auc::default(), &rows, 2, &targets, 0.7000000000000001);
    }

    #[test]
    fn one_sort_of_samples_and_nan_have_no_area() {
        let value = |rows: &[f32], classes: usize, targets: &[u32]| {
            let mut auc = Auc::default();
            let answers = Answers::new(rows, classes).with_probabilities(rows);
            auc.update(&answers, &Targets::Classes(targets.to_vec())).unwrap();
            auc.value()
        };
        assert!(value(&[0.5, 0.5, 0.1, 0.9], 2, &[1, 1]).is_nan());
        assert!(value(&[0.5, 0.5, 0.1, 0.9], 2, &[0, 0]).is_nan());
        // The third class has no sample.
        assert!(value(&[0.5, 0.3, 0.2, 0.2, 0.7, 0.1], 3, &[0, 1]).is_nan());
        assert!(value(&[0.5, f32::NAN, 0.1, 0.9], 2, &[0, 1]).is_nan());
        assert!(value(&[], 2, &[]).is_nan());
        let order = [f32::NEG_INFINITY, -1.0, -0.0, 1e-30, 0.5, f32::INFINITY];
        let keys: Vec<u64> = order.into_iter().map(|number| key(number, false)).collect();
        assert!(keys.is_sorted() && key(0.0, true) == key(-0.0, true));
    }

    /// Against the definition, pair by pair.
    #[test]
    fn counts_every_pair() {
        let probabilities: Vec<f32> = (0..60u32).map(|row| ((row * 37) % 11) as f32 / 8.0).collect();
        let targets: Vec<u32> = (0..60).map(|row| u32::from((row * row) % 7 < 3)).collect();
        let (mut pairs, mut won) = (0.0, 0.0);
        for (one, _) in probabilities.iter().zip(&targets).filter(|(_, target)| **target == 0) {
            for (other, _) in probabilities.iter().zip(&targets).filter(|(_, target)| **target == 1) {
                pairs += 1.0;
                won += if one > other { 1.0 } else { f64::from(u8::from((one - other).abs() == 0.0)) / 2.0 };
            }
        }
        assert!((area(&probabilities, &targets, 1, 0) - won / pairs).abs() < 1e-15);
    }
}
