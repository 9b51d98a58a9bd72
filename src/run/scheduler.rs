//! Many runs on a number of slots.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::executor::{Executor, Job, Observers};
use super::interrupt::Interrupt;
use super::machine::Machine;
use super::spec::RunSpec;
use crate::Result;
use crate::data::Prepared;
use crate::device::DeviceConfig;
use crate::store::{Recorder, RunLock, Status, layout};
use crate::train::event::{Ending, Event, Observer};

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
    /// Whether it goes on from the last checkpoint in its folder.
    pub resume: bool,
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
        let ended = |status, error| Ended { name: task.spec.name.clone(), status, error };
        match self.train(task) {
            Ok(status) => ended(status, None),
            Err(error) => ended(Status::Failed, Some(error.to_string())),
        }
    }

    /// Trains one task under its lock.
    fn train(&self, task: &Task) -> Result<Status> {
        let experiment_dir = task.dir.parent().unwrap_or(&task.dir);
        let Some(_lock) = RunLock::try_acquire(experiment_dir, &task.spec.id)? else {
            return Ok(Status::Running);
        };
        let device = self.device.to_string();
        let record = self.machine.record(&task.spec, &task.data, &task.experiment, &device, self.threads);
        let config = task.spec.config.render()?;
        let mut recorder = Recorder::create(&task.dir, record, &config, jiff::Timestamp::now)?;
        let mut follower = self.audience.follow(&task.spec);
        let mut stop = StopWhenAsked(self.interrupt);
        let outcome = {
            let mut observers = Observers(vec![&mut recorder, &mut *follower, &mut stop]);
            let resume = task.resume.then(|| task.dir.join(layout::LAST));
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
