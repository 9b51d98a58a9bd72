//! A model in evaluation mode over a part of the data.

use candle_core::{Device, Tensor};

use super::event::Predictions;
use crate::Result;
use crate::data::{Batch, Inputs, Part, Prepared};
use crate::kernel;
use crate::loss::Loss;
use crate::metric::{Metric, MetricConfig, predicted_class};
use crate::model::{Model, Pass};
use crate::target::Targets;

/// Samples a batch in evaluation mode, whatever the batch of the training: the result must not depend on it.
pub const EVALUATION_BATCH: usize = 1024;

/// Means over samples: the loss and every metric.
pub struct Tally {
    loss: f64,
    samples: usize,
    metrics: Vec<(String, Box<dyn Metric>)>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(metrics: &[MetricConfig]) -> Self {
        let metrics = metrics.iter().map(|metric| (metric.about().name.to_owned(), metric.build())).collect();
        Self { loss: 0.0, samples: 0, metrics }
    }

    /// Counts a batch: the sum of its losses, the outputs `[1, B, C]` and the targets.
    pub fn add(&mut self, loss_sum: f64, outputs: &Tensor, targets: &Targets) -> Result<()> {
        self.loss += loss_sum;
        self.samples += targets.len();
        let width = outputs.dim(2)?;
        let outputs = on_cpu(outputs)?;
        kernel::read::<f32, _>(&outputs, |outputs| {
            self.metrics.iter_mut().try_for_each(|(_, metric)| metric.update(outputs, width, targets))
        })
        .flatten()
    }

    /// Counts what the model makes of a batch `[1, B, …]`.
    pub fn measure(&mut self, model: &mut Model, loss: &dyn Loss, batch: &Batch) -> Result<()> {
        let outputs = outputs(model, &batch.inputs)?;
        let value = loss.evaluate(&outputs, &batch.targets, false)?;
        self.add(value.sums.iter().sum(), &outputs, &batch.targets)
    }

    /// How many samples were counted.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// `loss` and the metrics by name, in order.
    pub fn values(&self) -> Vec<(String, f64)> {
        let loss = ("loss".to_owned(), self.loss / self.samples as f64);
        let metrics = self.metrics.iter().map(|(name, metric)| (name.clone(), metric.value()));
        std::iter::once(loss).chain(metrics).collect()
    }
}

/// Loss and metrics of the model on a part.
pub fn evaluate(
    model: &mut Model,
    loss: &dyn Loss,
    metrics: &[MetricConfig],
    data: &Prepared,
    part: &Part,
    device: &Device,
) -> Result<Tally> {
    let mut tally = Tally::new(metrics);
    for rows in part.rows.chunks(EVALUATION_BATCH) {
        let batch = data.gather(part, rows, device)?;
        tally.measure(model, loss, &batch)?;
    }
    Ok(tally)
}

/// Class probabilities of the model on a part, in the order of its rows.
pub fn predictions(model: &mut Model, data: &Prepared, part: &Part, device: &Device) -> Result<Predictions> {
    let mut made = Predictions {
        index: Vec::with_capacity(part.len()),
        target: Targets::Classes(Vec::with_capacity(part.len())),
        prediction: Targets::Classes(Vec::with_capacity(part.len())),
        probabilities: Vec::new(),
        classes: data.classes().to_vec(),
    };
    for rows in part.rows.chunks(EVALUATION_BATCH) {
        let batch = data.gather(part, rows, device)?;
        let (classes, probabilities) = classify(model, &batch.inputs)?;
        made.index.extend_from_slice(rows);
        made.target.extend(&batch.targets)?;
        made.prediction.extend(&Targets::Classes(classes))?;
        made.probabilities.extend(probabilities);
    }
    Ok(made)
}

/// What the model makes of samples in evaluation mode, `[1, B, …]`.
fn outputs(model: &mut Model, inputs: &Inputs) -> Result<Tensor> {
    model.forward(&inputs.values, &Pass::EVALUATION.with_lengths(inputs.lengths.as_deref()))
}

/// The class of every sample of a batch, and its probabilities `[B, C]`.
pub fn classify(model: &mut Model, inputs: &Inputs) -> Result<(Vec<u32>, Vec<f32>)> {
    let outputs = outputs(model, inputs)?;
    let classes = outputs.dim(2)?;
    let probabilities = on_cpu(&kernel::softmax::probabilities(&outputs)?)?;
    let probabilities = kernel::read::<f32, _>(&probabilities, <[f32]>::to_vec)?;
    let outputs = on_cpu(&outputs)?;
    let predicted = kernel::read::<f32, _>(&outputs, |outputs| {
        // Outputs without a single number have no largest; the first class stands for them.
        outputs.chunks(classes).map(|row| predicted_class(row).unwrap_or(0)).collect()
    })?;
    Ok((predicted, probabilities))
}

fn on_cpu(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.to_device(&Device::Cpu)?)
}
