//! Losses: what training makes small. Value and gradient come together, in one pass over the outputs.

mod bce_with_logits;
mod cross_entropy;
mod huber;
mod l1;
mod mse;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bce_with_logits::BceWithLogitsConfig;
pub use cross_entropy::CrossEntropyConfig;
pub use huber::HuberConfig;
pub use l1::L1Config;
pub use mse::MseConfig;

use crate::kernel::Measured;
use crate::setting::{self, Kind, Problems, kind};
use crate::target::{Targets, Task, TaskKind};
use crate::{Error, Result};

/// The settings under `loss`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = setting::by_kind::<Self>)]
pub enum LossConfig {
    /// Log-softmax and negative log-likelihood, for classes.
    CrossEntropy(CrossEntropyConfig),
    /// A sigmoid and the binary cross entropy, for classes: one output with two classes, else one each.
    BceWithLogits(BceWithLogitsConfig),
    /// The squared error, for numbers.
    Mse(MseConfig),
    /// The absolute error, for numbers.
    L1(L1Config),
    /// The squared error where it is small and the absolute one elsewhere, for numbers.
    Huber(HuberConfig),
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CROSS_ENTROPY
    }
}

kind!(LossConfig, default = "cross_entropy");

impl LossConfig {
    /// Log-softmax and negative log-likelihood, with nothing set.
    pub const CROSS_ENTROPY: Self = Self::CrossEntropy(CrossEntropyConfig::PLAIN);

    /// What is minimised unless the user says.
    pub fn default_for(task: TaskKind) -> Self {
        match task {
            TaskKind::Classification => Self::CROSS_ENTROPY,
            TaskKind::Regression => Self::Mse(MseConfig {}),
        }
    }

    /// The settings of the loss, which are the loss.
    pub fn as_loss(&self) -> &dyn Loss {
        match self {
            Self::CrossEntropy(config) => config,
            Self::BceWithLogits(config) => config,
            Self::Mse(config) => config,
            Self::L1(config) => config,
            Self::Huber(config) => config,
        }
    }

    /// Refuses a loss that is not for targets of this sort.
    pub fn check_task(&self, task: TaskKind, problems: &mut Problems) {
        if self.as_loss().task() != task {
            let expected = format!("expected one of: {}", kinds_for(task));
            problems.refuse("kind", self.misfit(), expected);
        }
    }

    /// How many outputs a model needs to be compared with the targets of `task`.
    ///
    /// # Errors
    /// [`Error::Request`] if the loss, or the number of its weights, is not for such targets.
    pub fn outputs(&self, task: Task) -> Result<usize> {
        let loss = self.as_loss();
        if loss.task() != task.kind() {
            let misfit = self.misfit();
            return Err(Error::Request(format!("{misfit}; choose one of: {}", kinds_for(task.kind()))));
        }
        match task {
            Task::Classification { classes } => loss.outputs(classes),
            Task::Regression => Ok(1),
        }
    }

    fn misfit(&self) -> String {
        let (wanted, found) = match self.as_loss().task() {
            TaskKind::Classification => ("classes", "numbers"),
            TaskKind::Regression => ("numbers", "classes"),
        };
        format!("the loss {} is for {wanted}, but the targets are {found}", self.kind())
    }
}

/// The losses for a sort of targets, for a message.
fn kinds_for(task: TaskKind) -> String {
    let is_for = |kind: &&&str| LossConfig::named(kind).is_some_and(|config| config.as_loss().task() == task);
    LossConfig::kinds().iter().filter(is_for).copied().collect::<Vec<_>>().join(", ")
}

/// Refuses weights that are below 0 or no numbers, and a list in which none counts.
fn check_weights(key: &str, weights: Option<&[f64]>, problems: &mut Problems) {
    let Some(weights) = weights else { return };
    problems.within(key, |problems| {
        for (index, weight) in weights.iter().enumerate() {
            if !(*weight >= 0.0 && weight.is_finite()) {
                let message = format!("a weight is {weight}");
                problems.within_entry(index, |problems| {
                    problems.refuse("", message, "expected a number, 0 or more");
                });
            }
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            problems.refuse("", format!("`{key}` counts nothing"), "expected a number above 0 in the list");
        }
    });
}

/// Refuses a number of weights that is not that of the classes.
fn fits(key: &str, holds: bool, weights: usize, classes: usize) -> Result<()> {
    if holds {
        return Ok(());
    }
    let numbers = if weights == 1 { "number" } else { "numbers" };
    Err(Error::Request(format!("{key} holds {weights} {numbers}, but the data has {classes} classes")))
}

/// What a loss finds on a batch.
#[derive(Debug)]
pub struct LossValue {
    /// One a run: the weighted sum of the loss over the batch, added up in the order of the samples in f64.
    pub sums: Vec<f64>,
    /// One a run: the sum of the weights, by which the sum is divided for the mean. Without weights it is how
    /// many numbers were summed up; the means of a whole part are those of its sums.
    pub weights: Vec<f64>,
    /// The derivative of the batch's mean loss by the outputs, of their shape, if it was wanted; that of the sum for
    /// a run whose weight is 0, as it has no mean.
    pub gradient: Option<Tensor>,
}

impl LossValue {
    /// Where every run has the same weight.
    fn new(measured: Measured, each: f64) -> Self {
        let Measured { sums, gradient } = measured;
        Self { weights: vec![each; sums.len()], sums, gradient }
    }
}

/// A measure of how far outputs are from targets.
pub trait Loss: Send + Sync {
    /// What it is for.
    fn task(&self) -> TaskKind;

    /// Refuses what `torch` refuses, and weights of which none counts.
    fn check(&self, _problems: &mut Problems) {}

    /// Whether samples of this class count at all.
    fn counts(&self, _class: u32) -> bool {
        true
    }

    /// How many outputs tell so many classes apart.
    ///
    /// # Errors
    /// [`Error::Request`] if the loss has another number of weights.
    fn outputs(&self, classes: usize) -> Result<usize> {
        Ok(classes)
    }

    /// Compares `outputs` `[R, B, K]` with `targets`, row-major `[R, B]`.
    ///
    /// # Errors
    /// [`Error::Request`] for a target that the outputs cannot express.
    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue>;

    /// The probability that the outputs `[R, B, K]` give each class, `[R, B, C]`; none where a model predicts
    /// numbers, which its outputs are.
    fn probabilities(&self, _outputs: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// Numbers `[R, B, C]` that rise with the probabilities of a row, cheaper than these: a row's largest is
    /// at the class that is predicted. The outputs themselves where numbers are predicted.
    fn scores(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(outputs.clone())
    }
}

/// Whether the mean over a batch and its gradient are these, to 1e-12 in f64 and 1e-6 in f32.
#[cfg(test)]
#[track_caller]
fn check_reference(
    loss: &dyn Loss,
    outputs: &[f64],
    width: usize,
    targets: &Targets,
    mean: f64,
    gradient: &[f64],
) {
    use candle_core::DType;

    use crate::kernel::checks::{assert_close, numbers, tensor};

    let outputs = tensor(outputs, &[1, outputs.len() / width, width]);
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-6)] {
        let found = loss.evaluate(&outputs.to_dtype(dtype).unwrap(), targets, true).unwrap();
        assert_close(&[found.sums[0] / found.weights[0]], &[mean], tolerance);
        assert_close(&numbers(&found.gradient.unwrap()), gradient, tolerance);
        let alone = loss.evaluate(&outputs.to_dtype(dtype).unwrap(), targets, false).unwrap();
        assert!(alone.gradient.is_none() && alone.sums == found.sums && alone.weights == found.weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LossConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in LossConfig::kinds() {
            let config = read(&format!("kind = '{kind}'"));
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written), config);
            assert_eq!(config.kind(), *kind);
            let mut problems = Problems::default();
            config.as_loss().check(&mut problems);
            config.check_task(config.as_loss().task(), &mut problems);
            assert!(problems.into_found().is_empty());
            assert!(kinds_for(config.as_loss().task()).split(", ").any(|known| known == *kind));
        }
        assert_eq!(read(""), LossConfig::default());
        for task in [TaskKind::Classification, TaskKind::Regression] {
            assert_eq!(LossConfig::default_for(task).as_loss().task(), task);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_at_its_key() {
        let problems = |text: &str| {
            let mut problems = Problems::default();
            read(text).as_loss().check(&mut problems);
            problems.into_found().iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(problems("label_smoothing = 1.5"), ["label_smoothing"]);
        assert_eq!(problems("label_smoothing = nan"), ["label_smoothing"]);
        assert_eq!(problems("class_weights = [1, -1, inf]"), ["class_weights[1]", "class_weights[2]"]);
        assert_eq!(problems("class_weights = [0, 0]"), ["class_weights"]);
        assert_eq!(problems("class_weights = []"), ["class_weights"]);
        assert_eq!(problems("kind = 'bce_with_logits'\npos_weight = [-1, 2]"), ["pos_weight[0]"]);
        assert_eq!(problems("kind = 'huber'\ndelta = 0"), ["delta"]);
        assert_eq!(problems("kind = 'huber'\ndelta = inf"), ["delta"]);
    }

    #[test]
    fn the_task_decides_the_outputs_and_which_losses_there_are() {
        let classes = |classes| Task::Classification { classes };
        let outputs = |text: &str, task| read(text).outputs(task).map_err(|error| error.to_string());
        assert_eq!(outputs("", classes(10)), Ok(10));
        assert_eq!(outputs("class_weights = [1, 2]", classes(2)), Ok(2));
        assert_eq!(outputs("kind = 'bce_with_logits'", classes(2)), Ok(1));
        assert_eq!(outputs("kind = 'bce_with_logits'", classes(3)), Ok(3));
        assert_eq!(outputs("kind = 'bce_with_logits'\npos_weight = [2]", classes(3)), Ok(3));
        assert_eq!(outputs("kind = 'bce_with_logits'\npos_weight = [1, 2, 3]", classes(3)), Ok(3));
        for kind in ["mse", "l1", "huber"] {
            assert_eq!(outputs(&format!("kind = '{kind}'"), Task::Regression), Ok(1));
        }
        assert_eq!(
            outputs("class_weights = [1, 2]", classes(3)).unwrap_err(),
            "loss.class_weights holds 2 numbers, but the data has 3 classes"
        );
        assert_eq!(
            outputs("kind = 'bce_with_logits'\npos_weight = [1, 2]", classes(2)).unwrap_err(),
            "loss.pos_weight holds 2 numbers, but the data has 2 classes, told apart by one output"
        );
        assert_eq!(
            outputs("", Task::Regression).unwrap_err(),
            "the loss cross_entropy is for classes, but the targets are numbers; choose one of: mse, l1, huber"
        );
        assert_eq!(
            outputs("kind = 'mse'", classes(3)).unwrap_err(),
            "the loss mse is for numbers, but the targets are classes; choose one of: cross_entropy, \
             bce_with_logits"
        );
        let mut problems = Problems::default();
        read("kind = 'l1'").check_task(TaskKind::Classification, &mut problems);
        assert_eq!(problems.into_found()[0].path.to_string(), "kind");
    }
}
