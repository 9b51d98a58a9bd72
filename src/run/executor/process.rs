//! Runs in processes of their own: what a driver, an abort or the system's hunt for memory ends there ends one
//! run and not the sweep.
//!
//! The process is this program with the hidden command `worker`. It gets the run as a line of JSON on standard
//! input, writes the run's folder, and says what happens in lines on standard output. It shares the run's lock, and
//! ends when its standard input does: nothing outlives the sweep.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::message::{HALT, Message, Order, outcome};
use super::{Executor, Failed, Job, is_out_of_memory};
use crate::run::halt::Halt;
use crate::store::Failure;
use crate::train::event::{Event, Observer, Outcome, Timing};
use crate::{Error, Result};

/// How often a process looks whether its run is to end.
const PAUSE: Duration = Duration::from_millis(20);
/// The first and the last lines of standard error that are kept as the reason of a failure, and what of a line.
const FIRST_LINES: usize = 5;
const LAST_LINES: usize = 15;
const KEPT_BYTES: u64 = 4096;

/// Descriptors that one child is to inherit must not be seen by another that is started at the same moment.
static SPAWNING: Mutex<()> = Mutex::new(());

/// Trains each run in a process of its own.
#[derive(Debug)]
pub struct ProcessExecutor {
    program: PathBuf,
}

impl ProcessExecutor {
    /// Starts this very program, even if its file is replaced meanwhile.
    pub fn new() -> Result<Self> {
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() {
            own
        } else {
            std::env::current_exe()
                .map_err(|error| Error::Environment(format!("failed to find the program itself: {error}")))?
        };
        Ok(Self { program })
    }

    fn spawn(&self, job: &Job<'_>) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What it says at its end is the reason that people read.
        command.env("RUST_BACKTRACE", "0");
        // Ctrl-C reaches every process of a terminal's group; the run is to end when its sweep says so.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let _one_at_a_time = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
        let _lent = job.lock.map(|lock| lend(lock.file())).transpose()?;
        command.spawn()
    }
}

/// A second handle on the lock's file that children inherit: the lock is held until all handles are closed.
fn lend(file: &File) -> std::io::Result<File> {
    let lent = file.try_clone()?;
    #[cfg(unix)]
    rustix::io::fcntl_setfd(&lent, rustix::io::FdFlags::empty())?;
    Ok(lent)
}

impl Executor for ProcessExecutor {
    fn execute(&self, job: Job<'_>, observer: &mut dyn Observer) -> Result<Outcome, Failed> {
        let failed = |action: &str, error: std::io::Error| {
            Failed::from(Error::Environment(format!("failed to {action} a process for the run: {error}")))
        };
        let order = serde_json::to_string(&Order::new(&job)?)
            .map_err(|error| Failed::from(Error::Bug(format!("an order is no JSON: {error}"))))?;
        let mut child = self.spawn(&job).map_err(|error| failed("start", error))?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (is_over, over) = std::sync::mpsc::channel();
        let (told, tail) = std::thread::scope(|scope| {
            let tail = scope.spawn(|| errors.map(said_lines).unwrap_or_default());
            let (order, halt) = (&order, job.halt);
            scope.spawn(move || input.map(|input| command(input, order, halt, &over)));
            let told = output.map_or(Ok(None), |output| follow(BufReader::new(output), observer));
            drop(is_over);
            (told, tail.join().unwrap_or_default())
        });
        if told.is_err() {
            // Whoever follows wants no more of it.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| failed("wait for", error))?;
        match told? {
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(failed)) => Err(failed),
            None => Err(lost(status, &tail)),
        }
    }
}

/// Sends the order, and the wish for an end when there is one. Closing the pipe at the end is what tells the process
/// that nobody wants it any more.
fn command(mut input: ChildStdin, order: &str, halt: &Halt, over: &Receiver<()>) {
    // A process that is gone says so by its status.
    if writeln!(input, "{order}").and_then(|()| input.flush()).is_err() {
        return;
    }
    let mut is_told = false;
    while over.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        if halt.asked() && !is_told {
            is_told = true;
            let _ = writeln!(input, "{HALT}").and_then(|()| input.flush());
        }
    }
}

/// Hands out what the process says until it says no more; how the run ended, if it said so.
fn follow(mut lines: impl BufRead, observer: &mut dyn Observer) -> Result<Option<Result<Outcome, Failed>>> {
    let mut line = String::new();
    let mut end = None;
    while matches!(lines.read_line(&mut line), Ok(1..)) {
        // A line that is torn is the last one of a process that was killed.
        if let Ok(message) = serde_json::from_str(&line) {
            end = end.or(hand_out(message, observer)?);
        }
        line.clear();
    }
    Ok(end)
}

fn hand_out(message: Message, observer: &mut dyn Observer) -> Result<Option<Result<Outcome, Failed>>> {
    let unknown = f64::NAN;
    let _ = match message {
        Message::Started { columns, parameters, epochs_done, epochs } => observer.on(&Event::RunStarted {
            columns: &columns,
            parameters,
            epochs_done,
            epochs,
            history: &[],
        })?,
        Message::Noted { text } => observer.on(&Event::Noted { text: &text })?,
        Message::Epoch { row: None, .. } => return Ok(None),
        Message::Epoch { row: Some(row), best } => {
            let timing = Timing {
                epoch: row.epoch,
                train_seconds: unknown,
                valid_seconds: unknown,
                checkpoint_seconds: unknown,
                samples_per_second: unknown,
            };
            observer.on(&Event::EpochEnded { row: &row, timing: &timing, best })?
        }
        Message::Ended { ending, best, last, test } => {
            let outcome = outcome(ending, best, last, test);
            let _ = observer.on(&Event::RunEnded { outcome: &outcome })?;
            return Ok(Some(Ok(outcome)));
        }
        Message::Failed { class, reason } => return Ok(Some(Err(Failed { class, reason }))),
    };
    Ok(None)
}

fn said_lines(errors: impl Read) -> Vec<String> {
    let mut errors = BufReader::new(errors);
    let (mut first, mut last) = (Vec::new(), VecDeque::new());
    let mut line = Vec::new();
    // A line without an end is taken in pieces, so that no output fills the memory.
    while matches!(errors.by_ref().take(KEPT_BYTES).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            continue;
        }
        if first.len() < FIRST_LINES {
            first.push(text);
            continue;
        }
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text);
    }
    first.extend(last);
    first
}

/// A process that ended without a word of its own.
fn lost(status: ExitStatus, tail: &[String]) -> Failed {
    let said = tail.join("\n");
    let (class, end) = match signal(status) {
        _ if is_out_of_memory(&said) => (Failure::OutOfMemory, format!("its process ended: {status}")),
        Some(KILL) => {
            let end = "its process was killed (SIGKILL): by a person, or by the system for its memory";
            (Failure::Killed, end.to_owned())
        }
        Some(number) if !FAULTS.contains(&number) => {
            (Failure::Killed, format!("its process was ended by signal {number}"))
        }
        Some(number) => (Failure::Panicked, format!("its process crashed with signal {number}")),
        None => (Failure::Panicked, format!("its process ended without a result: {status}")),
    };
    let reason = if said.is_empty() { end } else { format!("{said}\n{end}") };
    Failed { class, reason }
}

/// SIGKILL everywhere.
const KILL: i32 = 9;
/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE and SIGSEGV, as Linux numbers them: what a process does to itself.
const FAULTS: [i32; 6] = [4, 5, 6, 7, 8, 11];

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_end_of_a_process_tells_why_it_failed() {
        let of = |raw: i32, said: &[&str]| {
            let said: Vec<String> = said.iter().map(|line| (*line).to_owned()).collect();
            lost(ExitStatus::from_raw(raw), &said)
        };
        assert_eq!(of(9, &[]).class, Failure::Killed);
        assert_eq!(of(15, &[]).class, Failure::Killed);
        assert_eq!(of(11, &[]).class, Failure::Panicked);
        assert_eq!(of(3 << 8, &[]).class, Failure::Panicked);
        let aborted = of(6, &["memory allocation of 4096 bytes failed"]);
        assert_eq!(aborted.class, Failure::OutOfMemory);
        assert!(
            aborted.reason.starts_with("memory allocation of 4096 bytes failed\nits process"),
            "{aborted:?}"
        );
        assert_eq!(of(6, &[]).class, Failure::Panicked);
    }

    #[test]
    fn of_a_long_complaint_the_start_and_the_end_are_kept() {
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        let text = lines.join("\n");
        let kept = said_lines(text.as_bytes());
        assert_eq!(kept.len(), FIRST_LINES + LAST_LINES);
        assert_eq!((kept[0].as_str(), kept.last().unwrap().as_str()), ("line 0", "line 999"));
        let endless = vec![b'x'; 100_000];
        let kept = said_lines(&*endless);
        assert!(
            kept.len() <= FIRST_LINES + LAST_LINES
                && kept.iter().all(|line| line.len() <= KEPT_BYTES as usize)
        );
    }

    #[test]
    fn torn_and_foreign_lines_are_passed_over() {
        struct Deaf;
        impl Observer for Deaf {
            fn on(&mut self, _: &Event<'_>) -> Result<std::ops::ControlFlow<()>> {
                Ok(std::ops::ControlFlow::Continue(()))
            }
        }
        let text = "hello\n{\"event\":\"failed\",\"class\":\"data\",\"reason\":\"gone\"}\n{\"event\":";
        let end = follow(text.as_bytes(), &mut Deaf).unwrap().unwrap().unwrap_err();
        assert_eq!(end, Failed { class: Failure::Data, reason: "gone".into() });
        assert!(follow(&b"{\"event\":"[..], &mut Deaf).unwrap().is_none());
    }
}
