//! Many runs on a number of slots.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::executor::{Executor, Job, Observers};
use super::interrupt::Interrupt;
use super::machine::Machine;
use super::plan::{Action, action};
use super::spec::RunSpec;
use crate::data::Prepared;
use crate::device::DeviceConfig;
use crate::store::{Recorder, RunEntry, RunLock, Status, layout, lock_key};
use crate::train::event::{Ending, Event, Observer};
use crate::{Error, Result};

/// A run that is to be trained.
#[derive(Debug, Clone)]
pub struct Task {
    /// The run.
    pub spec: RunSpec,
    /// Its folder.
    pub dir: PathBuf,
    /// The experiment's name.
    pub experiment: String,
    /// Its data.
    pub data: Arc<Prepared>,
    /// Whether to train it from the start whatever an earlier attempt has left.
    pub force: bool,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The run's name.
    pub name: String,
    /// Where it stands now; `Running` if another process trains it.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether this process has trained it; another one may have completed it meanwhile.
    pub trained: bool,
}

/// What a display or another bystander may be told.
pub trait Audience: Sync {
    /// Someone who follows one run. `Break` from it ends the run after the epoch.
    fn follow(&self, spec: &RunSpec) -> Box<dyn Observer>;
    /// A run has ended.
    fn ended(&self, ended: &Ended);
}

/// Trains tasks, so many at once.
pub struct Scheduler<'a> {
    /// Carries a run out.
    pub executor: &'a dyn Executor,
    /// Runs in flight at once.
    pub jobs: usize,
    /// Threads for each.
    pub threads: usize,
    /// The device of every run.
    pub device: DeviceConfig,
    /// Asks for an end.
    pub interrupt: &'a Interrupt,
    /// Is told everything.
    pub audience: &'a dyn Audience,
    /// Stands in every record.
    pub machine: &'a Machine,
}

impl Scheduler<'_> {
    /// Trains the tasks in their order, the next one whenever a slot is free; what ended, in that order.
    ///
    /// After an interrupt no further task is begun.
    pub fn run(&self, tasks: Vec<Task>) -> Vec<Ended> {
        let slots = self.jobs.clamp(1, tasks.len().max(1));
        let count = tasks.len();
        let queue: Mutex<VecDeque<(usize, Task)>> = Mutex::new(tasks.into_iter().enumerate().collect());
        let results: Mutex<Vec<Option<Ended>>> = Mutex::new(vec![None; count]);
        std::thread::scope(|scope| {
            for _ in 0..slots {
                scope.spawn(|| {
                    while !self.interrupt.asked() {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some((position, task)) = next else { break };
                        let ended = self.attempt(&task);
                        self.audience.ended(&ended);
                        results.lock().unwrap_or_else(PoisonError::into_inner)[position] = Some(ended);
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
    }

    fn attempt(&self, task: &Task) -> Ended {
        let ended = |status, trained, error| Ended { name: task.spec.name.clone(), status, error, trained };
        match self.own(task) {
            Ok((status, trained)) => ended(status, trained, None),
            Err(error) => ended(Status::Failed, true, Some(error.to_string())),
        }
    }

    /// Takes the run's lock and only then decides what there is to do: since the plan was made, another
    /// process may have completed the run, begun it under another name, or left it half done.
    fn own(&self, task: &Task) -> Result<(Status, bool)> {
        let experiment_dir = task.dir.parent().unwrap_or(&task.dir);
        let key = lock_key(&task.spec.id, &task.spec.name);
        let Some(mut lock) = RunLock::try_acquire(experiment_dir, &key)? else {
            return Ok((Status::Running, false));
        };
        let mut task = task.clone();
        let is_this = |entry: &RunEntry| entry.record.id == task.spec.id;
        let mut entry = RunEntry::load(&task.dir)?.filter(is_this);
        if entry.is_none()
            && let Some(name) = lock.claimed()
        {
            entry = RunEntry::load(&experiment_dir.join(name))?.filter(is_this);
        }
        if let Some(entry) = &mut entry {
            task.dir.clone_from(&entry.dir);
            // The lock is ours, so whoever was running it is gone.
            if entry.record.status == Status::Running {
                entry.record.status = Status::Interrupted;
            }
        }
        let action = action(entry.as_ref(), task.force);
        if let (false, Some(entry)) = (action.is_work(), &entry) {
            return Ok((entry.record.status, false));
        }
        let name = task.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        lock.claim(&name).map_err(Error::io("write the lock of", &task.dir))?;
        self.train(&task, action == Action::Resume).map(|status| (status, true))
    }

    fn train(&self, task: &Task, resume: bool) -> Result<Status> {
        let device = self.device.to_string();
        let record = self.machine.record(&task.spec, &task.data, &task.experiment, &device, self.threads);
        let config = task.spec.config.render()?;
        let mut recorder = Recorder::create(&task.dir, record, &config, jiff::Timestamp::now)?;
        let mut follower = self.audience.follow(&task.spec);
        let mut stop = StopWhenAsked(self.interrupt);
        let outcome = {
            let mut observers = Observers(vec![&mut recorder, &mut *follower, &mut stop]);
            let resume = resume.then(|| task.dir.join(layout::LAST));
            let job = Job { spec: &task.spec, device: self.device, threads: self.threads, resume };
            self.executor.execute(&job, &mut observers)
        };
        match outcome {
            Ok(outcome) => Ok(match outcome.ending {
                Ending::Completed { .. } => Status::Completed,
                Ending::Diverged => Status::Diverged,
                Ending::Interrupted => Status::Interrupted,
            }),
            Err(error) => {
                // Where even this cannot be written, the first error is the one to tell.
                let _ = recorder.fail(&error.to_string());
                Err(error)
            }
        }
    }
}

struct StopWhenAsked<'a>(&'a Interrupt);

impl Observer for StopWhenAsked<'_> {
    fn on(&mut self, _: &Event<'_>) -> Result<ControlFlow<()>> {
        Ok(if self.0.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// Runs in flight at once if the user does not say: one a core on the CPU, one on a GPU.
pub fn default_jobs(device: DeviceConfig, threads: usize) -> usize {
    match device {
        DeviceConfig::Cuda(_) => 1,
        DeviceConfig::Auto | DeviceConfig::Cpu => (crate::device::available_cores() / threads).max(1),
    }
}
