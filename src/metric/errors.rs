//! The mean of a function of the error: what the mean squared and the mean absolute error are.

use super::{Answers, Metric};
use crate::Result;
use crate::target::Targets;

/// `then` of the mean over the samples of `of` prediction − target.
#[derive(Debug)]
pub(super) struct MeanError<F> {
    of: F,
    then: fn(f64) -> f64,
    sum: f64,
    samples: u64,
}

impl<F: Fn(f64) -> f64> MeanError<F> {
    /// With no sample seen.
    pub fn new(of: F) -> Self {
        Self { of, then: |mean| mean, sum: 0.0, samples: 0 }
    }

    /// With another function of the mean than the mean itself.
    pub fn then(self, then: fn(f64) -> f64) -> Self {
        Self { then, ..self }
    }
}

/// error².
pub(super) fn squared(error: f64) -> f64 {
    error.powi(2)
}

impl<F: Fn(f64) -> f64 + Send> Metric for MeanError<F> {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        for (value, target) in answers.values().iter().zip(targets.values()?) {
            self.sum += (self.of)(f64::from(*value) - f64::from(*target));
            self.samples += 1;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        (self.then)(self.sum / self.samples as f64)
    }

    fn reset(&mut self) {
        (self.sum, self.samples) = (0.0, 0);
    }
}
