//! Runs in threads of this process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;

use super::{Executor, Failed, Job, Limit, Observers};
use crate::data::Prepared;
use crate::device::{DeviceConfig, free_bytes};
use crate::run::estimate::{fits, run_bytes};
use crate::run::library::Library;
use crate::run::spec::RunSpec;
use crate::store::{Failure, Recorder, checkpoint, layout};
use crate::train::event::{Event, Observer, Outcome};
use crate::train::train;
use crate::{Error, Result, kernel};

/// Stacks of training threads; deep models recurse.
const STACK_BYTES: usize = 64 << 20;

/// Trains in a thread of this process.
pub struct ThreadExecutor {
    library: Arc<Library>,
}

impl ThreadExecutor {
    /// Reads data from `library`.
    pub fn new(library: Arc<Library>) -> Self {
        Self { library }
    }

    fn carry_out(&self, job: Job<'_>, follower: &mut dyn Observer) -> Result<Outcome, Failed> {
        let config = &job.spec.config;
        let text = config.render()?;
        let mut limit = Limit::new(&job);
        let mut recorder = Recorder::create(job.dir, job.record, &text, jiff::Timestamp::now)?;
        let mut observer = Observers(vec![&mut recorder, follower, &mut limit]);
        let data = self.library.prepared(&config.data)?;
        let metadata = job.spec.metadata(&data.preprocessing)?;
        require_memory(job.spec, &data, job.device)?;
        let device = job.device.open()?;
        let resume = if job.resume { state(&job.dir.join(layout::LAST), &mut observer)? } else { None };
        let setup = job.spec.setup(&data, &device, &metadata);
        Ok(train(&setup, resume.as_deref(), &mut observer)?)
    }
}

impl Executor for ThreadExecutor {
    fn execute(&self, job: Job<'_>, observer: &mut dyn Observer) -> Result<Outcome, Failed> {
        let threads = job.threads;
        let attempt =
            with_threads(threads, || catch_unwind(AssertUnwindSafe(|| self.carry_out(job, observer))))?;
        match attempt {
            Ok(outcome) => outcome,
            Err(panic) => {
                let reason = Error::Bug(format!("panicked: {}", words(&*panic))).to_string();
                Err(Failed { class: Failure::Panicked, reason })
            }
        }
    }
}

/// Does `work` where kernels have so many threads and deep models the stack that they need.
pub(in crate::run) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK_BYTES)
        .build()
        .map_err(|error| Error::Environment(format!("failed to start threads: {error}")))?;
    Ok(pool.install(|| {
        kernel::set_threads(threads);
        work()
    }))
}

/// Refuses a run before it starts that would not find the memory that it needs: an allocation that fails cannot be
/// caught.
fn require_memory(spec: &RunSpec, data: &Prepared, device: DeviceConfig) -> Result<(), Failed> {
    let Some(free) = free_bytes(device) else { return Ok(()) };
    fits(run_bytes(spec, data)?, free)
        .map_err(|error| Failed { class: Failure::OutOfMemory, reason: error.to_string() })
}

/// The tensors of the last checkpoint; a damaged one costs the epochs in it, not the run.
fn state(path: &Path, observer: &mut dyn Observer) -> Result<Option<Vec<(String, Tensor)>>> {
    match checkpoint::load(path) {
        Ok(checkpoint) => Ok(Some(checkpoint.tensors.into_iter().collect())),
        Err(error @ Error::Unreadable { .. }) => {
            let _ = observer.on(&Event::Noted { text: &format!("{error}: starting from the beginning") })?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
