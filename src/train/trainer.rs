//! The training loop.

use std::ops::ControlFlow;
use std::time::Instant;

use candle_core::{DType, Tensor};

use super::evaluate::{Tally, evaluate, review};
use super::event::{Ending, Event, Observer, Outcome, Row, Snapshot, Timing};
use super::progress::Progress;
use super::setup::Setup;
use super::state;
use super::step::Stepper;
use crate::Result;
use crate::data::Part;
use crate::loss::Loss;
use crate::metric::MetricConfig;
use crate::model::Model;

/// Trains to the end, from the start or from the tensors of a `last` checkpoint.
pub fn train(
    setup: &Setup<'_>,
    resume: Option<&[(String, Tensor)]>,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let mut trainer = Trainer::new(setup)?;
    if let Some(tensors) = resume
        && let Err(error) = trainer.restore(tensors)
    {
        let text =
            format!("the last checkpoint cannot be gone on from ({error}): starting from the beginning");
        // Whoever wants to end the run is asked again right below.
        let _ = observer.on(&Event::Noted { text: &text })?;
        trainer = Trainer::new(setup)?;
    }
    if let Some(report) = trainer.model.transferred().filter(|_| trainer.progress.rows().is_empty()) {
        let _ = observer.on(&Event::Transferred { report })?;
    }
    let columns = trainer.columns();
    let started = Event::RunStarted {
        columns: &columns,
        parameters: trainer.model.parameter_count(),
        epochs_done: trainer.progress.rows().len(),
        epochs: setup.train.epochs,
        history: trainer.progress.rows(),
    };
    let mut flow = observer.on(&started)?;
    // What the training itself has come to goes before the wish to end it: the last epoch is the last epoch.
    let ending = loop {
        match trainer.ending() {
            Some(ending) => break ending,
            None if flow.is_break() => break Ending::Interrupted,
            None => flow = trainer.epoch(observer)?,
        }
    };
    trainer.save(observer)?;
    let outcome = trainer.finish(ending)?;
    // Whatever the observer answers now, there is nothing left to end.
    let _ = observer.on(&Event::RunEnded { outcome: &outcome })?;
    Ok(outcome)
}

pub(super) struct Trainer<'a> {
    pub(super) setup: &'a Setup<'a>,
    pub(super) model: Model,
    pub(super) loss: &'a dyn Loss,
    pub(super) stepper: Stepper,
    pub(super) progress: Progress,
    best: Option<Vec<(String, Tensor)>>,
    best_unsaved: bool,
    saved_epochs: usize,
    diverged: bool,
}

impl<'a> Trainer<'a> {
    pub(super) fn new(setup: &'a Setup<'a>) -> Result<Self> {
        let outputs = setup.loss.outputs(setup.data.task())?;
        let shape = setup.data.shape();
        let model = Model::build(setup.model, &shape, outputs, setup.seed, DType::F32, setup.device)?;
        // Without an epoch the best weights are those that there are.
        let best = if setup.train.epochs == 0 { Some(model.snapshot()?) } else { None };
        Ok(Self {
            setup,
            loss: setup.loss.as_loss(),
            stepper: Stepper::new(setup, &model)?,
            model,
            progress: Progress::new(setup.train)?,
            best_unsaved: best.is_some(),
            best,
            saved_epochs: 0,
            diverged: false,
        })
    }

    /// Why the training is over, if it is.
    fn ending(&self) -> Option<Ending> {
        let all_done = self.progress.rows().len() >= self.setup.train.epochs;
        if self.diverged {
            Some(Ending::Diverged)
        } else if self.progress.out_of_patience() {
            Some(Ending::Completed { stopped_early: !all_done })
        } else {
            all_done.then_some(Ending::Completed { stopped_early: false })
        }
    }

    /// One pass over the training part, the evaluation behind it, and the checkpoint if one is due.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>> {
        let epoch = self.progress.rows().len() + 1;
        let start = Instant::now();
        let (trained, flow) = self.pass(epoch, observer)?;
        let train_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let validated = match &self.setup.data.split.valid {
            Some(part) => Some(self.tally(part)?),
            None => None,
        };
        let valid_seconds = start.elapsed().as_secs_f64();

        let samples = trained.samples();
        let (step, lr) = (self.stepper.taken(), self.stepper.lr());
        let row = Row { epoch, step, lr, values: columns(&trained, validated.as_ref()) };
        self.note(row)?;
        let start = Instant::now();
        let due = epoch.is_multiple_of(self.setup.train.checkpoint.every) || self.ending().is_some();
        if due {
            self.save(observer)?;
        }
        let timing = Timing {
            epoch,
            train_seconds,
            valid_seconds,
            checkpoint_seconds: start.elapsed().as_secs_f64(),
            samples_per_second: samples as f64 / train_seconds.max(f64::MIN_POSITIVE),
        };
        let Some(row) = self.progress.rows().last() else { return Ok(flow) };
        let best = self.progress.best().is_some_and(|best| best.epoch == epoch);
        let answer = observer.on(&Event::EpochEnded { row, timing: &timing, best })?;
        Ok(if flow.is_break() { flow } else { answer })
    }

    pub(super) fn tally(&mut self, part: &Part) -> Result<Tally> {
        evaluate(&mut self.model, self.loss, self.setup.metrics, self.setup.data, part, self.setup.device)
    }

    /// Takes an epoch's row into the history, and the weights if they are the best so far.
    fn note(&mut self, row: Row) -> Result<()> {
        let losses = ["train_loss", "valid_loss"].iter().filter_map(|name| row.value(name));
        let finite_losses = losses.into_iter().all(f64::is_finite);
        self.diverged = !(finite_losses && self.model.is_finite()?);
        if self.progress.push(row, self.diverged) {
            self.best = Some(self.model.snapshot()?);
            self.best_unsaved = true;
        }
        Ok(())
    }

    /// Offers the state to the observer, unless that has been done since the last epoch.
    fn save(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let epochs = self.progress.rows().len();
        let is_saved = epochs == self.saved_epochs && !self.best_unsaved;
        if is_saved || (self.diverged && !self.best_unsaved) {
            return Ok(());
        }
        let model = self.model.tensors()?;
        let is_best = self.best_epoch() == epochs;
        let best = self.best.as_deref();
        let (optimizer, step) = (self.stepper.optimizer(), self.stepper.taken());
        let training = state::save(optimizer, &self.progress, step, best.filter(|_| !is_best))?;
        let best = best.filter(|_| self.best_unsaved);
        let snapshot = Snapshot { model: &model, best, training: &training, metadata: self.setup.metadata };
        // A break is asked for again at the end of the epoch.
        let _ = observer.on(&Event::CheckpointDue { snapshot: &snapshot, resumable: !self.diverged })?;
        self.saved_epochs = epochs;
        self.best_unsaved = false;
        Ok(())
    }

    /// Goes back to the state that [`save`](Self::save) offered.
    fn restore(&mut self, tensors: &[(String, Tensor)]) -> Result<()> {
        let saved = state::load(tensors, &self.columns())?;
        self.model.load_tensors(&saved.model, true)?;
        self.stepper.restore(&saved.optimizer, saved.step)?;
        for row in saved.history {
            self.progress.push(row, false);
        }
        let epochs = self.progress.rows().len();
        self.best = match saved.best {
            Some(best) => Some(best),
            None if self.best_epoch() == epochs => Some(self.model.snapshot()?),
            None => None,
        };
        // The file of the best weights may have been lost with the attempt that wrote it.
        self.best_unsaved = true;
        Ok(())
    }

    /// 0 before the first epoch, and where no epoch has a value to go by.
    fn best_epoch(&self) -> usize {
        self.progress.best().map_or(0, |best| best.epoch)
    }

    fn columns(&self) -> Vec<String> {
        metric_columns(self.setup.metrics, self.setup.data.split.valid.is_some())
    }

    /// The result; of a completed training the best weights on the test part.
    fn finish(&mut self, ending: Ending) -> Result<Outcome> {
        let mut outcome = Outcome {
            ending,
            best: self.progress.best().cloned(),
            last: self.progress.rows().last().cloned(),
            test: Vec::new(),
            predictions: None,
            classes: None,
        };
        if !matches!(ending, Ending::Completed { .. }) {
            return Ok(outcome);
        }
        if let Some(best) = &self.best {
            self.model.load_tensors(best, true)?;
        }
        let split = &self.setup.data.split;
        if let Some(part) = split.test.as_ref().or(split.valid.as_ref()) {
            let Setup { metrics, data, device, .. } = *self.setup;
            let review = review(&mut self.model, self.loss, metrics, data, part, device)?;
            if split.test.is_some() {
                outcome.test = review.tally.values();
            }
            outcome.classes = review.predictions.class_report();
            outcome.predictions = Some(review.predictions);
        }
        Ok(outcome)
    }
}

/// The columns of `metrics.csv` behind `epoch`, `step` and `lr`.
pub fn metric_columns(metrics: &[MetricConfig], has_validation: bool) -> Vec<String> {
    let names: Vec<String> = std::iter::once("loss".to_owned())
        .chain(metrics.iter().map(|metric| metric.about().name.to_owned()))
        .collect();
    let parts: &[&str] = if has_validation { &["train", "valid"] } else { &["train"] };
    names.iter().flat_map(|name| parts.iter().map(move |part| format!("{part}_{name}"))).collect()
}

fn columns(trained: &Tally, validated: Option<&Tally>) -> Vec<(String, f64)> {
    let valid = validated.map(Tally::values);
    let mut row = Vec::new();
    for (index, (name, value)) in trained.values().into_iter().enumerate() {
        row.push((format!("train_{name}"), value));
        if let Some(valid) = &valid {
            row.push((format!("valid_{name}"), valid[index].1));
        }
    }
    row
}
