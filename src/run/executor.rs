//! How one run is carried out.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;

use super::library::Library;
use super::spec::RunSpec;
use crate::device::DeviceConfig;
use crate::train::event::{Event, Observer, Outcome};
use crate::train::{Setup, train};
use crate::{Error, Result, kernel, store};

/// Stacks of training threads; deep models recurse.
const STACK_BYTES: usize = 64 << 20;

/// What an executor needs to know beside the run itself.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The run.
    pub spec: &'a RunSpec,
    /// The device, already resolved: never `auto`.
    pub device: DeviceConfig,
    /// Threads for this run.
    pub threads: usize,
    /// The `last` checkpoint that it goes on from.
    pub resume: Option<PathBuf>,
}

/// Carries out one run and tells the observer of it. A run is its own fault domain: whatever goes wrong in
/// it comes back as an error, and the others go on. Threads do that here; a child process can as well.
pub trait Executor: Sync {
    /// Trains to the end.
    fn execute(&self, job: &Job<'_>, observer: &mut dyn Observer) -> Result<Outcome>;
}

/// Trains in a thread of this process.
pub struct ThreadExecutor {
    library: Arc<Library>,
}

impl ThreadExecutor {
    /// Reads data from `library`.
    pub fn new(library: Arc<Library>) -> Self {
        Self { library }
    }

    fn train(&self, job: &Job<'_>, observer: &mut dyn Observer) -> Result<Outcome> {
        let config = &job.spec.config;
        let data = self.library.prepared(&config.data)?;
        let metadata = job.spec.metadata(&data.preprocessing)?;
        let device = job.device.open()?;
        let resume = match &job.resume {
            Some(path) => state(path, observer)?,
            None => None,
        };
        let setup = Setup {
            seed: config.seed,
            model: &config.model,
            loss: config.loss(),
            optimizer: &config.optimizer,
            scheduler: &config.scheduler,
            train: &config.train,
            metrics: &config.metrics,
            data: &data,
            device: &device,
            metadata: &metadata,
        };
        train(&setup, resume.as_deref(), observer)
    }
}

impl Executor for ThreadExecutor {
    fn execute(&self, job: &Job<'_>, observer: &mut dyn Observer) -> Result<Outcome> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(job.threads)
            .stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Error::Environment(format!("failed to start threads: {error}")))?;
        let attempt = pool.install(|| {
            catch_unwind(AssertUnwindSafe(|| {
                kernel::set_threads(job.threads);
                self.train(job, observer)
            }))
        });
        attempt.unwrap_or_else(|panic| Err(Error::Bug(format!("panicked: {}", words(&*panic)))))
    }
}

/// The tensors of the last checkpoint; a damaged one costs the epochs in it, not the run.
fn state(path: &Path, observer: &mut dyn Observer) -> Result<Option<Vec<(String, Tensor)>>> {
    match store::checkpoint::load(path) {
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
