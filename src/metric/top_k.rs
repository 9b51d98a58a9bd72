//! Accuracy among the k best classes, as `sklearn.metrics.top_k_accuracy_score`.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::setting::Problems;
use crate::target::{Targets, TaskKind};

/// The part of the samples whose class is among the `k` with the largest outputs.
///
/// Of equal outputs the later class goes first, as in scikit-learn, where the accuracy takes the earlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TopKConfig {
    /// How many classes may be named for a sample; with as many as there are, every sample is right.
    #[schemars(range(min = 1))]
    pub k: usize,
}

impl Default for TopKConfig {
    fn default() -> Self {
        Self { k: 5 }
    }
}

const ABOUT: About =
    About { name: "top_k", direction: Direction::Maximise, unit: None, task: TaskKind::Classification };

impl Measured for TopKConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, problems: &mut Problems) {
        problems.require(self.k >= 1, "k", self.k, "at least 1");
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(TopK::new(self))
    }
}

#[derive(Debug)]
pub(super) struct TopK {
    k: usize,
    right: u64,
    samples: u64,
}

impl TopK {
    pub fn new(config: &TopKConfig) -> Self {
        Self { k: config.k, right: 0, samples: 0 }
    }

    /// Whether fewer than k classes stand before the true one; never with a NaN in the row.
    fn is_right(&self, row: &[f32], target: usize) -> bool {
        let Some(own) = row.get(target) else { return false };
        let before = |(class, score): (usize, &f32)| match score.partial_cmp(own) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => class > target,
            _ => false,
        };
        let ahead = row.iter().enumerate().filter(|one| before(*one)).count();
        ahead < self.k && !row.iter().any(|score| score.is_nan())
    }
}

impl Metric for TopK {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        let targets = targets.classes()?;
        let pairs = answers.rows().zip(targets);
        self.right += pairs.filter(|(row, target)| self.is_right(row, **target as usize)).count() as u64;
        self.samples += targets.len() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.samples as f64
    }

    fn reset(&mut self) {
        (self.right, self.samples) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{check_classes, columns};
    use super::*;

    /// ```python
    /// # scikit-learn 1.9.1
    /// outputs = np.array([[(7 * row + 3 * column * column) % 5 for column in range(4)] for row in range(30)])
    /// targets = np.array([(5 * row + row // 7) % 4 for row in range(30)])
    /// [top_k_accuracy_score(targets, outputs, k=k, labels=range(4)) for k in (1, 2, 3, 4, 5)]
    /// ```
    #[test]
    fn is_that_of_scikit_learn_with_ties() {
        let (scores, targets) = columns();
        for (k, expected) in [(1, 0.2), (2, 14.0 / 30.0), (3, 0.7), (4, 1.0), (5, 1.0)] {
            check_classes(&mut TopK::new(&TopKConfig { k }), &scores, 4, &targets, expected);
        }
    }

    #[test]
    fn nan_is_never_right() {
        for position in 0..3 {
            let mut row = [1.0, 2.0, 3.0];
            row[position] = f32::NAN;
            for target in 0..3 {
                assert!(!TopK::new(&TopKConfig::default()).is_right(&row, target));
            }
        }
    }
}
