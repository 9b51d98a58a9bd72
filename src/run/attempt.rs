//! One attempt at one run: its lock, what there is to do under it, and its record.

use std::path::Path;
use std::time::Instant;

use super::action::{Action, action};
use super::executor::{Failed, Job};
use super::scheduler::Scheduler;
use super::task::Task;
use crate::device::DeviceConfig;
use crate::store::{Conclusion, RunEntry, RunLock, RunRecord, Status, lock_key};
use crate::train::event::Ending;
use crate::{Error, Result};

/// How an attempt went.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Another process trains the run.
    Held,
    /// There is nothing to do: the run stands so.
    Left(Status),
    /// The run was trained, and stands so.
    Trained(Status),
    /// It was begun and failed; that stands in its folder, as far as it can be written.
    Failed(Failed),
}

impl Scheduler<'_> {
    /// Takes the run's lock and only then decides what there is to do: since the plan was made, another
    /// process may have completed the run, begun it under another name, or left it half done.
    pub(super) fn attempt(&self, task: &Task, device: DeviceConfig) -> Attempt {
        self.own(task, device).unwrap_or_else(|error| Attempt::Failed(error.into()))
    }

    fn own(&self, task: &Task, device: DeviceConfig) -> Result<Attempt> {
        let experiment_dir = task.dir.parent().unwrap_or(&task.dir);
        let key = lock_key(&task.spec.id, &task.spec.name);
        let Some(mut lock) = RunLock::try_acquire(experiment_dir, &key)? else { return Ok(Attempt::Held) };
        if !lock.is_enforced() {
            self.tell_of_no_locks();
        }
        let mut task = task.clone();
        let entry = find(&task, experiment_dir, lock.claimed().as_deref())?;
        if let Some(entry) = &entry {
            task.dir.clone_from(&entry.dir);
        }
        let action = action(entry.as_ref(), task.force);
        if let Some(entry) = &entry {
            let status = entry.record.status;
            let is_far_enough = task.until.is_some_and(|until| !task.force && epochs_of(entry) >= until);
            if !action.is_work() || is_far_enough {
                return Ok(Attempt::Left(status));
            }
        }
        let name = task.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        lock.claim(&name).map_err(Error::io("write the lock of", &task.dir))?;
        Ok(self.train(&task, device, action == Action::Resume, &lock))
    }

    fn train(&self, task: &Task, device: DeviceConfig, resume: bool, lock: &RunLock) -> Attempt {
        let (spec, name) = (&task.spec, device.to_string());
        let record = self.machine.record(spec, &task.data, &task.experiment, &name, self.threads);
        let mut follower = self.audience.follow(task);
        let job = Job {
            spec,
            dir: &task.dir,
            record,
            device,
            threads: self.threads,
            resume,
            until: task.until,
            prune: task.prune.as_deref(),
            halt: self.halt,
            lock: Some(lock),
        };
        let began = Instant::now();
        match self.executor.execute(job, &mut *follower) {
            Ok(outcome) => Attempt::Trained(match outcome.ending {
                Ending::Completed { .. } => Status::Completed,
                Ending::Diverged => Status::Diverged,
                Ending::Interrupted => Status::Interrupted,
            }),
            Err(failed) => {
                // A process may have been lost behind its last word to the folder.
                if let Ok(Some(record)) = RunRecord::load(&task.dir)
                    && record.id == spec.id
                    && matches!(record.status, Status::Completed | Status::Diverged)
                {
                    return Attempt::Trained(record.status);
                }
                let (class, reason, spent) = (failed.class, failed.reason.as_str(), began.elapsed());
                let failure = Conclusion::Failed { class, reason, spent };
                // Where even this cannot be written, the first error is the one to tell.
                let _ = failure.write(&task.dir, &spec.id, jiff::Timestamp::now());
                Attempt::Failed(failed)
            }
        }
    }
}

/// The run's folder as it stands under the lock: where it was planned, or where another process has begun it.
fn find(task: &Task, experiment_dir: &Path, claimed: Option<&str>) -> Result<Option<RunEntry>> {
    // A record that cannot be read does not say whose it is; who claimed the folder knows.
    let is_claimed = |entry: &RunEntry| claimed == Some(entry.name.as_str());
    let is_this =
        |entry: &RunEntry| entry.record.id == task.spec.id || entry.record.id.is_empty() && is_claimed(entry);
    let mut entry = RunEntry::load(&task.dir)?.filter(is_this);
    if entry.is_none()
        && let Some(name) = claimed
    {
        entry = RunEntry::load(&experiment_dir.join(name))?.filter(is_this);
    }
    if let Some(entry) = &mut entry
        && entry.record.status == Status::Running
    {
        // The lock is ours, so whoever was running it is gone.
        entry.record.status = Status::Interrupted;
    }
    Ok(entry)
}

/// The epochs that are recorded of a run.
fn epochs_of(entry: &RunEntry) -> usize {
    entry.metrics().map_or(0, |rows| rows.len())
}
