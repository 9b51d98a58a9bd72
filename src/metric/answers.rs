//! What a model says of a batch, in the forms that metrics ask for.

use std::cell::OnceCell;

use super::predicted_class;

/// Rows of one run, on the CPU.
#[derive(Debug)]
pub struct Answers<'a> {
    scores: &'a [f32],
    width: usize,
    probabilities: &'a [f32],
    predicted: OnceCell<Vec<Option<u32>>>,
}

impl<'a> Answers<'a> {
    /// `scores` row-major `[B, width]`: of classes, the largest of a row at the one that is predicted; or, with
    /// a width of 1, the predicted numbers.
    pub fn new(scores: &'a [f32], width: usize) -> Self {
        Self { scores, width, probabilities: &[], predicted: OnceCell::new() }
    }

    /// With the probability of every class, `[B, width]`.
    #[must_use]
    pub fn with_probabilities(mut self, probabilities: &'a [f32]) -> Self {
        self.probabilities = probabilities;
        self
    }

    /// How many classes have a score.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The scores of each sample.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f32> {
        self.scores.chunks_exact(self.width.max(1))
    }

    /// The class of each sample; none where there is a NaN among its scores. Found once for all metrics.
    pub fn predicted(&self) -> &[Option<u32>] {
        self.predicted.get_or_init(|| self.rows().map(predicted_class).collect())
    }

    /// Row-major `[B, width]`; empty unless a metric [asks](super::MetricConfig::needs_probabilities) for it.
    pub fn probabilities(&self) -> &'a [f32] {
        self.probabilities
    }

    /// The predicted number of each sample.
    pub fn values(&self) -> &'a [f32] {
        self.scores
    }
}
