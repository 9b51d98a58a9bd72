//! What the runs of a plan would take, from a few steps of each shape.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use super::estimate;
use super::executor::with_threads;
use super::plan::Plan;
use crate::data::{DataConfig, Prepared};
use crate::device::DeviceConfig;
use crate::setting::Kind;
use crate::train::{self, Pace};
use crate::{Error, Result};

/// Steps that are timed, the median of which counts.
pub const STEPS: usize = 5;

/// What a run would take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// Wall time of the whole training by itself.
    pub seconds: f64,
    /// The most memory at once, data left out.
    pub bytes: u64,
}

/// What decides how long a step takes: what samples are, the model by its address, the samples of a batch, the batches of
/// a step and the sort of optimizer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    data: Arc<str>,
    model: usize,
    batch: usize,
    batches: usize,
    optimizer: &'static str,
}

/// Takes a few steps of every shape among the runs, and tells what each run would take; beside that the number of shapes.
///
/// `prepared` holds the data of each run, `None` for those that are not asked about. Models are built and thrown away;
/// nothing is written.
pub fn probe(
    plan: &Plan,
    prepared: &[Option<Arc<Prepared>>],
    device: DeviceConfig,
    threads: usize,
) -> Result<(Vec<Option<Expectation>>, usize)> {
    let mut samples: HashMap<usize, Arc<str>> = HashMap::new();
    let mut paces: HashMap<Shape, Pace> = HashMap::new();
    let mut expected = Vec::with_capacity(plan.runs.len());
    let device = device.open()?;
    for (run, data) in plan.runs.iter().zip(prepared) {
        let Some(data) = data else {
            expected.push(None);
            continue;
        };
        let config = &run.spec.config;
        // No checkpoint is made.
        let setup = run.spec.setup(data, &device, "");
        let of_samples = match samples.get(&config.data.address()) {
            Some(known) => Arc::clone(known),
            None => what_samples_are(&config.data)?,
        };
        samples.insert(config.data.address(), Arc::clone(&of_samples));
        let shape = Shape {
            data: of_samples,
            model: config.model.address(),
            batch: config.train.batch_size,
            batches: config.train.accumulate,
            optimizer: config.optimizer.kind.kind(),
        };
        let pace = match paces.get(&shape) {
            Some(known) => *known,
            None => with_threads(threads, || train::probe(&setup, STEPS))??,
        };
        paces.insert(shape, pace);
        let bytes = estimate::run_bytes(&run.spec, data)?;
        expected.push(Some(Expectation { seconds: pace.seconds(&setup), bytes }));
    }
    Ok((expected, paces.len()))
}

/// The settings of the data but for those that only say how many samples there are.
fn what_samples_are(data: &DataConfig) -> Result<Arc<str>> {
    let common = &data.common;
    let text = serde_json::to_string(&(&data.kind, &common.normalize, &common.classes, &common.augment));
    let text = text.map_err(|error| Error::Bug(format!("settings are not JSON: {error}")))?;
    Ok(text.into())
}

/// The wall time of runs that take so long each with so many at once, longest first.
pub fn makespan(seconds: &[f64], slots: usize) -> f64 {
    let mut longest_first = seconds.to_vec();
    longest_first.sort_by(|a, b| b.total_cmp(a));
    // Microseconds have an order.
    let mut free: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), slots.max(1)).collect();
    let mut end = 0;
    for seconds in longest_first {
        let Some(Reverse(start)) = free.pop() else { break };
        let over = start.saturating_add((seconds * MICRO) as u64);
        end = end.max(over);
        free.push(Reverse(over));
    }
    end as f64 / MICRO
}

/// Microseconds in a second.
const MICRO: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_runs_come_first() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-5, "{found}");
        close(makespan(&[1.0, 1.0, 2.0], 2), 2.0);
        close(makespan(&[1.0, 1.0, 2.0], 1), 4.0);
        close(makespan(&[3.0, 1.0], 8), 3.0);
        close(makespan(&[], 2), 0.0);
        close(makespan(&[1.0], 0), 1.0);
    }
}
