//! The last word on a run that did not come to its end by itself: it failed, or a rule stopped it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::checksum::checksums;
use super::file::{self, Durability};
use super::{Failure, FailureRecord, RunRecord, Status, layout};
use crate::Result;

/// What is to stand in a run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion<'a> {
    /// An attempt failed.
    Failed {
        /// What sort of failure it is.
        class: Failure,
        /// What to tell.
        reason: &'a str,
        /// How long the attempt took.
        spent: Duration,
    },
    /// A rule says that the run is not worth more epochs.
    Stopped {
        /// The rule, the epoch and the numbers.
        reason: &'a str,
    },
}

impl Conclusion<'_> {
    /// Writes it into `run.json` and `log.txt`. The caller holds the run's lock.
    ///
    /// Does nothing where the folder holds no record of the run `id`: it was never written, or is deleted.
    pub fn write(&self, dir: &Path, id: &str, now: Timestamp) -> Result<()> {
        let Some(mut record) = RunRecord::load(dir)?.filter(|record| record.id == id) else { return Ok(()) };
        let said = match self {
            Self::Failed { class, reason, spent } => {
                let (attempt, error) = (record.attempts, (*reason).to_owned());
                record.seconds += (spent.as_secs_f64() * 1e3).round() / 1e3;
                record.status = Status::Failed;
                record.error = Some(error.clone());
                record.failures.push(FailureRecord { attempt, class: *class, error });
                format!("failed ({}): {reason}", class.words())
            }
            Self::Stopped { reason } => {
                record.status = Status::Stopped;
                record.stop_reason = Some((*reason).to_owned());
                format!("stopped: {reason}")
            }
        };
        // The disk may be what the run failed of: then only the record has to be written.
        let _ = file::append(&dir.join(layout::LOG), format!("{now:.3} {said}\n").as_bytes());
        for name in layout::DETERMINISTIC.into_iter().chain([layout::LOG, layout::CONFIG, layout::TIMING]) {
            let _ = file::sync_file(&dir.join(name));
        }
        record.checksums = checksums(dir).unwrap_or_default();
        record.ended = Some(now);
        record.save(dir, Durability::Now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_failure_stands_in_the_record_and_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let record = RunRecord { seconds: 2.0, ..RunRecord::new("1f3a", "run-1f3a", "exp", now()) };
        record.save(dir, Durability::Later).unwrap();
        let spent = Duration::from_millis(1500);
        let failed = Conclusion::Failed { class: Failure::Killed, reason: "a\nb", spent };
        failed.write(dir, "1f3a", now()).unwrap();
        let read = RunRecord::load(dir).unwrap().unwrap();
        assert_eq!((read.status, read.error.as_deref(), read.seconds), (Status::Failed, Some("a\nb"), 3.5));
        assert_eq!(
            read.failures,
            [FailureRecord { attempt: 1, class: Failure::Killed, error: "a\nb".into() }]
        );
        let log = std::fs::read_to_string(dir.join("log.txt")).unwrap();
        assert_eq!(log, "2026-03-01T12:00:00.000Z failed (killed): a\nb\n");
    }

    #[test]
    fn another_run_and_no_run_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let stopped = Conclusion::Stopped { reason: "asha: 3rd of 3 at epoch 1" };
        stopped.write(&folder.path().join("gone"), "1f3a", now()).unwrap();
        assert!(!folder.path().join("gone").exists());
        let record = RunRecord::new("1f3a", "run-1f3a", "exp", now());
        record.save(folder.path(), Durability::Later).unwrap();
        stopped.write(folder.path(), "99ff", now()).unwrap();
        assert_eq!(RunRecord::load(folder.path()).unwrap().unwrap(), record);
        stopped.write(folder.path(), "1f3a", now()).unwrap();
        let read = RunRecord::load(folder.path()).unwrap().unwrap();
        assert_eq!(read.status, Status::Stopped);
        assert_eq!(read.stop_reason.as_deref(), Some("asha: 3rd of 3 at epoch 1"));
    }
}
