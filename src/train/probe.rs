//! How long steps take, from a few of them.

use std::time::Instant;

use super::evaluate::{EVALUATION_BATCH, Tally};
use super::setup::Setup;
use super::trainer::Trainer;
use crate::Result;
use crate::data::Part;
use crate::data::augment::Draw;

/// What a training takes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// One step of the optimizer with the passes before it: the median of those that were timed.
    pub step_seconds: f64,
    /// One sample in an evaluation.
    pub sample_seconds: f64,
}

impl Pace {
    /// The training of so many epochs: its steps, the evaluation behind each epoch and that of the test part at the
    /// end.
    pub fn seconds(&self, setup: &Setup<'_>) -> f64 {
        let split = &setup.data.split;
        let steps = setup.train.steps(split.train.len());
        let samples = |part: &Option<Part>| part.as_ref().map_or(0, Part::len) as f64;
        let epoch = steps as f64 * self.step_seconds + samples(&split.valid) * self.sample_seconds;
        let end = samples(if split.test.is_some() { &split.test } else { &split.valid });
        setup.train.epochs as f64 * epoch + end * self.sample_seconds
    }
}

/// Takes `steps` steps of the training, as far as it has so many, behind one that is not timed, and evaluates a batch.
///
/// The model is built as it would be and thrown away; nothing is written.
pub fn probe(setup: &Setup<'_>, steps: usize) -> Result<Pace> {
    let mut trainer = Trainer::new(setup)?;
    let all = setup.train.steps(setup.data.split.train.len()).saturating_mul(setup.train.epochs);
    let step_seconds = if all > 0 { step_seconds(&mut trainer, steps.clamp(1, all))? } else { 0.0 };
    Ok(Pace { step_seconds, sample_seconds: sample_seconds(&mut trainer)? })
}

fn step_seconds(trainer: &mut Trainer<'_>, steps: usize) -> Result<f64> {
    let Setup { train, metrics, seed, device, .. } = *trainer.setup;
    let order = trainer.order(1);
    let size = train.batch_size.saturating_mul(train.accumulate);
    // A last step that is not full would make them look quicker than they are.
    let rows: Vec<&[u32]> = match order.chunks_exact(size).take(steps + 1).collect::<Vec<_>>() {
        full if full.is_empty() => vec![&order],
        full => full,
    };
    let (draw, mut batches, mut tally) = (Draw { seed, epoch: 1 }, 0, Tally::new(metrics));
    let mut seconds = Vec::with_capacity(steps);
    for step in 0..=steps {
        let start = Instant::now();
        trainer.learn(rows[step % rows.len()], draw, &mut batches, &mut tally)?;
        trainer.stepper.step(&mut trainer.model, (0, &[]), false)?;
        device.synchronize()?;
        // The first one touches its memory for the first time.
        if step > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn sample_seconds(trainer: &mut Trainer<'_>) -> Result<f64> {
    let split = &trainer.setup.data.split;
    let part = split.valid.as_ref().or(split.test.as_ref()).filter(|part| !part.is_empty());
    let Some(part) = part else { return Ok(0.0) };
    let rows: Vec<u32> = part.rows.iter().copied().take(EVALUATION_BATCH).collect();
    let (count, part) = (rows.len() as f64, Part { set: part.set, rows });
    let mut best = f64::INFINITY;
    for _ in 0..2 {
        let start = Instant::now();
        trainer.tally(&part)?;
        trainer.setup.device.synchronize()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best / count)
}
