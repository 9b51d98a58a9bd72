//! What a process that trains a run is told, and what it answers: a JSON value a line.
//!
//! Weights never travel: whoever trains writes the run's folder itself. What is said is for a display and for the
//! decision what comes next.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Failed, Job};
use crate::Result;
use crate::device::DeviceConfig;
use crate::store::{Failure, RunRecord, row};
use crate::sweep::prune::PruneConfig;
use crate::train::event::{Ending, Event, Outcome, Row};

/// The line that asks for an end behind the epoch in progress.
pub(super) const HALT: &str = "halt";

/// The first line: a run to train.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The text of `config.toml`.
    pub config: String,
    pub dir: PathBuf,
    pub record: Box<RunRecord>,
    /// Fingerprint of the weights that it begins with.
    pub weights: Option<String>,
    pub device: DeviceConfig,
    pub threads: usize,
    pub resume: bool,
    pub until: Option<usize>,
    pub prune: Option<PruneConfig>,
}

impl Order {
    pub fn new(job: &Job<'_>) -> Result<Self> {
        Ok(Self {
            config: job.spec.config.render()?,
            dir: job.dir.to_path_buf(),
            record: Box::new(job.record.clone()),
            weights: job.spec.weights().map(str::to_owned),
            device: job.device,
            threads: job.threads,
            resume: job.resume,
            until: job.until,
            prune: job.prune.cloned(),
        })
    }
}

/// What happens to the run. Only what somebody outside of the process asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Message {
    Started {
        columns: Vec<String>,
        parameters: usize,
        epochs_done: usize,
        epochs: usize,
    },
    Noted {
        text: String,
    },
    Epoch {
        #[serde(with = "row")]
        row: Option<Row>,
        best: bool,
    },
    /// The last line of a run that was not lost.
    Ended {
        ending: Ending,
        #[serde(with = "row")]
        best: Option<Row>,
        #[serde(with = "row")]
        last: Option<Row>,
        test: IndexMap<String, Option<f64>>,
    },
    /// The last line of one that was.
    Failed {
        class: Failure,
        reason: String,
    },
}

impl Message {
    /// What to say of an event; nothing of most.
    pub fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::RunStarted { columns, parameters, epochs_done, epochs, .. } => Self::Started {
                columns: columns.to_vec(),
                parameters: *parameters,
                epochs_done: *epochs_done,
                epochs: *epochs,
            },
            Event::Noted { text } => Self::Noted { text: (*text).to_owned() },
            Event::EpochEnded { row, best, .. } => Self::Epoch { row: Some((*row).clone()), best: *best },
            Event::RunEnded { outcome } => Self::Ended {
                ending: outcome.ending,
                best: outcome.best.clone(),
                last: outcome.last.clone(),
                // JSON has no NaN.
                test: outcome.test.iter().map(|(name, value)| (name.clone(), finite(*value))).collect(),
            },
            Event::StepTaken { .. } | Event::CheckpointDue { .. } | Event::Transferred { .. } => return None,
        })
    }

    pub fn failed(failed: Failed) -> Self {
        Self::Failed { class: failed.class, reason: failed.reason }
    }
}

/// The outcome as far as it was told: without predictions.
pub(super) fn outcome(
    ending: Ending,
    best: Option<Row>,
    last: Option<Row>,
    test: IndexMap<String, Option<f64>>,
) -> Outcome {
    let test = test.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect();
    Outcome { ending, best, last, test, predictions: None, classes: None }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_no_words_for_come_back_as_nan() {
        let row = Row {
            epoch: 2,
            step: 10,
            lr: 1e-3,
            values: vec![("train_loss".into(), f64::NAN), ("valid_loss".into(), 0.5)],
        };
        let outcome = Outcome {
            ending: Ending::Completed { stopped_early: true },
            best: None,
            last: Some(row),
            test: vec![("loss".into(), f64::INFINITY), ("accuracy".into(), 0.25)],
            predictions: None,
            classes: None,
        };
        let told = Message::of(&Event::RunEnded { outcome: &outcome }).unwrap();
        let line = serde_json::to_string(&told).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let Message::Ended { ending, best, last, test } = serde_json::from_str(&line).unwrap() else {
            panic!("another message: {line}");
        };
        let read = super::outcome(ending, best, last, test);
        assert_eq!((read.ending, &read.best), (outcome.ending, &None));
        let last = read.last.unwrap();
        assert_eq!((last.epoch, last.step, last.value("valid_loss")), (2, 10, Some(0.5)));
        assert!(last.value("train_loss").unwrap().is_nan());
        assert!(read.test[0].1.is_nan());
        assert_eq!(read.test[1], ("accuracy".to_owned(), 0.25));
    }
}
