//! How long runs take, from those that are completed.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Plan, PlannedRun};
use crate::Result;
use crate::config::RunConfig;
use crate::data::Prepared;
use crate::setting::Kind;
use crate::store::{RunEntry, Status};

/// What decides how long an epoch takes: data and model by their addresses, which equal settings share, the samples of
/// a batch and the sort of optimizer.
pub(super) type Shape = (usize, usize, usize, &'static str);

pub(super) fn shape(config: &RunConfig) -> Shape {
    let RunConfig { data, model, optimizer, train, .. } = config;
    (data.address(), model.address(), train.batch_size, optimizer.kind.kind())
}

impl Plan {
    /// What all epochs of a run take, if a run of its shape is completed.
    pub fn seconds_of(&self, run: &PlannedRun) -> Option<f64> {
        let epochs = run.spec.config.train.epochs as f64;
        self.paces.get(&shape(&run.spec.config)).map(|seconds| seconds * epochs)
    }

    /// How long each run takes beside the others, by its data in `prepared`; 0 for a run without. Seconds where runs of
    /// the same shape are completed; the others follow from weights × samples × epochs, which is good for an order and
    /// no more.
    pub fn costs(&self, prepared: &[Option<Arc<Prepared>>]) -> Result<Vec<f64>> {
        let mut counts: HashMap<[usize; 2], u64> = HashMap::new();
        let mut guesses = Vec::with_capacity(self.runs.len());
        for (run, data) in self.runs.iter().zip(prepared) {
            let Some(data) = data else {
                guesses.push(0.0);
                continue;
            };
            let config = &run.spec.config;
            let key = [config.data.address(), config.model.address()];
            let count = match counts.get(&key) {
                Some(count) => *count,
                None => config.model.parameter_count(&data.shape(), config.loss().outputs(data.task())?)?,
            };
            counts.insert(key, count);
            guesses.push(count as f64 * data.split.train.len() as f64 * config.train.epochs as f64);
        }
        let known: Vec<Option<f64>> = self.runs.iter().map(|run| self.seconds_of(run)).collect();
        let ratios = known.iter().zip(&guesses).filter_map(|(known, guess)| Some((*known)? / guess));
        let seconds_each = median(ratios.filter(|ratio| ratio.is_finite()).collect()).unwrap_or(1.0);
        Ok(known.iter().zip(guesses).map(|(known, guess)| known.unwrap_or(guess * seconds_each)).collect())
    }

    /// What the work would take with so many runs at once, if anything of this experiment is completed.
    pub fn estimate_seconds(&self, jobs: usize) -> Option<f64> {
        let epochs: usize = self.work().map(|run| run.spec.config.train.epochs).sum();
        Some(self.seconds_per_epoch? * epochs as f64 / jobs.clamp(1, self.runs.len().max(1)) as f64)
    }
}

/// What an epoch took in a run that is completed.
pub(super) fn epoch_seconds(entry: &RunEntry) -> Option<f64> {
    let record = &entry.record;
    let epochs = record.last.as_ref().filter(|_| record.status == Status::Completed)?.epoch;
    Some(record.seconds / epochs as f64).filter(|seconds| seconds.is_finite())
}

pub(super) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}
