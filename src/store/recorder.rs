//! Writes one run's folder while the run is trained.
//!
//! Checkpoints and tables are renamed or appended at once and synced together every few seconds, see
//! [`mod@file`]; `run.json` says `running` from the first moment and how it ended from the last.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::checksum::checksums;
use super::file::{self, Durability};
use super::sync::Unsynced;
use super::{RunRecord, Status, checkpoint, layout, log, metrics, predictions, read_timing, steps, timing};
use crate::Result;
use crate::train::event::{Ending, Event, Observer, Outcome, Row, Snapshot, StepRow, Timing};

/// Tells the time.
pub type Clock = fn() -> Timestamp;

/// Observes one training and records it. The caller holds the run's [`RunLock`](super::RunLock).
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    record: RunRecord,
    clock: Clock,
    attempt: Attempt,
    /// The columns of `metrics.csv` behind the fixed ones; none before the start.
    columns: Vec<String>,
    ended: bool,
    unsynced: Unsynced,
}

/// What began with [`Recorder::create`].
#[derive(Debug)]
struct Attempt {
    started: Timestamp,
    began: Instant,
    /// Wall time of the attempts that this one goes on from.
    earlier_seconds: f64,
}

impl Recorder {
    /// Creates the folder, or goes on in the one that an earlier attempt at the same run left, and writes
    /// `config.toml` and `run.json` with the status `running`.
    pub fn create(dir: &Path, mut record: RunRecord, config: &str, clock: Clock) -> Result<Self> {
        file::create_folder(&dir.join(layout::CHECKPOINTS))?;
        let (started, began) = (clock(), Instant::now());
        // A record that cannot be read has nothing to go on from.
        if let Ok(Some(earlier)) = RunRecord::load(dir)
            && earlier.id == record.id
        {
            record.go_on_from(&earlier);
        }
        record.status = Status::Running;
        let attempt = Attempt { started, began, earlier_seconds: record.seconds };
        let mut recorder = Self {
            dir: dir.to_path_buf(),
            record,
            clock,
            attempt,
            columns: Vec::new(),
            ended: false,
            unsynced: Unsynced::new(began),
        };
        recorder.write(layout::CONFIG, config.as_bytes())?;
        recorder.save_record(Durability::Later)?;
        log::mend(&recorder.dir.join(layout::LOG))?;
        let text = format!("attempt {} on {}", recorder.record.attempts, recorder.record.device);
        recorder.log(&text)?;
        Ok(recorder)
    }

    /// The record as it stands.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Ends the record of a run that an error ended. Does nothing if the run has ended already.
    pub fn fail(&mut self, error: &str) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.record.error = Some(error.to_owned());
        self.abandon(Status::Failed, &format!("failed: {error}"))
    }

    /// Ends the record of a run that was ended from outside. Does nothing if the run has ended already.
    pub fn interrupt(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.abandon(Status::Interrupted, "interrupted")
    }

    fn run_started(&mut self, done: usize, epochs: usize, history: &[Row]) -> Result<()> {
        let parameters = self.record.parameters;
        // A last attempt may have been killed behind its predictions.
        self.remove(layout::PREDICTIONS)?;
        if done == 0 {
            self.start_anew()?;
            self.log(&format!("started: {parameters} parameters, {epochs} epochs"))?;
        } else {
            self.cut_tables(done, history)?;
            self.log(&format!("resumed behind epoch {done} of {epochs}"))?;
        }
        self.save_record(Durability::Later)
    }

    /// Nothing of an earlier attempt is in the result, so nothing of it may be left: a kill in the first epoch
    /// must not let a resume go on from an old checkpoint.
    fn start_anew(&mut self) -> Result<()> {
        for name in [layout::LAST, layout::BEST, layout::STEPS] {
            self.remove(name)?;
        }
        self.write(layout::METRICS, &metrics::header(&self.columns)?)?;
        self.write(layout::TIMING, &timing::header()?)?;
        self.record.best = None;
        self.record.last = None;
        self.record.started = self.attempt.started;
        self.record.seconds = 0.0;
        self.attempt.earlier_seconds = 0.0;
        Ok(())
    }

    /// Leaves the rows of the epochs that are done in the tables, whatever a killed attempt wrote behind them.
    fn cut_tables(&mut self, done: usize, history: &[Row]) -> Result<()> {
        let mut text = metrics::header(&self.columns)?;
        for row in history {
            text.extend(metrics::line(row, &self.columns)?);
        }
        self.write(layout::METRICS, &text)?;
        let last_step = history.last().map_or(0, |row| row.step);
        if let Some(text) = steps::cut(&self.dir.join(layout::STEPS), last_step)? {
            self.write(layout::STEPS, &text)?;
        }
        self.record.last = history.last().cloned();
        // The best epoch of an attempt that was killed is in no record; it may be one that is to be redone.
        self.record.best = self.record.best.take().filter(|best| best.epoch <= done);

        let mut text = timing::header()?;
        // Wall times are for people: those that cannot be read are not worth a failed run.
        let earlier = read_timing(&self.dir.join(layout::TIMING)).unwrap_or_default();
        let mut spent = 0.0;
        for timing in earlier.iter().filter(|timing| timing.epoch <= done) {
            text.extend(timing::line(timing)?);
            spent += timing.train_seconds + timing.valid_seconds + timing.checkpoint_seconds;
        }
        // An attempt that was killed could not say how long it took, but its epochs did.
        if spent.is_finite() {
            self.attempt.earlier_seconds = self.attempt.earlier_seconds.max(spent);
        }
        self.write(layout::TIMING, &text)
    }

    /// First the best weights, then the state: a kill between the two repeats the epoch and writes both again.
    fn save_checkpoints(&mut self, snapshot: &Snapshot<'_>, resumable: bool) -> Result<()> {
        if let Some(best) = snapshot.best {
            let path = self.dir.join(layout::BEST);
            checkpoint::save_model(&path, best, snapshot.metadata, Durability::Later)?;
            self.unsynced.touch(path);
        }
        if !resumable {
            return Ok(());
        }
        let path = self.dir.join(layout::LAST);
        checkpoint::save_all(&path, snapshot, Durability::Later)?;
        self.unsynced.touch(path);
        Ok(())
    }

    fn step_taken(&mut self, row: &StepRow) -> Result<()> {
        let lines = steps::lines(&self.dir.join(layout::STEPS), row)?;
        self.append(layout::STEPS, &lines)
    }

    fn epoch_ended(&mut self, row: &Row, timing: &Timing, best: bool) -> Result<()> {
        self.append(layout::METRICS, &metrics::line(row, &self.columns)?)?;
        self.append(layout::TIMING, &timing::line(timing)?)?;
        if best {
            self.record.best = Some(row.clone());
        }
        self.record.last = Some(row.clone());
        let values: Vec<String> =
            row.values.iter().map(|(name, value)| format!("{name} {value:.6}")).collect();
        self.log(&format!("epoch {}: {}", row.epoch, values.join(", ")))?;
        self.unsynced.settle(Instant::now())
    }

    fn run_ended(&mut self, outcome: &Outcome) -> Result<()> {
        self.record.conclude(outcome);
        let status = match outcome.ending {
            Ending::Completed { stopped_early } => {
                self.record.stopped_early = stopped_early;
                if let Some(made) = &outcome.predictions {
                    self.write(layout::PREDICTIONS, &predictions::render(made)?)?;
                }
                Status::Completed
            }
            Ending::Diverged => Status::Diverged,
            Ending::Interrupted => Status::Interrupted,
        };
        self.end(status)?;
        // Behind the record: a log that says more than that would be wrong after a kill between the two.
        self.log(&format!("ended: {status}"))
    }

    /// Syncs everything, then says in `run.json` how it ended.
    fn end(&mut self, status: Status) -> Result<()> {
        self.unsynced.sync(Instant::now())?;
        self.record.checksums = checksums(&self.dir)?;
        self.close(status)
    }

    /// As [`end`](Self::end), when the disk may be what the run failed of: only the record has to be written.
    fn abandon(&mut self, status: Status, text: &str) -> Result<()> {
        let _ = self.log(text);
        let _ = self.unsynced.sync(Instant::now());
        self.record.checksums = checksums(&self.dir).unwrap_or_default();
        self.close(status)
    }

    fn close(&mut self, status: Status) -> Result<()> {
        self.record.ended = Some((self.clock)());
        self.record.seconds =
            round(self.attempt.earlier_seconds + self.attempt.began.elapsed().as_secs_f64());
        self.record.status = status;
        self.save_record(Durability::Now)?;
        self.ended = true;
        Ok(())
    }

    fn save_record(&mut self, durability: Durability) -> Result<()> {
        self.unsynced.touch(self.dir.join(layout::RECORD));
        self.record.save(&self.dir, durability)
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        file::write(&path, content, Durability::Later)?;
        self.unsynced.touch(path);
        Ok(())
    }

    fn append(&mut self, name: &str, line: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        file::append(&path, line)?;
        self.unsynced.touch(path);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        file::remove(&path)?;
        self.unsynced.touch(path);
        Ok(())
    }

    fn log(&mut self, text: &str) -> Result<()> {
        let now = (self.clock)();
        self.append(layout::LOG, &log::line(now, text))
    }
}

impl Observer for Recorder {
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match event {
            Event::RunStarted { columns, parameters, epochs_done, epochs, history } => {
                self.columns = columns.to_vec();
                self.record.parameters = *parameters;
                self.run_started(*epochs_done, *epochs, history)?;
            }
            Event::StepTaken { row } => self.step_taken(row)?,
            Event::CheckpointDue { snapshot, resumable } => self.save_checkpoints(snapshot, *resumable)?,
            Event::Transferred { report } => self.log(&report.to_string())?,
            Event::Noted { text } => self.log(text)?,
            Event::EpochEnded { row, timing, best } => self.epoch_ended(row, timing, *best)?,
            Event::RunEnded { outcome } => self.run_ended(outcome)?,
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// To milliseconds.
fn round(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::store::read_metrics;
    use crate::target::Targets;
    use crate::train::event::Predictions;

    fn clock() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn row(epoch: usize, valid_loss: f64) -> Row {
        let values = vec![("train_loss".to_owned(), 0.5), ("valid_loss".to_owned(), valid_loss)];
        Row { epoch, step: 5 * epoch as u64, lr: 1e-3, values }
    }

    fn timing(epoch: usize) -> Timing {
        Timing {
            epoch,
            train_seconds: 0.25,
            valid_seconds: 0.125,
            checkpoint_seconds: 0.5,
            samples_per_second: 100.0,
        }
    }

    /// A run folder and the events of a training that might have filled it.
    struct Play {
        folder: tempfile::TempDir,
    }

    impl Play {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn dir(&self) -> PathBuf {
            self.folder.path().join("exp/run-1f3a9c2e")
        }

        fn recorder(&self) -> Recorder {
            let mut record = RunRecord::new("1f3a9c2e", "run-1f3a9c2e", "exp", clock());
            record.device = "cpu".into();
            Recorder::create(&self.dir(), record, "seed = 42\n", clock).unwrap()
        }

        fn start(recorder: &mut Recorder, history: &[Row]) {
            let columns = &["train_loss", "valid_loss"].map(str::to_owned);
            let epochs_done = history.len();
            let event = Event::RunStarted { columns, parameters: 3, epochs_done, epochs: 4, history };
            assert_eq!(recorder.on(&event).unwrap(), ControlFlow::Continue(()));
        }

        fn checkpoint(recorder: &mut Recorder, value: f32, best: bool) {
            let tensor = |name: &str| (name.to_owned(), Tensor::new(value, &Device::Cpu).unwrap());
            let (model, training) = ([tensor("layers.0.weight")], [tensor("training.step")]);
            let best = best.then_some(&model[..]);
            let snapshot = Snapshot { model: &model, best, training: &training, metadata: "{}" };
            let _ = recorder.on(&Event::CheckpointDue { snapshot: &snapshot, resumable: true }).unwrap();
        }

        fn epoch(recorder: &mut Recorder, epoch: usize, valid_loss: f64, best: bool) {
            Self::checkpoint(recorder, epoch as f32, best);
            let _ = recorder
                .on(&Event::EpochEnded { row: &row(epoch, valid_loss), timing: &timing(epoch), best })
                .unwrap();
        }

        fn end(recorder: &mut Recorder, ending: Ending, best: Option<Row>, last: Option<Row>) {
            let completed = matches!(ending, Ending::Completed { .. });
            let predictions = completed.then(|| Predictions {
                index: vec![3],
                target: Targets::Classes(vec![0]),
                prediction: Targets::Classes(vec![1]),
                probabilities: vec![0.25, 0.75],
                classes: vec!["a".into(), "b".into()],
            });
            let test = vec![("loss".to_owned(), 0.125)];
            let classes = predictions.as_ref().and_then(Predictions::class_report);
            let outcome = Outcome { ending, best, last, test, predictions, classes };
            let _ = recorder.on(&Event::RunEnded { outcome: &outcome }).unwrap();
        }

        fn text(&self, name: &str) -> String {
            std::fs::read_to_string(self.dir().join(name)).unwrap()
        }

        fn files(&self) -> Vec<String> {
            let mut names = Vec::new();
            for dir in [self.dir(), self.dir().join(layout::CHECKPOINTS)] {
                for entry in std::fs::read_dir(dir).unwrap() {
                    names.push(entry.unwrap().file_name().into_string().unwrap());
                }
            }
            names.sort();
            names
        }

        fn record(&self) -> RunRecord {
            RunRecord::load(&self.dir()).unwrap().unwrap()
        }

        fn weight(&self, name: &str) -> f32 {
            let checkpoint = checkpoint::load(&self.dir().join(name)).unwrap();
            checkpoint.tensors["layers.0.weight"].to_scalar().unwrap()
        }
    }

    #[test]
    fn a_whole_training_leaves_the_folder_of_the_contract() {
        let play = Play::new();
        let mut recorder = play.recorder();
        assert_eq!(play.record().status, Status::Running);
        assert_eq!(play.text(layout::CONFIG), "seed = 42\n");
        Play::start(&mut recorder, &[]);
        Play::epoch(&mut recorder, 1, 0.5, true);
        Play::epoch(&mut recorder, 2, 0.75, false);
        let ending = Ending::Completed { stopped_early: true };
        Play::end(&mut recorder, ending, Some(row(1, 0.5)), Some(row(2, 0.75)));

        let names = [
            "best.safetensors",
            "checkpoints",
            "config.toml",
            "last.safetensors",
            "log.txt",
            "metrics.csv",
            "predictions.csv",
            "run.json",
            "timing.csv",
        ];
        assert_eq!(play.files(), names);
        insta::assert_snapshot!(play.text(layout::METRICS), @"
        epoch,step,lr,train_loss,valid_loss
        1,5,0.001,0.5,0.5
        2,10,0.001,0.5,0.75
        ");
        insta::assert_snapshot!(play.text(layout::TIMING), @"
        epoch,train_seconds,valid_seconds,checkpoint_seconds,samples_per_second
        1,0.25,0.125,0.5,100
        2,0.25,0.125,0.5,100
        ");
        insta::assert_snapshot!(play.text(layout::PREDICTIONS), @"
        index,target,prediction,probability_a,probability_b
        3,a,b,0.25,0.75
        ");
        insta::assert_snapshot!(play.text(layout::LOG), @"
        2026-03-01T12:00:00.000Z attempt 1 on cpu
        2026-03-01T12:00:00.000Z started: 3 parameters, 4 epochs
        2026-03-01T12:00:00.000Z epoch 1: train_loss 0.500000, valid_loss 0.500000
        2026-03-01T12:00:00.000Z epoch 2: train_loss 0.500000, valid_loss 0.750000
        2026-03-01T12:00:00.000Z ended: completed
        ");
        assert_eq!((play.weight(layout::BEST), play.weight(layout::LAST)), (1.0, 2.0));

        let record = play.record();
        assert_eq!((record.status, record.stopped_early), (Status::Completed, true));
        assert_eq!((record.parameters, record.attempts), (3, 1));
        assert_eq!(record.best, Some(row(1, 0.5)));
        assert_eq!(record.last, Some(row(2, 0.75)));
        assert_eq!(record.test.get("loss"), Some(&0.125));
        assert_eq!(record.confusion_matrix.unwrap().counts, [[0, 1], [0, 0]]);
        assert_eq!((record.per_class[0].support, record.per_class[1].class.as_str()), (1, "b"));
        assert_eq!(record.ended, Some(clock()));
        assert_eq!(record.checksums.len(), 4);
        let metrics = std::fs::read(play.dir().join(layout::METRICS)).unwrap();
        assert_eq!(record.checksums[layout::METRICS], blake3::hash(&metrics).to_hex().to_string());
    }

    #[test]
    fn a_resume_cuts_the_tables_to_the_epochs_that_are_done() {
        let whole = Play::new();
        let mut recorder = whole.recorder();
        Play::start(&mut recorder, &[]);
        for epoch in 1..=3 {
            Play::epoch(&mut recorder, epoch, 1.0 / epoch as f64, true);
        }

        // The same training, killed in the third epoch behind its row, with a torn fourth.
        let killed = Play::new();
        let mut recorder = killed.recorder();
        Play::start(&mut recorder, &[]);
        for epoch in 1..=3 {
            Play::epoch(&mut recorder, epoch, 1.0 / epoch as f64, true);
        }
        file::append(&killed.dir().join(layout::METRICS), b"4,20,0.0").unwrap();
        file::append(&killed.dir().join(layout::TIMING), b"4,0.").unwrap();
        file::append(&killed.dir().join(layout::PREDICTIONS), b"index").unwrap();
        drop(recorder);

        let mut recorder = killed.recorder();
        Play::start(&mut recorder, &[row(1, 1.0), row(2, 0.5)]);
        assert_eq!(read_metrics(&killed.dir().join(layout::METRICS)).unwrap().len(), 2);
        assert_eq!(read_timing(&killed.dir().join(layout::TIMING)).unwrap().len(), 2);
        assert!(!killed.dir().join(layout::PREDICTIONS).exists());
        Play::epoch(&mut recorder, 3, 1.0 / 3.0, true);
        for name in [layout::METRICS, layout::TIMING] {
            assert_eq!(killed.text(name), whole.text(name));
        }
        assert_eq!((killed.record().attempts, killed.record().status), (2, Status::Running));
        Play::end(&mut recorder, Ending::Interrupted, Some(row(3, 1.0 / 3.0)), Some(row(3, 1.0 / 3.0)));
        assert_eq!(killed.record().status, Status::Interrupted);
        assert!(!killed.dir().join(layout::PREDICTIONS).exists());
    }

    #[test]
    fn a_fresh_start_in_an_old_folder_leaves_nothing_old() {
        let play = Play::new();
        let mut recorder = play.recorder();
        Play::start(&mut recorder, &[]);
        Play::epoch(&mut recorder, 1, 0.5, true);
        let ending = Ending::Completed { stopped_early: false };
        Play::end(&mut recorder, ending, Some(row(1, 0.5)), Some(row(1, 0.5)));
        drop(recorder);

        let mut recorder = play.recorder();
        assert_eq!(play.record().status, Status::Running);
        assert!(play.record().checksums.is_empty() && play.record().test.is_empty());
        Play::start(&mut recorder, &[]);
        let names = ["checkpoints", "config.toml", "log.txt", "metrics.csv", "run.json", "timing.csv"];
        assert_eq!(play.files(), names);
        assert_eq!(play.text(layout::METRICS), "epoch,step,lr,train_loss,valid_loss\n");
        assert_eq!((play.record().best, play.record().attempts), (None, 2));
        Play::epoch(&mut recorder, 1, 0.25, true);
        assert_eq!(play.text(layout::METRICS).lines().count(), 2);
    }

    #[test]
    fn a_diverged_run_has_its_row_and_no_predictions() {
        let play = Play::new();
        let mut recorder = play.recorder();
        Play::start(&mut recorder, &[]);
        Play::epoch(&mut recorder, 1, f64::NAN, false);
        Play::end(&mut recorder, Ending::Diverged, None, Some(row(1, f64::NAN)));
        assert!(play.text(layout::METRICS).ends_with("1,5,0.001,0.5,NaN\n"));
        assert_eq!(play.record().status, Status::Diverged);
        assert!(!play.dir().join(layout::PREDICTIONS).exists());
    }

    #[test]
    fn a_failure_and_an_interruption_keep_what_is_known() {
        let play = Play::new();
        let mut recorder = play.recorder();
        Play::start(&mut recorder, &[]);
        Play::epoch(&mut recorder, 1, 0.5, true);
        Play::epoch(&mut recorder, 2, 0.75, false);
        recorder.fail("first line\nno space left on device").unwrap();
        recorder.interrupt().unwrap();
        let record = play.record();
        assert_eq!(record.status, Status::Failed);
        assert_eq!(record.error.as_deref(), Some("first line\nno space left on device"));
        assert_eq!((record.best, record.last), (Some(row(1, 0.5)), Some(row(2, 0.75))));

        let mut recorder = play.recorder();
        assert_eq!((recorder.record().error.clone(), recorder.record().attempts), (None, 2));
        recorder.interrupt().unwrap();
        assert_eq!(play.record().status, Status::Interrupted);
        assert_eq!(play.record().best, Some(row(1, 0.5)), "nothing new is known about it");
    }

    #[test]
    fn a_failure_is_recorded_even_where_nothing_else_can_be_written() {
        let play = Play::new();
        let mut recorder = play.recorder();
        Play::start(&mut recorder, &[]);
        std::fs::remove_file(play.dir().join(layout::LOG)).unwrap();
        std::fs::create_dir(play.dir().join(layout::LOG)).unwrap();
        assert!(
            recorder.on(&Event::EpochEnded { row: &row(1, 0.5), timing: &timing(1), best: true }).is_err()
        );
        recorder.fail("no space left on device").unwrap();
        assert_eq!(play.record().status, Status::Failed);
    }

    #[test]
    fn the_record_of_another_run_is_not_taken_over() {
        let play = Play::new();
        play.recorder().fail("x").unwrap();
        let record = RunRecord::new("ffff", "other", "exp", clock());
        let recorder = Recorder::create(&play.dir(), record, "", clock).unwrap();
        assert_eq!((recorder.record().attempts, recorder.record().name.as_str()), (1, "other"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_the_environment() {
        let play = Play::new();
        std::fs::write(play.folder.path().join("exp"), "").unwrap();
        let record = RunRecord::new("ab", "run", "exp", clock());
        let error = Recorder::create(&play.dir(), record, "", clock).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_ENVIRONMENT);
    }
}
