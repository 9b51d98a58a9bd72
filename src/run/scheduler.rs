//! Many runs on a number of slots.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::executor::{Executor, Failed};
use super::halt::Halt;
use super::machine::Machine;
use super::queue::{Next, Queue, Queued};
use super::retry::again;
use super::task::{Ended, Task};
use crate::Error;
use crate::device::{DeviceConfig, free_bytes};
use crate::store::{Failure, Status};
use crate::train::event::Observer;

/// How long a slot without work sleeps before it asks again: what other processes do tells nobody.
const PAUSE: Duration = Duration::from_millis(50);

/// What a display or another bystander may be told.
pub trait Audience: Sync {
    /// Someone who follows one run. `Break` from it ends the run after the epoch.
    fn follow(&self, task: &Task) -> Box<dyn Observer>;
    /// Something beside a single run.
    fn say(&self, text: &str);
    /// A run has ended.
    fn ended(&self, ended: &Ended);
}

/// What is done about runs that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// How often a run is tried again.
    pub retries: u32,
    /// Whether one failure ends everything.
    pub fail_fast: bool,
}

/// Trains tasks, so many at once.
pub struct Scheduler<'a> {
    /// Carries a run out.
    pub executor: &'a dyn Executor,
    /// One run in flight at once for each; the device that it trains on.
    pub slots: &'a [DeviceConfig],
    /// Threads for each.
    pub threads: usize,
    /// What failures lead to.
    pub policy: Policy,
    /// Asks for an end.
    pub halt: &'a Halt,
    /// Is told everything.
    pub audience: &'a dyn Audience,
    /// Stands in every record.
    pub machine: &'a Machine,
}

/// What the slots share.
struct Shared {
    queue: Queue,
    results: Vec<Option<Ended>>,
    has_told_of_waiting: bool,
}

impl Scheduler<'_> {
    /// Trains the tasks, the next one whenever a slot is free; what ended, in the order of the tasks.
    ///
    /// Runs that another process trains are waited for, and taken over if it goes away. After an interrupt, and when
    /// the disk takes nothing more, no further task is begun: it is then not among the results.
    pub fn run(&self, tasks: Vec<Task>) -> Vec<Ended> {
        let slots = &self.slots[..self.slots.len().min(tasks.len())];
        let results = vec![None; tasks.len()];
        let queue = Queue::new(tasks, free_memory(slots));
        let shared = Shared { queue, results, has_told_of_waiting: false };
        let shared = Mutex::new(shared);
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for device in slots {
                scope.spawn(|| self.serve(*device, &shared, &changed));
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        shared.results.into_iter().flatten().collect()
    }

    /// The life of a slot.
    fn serve(&self, device: DeviceConfig, shared: &Mutex<Shared>, changed: &Condvar) {
        let mut state = locked(shared);
        while !self.halt.asked() {
            match state.queue.next(device, Instant::now()) {
                Next::Nothing => break,
                Next::Later => {
                    self.tell_of_waiting(&mut state);
                    let waited = changed.wait_timeout(state, PAUSE);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Next::Take(mut queued) => {
                    drop(state);
                    queued.attempts += 1;
                    let attempt = self.guarded(&queued.task, device);
                    state = locked(shared);
                    state.queue.done(device, &queued);
                    self.settle(*queued, attempt, &mut state);
                    changed.notify_all();
                }
            }
        }
    }

    /// A slot that is lost would be waited for for ever: whatever panics around a run is a failure of it.
    fn guarded(&self, task: &Task, device: DeviceConfig) -> Attempt {
        catch_unwind(AssertUnwindSafe(|| self.attempt(task, device))).unwrap_or_else(|_| {
            let reason = Error::Bug("panicked around the run".into()).to_string();
            Attempt::Failed(Failed { class: Failure::Panicked, reason })
        })
    }

    /// What an attempt means for its task and for the others.
    fn settle(&self, mut queued: Queued, attempt: Attempt, state: &mut Shared) {
        let Task { spec, experiment, .. } = &queued.task;
        let ended = |status, trained, failure| {
            let (experiment, name, id) = (experiment.clone(), spec.name.clone(), spec.id.clone());
            let waits = status == Status::Interrupted && !self.halt.asked();
            Ended { experiment, name, id, status, failure, trained, waits }
        };
        let ended = match attempt {
            Attempt::Held => {
                // What the other process makes of it counts, even if everything was to be trained again.
                queued.task.force = false;
                return state.queue.wait(queued, Instant::now());
            }
            Attempt::Left(status) => ended(status, false, None),
            Attempt::Trained(status) => ended(status, true, None),
            Attempt::Failed(failed) => {
                if let Some(alone) = again(failed.class, queued.attempts, self.policy.retries) {
                    self.audience.say(&retry_line(&queued, &failed, alone, self.policy.retries));
                    return state.queue.again(queued, alone);
                }
                self.note_failure(&failed, state);
                ended(Status::Failed, true, Some((failed.class, failed.reason)))
            }
        };
        if ended.status == Status::Diverged && self.policy.fail_fast {
            self.halt.ask();
        }
        self.audience.ended(&ended);
        state.results[queued.position] = Some(ended);
    }

    fn note_failure(&self, failed: &Failed, state: &mut Shared) {
        if self.policy.fail_fast {
            self.halt.ask();
        }
        if failed.class == Failure::Disk && !state.queue.is_closed() {
            // Every other run would fail in the same way, and those in flight need what is left.
            state.queue.close();
            self.audience.say("no further run is begun: the disk takes nothing more");
        }
    }

    /// Once a request.
    pub(super) fn tell_of_no_locks(&self) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            self.audience.say(
                "warning: this file system has no locks: programs that share the folder notice each other by files in \
                 .locks, and that one is gone only after a minute",
            );
        });
    }

    fn tell_of_waiting(&self, state: &mut Shared) {
        let Some(count) = state.queue.only_held().filter(|_| !state.has_told_of_waiting) else { return };
        state.has_told_of_waiting = true;
        let runs = if count == 1 { "a run" } else { &format!("{count} runs") };
        self.audience.say(&format!("waiting for {runs} that another process trains; Ctrl-C does not wait"));
    }
}

/// What is free on each device before anything is in flight.
fn free_memory(slots: &[DeviceConfig]) -> Vec<(DeviceConfig, u64)> {
    let mut free: Vec<(DeviceConfig, u64)> = Vec::new();
    for device in slots {
        if !free.iter().any(|(known, _)| known == device) {
            free.extend(free_bytes(*device).map(|bytes| (*device, bytes)));
        }
    }
    free
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn retry_line(queued: &Queued, failed: &Failed, alone: bool, retries: u32) -> String {
    let how = if alone { ", with nothing beside it" } else { "" };
    let (name, number) = (&queued.task.spec.name, queued.attempts);
    let last = failed.reason.lines().last().unwrap_or_default();
    format!("{name}  failed ({}): {last}; trying again{how} ({number} of {retries})", failed.class.words())
}

/// The slots for so many runs at once over the devices, in turns. If the user does not say how many: one a core on
/// the CPU, one on each GPU.
pub fn slots(devices: &[DeviceConfig], jobs: Option<usize>, threads: usize) -> Vec<DeviceConfig> {
    match jobs {
        Some(jobs) => devices.iter().copied().cycle().take(jobs).collect(),
        None => devices.iter().flat_map(|device| vec![*device; default_jobs(*device, threads)]).collect(),
    }
}

fn default_jobs(device: DeviceConfig, threads: usize) -> usize {
    match device {
        DeviceConfig::Cuda(_) => 1,
        DeviceConfig::Auto | DeviceConfig::Cpu => (crate::device::available_cores() / threads.max(1)).max(1),
    }
}
