//! A model in evaluation mode over a part of the data.

use candle_core::{Device, Tensor};

use super::event::Predictions;
use crate::data::{Batch, Inputs, Part, Prepared};
use crate::loss::{Loss, LossValue};
use crate::metric::{Answers, Metric, MetricConfig, predicted_class};
use crate::model::{Model, Pass};
use crate::target::{Targets, Task};
use crate::{Result, kernel};

/// Samples a batch in evaluation mode, whatever the batch of the training: the result must not depend on it.
pub const EVALUATION_BATCH: usize = 1024;

/// Numbers over samples: the mean of the loss and every metric.
pub struct Tally {
    loss_sum: f64,
    loss_weight: f64,
    samples: usize,
    metrics: Vec<(String, Box<dyn Metric>)>,
    needs_probabilities: bool,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(metrics: &[MetricConfig]) -> Self {
        let needs_probabilities = metrics.iter().any(MetricConfig::needs_probabilities);
        let metrics = metrics.iter().map(|metric| (metric.about().name.to_owned(), metric.build())).collect();
        Self { loss_sum: 0.0, loss_weight: 0.0, samples: 0, metrics, needs_probabilities }
    }

    /// Counts a batch: what `loss` found on it, the outputs `[1, B, K]` and the targets.
    pub fn add(
        &mut self,
        loss: &dyn Loss,
        found: &LossValue,
        outputs: &Tensor,
        targets: &Targets,
    ) -> Result<()> {
        self.loss_sum += found.sums.iter().sum::<f64>();
        self.loss_weight += found.weights.iter().sum::<f64>();
        self.samples += targets.len();
        if self.metrics.is_empty() {
            return Ok(());
        }
        let scores = on_cpu(&loss.scores(outputs)?)?;
        let width = scores.dim(2)?;
        let probabilities = if self.needs_probabilities { loss.probabilities(outputs)? } else { None };
        let probabilities = probabilities.as_ref().map_or_else(|| Ok(Vec::new()), numbers)?;
        kernel::read::<f32, _>(&scores, |scores| {
            let answers = Answers::new(scores, width).with_probabilities(&probabilities);
            self.metrics.iter_mut().try_for_each(|(_, metric)| metric.update(&answers, targets))
        })
        .flatten()
    }

    /// Counts what the model makes of a batch `[1, B, …]`; the outputs.
    fn measure(&mut self, model: &mut Model, loss: &dyn Loss, batch: &Batch) -> Result<Tensor> {
        let outputs = outputs(model, &batch.inputs)?;
        let found = loss.evaluate(&outputs, &batch.targets, false)?;
        self.add(loss, &found, &outputs, &batch.targets)?;
        Ok(outputs)
    }

    /// How many samples were counted.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// `loss` and the metrics by name, in order.
    pub fn values(&self) -> Vec<(String, f64)> {
        let loss = ("loss".to_owned(), self.loss_sum / self.loss_weight);
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

/// Loss, metrics and predictions, all of one pass.
pub struct Review {
    /// The numbers.
    pub tally: Tally,
    /// What the model says, in the order of the samples.
    pub predictions: Predictions,
}

impl Review {
    /// Nothing looked at yet. `classes` are the names; none where the targets are numbers.
    pub fn new(metrics: &[MetricConfig], task: Task, classes: &[String]) -> Self {
        let none = match task {
            Task::Classification { .. } => Targets::Classes(Vec::new()),
            Task::Regression => Targets::Values(Vec::new()),
        };
        let predictions = Predictions {
            index: Vec::new(),
            target: none.clone(),
            prediction: none,
            probabilities: Vec::new(),
            classes: classes.to_vec(),
        };
        Self { tally: Tally::new(metrics), predictions }
    }

    /// Looks at a batch whose samples are these rows of the source.
    pub fn add(&mut self, model: &mut Model, loss: &dyn Loss, batch: &Batch, rows: &[u32]) -> Result<()> {
        let outputs = self.tally.measure(model, loss, batch)?;
        let answer = Answer::new(loss, &outputs)?;
        let made = &mut self.predictions;
        made.index.extend_from_slice(rows);
        made.target.extend(&batch.targets)?;
        made.prediction.extend(&answer.prediction)?;
        made.probabilities.extend(answer.probabilities);
        Ok(())
    }
}

/// Loss, metrics and predictions of the model on a part, in the order of its rows.
pub fn review(
    model: &mut Model,
    loss: &dyn Loss,
    metrics: &[MetricConfig],
    data: &Prepared,
    part: &Part,
    device: &Device,
) -> Result<Review> {
    let mut review = Review::new(metrics, data.task(), data.classes());
    for rows in part.rows.chunks(EVALUATION_BATCH) {
        let batch = data.gather(part, rows, device)?;
        review.add(model, loss, &batch, rows)?;
    }
    Ok(review)
}

/// What a model says of some samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The class or the number of each.
    pub prediction: Targets,
    /// Row-major `[B, C]`; empty where numbers are predicted.
    pub probabilities: Vec<f32>,
}

impl Answer {
    /// From outputs `[1, B, K]` of a model that was trained with `loss`.
    fn new(loss: &dyn Loss, outputs: &Tensor) -> Result<Self> {
        let Some(probabilities) = loss.probabilities(outputs)? else {
            return Ok(Self { prediction: Targets::Values(numbers(outputs)?), probabilities: Vec::new() });
        };
        let scores = on_cpu(&loss.scores(outputs)?)?;
        let width = scores.dim(2)?;
        let classes = kernel::read::<f32, _>(&scores, |scores| {
            // Outputs without a single number have no largest; the first class stands for them.
            scores.chunks(width.max(1)).map(|row| predicted_class(row).unwrap_or(0)).collect()
        })?;
        Ok(Self { prediction: Targets::Classes(classes), probabilities: numbers(&probabilities)? })
    }
}

/// What the model says of samples `[1, B, …]` in evaluation mode.
pub fn answer(model: &mut Model, loss: &dyn Loss, inputs: &Inputs) -> Result<Answer> {
    Answer::new(loss, &outputs(model, inputs)?)
}

/// What the model makes of samples in evaluation mode, `[1, B, …]`.
fn outputs(model: &mut Model, inputs: &Inputs) -> Result<Tensor> {
    model.forward(&inputs.values, &Pass::EVALUATION.with_lengths(inputs.lengths.as_deref()))
}

fn on_cpu(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.to_device(&Device::Cpu)?.contiguous()?)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    kernel::read::<f32, _>(&on_cpu(tensor)?, <[f32]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::LossConfig;

    fn loss(text: &str) -> LossConfig {
        let table: toml::Value = toml::Value::Table(toml::from_str(text).unwrap());
        crate::setting::read(&table).unwrap()
    }

    fn tensor(rows: &[f32], width: usize) -> Tensor {
        Tensor::from_slice(rows, (1, rows.len() / width, width), &Device::Cpu).unwrap()
    }

    #[test]
    fn the_loss_decides_what_outputs_mean() {
        let softmax = Answer::new(loss("").as_loss(), &tensor(&[0.0, 0.0, 1.0, -1.0], 2)).unwrap();
        assert_eq!(softmax.prediction, Targets::Classes(vec![0, 0]));
        assert_eq!(softmax.probabilities[..2], [0.5, 0.5]);

        let single =
            Answer::new(loss("kind = 'bce_with_logits'").as_loss(), &tensor(&[0.0, 0.1, -3.0], 1)).unwrap();
        assert_eq!(single.prediction, Targets::Classes(vec![0, 1, 0]));
        assert_eq!(single.probabilities.len(), 6);
        assert!(single.probabilities[3] > 0.5 && single.probabilities[5] < 0.05);

        let each =
            Answer::new(loss("kind = 'bce_with_logits'").as_loss(), &tensor(&[0.0, 2.0, 2.5], 3)).unwrap();
        assert_eq!(each.prediction, Targets::Classes(vec![2]));
        assert!((each.probabilities[0] - 0.5).abs() < 1e-7);

        let value = Answer::new(loss("kind = 'huber'").as_loss(), &tensor(&[1.5, -2.0], 1)).unwrap();
        assert_eq!(value, Answer { prediction: Targets::Values(vec![1.5, -2.0]), probabilities: vec![] });
    }

    /// ```python
    /// # PyTorch 2.15
    /// x = torch.tensor([[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]], dtype=torch.float64)
    /// w = torch.tensor([0.5, 2.0, 1.25], dtype=torch.float64)
    /// F.cross_entropy(x, torch.tensor([2, 1, 0]), weight=w, label_smoothing=0.3).item()
    /// ```
    #[test]
    fn the_loss_of_a_part_is_the_weighted_mean_over_all_of_it() {
        let config = loss("label_smoothing = 0.3\nclass_weights = [0.5, 2.0, 1.25]");
        let loss = config.as_loss();
        let rows = [[0.5f32, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]];
        let mut tally = Tally::new(&[]);
        for (rows, targets) in [(&rows[..2], vec![2, 1]), (&rows[2..], vec![0])] {
            let (outputs, targets) = (tensor(&rows.concat(), 3), Targets::Classes(targets));
            let found = loss.evaluate(&outputs, &targets, false).unwrap();
            tally.add(loss, &found, &outputs, &targets).unwrap();
        }
        assert!((tally.values()[0].1 - 1.908_507_759_254_619_6).abs() < 1e-6);
        assert_eq!(tally.samples(), 3);
    }

    #[test]
    fn metrics_see_both_columns_of_a_single_logit() {
        let config = loss("kind = 'bce_with_logits'");
        let loss = config.as_loss();
        let metrics: Vec<MetricConfig> = ["accuracy", "f1", "auc"]
            .map(|name| crate::setting::read(&toml::Value::String(name.into())).unwrap())
            .to_vec();
        let mut tally = Tally::new(&metrics);
        let (outputs, targets) = (tensor(&[1.0, -1.0, 2.0, 0.5], 1), Targets::Classes(vec![1, 0, 1, 0]));
        let found = loss.evaluate(&outputs, &targets, false).unwrap();
        tally.add(loss, &found, &outputs, &targets).unwrap();
        let values = tally.values();
        let close = |index: usize, expected: f64| (values[index].1 - expected).abs() < 1e-12;
        assert!(close(1, 0.75) && close(2, f64::midpoint(2.0 / 3.0, 0.8)) && close(3, 1.0), "{values:?}");
    }

    #[test]
    fn metrics_of_numbers_see_the_outputs() {
        let config = loss("kind = 'mse'");
        let loss = config.as_loss();
        let mut tally = Tally::new(&MetricConfig::defaults_for(crate::target::TaskKind::Regression));
        let (outputs, targets) = (tensor(&[1.0, 3.0], 1), Targets::Values(vec![0.0, 4.0]));
        let found = loss.evaluate(&outputs, &targets, false).unwrap();
        tally.add(loss, &found, &outputs, &targets).unwrap();
        let expected = [("loss", 1.0), ("rmse", 1.0), ("mae", 1.0), ("r2", 0.75)];
        assert_eq!(tally.values(), expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
