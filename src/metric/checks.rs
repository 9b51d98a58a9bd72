//! Samples and checkers that the tests of all metrics share.

use super::{Answers, Metric};
use crate::target::Targets;

/// Scores of four classes with many ties, and targets.
pub(super) fn columns() -> (Vec<f32>, Vec<u32>) {
    let score = |row: u32, column: u32| ((7 * row + 3 * column * column) % 5) as f32;
    let scores = (0..30).flat_map(|row| (0..4).map(move |column| score(row, column))).collect();
    (scores, (0..30).map(|row| (5 * row + row / 7) % 4).collect())
}

const fn one_hot(class: usize) -> [f32; 5] {
    let mut row = [0.0; 5];
    row[class] = 1.0;
    row
}

/// Scores of five classes, of which the fourth is only predicted and the fifth not even that, and targets.
pub(super) const ABSENT: ([[f32; 5]; 8], [u32; 8]) = (
    [one_hot(0), one_hot(1), one_hot(1), one_hot(3), one_hot(2), one_hot(0), one_hot(2), one_hot(0)],
    [0, 0, 1, 1, 2, 2, 2, 0],
);

/// Predicted numbers and targets.
pub(super) fn values() -> (Vec<f32>, Vec<f32>) {
    (vec![0.25, -1.0, 2.5, 9.0, 0.75, 2.0, -3.25], vec![0.5, -1.25, 3.0, 7.5, 0.25, 2.0, -4.5])
}

#[track_caller]
fn assert_value(metric: &dyn Metric, expected: f64) {
    let found = metric.value();
    let fits = (found - expected).abs() <= 1e-12 || (found.is_nan() && expected.is_nan());
    assert!(fits, "{found} is not {expected}");
}

/// Whether it comes to `expected` in batches of any sizes; the scores stand for probabilities as well.
#[track_caller]
pub(super) fn check_classes(
    metric: &mut dyn Metric,
    scores: &[f32],
    width: usize,
    targets: &[u32],
    expected: f64,
) {
    for size in [targets.len(), 7, 1] {
        metric.reset();
        assert!(metric.value().is_nan(), "a value without samples");
        for (scores, targets) in scores.chunks(width * size).zip(targets.chunks(size)) {
            let answers = Answers::new(scores, width).with_probabilities(scores);
            metric.update(&answers, &Targets::Classes(targets.to_vec())).unwrap();
        }
        assert_value(metric, expected);
    }
    assert!(metric.update(&Answers::new(&[0.5], 1), &Targets::Values(vec![0.5])).is_err());
}

/// Whether it comes to `expected` in batches of any sizes.
#[track_caller]
pub(super) fn check_values(metric: &mut dyn Metric, predicted: &[f32], targets: &[f32], expected: f64) {
    for size in [targets.len(), 3, 1] {
        metric.reset();
        assert!(metric.value().is_nan(), "a value without samples");
        for (predicted, targets) in predicted.chunks(size).zip(targets.chunks(size)) {
            metric.update(&Answers::new(predicted, 1), &Targets::Values(targets.to_vec())).unwrap();
        }
        assert_value(metric, expected);
    }
    assert!(metric.update(&Answers::new(&[0.5], 1), &Targets::Classes(vec![0])).is_err());
}
