//! Metrics: numbers for people and for the choice of the best epoch. A metric knows its direction and unit.

mod accuracy;
mod direction;
mod monitor;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use accuracy::{AccuracyConfig, predicted_class};
pub use direction::Direction;
pub use monitor::check_monitor;

use crate::Result;
use crate::setting::{self, Kind};
use crate::target::{Targets, TaskKind};

/// An entry of the list `metrics`.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case", transform = setting::by_kind::<Self>)]
pub enum MetricConfig {
    /// The part of the samples whose class is right.
    Accuracy(AccuracyConfig),
}

impl Kind for MetricConfig {
    const KINDS: &'static [&'static str] = &["accuracy"];

    fn read<'de, D: Deserializer<'de>>(_kind: &str, rest: D) -> std::result::Result<Self, D::Error> {
        AccuracyConfig::deserialize(rest).map(Self::Accuracy)
    }

    fn keys(_kind: &str) -> &'static [&'static str] {
        setting::keys_of::<AccuracyConfig>()
    }
}

impl<'de> Deserialize<'de> for MetricConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        setting::read_kind(deserializer)
    }
}

impl Serialize for MetricConfig {
    /// A kind without keys of its own is written as its name, as a user would.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Accuracy(AccuracyConfig {}) => serializer.serialize_str("accuracy"),
        }
    }
}

impl MetricConfig {
    /// What is reported unless the user says.
    pub fn defaults_for(task: TaskKind) -> Vec<Self> {
        match task {
            // No metric for numbers is there yet, and no source of them.
            TaskKind::Classification | TaskKind::Regression => vec![Self::Accuracy(AccuracyConfig {})],
        }
    }

    /// What the metric is called and how it is read.
    pub fn about(&self) -> &'static About {
        match self {
            Self::Accuracy(_) => &accuracy::ABOUT,
        }
    }

    /// The metric, with no sample seen.
    pub fn build(&self) -> Box<dyn Metric> {
        match self {
            Self::Accuracy(_) => Box::new(accuracy::Accuracy::default()),
        }
    }
}

/// A metric's name and how its values are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The columns are `train_<name>` and `valid_<name>`.
    pub name: &'static str,
    /// Whether more is better.
    pub direction: Direction,
    /// The unit of the values, if they have one.
    pub unit: Option<&'static str>,
}

/// All metrics and, first, the loss, which has columns of its own.
const ALL: &[&About] =
    &[&About { name: "loss", direction: Direction::Minimise, unit: None }, &accuracy::ABOUT];

/// A number over the samples of a part of the data, fed batch by batch, one run at a time.
pub trait Metric: Send {
    /// Takes in a batch: `outputs` row-major `[B, width]`, one target a row.
    ///
    /// # Errors
    /// [`Error::Bug`](crate::Error::Bug) for targets of the wrong sort.
    fn update(&mut self, outputs: &[f32], width: usize, targets: &Targets) -> Result<()>;

    /// The number over all samples since the last [`reset`](Self::reset); NaN without any.
    fn value(&self) -> f64;

    /// Forgets every sample.
    fn reset(&mut self);
}

/// The direction of a column such as `valid_loss` or `train_accuracy`; none if there is no such metric.
pub fn direction_of(column: &str) -> Option<Direction> {
    let (part, name) = column.split_once('_')?;
    if !["train", "valid", "test"].contains(&part) {
        return None;
    }
    ALL.iter().find(|about| about.name == name).map(|about| about.direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_read_and_has_columns() {
        for kind in MetricConfig::KINDS {
            let read = |value: toml::Value| setting::read::<MetricConfig>(&value).unwrap();
            let config = read(toml::Value::String((*kind).to_owned()));
            let written = toml::Value::try_from(&config).unwrap();
            assert_eq!(written, toml::Value::String((*kind).to_owned()));
            assert_eq!(read(written), config);
            let About { name, direction, .. } = config.about();
            assert_eq!(direction_of(&format!("valid_{name}")), Some(*direction));
            assert!(config.build().value().is_nan());
        }
    }

    #[test]
    fn columns_have_directions() {
        assert_eq!(direction_of("train_loss"), Some(Direction::Minimise));
        assert_eq!(direction_of("valid_loss"), Some(Direction::Minimise));
        assert_eq!(direction_of("valid_accuracy"), Some(Direction::Maximise));
        assert_eq!(direction_of("test_accuracy"), Some(Direction::Maximise));
        for column in ["lr", "epoch", "loss", "valid_", "valid_los", "best_loss", "valid_loss_2"] {
            assert_eq!(direction_of(column), None, "{column}");
        }
    }
}
