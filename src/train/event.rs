//! What the trainer tells the world while it works, and what the world may answer.
//!
//! The trainer knows neither the disk nor the terminal: observers do.

use std::ops::ControlFlow;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::metric::ClassReport;
use crate::model::TransferReport;
use crate::target::Targets;

/// One row of `metrics.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 1.
    pub epoch: usize,
    /// Optimizer steps taken so far.
    pub step: u64,
    /// The learning rate of the epoch's last step, of the parameters in no group.
    pub lr: f64,
    /// The other columns in their order: `train_loss`, `valid_loss`, `train_accuracy`, …
    pub values: Vec<(String, f64)>,
}

impl Row {
    /// The value in the column `name`.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(column, _)| column == name).map(|(_, value)| *value)
    }
}

/// One row of `steps.csv`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRow {
    /// Optimizer steps taken so far, this one included.
    pub step: u64,
    /// The learning rate of the step, of the parameters in no group.
    pub lr: f64,
    /// The mean loss of the step's samples before it, in training mode; not finite where they weigh nothing.
    pub loss: f64,
    /// The L2 norm of the gradient by all trainable parameters, before any limit.
    pub gradient_norm: f64,
}

/// One row of `timing.csv`; never deterministic, so never in `metrics.csv`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// From 1.
    pub epoch: usize,
    /// Wall time of the training part.
    pub train_seconds: f64,
    /// Wall time of the evaluation on the validation part.
    pub valid_seconds: f64,
    /// Wall time of the observers on [`Event::CheckpointDue`].
    pub checkpoint_seconds: f64,
    /// Training samples per second of training time.
    pub samples_per_second: f64,
}

/// All that a checkpoint holds, lent for the time of the event. Tensors are on the CPU or not, contiguous.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Weights and buffers by their PyTorch names, in the order of the layers.
    pub model: &'a [(String, Tensor)],
    /// The weights of the best epoch so far, if it has changed since the last checkpoint.
    pub best: Option<&'a [(String, Tensor)]>,
    /// Training state, every name under `training.`; with `model` it is all that a resume needs.
    pub training: &'a [(String, Tensor)],
    /// The text under the metadata key `runner`.
    pub metadata: &'a str,
}

/// Predictions for one part of the data, in the order of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Row in the source, from 0.
    pub index: Vec<u32>,
    /// What is true.
    pub target: Targets,
    /// What the model says, of the same sort.
    pub prediction: Targets,
    /// `[rows, classes]`; empty where the targets are numbers.
    pub probabilities: Vec<f32>,
    /// The name of each class; empty where the targets are numbers.
    pub classes: Vec<String>,
}

impl Predictions {
    /// How well each class is told from the others; none where the targets are numbers.
    pub fn class_report(&self) -> Option<ClassReport> {
        let (Targets::Classes(target), Targets::Classes(prediction)) = (&self.target, &self.prediction)
        else {
            return None;
        };
        Some(ClassReport::new(&self.classes, target, prediction, &self.probabilities))
    }
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// All epochs are done, or early stopping decided so.
    Completed {
        /// Whether early stopping decided.
        stopped_early: bool,
    },
    /// A loss or a parameter was NaN or infinite at an epoch's end.
    Diverged,
    /// An observer asked for it; the state up to here is in the last checkpoint.
    Interrupted,
}

/// The result of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The row of the epoch whose weights are the best, if there is one.
    pub best: Option<Row>,
    /// The last epoch's row.
    pub last: Option<Row>,
    /// Metrics of the best weights on the test part (`loss`, `accuracy`, …), if there is one.
    pub test: Vec<(String, f64)>,
    /// The best weights on the test part, else on the validation part; absent unless completed.
    pub predictions: Option<Predictions>,
    /// What these come to for each class; absent where the targets are numbers.
    pub classes: Option<ClassReport>,
}

/// What happens during a training, in this order; `CheckpointDue` before its epoch's `EpochEnded`.
#[derive(Debug)]
pub enum Event<'a> {
    /// The model is built and the data is there.
    RunStarted {
        /// The names of the values in every row to come.
        columns: &'a [String],
        /// Trainable numbers.
        parameters: usize,
        /// Epochs that an earlier attempt has done.
        epochs_done: usize,
        /// Epochs that there are to be at most.
        epochs: usize,
        /// The rows of the epochs that are done.
        history: &'a [Row],
    },
    /// One of every `train.log_every` steps of the optimizer is taken.
    StepTaken {
        /// What it was.
        row: &'a StepRow,
    },
    /// The state should be saved.
    CheckpointDue {
        /// What to save.
        snapshot: &'a Snapshot<'a>,
        /// Whether a resume may go on from this state: not from weights that are no longer finite.
        resumable: bool,
    },
    /// An epoch is done.
    EpochEnded {
        /// Its metrics.
        row: &'a Row,
        /// Its times.
        timing: &'a Timing,
        /// Whether its weights are the best so far.
        best: bool,
    },
    /// The weights that the training begins with are from a file.
    Transferred {
        /// What was taken of it.
        report: &'a TransferReport,
    },
    /// Something that the user should know and that ends nothing.
    Noted {
        /// A lower-case fragment.
        text: &'a str,
    },
    /// Nothing follows.
    RunEnded {
        /// The result.
        outcome: &'a Outcome,
    },
}

/// Someone who is told what happens and may end the training: `Break` after this epoch, `Err` now.
pub trait Observer: Send {
    /// Takes notice of an event.
    fn on(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>>;
}
