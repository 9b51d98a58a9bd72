//! A curve behind its warm-up.

use super::{Moment, Scheduler};

/// The learning rate of every step of a training.
///
/// The curve counts from the epoch in which the warm-up ends, and its steps from the step behind the warm-up.
pub struct Schedule {
    curve: Box<dyn Scheduler>,
    /// Steps.
    warmup: u64,
    /// The epoch, from 0, in which the warm-up ends.
    first_epoch: usize,
}

impl Schedule {
    pub(super) fn new(curve: Box<dyn Scheduler>, warmup: u64, first_epoch: usize) -> Self {
        Self { curve, warmup, first_epoch }
    }

    /// The rate of a step for parameters whose rate is set to `lr`.
    ///
    /// In the warm-up it is step / warm-up · (the curve's first rate).
    pub fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        let rate = self.curve.rate(lr, &self.behind_warmup(at));
        if at.step < self.warmup { rate * (at.step as f64 / self.warmup as f64) } else { rate }
    }

    /// The momentum of a step, if the schedule has one; in the warm-up the curve's first.
    pub fn momentum(&self, at: &Moment<'_>) -> Option<f64> {
        self.curve.momentum(&self.behind_warmup(at))
    }

    /// Whether a step has the rate and the momentum of the one before it in the same epoch.
    pub fn is_steady(&self, step: u64) -> bool {
        step > self.warmup && !self.curve.changes_every_step()
    }

    fn behind_warmup<'a>(&self, at: &Moment<'a>) -> Moment<'a> {
        Moment {
            epoch: at.epoch.saturating_sub(self.first_epoch),
            step: at.step.saturating_sub(self.warmup),
            history: at.history.get(self.first_epoch..).unwrap_or_default(),
        }
    }
}
