//! Metrics: numbers for people and for the choice of the best epoch. A metric knows its direction and unit.

mod about;
mod accuracy;
mod answers;
mod auc;
#[cfg(test)]
mod checks;
mod class_report;
mod cosine_similarity;
mod counts;
mod direction;
mod errors;
mod f1;
mod mae;
mod monitor;
mod mse;
mod precision;
mod r2;
mod recall;
mod rmse;
mod top_k;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use about::{About, direction_of};
pub use accuracy::{AccuracyConfig, predicted_class};
pub use answers::Answers;
pub use auc::AucConfig;
pub use class_report::{ClassReport, ClassScores, ConfusionMatrix};
pub use cosine_similarity::CosineSimilarityConfig;
pub use direction::Direction;
pub use f1::F1Config;
pub use mae::MaeConfig;
pub use monitor::check_monitor;
pub use mse::MseConfig;
pub use precision::PrecisionConfig;
pub use r2::R2Config;
pub use recall::RecallConfig;
pub use rmse::RmseConfig;
pub use top_k::TopKConfig;

use crate::setting::{self, Kind, Problems};
use crate::target::{Targets, TaskKind};
use crate::{Error, Result};

/// An entry of the list `metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = setting::by_kind::<Self>)]
pub enum MetricConfig {
    /// The part of the samples whose class is right.
    Accuracy(AccuracyConfig),
    /// The part of the samples whose class is among the k best.
    TopK(TopKConfig),
    /// Right / predicted samples, the mean over the classes.
    Precision(PrecisionConfig),
    /// Right / true samples, the mean over the classes.
    Recall(RecallConfig),
    /// The harmonic mean of precision and recall, the mean over the classes.
    F1(F1Config),
    /// The area under the ROC curve, the mean over the classes.
    Auc(AucConfig),
    /// The mean squared error.
    Mse(MseConfig),
    /// The root of the mean squared error.
    Rmse(RmseConfig),
    /// The mean absolute error.
    Mae(MaeConfig),
    /// The part of the targets' variance that the predictions explain.
    R2(R2Config),
    /// The cosine of the angle between predictions and targets.
    CosineSimilarity(CosineSimilarityConfig),
}

impl Kind for MetricConfig {
    fn read<'de, D: Deserializer<'de>>(variant: D) -> std::result::Result<Self, D::Error> {
        Self::deserialize(variant)
    }

    fn write<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
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
        let kind = self.kind();
        if Self::keys(kind).is_empty() {
            return serializer.serialize_str(kind);
        }
        setting::write_kind(self, serializer)
    }
}

impl MetricConfig {
    /// What is reported unless the user says: the accuracy of classes; of numbers the errors in their own unit
    /// and the part of the variance that is explained.
    pub fn defaults_for(task: TaskKind) -> Vec<Self> {
        match task {
            TaskKind::Classification => vec![Self::Accuracy(AccuracyConfig {})],
            TaskKind::Regression => {
                vec![Self::Rmse(RmseConfig {}), Self::Mae(MaeConfig {}), Self::R2(R2Config {})]
            }
        }
    }

    fn measured(&self) -> &dyn Measured {
        match self {
            Self::Accuracy(config) => config,
            Self::TopK(config) => config,
            Self::Precision(config) => config,
            Self::Recall(config) => config,
            Self::F1(config) => config,
            Self::Auc(config) => config,
            Self::Mse(config) => config,
            Self::Rmse(config) => config,
            Self::Mae(config) => config,
            Self::R2(config) => config,
            Self::CosineSimilarity(config) => config,
        }
    }

    /// What the metric is called and how it is read.
    pub fn about(&self) -> &'static About {
        self.measured().about()
    }

    /// The metric, with no sample seen.
    pub fn build(&self) -> Box<dyn Metric> {
        self.measured().build()
    }

    /// Whether it looks at [`Answers::probabilities`], which cost time.
    pub fn needs_probabilities(&self) -> bool {
        self.measured().needs_probabilities()
    }

    /// Refuses settings that are out of range.
    pub fn check(&self, problems: &mut Problems) {
        self.measured().check(problems);
    }

    /// Refuses a metric that is not for targets of this sort; the way leads to its entry in the list.
    pub fn check_task(&self, task: TaskKind, problems: &mut Problems) {
        if self.about().task != task {
            let expected = format!("expected one of: {}", about::names_for(task));
            problems.refuse("", self.misfit(), expected);
        }
    }

    /// As [`check_task`](Self::check_task), once the data is known.
    ///
    /// # Errors
    /// [`Error::Request`] if the metric is not for such targets.
    pub fn require_task(&self, task: TaskKind) -> Result<()> {
        if self.about().task == task {
            return Ok(());
        }
        let (misfit, names) = (self.misfit(), about::names_for(task));
        Err(Error::Request(format!("{misfit}; choose among: {names}")))
    }

    fn misfit(&self) -> String {
        let About { name, task, .. } = self.about();
        let (wanted, found) = match task {
            TaskKind::Classification => ("classes", "numbers"),
            TaskKind::Regression => ("numbers", "classes"),
        };
        format!("the metric {name} is for {wanted}, but the targets are {found}")
    }
}

/// What the settings of a metric have to say.
trait Measured {
    /// What the metric is called and how it is read.
    fn about(&self) -> &'static About;

    /// Refuses settings that are out of range.
    fn check(&self, _problems: &mut Problems) {}

    /// Whether it looks at [`Answers::probabilities`], which cost time.
    fn needs_probabilities(&self) -> bool {
        false
    }

    /// The metric, with no sample seen.
    fn build(&self) -> Box<dyn Metric>;
}

/// A number over the samples of a part of the data, fed batch by batch, one run at a time.
pub trait Metric: Send {
    /// Takes in a batch: what the model says, one target a row.
    ///
    /// # Errors
    /// [`Error::Bug`] for targets of the wrong sort.
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()>;

    /// The number over all samples since the last [`reset`](Self::reset); NaN without any.
    fn value(&self) -> f64;

    /// Forgets every sample.
    fn reset(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_read_and_has_columns() {
        for kind in MetricConfig::kinds() {
            let read = |value: toml::Value| setting::read::<MetricConfig>(&value).unwrap();
            let config = read(toml::Value::String((*kind).to_owned()));
            let written = toml::Value::try_from(&config).unwrap();
            if MetricConfig::keys(kind).is_empty() {
                assert_eq!(written, toml::Value::String((*kind).to_owned()));
            } else {
                let keys: Vec<&str> = written
                    .as_table()
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .filter(|key| *key != "kind")
                    .collect();
                assert_eq!(keys, MetricConfig::keys(kind));
            }
            assert_eq!(read(written), config);
            let About { name, direction, task, .. } = config.about();
            assert_eq!(name, kind);
            assert_eq!(direction_of(&format!("valid_{name}")), Some(*direction));
            assert!(config.build().value().is_nan());
            assert!(about::names_for(*task).split(", ").any(|known| known == *kind));
        }
        for task in [TaskKind::Classification, TaskKind::Regression] {
            assert!(MetricConfig::defaults_for(task).iter().all(|metric| metric.about().task == task));
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let check = |value: &str, task| {
            let table: toml::Table = toml::from_str(&format!("metric = {value}")).unwrap();
            let config: MetricConfig = setting::read(&table["metric"]).unwrap();
            let mut problems = Problems::default();
            config.check(&mut problems);
            config.check_task(task, &mut problems);
            assert_eq!(config.require_task(task).is_ok(), config.about().task == task);
            let found = problems.into_found().into_iter();
            found
                .map(|found| format!("{}: {} ({})", found.path, found.message, found.expected))
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(
            check("{ kind = 'top_k', k = 0 }", TaskKind::Classification),
            "k: `k` is 0 (expected at least 1)"
        );
        assert_eq!(
            check("'r2'", TaskKind::Classification),
            ": the metric r2 is for numbers, but the targets are classes (expected one of: accuracy, top_k, \
             precision, recall, f1, auc)"
        );
        assert_eq!(
            check("'auc'", TaskKind::Regression),
            ": the metric auc is for classes, but the targets are numbers (expected one of: mse, rmse, mae, r2, \
             cosine_similarity)"
        );
        assert_eq!(check("'mae'", TaskKind::Regression), "");
    }
}
