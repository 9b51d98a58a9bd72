//! The training loop.

use std::ops::ControlFlow;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::config::TrainConfig;
use super::evaluate::{Tally, evaluate, review};
use super::event::{Ending, Event, Observer, Outcome, Row, Snapshot, Timing};
use super::progress::Progress;
use super::state;
use crate::data::augment::Draw;
use crate::data::{Part, Prepared};
use crate::loss::{Loss, LossConfig};
use crate::metric::MetricConfig;
use crate::model::{Model, ModelConfig, Pass};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::rng::{Purpose, Stream};
use crate::scheduler::{Scheduler, SchedulerConfig};
use crate::{Error, Result};

/// All that a training is made of. Data is lent: every run of a sweep shares it.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Governs initial weights, the order of samples and dropout.
    pub seed: u64,
    /// The network.
    pub model: &'a ModelConfig,
    /// What is minimised.
    pub loss: &'a LossConfig,
    /// How weights follow gradients.
    pub optimizer: &'a OptimizerConfig,
    /// How the learning rate changes.
    pub scheduler: &'a SchedulerConfig,
    /// Epochs, batches, stopping.
    pub train: &'a TrainConfig,
    /// What is reported beside the loss.
    pub metrics: &'a [MetricConfig],
    /// The samples, which of them are for what, and the preprocessing fitted on the training part.
    pub data: &'a Prepared,
    /// Where the arithmetic is done.
    pub device: &'a Device,
    /// The text that goes into every checkpoint.
    pub metadata: &'a str,
}

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
    if let Some(report) = trainer.model.transferred() {
        let _ = observer.on(&Event::Noted { text: &report.to_string() })?;
    }
    let started = Event::RunStarted {
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

struct Trainer<'a> {
    setup: &'a Setup<'a>,
    model: Model,
    loss: Box<dyn Loss>,
    optimizer: Box<dyn Optimizer>,
    scheduler: Box<dyn Scheduler>,
    progress: Progress,
    step: u64,
    best: Option<Vec<(String, Tensor)>>,
    best_unsaved: bool,
    saved_epochs: usize,
    diverged: bool,
}

impl<'a> Trainer<'a> {
    fn new(setup: &'a Setup<'a>) -> Result<Self> {
        let outputs = setup.loss.outputs(setup.data.task())?;
        let shape = setup.data.shape();
        let model = Model::build(setup.model, &shape, outputs, setup.seed, DType::F32, setup.device)?;
        let optimizer = setup.optimizer.build(&model.weights())?;
        Ok(Self {
            setup,
            loss: setup.loss.build(),
            scheduler: setup.scheduler.build(setup.train.epochs),
            optimizer,
            model,
            progress: Progress::new(setup.train)?,
            step: 0,
            best: None,
            best_unsaved: false,
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
        let lr = self.scheduler.rate(self.setup.optimizer.lr(), epoch - 1);
        let start = Instant::now();
        let trained = self.pass(epoch, lr)?;
        let train_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let validated = match &self.setup.data.split.valid {
            Some(part) => Some(self.tally(part)?),
            None => None,
        };
        let valid_seconds = start.elapsed().as_secs_f64();

        let samples = trained.samples();
        let row = Row { epoch, step: self.step, lr, values: columns(&trained, validated.as_ref()) };
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
        let Some(row) = self.progress.rows().last() else { return Ok(ControlFlow::Continue(())) };
        let best = self.progress.best().is_some_and(|best| best.epoch == epoch);
        observer.on(&Event::EpochEnded { row, timing: &timing, best })
    }

    /// The optimizer's steps of one epoch.
    fn pass(&mut self, epoch: usize, lr: f64) -> Result<Tally> {
        let rows = &self.setup.data.split.train.rows;
        let order = if self.setup.train.shuffle {
            let stream = Stream::new(self.setup.seed, Purpose::Shuffle, epoch as u32, 0);
            stream.permutation(rows.len()).into_iter().map(|position| rows[position as usize]).collect()
        } else {
            rows.clone()
        };
        let mut tally = Tally::new(self.setup.metrics);
        for batch_rows in order.chunks(self.setup.train.batch_size) {
            if self.setup.train.drop_last && batch_rows.len() < self.setup.train.batch_size {
                break;
            }
            let draw = Draw { seed: self.setup.seed, epoch: epoch as u32 };
            let batch = self.setup.data.gather_to_train(batch_rows, draw, self.setup.device)?;
            let seeds = [self.setup.seed];
            let pass = Pass::training(&seeds, self.step).with_lengths(batch.inputs.lengths.as_deref());
            let outputs = self.model.forward(&batch.inputs.values, &pass)?;
            let value = self.loss.evaluate(&outputs, &batch.targets, true)?;
            let gradient = value.gradient.as_ref();
            let gradient = gradient.ok_or_else(|| Error::Bug("the loss gave no gradient".into()))?;
            self.model.backward(gradient)?;
            if self.step == 0 {
                self.model.assert_gradients()?;
            }
            self.optimizer.step(&mut self.model.weights_mut(), &[lr])?;
            self.step += 1;
            tally.add(&*self.loss, &value, &outputs, &batch.targets)?;
        }
        Ok(tally)
    }

    fn tally(&mut self, part: &Part) -> Result<Tally> {
        evaluate(&mut self.model, &*self.loss, self.setup.metrics, self.setup.data, part, self.setup.device)
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
        let is_saved = epochs == self.saved_epochs;
        if is_saved || (self.diverged && !self.best_unsaved) {
            return Ok(());
        }
        let model = self.model.tensors()?;
        let is_best = self.progress.best().is_some_and(|best| best.epoch == epochs);
        let best = self.best.as_deref();
        let training = state::save(&*self.optimizer, &self.progress, self.step, best.filter(|_| !is_best))?;
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
        self.optimizer.load_state(&saved.optimizer)?;
        self.step = saved.step;
        for row in saved.history {
            self.progress.push(row, false);
        }
        let epochs = self.progress.rows().len();
        self.best = match (self.progress.best(), saved.best) {
            (_, Some(best)) => Some(best),
            (Some(row), None) if row.epoch == epochs => Some(self.model.snapshot()?),
            _ => None,
        };
        // The file of the best weights may have been lost with the attempt that wrote it.
        self.best_unsaved = true;
        Ok(())
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
            let review = review(&mut self.model, &*self.loss, metrics, data, part, device)?;
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
