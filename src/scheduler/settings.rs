//! The table `scheduler`: a curve with its own keys, and beside them the keys that every curve has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::warmup::WarmupConfig;
use super::{CurveConfig, Schedule};
use crate::Result;
use crate::setting::{Flat, Problems};

/// The table `scheduler`.
pub type SchedulerConfig = Flat<SchedulerSettings, CurveConfig>;

/// What every curve has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerSettings {
    /// A rise from 0 before the schedule, which starts behind it: `{ steps = N }` or `{ epochs = N }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub warmup: Option<WarmupConfig>,
}

/// What a schedule's settings are held against.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Of the training.
    pub epochs: usize,
    /// What can be monitored.
    pub columns: &'a [String],
    /// Whether the optimizer has a momentum.
    pub has_momentum: bool,
}

/// How long the training is that a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// The learning rate that the optimizer is set to.
    pub lr: f64,
    /// Epochs.
    pub epochs: usize,
    /// Steps of the optimizer in all epochs.
    pub steps: u64,
}

impl Flat<SchedulerSettings, CurveConfig> {
    /// Writes out what follows from a training of `epochs` epochs that watches the column `monitor`.
    ///
    /// The length of a curve stays open behind a warm-up in steps: how many make an epoch only the data tells.
    pub fn resolve(&mut self, epochs: usize, monitor: &str) {
        let epochs = self.curve_epochs(epochs).map(|epochs| epochs.max(1));
        if let Some(resolved) = self.kind.curve().resolved(epochs, monitor) {
            self.kind = resolved;
        }
    }

    /// Whether the rates follow from the length of the whole training: another length gives others from the start.
    pub fn follows_length(&self) -> bool {
        self.kind.curve().follows_length()
    }

    /// The epochs less those of the warm-up, where the settings tell.
    fn curve_epochs(&self, epochs: usize) -> Option<usize> {
        match &self.common.warmup {
            None => Some(epochs),
            Some(warmup) if warmup.steps.is_some() => None,
            Some(warmup) => Some(epochs.saturating_sub(warmup.epochs.unwrap_or(0))),
        }
    }

    /// Refuses lengths of 0, rates that are negative or not finite, and what does not fit the surroundings.
    pub fn check(&self, around: &Surroundings<'_>, problems: &mut Problems) {
        let epochs = self.curve_epochs(around.epochs).unwrap_or(around.epochs);
        self.kind.curve().check(&Surroundings { epochs, ..*around }, problems);
        if let Some(warmup) = &self.common.warmup {
            problems.within("warmup", |problems| warmup.check(problems));
        }
    }

    /// The column whose values the schedule follows, if it follows one.
    pub fn monitor(&self) -> Option<&str> {
        self.kind.curve().monitor()
    }

    /// Whether steps get a momentum from the schedule.
    pub fn cycles_momentum(&self) -> bool {
        self.kind.curve().cycles_momentum()
    }

    /// The schedule for a training.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) for settings that [`check`](Self::check) refuses.
    pub fn build(&self, course: &Course) -> Result<Schedule> {
        let per_epoch = (course.steps / course.epochs.max(1) as u64).max(1);
        let warmup = self.common.warmup.as_ref().map_or(0, |warmup| warmup.in_steps(per_epoch));
        let first = usize::try_from(warmup / per_epoch).unwrap_or(usize::MAX);
        let left = Course {
            lr: course.lr,
            epochs: course.epochs.saturating_sub(first).max(1),
            steps: course.steps.saturating_sub(warmup).max(1),
        };
        Ok(Schedule::new(self.kind.curve().build(&left)?, warmup, first))
    }
}
