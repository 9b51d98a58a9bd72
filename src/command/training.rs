//! What `run` and `rerun` share: slots, devices, the display, Ctrl-C and what is said at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::say;
use crate::cli::{TrainingArgs, VerbosityArgs};
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
    args: &TrainingArgs,
    configured: impl IntoIterator<Item = DeviceConfig>,
) -> Result<DeviceConfig> {
    let mut wanted: Vec<DeviceConfig> = match args.device {
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

/// Trains the tasks with a display and Ctrl-C; what became of them, and the signal's code if one came.
pub fn train(
    args: &TrainingArgs,
    verbosity: VerbosityArgs,
    device: DeviceConfig,
    library: Arc<Library>,
    tasks: Vec<Task>,
    done_before: usize,
) -> Result<(Vec<Ended>, Option<u8>)> {
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
    let threads = usize::from(args.threads);
    let executor = ThreadExecutor::new(library);
    let machine = Machine::detect();
    let scheduler = Scheduler {
        executor: &executor,
        jobs: args.jobs.map_or_else(|| default_jobs(device, threads), usize::from),
        threads,
        device,
        interrupt: &interrupt,
        audience: &display,
        machine: &machine,
    };
    let finished = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| announce(&interrupt, &finished, &progress));
        let ended = scheduler.run(tasks);
        finished.store(true, Ordering::Relaxed);
        ended
    });
    progress.finish();
    let code = interrupt.exit_code();
    if code.is_some() {
        say(&format!("interrupted; continue with: {}", command_line()));
    }
    Ok((ended, code))
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
                self.0.error(&format!("{} failed: {reason}", ended.name));
            }
            (Status::Diverged, _) => {
                let text = "diverged: a loss or a weight is no longer finite";
                self.0.error(&format!("{} {text}", ended.name));
            }
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
fn command_line() -> String {
    let quote = |word: String| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words = std::env::args_os().map(|word| quote(word.to_string_lossy().into_owned()));
    words.collect::<Vec<_>>().join(" ")
}

/// Model, optimizer and loss of the first run.
fn preamble(task: &Task) -> Result<String> {
    let config = &task.spec.config;
    let classes = task.data.classes().len();
    let cpu = candle_core::Device::Cpu;
    let float = candle_core::DType::F32;
    let model = Model::build(&config.model, task.data.shape(), classes, config.seed, float, &cpu)?;
    let text = |value: Result<String, toml::ser::Error>| {
        value.map_err(|error| Error::Bug(format!("settings are not TOML: {error}")))
    };
    Ok(format!(
        "{}\n\noptimizer\n{}\nscheduler\n{}\nloss\n{}",
        model.summary(),
        text(toml::to_string(&config.optimizer))?,
        text(toml::to_string(&config.scheduler))?,
        text(toml::to_string(&config.loss))?,
    ))
}

/// The exit code for runs that stand so.
pub fn exit_code(statuses: impl IntoIterator<Item = Status>) -> u8 {
    let bad = |status| matches!(status, Status::Failed | Status::Diverged);
    if statuses.into_iter().any(bad) { EXIT_RUNS } else { EXIT_OK }
}
