//! Losses: what training makes small. Value and gradient come together, in one pass over the outputs.

mod cross_entropy;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use cross_entropy::CrossEntropyConfig;

use crate::setting::{self, Kind, Problems};
use crate::target::{Targets, Task, TaskKind};
use crate::{Error, Result};

/// The settings under `loss`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = setting::by_kind::<Self>)]
pub enum LossConfig {
    /// Log-softmax and negative log-likelihood, for classification.
    CrossEntropy(CrossEntropyConfig),
}

impl Default for LossConfig {
    fn default() -> Self {
        Self::CROSS_ENTROPY
    }
}

impl Kind for LossConfig {
    const KINDS: &'static [&'static str] = &["cross_entropy"];
    const DEFAULT: Option<&'static str> = Some("cross_entropy");

    fn read<'de, D: Deserializer<'de>>(_kind: &str, rest: D) -> std::result::Result<Self, D::Error> {
        CrossEntropyConfig::deserialize(rest).map(Self::CrossEntropy)
    }

    fn keys(_kind: &str) -> &'static [&'static str] {
        setting::keys_of::<CrossEntropyConfig>()
    }
}

impl<'de> Deserialize<'de> for LossConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        setting::read_kind(deserializer)
    }
}

impl LossConfig {
    /// Log-softmax and negative log-likelihood, with nothing set.
    pub const CROSS_ENTROPY: Self = Self::CrossEntropy(CrossEntropyConfig {});

    /// What is minimised unless the user says.
    pub fn default_for(task: TaskKind) -> Self {
        match task {
            // No loss for numbers is there yet, and no source of them.
            TaskKind::Classification | TaskKind::Regression => Self::CROSS_ENTROPY,
        }
    }

    /// Refuses nothing yet: no loss has a setting with a range.
    pub fn check(&self, _problems: &mut Problems) {
        match self {
            Self::CrossEntropy(CrossEntropyConfig {}) => {}
        }
    }

    /// How many outputs a model needs to be compared with the targets of `task`.
    ///
    /// # Errors
    /// [`Error::Request`] if the loss is not for such targets.
    pub fn outputs(&self, task: Task) -> Result<usize> {
        match (self, task) {
            (Self::CrossEntropy(_), Task::Classification { classes }) => Ok(classes),
            (Self::CrossEntropy(_), Task::Regression) => Err(Error::Request(
                "the loss cross_entropy is for classes, but the targets are numbers".to_owned(),
            )),
        }
    }

    /// The loss.
    pub fn build(&self) -> Box<dyn Loss> {
        match self {
            Self::CrossEntropy(config) => Box::new(config.clone()),
        }
    }
}

/// What a loss finds on a batch.
#[derive(Debug)]
pub struct LossValue {
    /// One a run: the sum of the loss over the batch's samples, added up in their order in f64.
    pub sums: Vec<f64>,
    /// The derivative of the batch's mean loss by the outputs, of their shape, if it was wanted.
    pub gradient: Option<Tensor>,
}

/// A measure of how far outputs are from targets.
pub trait Loss: Send + Sync {
    /// Compares `outputs` `[R, B, C]` with `targets`, row-major `[R, B]`.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) for a target that the outputs cannot express.
    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        let read = |text: &str| -> LossConfig {
            setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
        };
        for kind in LossConfig::KINDS {
            let config = read(&format!("kind = '{kind}'"));
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written), config);
        }
        assert_eq!(read(""), LossConfig::default());
    }
}
