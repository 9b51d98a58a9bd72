//! How one run is carried out: in a thread of this process, or in a process of its own.

mod message;
mod process;
mod thread;
mod worker;

use std::ops::ControlFlow;
use std::path::Path;

pub use process::ProcessExecutor;
pub use thread::ThreadExecutor;
pub(super) use thread::with_threads;
pub use worker::Worker;

use super::halt::Halt;
use super::spec::RunSpec;
use crate::device::DeviceConfig;
use crate::store::{Failure, RunLock, RunRecord};
use crate::sweep::prune::{Monitored, PruneConfig};
use crate::train::event::{Event, Observer, Outcome, Row};
use crate::{Error, Result};

/// What an executor needs to know beside the run itself.
#[derive(Debug)]
pub struct Job<'a> {
    /// The run.
    pub spec: &'a RunSpec,
    /// Its folder.
    pub dir: &'a Path,
    /// What `run.json` says of it when it begins.
    pub record: RunRecord,
    /// The device, already resolved: never `auto`.
    pub device: DeviceConfig,
    /// Threads for this run.
    pub threads: usize,
    /// Whether it goes on from its `last` checkpoint.
    pub resume: bool,
    /// Epochs behind which it waits for other runs; all of them without.
    pub until: Option<usize>,
    /// The rule that may end it by its own values.
    pub prune: Option<&'a PruneConfig>,
    /// Ends it behind the epoch in progress.
    pub halt: &'a Halt,
    /// The right to write the folder. A process that writes it shares the lock, so that it is held until both ends
    /// are gone; `None` in such a process itself.
    pub lock: Option<&'a RunLock>,
}

/// Carries out one run: records it in its folder and tells the observer of it.
///
/// A run is its own fault domain: whatever goes wrong in it comes back as an error, and the others go on.
pub trait Executor: Sync {
    /// Trains to the end, or as far as the job goes.
    fn execute(&self, job: Job<'_>, observer: &mut dyn Observer) -> Result<Outcome, Failed>;
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What sort of failure it is.
    pub class: Failure,
    /// What to tell.
    pub reason: String,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { class: class_of(&error), reason: error.to_string() }
    }
}

fn class_of(error: &Error) -> Failure {
    use std::io::ErrorKind;
    match error {
        Error::Request(_) | Error::Settings(_) | Error::Setting { .. } | Error::Unreadable { .. } => {
            Failure::Data
        }
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge => Failure::Disk,
            ErrorKind::OutOfMemory => Failure::OutOfMemory,
            _ => Failure::Environment,
        },
        Error::Environment(_) => Failure::Environment,
        Error::Tensor(error) if is_out_of_memory(&error.to_string()) => Failure::OutOfMemory,
        Error::Tensor(_) | Error::Bug(_) => Failure::Panicked,
    }
}

/// The drivers of devices and the standard library say it in these words.
fn is_out_of_memory(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["out of memory", "out_of_memory", "memory allocation of"].iter().any(|words| text.contains(words))
}

/// Tells several observers of every event; the training ends as soon as one of them asks for it.
pub struct Observers<'a>(pub Vec<&'a mut dyn Observer>);

impl Observer for Observers<'_> {
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        let mut flow = ControlFlow::Continue(());
        for observer in &mut self.0 {
            if observer.on(event)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }
}

/// Ends a training when that is asked for, behind an epoch, or where a rule says so.
struct Limit<'a> {
    halt: &'a Halt,
    until: Option<usize>,
    rule: Option<(&'a PruneConfig, Monitored<'a>)>,
    /// What the rule looks at.
    values: Vec<f64>,
}

impl<'a> Limit<'a> {
    fn new(job: &Job<'a>) -> Self {
        let rule = job.prune.and_then(|rule| {
            let column = rule.column(job.spec.config.train.monitor());
            Some((rule, Monitored::of(column)?))
        });
        Self { halt: job.halt, until: job.until, rule, values: Vec::new() }
    }

    fn is_over(&mut self, done: usize, rows: &[Row]) -> bool {
        let is_stopped = self.rule.is_some_and(|(rule, monitored)| {
            let values = rows.iter().map(|row| row.value(monitored.column).unwrap_or(f64::NAN));
            self.values.extend(values);
            rule.stops_alone(monitored, &self.values).is_some()
        });
        is_stopped || self.until.is_some_and(|until| done >= until)
    }
}

impl Observer for Limit<'_> {
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        let is_over = match event {
            Event::RunStarted { epochs_done, history, .. } => self.is_over(*epochs_done, history),
            Event::EpochEnded { row, .. } => self.is_over(row.epoch, std::slice::from_ref(*row)),
            _ => false,
        };
        let ends = is_over || self.halt.asked();
        Ok(if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let io = |kind: std::io::ErrorKind| Error::io("write", Path::new("x"))(kind.into());
        let tensor = |text: &str| Error::Tensor(candle_core::Error::Msg(text.to_owned()));
        let cases = [
            (io(std::io::ErrorKind::StorageFull), Failure::Disk),
            (io(std::io::ErrorKind::ReadOnlyFilesystem), Failure::Disk),
            (io(std::io::ErrorKind::NotFound), Failure::Environment),
            (Error::unreadable(Path::new("x"), "gone"), Failure::Data),
            (Error::Environment("no device".into()), Failure::Environment),
            (tensor("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")"), Failure::OutOfMemory),
            (tensor("shape mismatch"), Failure::Panicked),
            (Error::Bug("panicked: x".into()), Failure::Panicked),
        ];
        for (error, class) in cases {
            assert_eq!(class_of(&error), class, "{error}");
        }
    }
}
