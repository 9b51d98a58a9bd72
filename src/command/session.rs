//! What training needs around it: signals, slots, the display, and what is said while it ends. One for a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::say;
use crate::cli::{ExecutionArgs, Isolation, VerbosityArgs};
use crate::device::DeviceConfig;
use crate::output::Progress;
use crate::run::{
    Audience, Ended, Executor, Halt, Interrupt, Library, Machine, Policy, ProcessExecutor, Scheduler, Task,
    ThreadExecutor,
};
use crate::store::Status;
use crate::train::event::Observer;
use crate::{Error, Result};

/// How a request is carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// A device for each run in flight.
    pub slots: Vec<DeviceConfig>,
    /// Threads for each.
    pub threads: u16,
    pub execution: ExecutionArgs,
    pub fail_fast: bool,
    pub verbosity: VerbosityArgs,
}

/// An open request.
pub struct Session {
    options: Options,
    interrupt: Interrupt,
    halt: Halt,
    executor: Box<dyn Executor>,
    machine: Machine,
    progress: Progress,
}

impl Session {
    /// Takes the signals over and begins to show `runs` runs.
    pub fn open(options: Options, library: Arc<Library>, runs: usize) -> Result<Self> {
        let interrupt = Interrupt::install()?;
        let halt = Halt::new(interrupt.clone(), options.execution.max_time);
        let is_isolated = match options.execution.isolate {
            Isolation::Auto => options.slots.iter().any(|device| matches!(device, DeviceConfig::Cuda(_))),
            Isolation::Always => true,
            Isolation::Never => false,
        };
        let executor: Box<dyn Executor> = if is_isolated {
            Box::new(ProcessExecutor::new()?)
        } else {
            Box::new(ThreadExecutor::new(library))
        };
        let progress = Progress::stderr(runs, options.verbosity.quiet);
        Ok(Self { options, interrupt, halt, executor, machine: Machine::detect(), progress })
    }

    /// Lets `work` train with the session's scheduler.
    pub fn train<T: Send>(&self, work: impl FnOnce(&Scheduler<'_>) -> T + Send) -> T {
        let display = Display(self.progress.clone());
        let scheduler = Scheduler {
            executor: &*self.executor,
            slots: &self.options.slots,
            threads: usize::from(self.options.threads),
            policy: Policy { retries: self.options.execution.retries, fail_fast: self.options.fail_fast },
            halt: &self.halt,
            audience: &display,
            machine: &self.machine,
        };
        let finished = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.announce(&finished));
            // Set when the work is done or has panicked: the scope waits for the thread that looks at it.
            let _done = SetOnDrop(&finished);
            work(&scheduler)
        })
    }

    /// Counts runs that need not be trained.
    pub fn skip(&self, runs: usize) {
        self.progress.skip(runs);
    }

    /// Takes the display away; the exit code that a signal calls for, if one has come.
    pub fn close(&self) -> Option<u8> {
        self.progress.finish();
        self.interrupt.exit_code()
    }

    /// Says once that an end was asked for: the end of the epoch may be minutes away.
    fn announce(&self, finished: &AtomicBool) {
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            let is_over = finished.load(Ordering::Relaxed);
            // An epoch may end sooner than this thread looks; the user is to know why the runs ended nevertheless.
            let is_told_at_the_end = self.interrupt.asked() || self.halt.is_late();
            if self.halt.asked() && (!is_over || is_told_at_the_end) {
                self.progress.say(if self.interrupt.asked() {
                    "finishing the epoch and saving; once more stops at once"
                } else if self.halt.is_late() {
                    "the time is up: finishing the epoch and saving"
                } else {
                    "--fail-fast: finishing the epoch and saving"
                });
                return;
            }
            if is_over {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The display as the scheduler knows it.
struct Display(Progress);

impl Audience for Display {
    fn follow(&self, task: &Task) -> Box<dyn Observer> {
        Box::new(self.0.run(&task.spec.name).in_legs(task.prune.is_some()))
    }

    fn say(&self, text: &str) {
        self.0.say(text);
    }

    fn ended(&self, ended: &Ended) {
        match (ended.status, &ended.failure) {
            (Status::Failed, failure) => {
                let reason = failure.as_ref().map_or("no reason is known", |(_, reason)| reason);
                self.0.run(&ended.name).fail(reason);
            }
            (Status::Diverged, _) => {
                let text = "diverged: a loss or a weight is no longer finite";
                self.0.error(&format!("{} {text}", ended.name));
            }
            (Status::Completed, _) if !ended.trained => self.0.skip(1),
            (Status::Stopped, _) => self.0.skip(1),
            _ => {}
        }
    }
}

/// The devices that the runs of a command train on, in turns; an error if one is not there.
pub fn devices(
    asked: &[DeviceConfig],
    configured: impl IntoIterator<Item = DeviceConfig>,
) -> Result<Vec<DeviceConfig>> {
    if !asked.is_empty() {
        return asked.iter().map(|device| device.resolve()).collect();
    }
    let mut wanted: Vec<DeviceConfig> = Vec::new();
    for device in configured {
        if !wanted.contains(&device) {
            wanted.push(device);
        }
    }
    match wanted.as_slice() {
        [] => Ok(vec![DeviceConfig::Auto.resolve()?]),
        [one] => Ok(vec![one.resolve()?]),
        _ => Err(Error::Request("the runs want different devices: choose with --device".into())),
    }
}

/// Device names, each once, with how often it is there.
pub fn device_names(slots: &[DeviceConfig]) -> String {
    let mut names: Vec<String> = Vec::new();
    for device in slots {
        let name = device.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Runs what the user wants to happen at the end; whatever comes of it changes nothing of the request.
pub fn on_end(command: &str, variables: &[(&str, String)]) {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let variables = variables.iter().map(|(name, value)| (*name, value));
    match std::process::Command::new(shell).arg(flag).arg(command).envs(variables).status() {
        Ok(status) if status.success() => {}
        Ok(status) => say(&format!("note: the command of --on-end ended with {status}")),
        Err(error) => say(&format!("note: the command of --on-end could not be started: {error}")),
    }
}
