//! What `run` and `rerun` share: slots, devices, the display, Ctrl-C and what is said at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::say;
use crate::cli::{SlotArgs, VerbosityArgs};
use crate::device::DeviceConfig;
use crate::error::{EXIT_OK, EXIT_RUNS};
use crate::model::Model;
use crate::output::Progress;
use crate::run::{
    Audience, Ended, Interrupt, Library, Machine, RunSpec, Scheduler, Task, ThreadExecutor, default_jobs,
};
use crate::store::Status;
use crate::train::event::Observer;
use crate::{Error, Result};

/// The device that all runs of a command train on; an error if it is not there.
pub fn device(
    asked: Option<DeviceConfig>,
    configured: impl IntoIterator<Item = DeviceConfig>,
) -> Result<DeviceConfig> {
    let mut wanted: Vec<DeviceConfig> = match asked {
        Some(device) => vec![device],
        None => configured.into_iter().collect(),
    };
    wanted.dedup();
    match wanted.as_slice() {
        [] => DeviceConfig::Auto.resolve(),
        [one] => one.resolve(),
        _ => Err(Error::Request("the runs want different devices: choose one with --device".into())),
    }
}

/// How many runs share the machine.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    /// Runs in flight at once, if the user says.
    pub jobs: Option<u16>,
    /// Threads for each.
    pub threads: u16,
}

impl Slots {
    /// Runs in flight at once on `device`.
    pub fn jobs(self, device: DeviceConfig) -> usize {
        self.jobs.map_or_else(|| default_jobs(device, usize::from(self.threads)), usize::from)
    }
}

impl From<SlotArgs> for Slots {
    fn from(args: SlotArgs) -> Self {
        Self { jobs: args.jobs, threads: args.threads }
    }
}

/// Trains the tasks with a display and Ctrl-C; what became of them, and the signal's code if one came.
pub fn train(
    slots: Slots,
    verbosity: VerbosityArgs,
    device: DeviceConfig,
    library: Arc<Library>,
    tasks: Vec<Task>,
    done_before: usize,
) -> Result<(Vec<Ended>, Option<u8>)> {
    if !verbosity.quiet {
        tell_transfers(&library, verbosity.verbose);
    }
    if verbosity.verbose
        && let Some(task) = tasks.first()
    {
        say(&preamble(task)?);
    }
    let interrupt = Interrupt::install()?;
    let progress = Progress::stderr(tasks.len() + done_before, verbosity.quiet);
    for _ in 0..done_before {
        progress.skip();
    }
    let display = Display(progress.clone());
    let executor = ThreadExecutor::new(library);
    let machine = Machine::detect();
    let scheduler = Scheduler {
        executor: &executor,
        jobs: slots.jobs(device),
        threads: usize::from(slots.threads),
        device,
        interrupt: &interrupt,
        audience: &display,
        machine: &machine,
    };
    let finished = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| announce(&interrupt, &finished, &progress));
        // Set when the scheduler is done or has panicked: the scope waits for the thread that looks at it.
        let _done = SetOnDrop(&finished);
        scheduler.run(tasks)
    });
    progress.finish();
    Ok((ended, interrupt.exit_code()))
}

/// What the runs begin with that is from files: once, however many runs begin with it.
fn tell_transfers(library: &Library, with_pairs: bool) {
    for (report, pairs) in library.transfers() {
        say(&format!("note: {report}"));
        for pair in pairs.iter().filter(|_| with_pairs) {
            say(&format!("  {pair}"));
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
    fn follow(&self, spec: &RunSpec) -> Box<dyn Observer> {
        Box::new(self.0.run(&spec.name))
    }

    fn ended(&self, ended: &Ended) {
        match (ended.status, &ended.error) {
            (Status::Failed, error) => {
                let reason = error.as_deref().unwrap_or("no reason is known");
                self.0.run(&ended.name).fail(reason);
            }
            (Status::Diverged, _) => {
                let text = "diverged: a loss or a weight is no longer finite";
                self.0.error(&format!("{} {text}", ended.name));
            }
            (Status::Completed, _) if !ended.trained => self.0.skip(),
            (Status::Running, _) => self.0.say(&format!("{} is trained by another process", ended.name)),
            _ => {}
        }
    }
}

/// Says once that the interrupt was heard: the end of the epoch may be minutes away.
fn announce(interrupt: &Interrupt, finished: &AtomicBool, progress: &Progress) {
    const PAUSE: Duration = Duration::from_millis(20);
    while !finished.load(Ordering::Relaxed) {
        if interrupt.asked() {
            progress.say("finishing the epoch and saving; once more stops at once");
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// What was typed, so that it can be typed again.
pub fn command_line() -> String {
    let quote = |word: String| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    // What is done already is not to be trained once more.
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != "--force").map(quote);
    let variables = super::variables()
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| format!("{name}={}", quote(value)));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

/// Model, optimizer and loss of the first run.
fn preamble(task: &Task) -> Result<String> {
    let config = &task.spec.config;
    let outputs = config.loss().outputs(task.data.task())?;
    let cpu = candle_core::Device::Cpu;
    let float = candle_core::DType::F32;
    let model = Model::build(&config.model, &task.data.shape(), outputs, config.seed, float, &cpu)?;
    let text = |value: Result<String, toml::ser::Error>| {
        value.map_err(|error| Error::Bug(format!("settings are not TOML: {error}")))
    };
    Ok(format!(
        "{}\n\noptimizer\n{}\nscheduler\n{}\nloss\n{}",
        model.summary(),
        text(toml::to_string(&config.optimizer))?,
        text(toml::to_string(&config.scheduler))?,
        text(toml::to_string(config.loss()))?,
    ))
}

/// The exit code for runs that stand so.
pub fn exit_code(statuses: impl IntoIterator<Item = Status>) -> u8 {
    let bad = |status| matches!(status, Status::Failed | Status::Diverged);
    if statuses.into_iter().any(bad) { EXIT_RUNS } else { EXIT_OK }
}
