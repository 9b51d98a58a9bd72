//! How much memory a run needs, before it starts: an allocation that fails cannot be caught.
//!
//! Data is not counted, which all runs share. The measured peaks that the estimate is held to stand in its tests.

use super::spec::RunSpec;
use crate::data::{Part, Prepared};
use crate::model::{Load, Purpose};
use crate::train::EVALUATION_BATCH;
use crate::{Error, Result};

/// Of a weight, an activation and a buffer of an optimizer.
const BYTES: u64 = 4;
/// Of a prediction on its way to the disk, for the row and for each class: the number and its digits.
const BYTES_OF_PREDICTION: u64 = 24;
/// What a run takes however small it is: a thread, its stack, files, the pages that the allocator has begun.
const BASE: u64 = 4 << 20;
/// The allocator keeps what a step has freed for a moment, in which the evaluation or the checkpoint takes more; larger
/// blocks than make up this it gives back at once.
const MOST_RETAINED: u64 = 256 << 20;

/// What is counted of a run, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Weights, their gradients, the state of the optimizer, and the best weights.
    pub lasting: u64,
    /// The most that a step, an evaluation or a checkpoint needs beside that, for a while.
    pub passing: u64,
}

impl Needs {
    /// Of a run on its data.
    pub fn of(spec: &RunSpec, data: &Prepared) -> Result<Self> {
        let config = &spec.config;
        let (shape, outputs) = (data.shape(), config.loss().outputs(data.task())?);
        let (weights, trained) = config.model.weight_counts(&shape, outputs)?;
        let buffers = config.optimizer.buffers(config.scheduler.cycles_momentum());
        // Gradients of several batches are summed apart.
        let gradients = if config.train.accumulate > 1 { 2 } else { 1 };
        let state = trained.saturating_mul(buffers);
        let (twice, sums) = (weights.saturating_mul(2), trained.saturating_mul(gradients));
        let lasting = twice.saturating_add(sums).saturating_add(state);
        let pass = |batch: usize, samples: usize, purpose| {
            let load = Load { batch: batch.min(samples) as u64, fullness: data.fullness(), purpose };
            config.model.pass_numbers(&shape, outputs, load)
        };
        let split = &data.split;
        let training = match config.train.epochs {
            0 => 0,
            _ => pass(config.train.batch_size, split.train.len(), Purpose::Training)?,
        };
        let measured = [&split.valid, &split.test].into_iter().flatten().map(Part::len);
        let largest = measured.max().unwrap_or(0);
        let evaluation = pass(EVALUATION_BATCH, largest, Purpose::Evaluation)?;
        // Weights, best weights and state in one file, and new best weights beside the ones before.
        let checkpoint = weights.saturating_mul(3).saturating_add(state);
        let predicted = split.test.as_ref().or(split.valid.as_ref()).map_or(0, Part::len) as u64;
        let predictions = predicted.saturating_mul((outputs as u64).saturating_add(1));
        let phases = [training, evaluation, checkpoint].map(|numbers| numbers.saturating_mul(BYTES));
        Ok(Self {
            lasting: lasting.saturating_mul(BYTES).saturating_add(BASE),
            passing: together(&phases).max(predictions.saturating_mul(BYTES_OF_PREDICTION)),
        })
    }

    /// Both together.
    pub fn bytes(&self) -> u64 {
        self.lasting.saturating_add(self.passing)
    }
}

/// What phases take of which one follows the other: the largest, and what is left of the others.
fn together(phases: &[u64]) -> u64 {
    let largest = phases.iter().copied().max().unwrap_or(0);
    let all = phases.iter().fold(0u64, |sum, phase| sum.saturating_add(*phase));
    largest.saturating_add((all - largest).min(MOST_RETAINED))
}

/// The most bytes that a run needs at once, data left out.
pub fn run_bytes(spec: &RunSpec, data: &Prepared) -> Result<u64> {
    Needs::of(spec, data).map(|needs| needs.bytes())
}

/// Whether so much is free.
///
/// # Errors
/// [`Error::Environment`] with what could be changed.
pub fn fits(bytes: u64, free: u64) -> Result<()> {
    if bytes <= free {
        return Ok(());
    }
    let (needed, free) = (in_words(bytes), in_words(free));
    Err(Error::Environment(format!(
        "the run needs about {needed} of memory, but {free} are free: a smaller train.batch_size or model needs less, and \
         fewer --jobs leave more"
    )))
}

/// `3.33 GB`, as sizes stand in tables.
pub fn in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if unit == 0 { 0 } else { 2 };
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Experiment, Layer};
    use crate::run::Library;

    #[test]
    fn sizes_read_well() {
        let sizes = [0, 999, 1000, 3_328_599_654, 150_000_000, u64::MAX];
        assert_eq!(
            sizes.map(in_words),
            ["0 B", "999 B", "1.00 kB", "3.33 GB", "150.00 MB", "18446744.07 TB"]
        );
    }

    #[test]
    fn what_is_not_free_is_refused_with_advice() {
        assert!(fits(5, 5).is_ok());
        let refused = fits(3_328_599_654, 1_288_490_189).unwrap_err();
        assert_eq!(refused.exit_code(), crate::error::EXIT_ENVIRONMENT);
        assert_eq!(
            refused.to_string(),
            "the run needs about 3.33 GB of memory, but 1.29 GB are free: a smaller train.batch_size or model needs \
             less, and fewer --jobs leave more"
        );
    }

    const IMAGES: &str = "source = 'synthetic'\nkind = 'images'\nimage_size = [28, 28]\nnoise = 0.5";
    const SEQUENCES: &str = "source = 'synthetic'\nkind = 'sequences'";

    /// Data, samples, settings, and the highest resident size of `runner run --jobs 1` in MB, less that of a run of the
    /// smallest model on the same data and with the estimate of that one: Linux, x86-64, a build without optimisation.
    const MEASURED: [(&str, usize, &str, f64); 8] = [
        (IMAGES, 3000, "model.kind = 'mlp'\ntrain.batch_size = 256", 56.4),
        (IMAGES, 1500, "model = { kind = 'mlp', hidden = [2048, 2048] }\ntrain.batch_size = 256", 237.0),
        (
            IMAGES,
            600,
            "model = { kind = 'mlp', hidden = [2048, 2048] }\noptimizer = 'sgd'\ntrain.batch_size = 64",
            152.8,
        ),
        (IMAGES, 600, "model.kind = 'cnn'\ntrain.batch_size = 256", 180.8),
        (IMAGES, 600, "model.kind = 'cnn'\ntrain.batch_size = 32", 113.7),
        (
            SEQUENCES,
            400,
            "model = { kind = 'rnn', cell = 'lstm', hidden_size = 256, num_layers = 2 }\ntrain.batch_size = 64",
            89.4,
        ),
        (
            SEQUENCES,
            1000,
            "model = { kind = 'rnn', cell = 'lstm', hidden_size = 128, num_layers = 2 }\ntrain.batch_size = 256",
            61.0,
        ),
        (
            IMAGES,
            1000,
            "model = { kind = 'rnn', cell = 'gru', hidden_size = 128, bidirectional = true }\ntrain.batch_size = 256",
            97.7,
        ),
    ];

    #[test]
    fn estimates_are_near_what_was_measured() {
        let library = Library::default();
        let ratios = MEASURED.map(|(data, samples, settings, megabytes)| {
            let text = format!(
                "{settings}\n[data]\n{data}\nsamples = {samples}\nsplit = {{ train = 0.6, valid = 0.4 }}\n"
            );
            let layer = Layer::parse("x.toml".into(), PathBuf::new(), &text).unwrap();
            let drafts = Experiment::from_layers(vec![layer], "x", None).unwrap().expand().unwrap().drafts;
            let spec = RunSpec::new(&drafts[0], &library).unwrap();
            let data = library.prepared(&spec.config.data).unwrap();
            run_bytes(&spec, &data).unwrap() as f64 / 1e6 / megabytes
        });
        assert!(ratios.iter().all(|ratio| (0.8..1.5).contains(ratio)), "{ratios:.2?}");
    }

    #[test]
    fn what_is_kept_for_a_moment_counts_up_to_a_limit() {
        assert_eq!(together(&[3, 5, 1]), 9);
        assert_eq!(together(&[10 << 30, 8 << 30]), (10 << 30) + MOST_RETAINED);
        assert_eq!(together(&[u64::MAX, 5]), u64::MAX);
    }
}
