//! What happens, while it happens, on standard error.
//!
//! On a terminal there is a bar for the sweep and one for each run in flight, elsewhere a line an epoch.
//! Nothing here can end a run: an output that is gone is ignored.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

use super::color::{self, paint};
use super::number::significant;
use crate::Result;
use crate::report::headline;
use crate::store::Status;
use crate::train::event::{Ending, Event, Observer, Outcome, Row};

/// How often the elapsed time is drawn again.
const TICK: Duration = Duration::from_millis(250);
/// Digits of a metric.
const DIGITS: u8 = 4;

/// The display of one request; clones show on the same.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Display>);

enum Display {
    /// Nothing but errors.
    Quiet(Mutex<Box<dyn Write + Send>>),
    /// A line an epoch.
    Lines(Mutex<Box<dyn Write + Send>>),
    /// Bars, the first for the sweep if there are several runs.
    Bars { all: MultiProgress, sweep: Option<ProgressBar> },
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quiet(_) => "Quiet",
            Self::Lines(_) => "Lines",
            Self::Bars { .. } => "Bars",
        })
    }
}

impl Progress {
    /// On standard error, for `runs` runs: bars on a terminal, lines elsewhere.
    pub fn stderr(runs: usize, quiet: bool) -> Self {
        if !quiet && std::io::stderr().is_terminal() {
            return Self::bars(ProgressDrawTarget::stderr(), runs);
        }
        Self::lines(Box::new(anstream::stderr()), quiet)
    }

    /// Lines to `out`.
    pub fn lines(out: Box<dyn Write + Send>, quiet: bool) -> Self {
        let out = Mutex::new(out);
        Self(Arc::new(if quiet { Display::Quiet(out) } else { Display::Lines(out) }))
    }

    /// Bars on `target`, for `runs` runs.
    pub fn bars(target: ProgressDrawTarget, runs: usize) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let sweep = (runs > 1).then(|| {
            let style = style("{bar:24} {pos}/{len} runs, {elapsed} elapsed{left}").with_key("left", left);
            all.add(ProgressBar::new(runs as u64).with_style(style))
        });
        if let Some(sweep) = &sweep {
            sweep.tick();
            sweep.enable_steady_tick(TICK);
        }
        Self(Arc::new(Display::Bars { all, sweep }))
    }

    /// The observer of one run.
    pub fn run(&self, name: &str) -> RunProgress {
        let (progress, name) = (self.clone(), name.to_owned());
        RunProgress { progress, name, epochs: 0, in_legs: false, bar: None, counts: false }
    }

    /// Counts so many runs as done that need not be trained.
    pub fn skip(&self, runs: usize) {
        if let Display::Bars { sweep: Some(sweep), .. } = &*self.0 {
            sweep.inc(runs as u64);
        }
    }

    /// A line for the user that is no error: nothing when quiet.
    pub fn say(&self, text: &str) {
        if !matches!(*self.0, Display::Quiet(_)) {
            self.print(text);
        }
    }

    /// A line that is shown even when quiet.
    pub fn error(&self, text: &str) {
        self.print(text);
    }

    /// Shows `bar` below the others where there are bars.
    pub(super) fn add(&self, bar: ProgressBar) -> Option<ProgressBar> {
        match &*self.0 {
            Display::Bars { all, .. } => Some(all.add(bar)),
            Display::Quiet(_) | Display::Lines(_) => None,
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        if let Display::Bars { all, sweep } = &*self.0 {
            if let Some(sweep) = sweep {
                sweep.finish_and_clear();
            }
            let _ = all.clear();
        }
    }

    /// Prints above the bars. A failure is ignored: a closed standard error must not end a training.
    fn print(&self, text: &str) {
        match &*self.0 {
            Display::Quiet(out) | Display::Lines(out) => {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                // One write a line, so that lines of several programs do not mix.
                let _ = out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush());
            }
            Display::Bars { all, .. } => {
                let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
                let _ = if plain {
                    all.println(anstream::adapter::strip_str(text).to_string())
                } else {
                    all.println(text)
                };
            }
        }
    }
}

/// Shows one run. Dropping it takes its bar away.
#[derive(Debug)]
pub struct RunProgress {
    progress: Progress,
    name: String,
    epochs: usize,
    /// Whether a rule may end it before its last epoch, for a while or for good.
    in_legs: bool,
    bar: Option<ProgressBar>,
    /// Whether the sweep is one run further.
    counts: bool,
}

impl RunProgress {
    /// A rule may end the run before its last epoch: that it pauses is then nothing to worry about.
    #[must_use]
    pub fn in_legs(mut self, in_legs: bool) -> Self {
        self.in_legs = in_legs;
        self
    }

    /// Says why the run failed, even when quiet.
    pub fn fail(&mut self, error: &str) {
        self.counts = true;
        self.progress.error(&format!("{}  {}: {error}", self.name, word(Status::Failed)));
    }

    fn started(&mut self, done: usize, epochs: usize) {
        self.epochs = epochs;
        if let Display::Bars { all, .. } = &*self.progress.0 {
            // Not `wide_msg`: it fills the line, and the `^C` that a terminal echoes there would begin another.
            let style = style("{bar:16} {pos:>3}/{len}  {prefix}  {msg}");
            let bar = ProgressBar::new(epochs as u64).with_style(style).with_prefix(self.name.clone());
            let bar = all.add(bar.with_position(done as u64));
            // A resumed run's first epochs took no time now.
            bar.reset_eta();
            bar.tick();
            self.bar = Some(bar);
        } else if done > 0 {
            self.progress.say(&format!("{}  goes on behind epoch {done}", self.name));
        }
    }

    fn epoch_ended(&self, row: &Row) {
        if let Some(bar) = &self.bar {
            bar.set_message(metrics(row));
            bar.set_position(row.epoch as u64);
        } else {
            let width = self.epochs.to_string().len();
            self.progress.say(&format!(
                "{}  epoch {:>width$}/{}  {}",
                self.name,
                row.epoch,
                self.epochs,
                metrics(row)
            ));
        }
    }

    fn ended(&mut self, outcome: &Outcome) {
        let (status, remark) = match outcome.ending {
            Ending::Completed { stopped_early: true } => (Status::Completed, " (stopped early)"),
            Ending::Completed { stopped_early: false } => (Status::Completed, ""),
            Ending::Diverged => (Status::Diverged, ""),
            Ending::Interrupted => (Status::Interrupted, ""),
        };
        self.counts = status != Status::Interrupted;
        if self.in_legs && status == Status::Interrupted {
            let done = outcome.last.as_ref().map_or(0, |row| row.epoch);
            self.progress.say(&format!("{}  pauses behind epoch {done}", self.name));
            return;
        }
        let mut line = format!("{}  {}{remark}", self.name, word(status));
        if let Some(best) = &outcome.best {
            let _ = write!(line, "  best epoch {}  {}", best.epoch, metrics(best));
        } else if self.epochs == 0 {
            for (name, value) in &outcome.test {
                let _ = write!(line, "  test_{name} {}", significant(*value, DIGITS));
            }
        }
        self.progress.say(&line);
    }
}

impl Observer for RunProgress {
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match event {
            Event::RunStarted { epochs_done, epochs, .. } => self.started(*epochs_done, *epochs),
            // What many runs take from one file is said once, before the first of them.
            Event::CheckpointDue { .. } | Event::StepTaken { .. } | Event::Transferred { .. } => {}
            Event::Noted { text } => self.progress.say(&format!("{}  {text}", self.name)),
            Event::EpochEnded { row, .. } => self.epoch_ended(row),
            Event::RunEnded { outcome } => self.ended(outcome),
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        let Display::Bars { all, sweep } = &*self.progress.0 else { return };
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            all.remove(&bar);
        }
        if let Some(sweep) = sweep
            && self.counts
        {
            sweep.inc(1);
        }
    }
}

/// `train_loss 0.412  valid_loss 0.388  valid_accuracy 0.91`: the training loss and the headline metrics.
fn metrics(row: &Row) -> String {
    let names: Vec<String> = row.values.iter().map(|(name, _)| name.clone()).collect();
    let shown = headline(&names);
    let is_shown = |name: &String| name == "train_loss" || shown.contains(name);
    let texts = row.values.iter().filter(|(name, _)| is_shown(name));
    texts
        .map(|(name, value)| format!("{name} {}", significant(*value, DIGITS)))
        .collect::<Vec<_>>()
        .join("  ")
}

fn word(status: Status) -> String {
    paint(color::status(status), status.word())
}

/// What the sweep will still take; nothing is known of it before the first run has ended.
fn left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(out, ", about {:#} left", HumanDuration(state.eta()));
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    // The templates are constants; were one wrong, the plain bar would still show the way.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::Timing;

    /// Keeps what is written, as a stream or as a terminal.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Screen {
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap().clone();
            anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string()
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.clone().write_all(format!("{text}\n").as_bytes())
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.clone().write_all(text.as_bytes())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn row(epoch: usize) -> Row {
        let value = |name: &str, value| (name.to_owned(), value);
        let values = vec![
            value("train_loss", 0.412_34),
            value("valid_loss", 0.388),
            value("train_accuracy", 0.8),
            value("valid_accuracy", 0.91),
        ];
        Row { epoch, step: 1, lr: 0.1, values }
    }

    fn play(run: &mut RunProgress, ending: Ending) {
        let timing = Timing {
            epoch: 1,
            train_seconds: 1.0,
            valid_seconds: 1.0,
            checkpoint_seconds: 1.0,
            samples_per_second: 1.0,
        };
        let history = [row(1)];
        let outcome = Outcome {
            ending,
            best: Some(row(2)),
            last: Some(row(3)),
            test: vec![("loss".into(), 0.1)],
            predictions: None,
            classes: None,
        };
        let events = [
            Event::RunStarted { columns: &[], parameters: 3, epochs_done: 1, epochs: 20, history: &history },
            Event::EpochEnded { row: &row(2), timing: &timing, best: true },
            Event::EpochEnded { row: &row(3), timing: &timing, best: true },
            Event::RunEnded { outcome: &outcome },
        ];
        for event in &events {
            assert_eq!(run.on(event).unwrap(), ControlFlow::Continue(()));
        }
    }

    #[test]
    fn without_a_terminal_there_is_a_line_an_epoch() {
        let screen = Screen::default();
        let progress = Progress::lines(Box::new(screen.clone()), false);
        play(&mut progress.run("p=0.3,lr=0.001,seed=42"), Ending::Completed { stopped_early: true });
        progress.run("p=0.5").fail("no space left on device");
        progress.say("to go on: runner run a.toml");
        progress.finish();
        insta::assert_snapshot!(screen.text(), @"
        p=0.3,lr=0.001,seed=42  goes on behind epoch 1
        p=0.3,lr=0.001,seed=42  epoch  2/20  train_loss 0.4123  valid_loss 0.3880  valid_accuracy 0.9100
        p=0.3,lr=0.001,seed=42  epoch  3/20  train_loss 0.4123  valid_loss 0.3880  valid_accuracy 0.9100
        p=0.3,lr=0.001,seed=42  completed (stopped early)  best epoch 2  train_loss 0.4123  valid_loss 0.3880  valid_accuracy 0.9100
        p=0.5  failed: no space left on device
        to go on: runner run a.toml
        ");
    }

    #[test]
    fn a_run_without_epochs_ends_with_what_it_measured() {
        let screen = Screen::default();
        let progress = Progress::lines(Box::new(screen.clone()), false);
        let mut run = progress.run("a");
        let test = vec![("loss".into(), 0.25), ("accuracy".into(), 0.912_345)];
        let ending = Ending::Completed { stopped_early: false };
        let outcome = Outcome { ending, best: None, last: None, test, predictions: None, classes: None };
        let started =
            Event::RunStarted { columns: &[], parameters: 3, epochs_done: 0, epochs: 0, history: &[] };
        for event in [started, Event::RunEnded { outcome: &outcome }] {
            let _ = run.on(&event).unwrap();
        }
        assert_eq!(screen.text(), "a  completed  test_loss 0.2500  test_accuracy 0.9123\n");
    }

    #[test]
    fn quiet_leaves_nothing_but_errors() {
        let screen = Screen::default();
        let progress = Progress::lines(Box::new(screen.clone()), true);
        play(&mut progress.run("a"), Ending::Diverged);
        progress.say("well");
        assert_eq!(screen.text(), "");
        progress.run("b").fail("no space left on device");
        assert_eq!(screen.text(), "b  failed: no space left on device\n");
    }

    #[test]
    fn bars_show_runs_in_flight_and_count_what_is_done() {
        let screen = Screen::default();
        let progress = Progress::bars(ProgressDrawTarget::term_like(Box::new(screen.clone())), 4);
        let position = || match &*progress.0 {
            Display::Bars { sweep: Some(sweep), .. } => sweep.position(),
            _ => unreachable!("made with bars for four runs"),
        };
        let mut run = progress.run("p=0.3");
        play(&mut run, Ending::Completed { stopped_early: false });
        assert_eq!(run.bar.as_ref().map(ProgressBar::position), Some(3));
        assert_eq!(position(), 0);
        drop(run);
        assert_eq!(position(), 1);
        play(&mut progress.run("interrupted"), Ending::Interrupted);
        assert_eq!(position(), 1, "it is to be gone on with");
        progress.run("failed").fail("reason");
        progress.skip(1);
        assert_eq!(position(), 3);
        progress.say("stopping behind this epoch");
        progress.finish();
        let text = screen.text();
        for part in ["0/4 runs", "p=0.3  completed  best epoch 2", "failed: reason", "stopping behind"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn a_closed_output_and_many_threads_are_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let progress = Progress::lines(Box::new(Closed), false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| play(&mut progress.run("a"), Ending::Diverged));
            }
        });
    }
}
