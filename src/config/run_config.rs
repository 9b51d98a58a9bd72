//! The typed configuration of one run.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::unknown::explain;
use crate::data::{DataConfig, DataSettings, DigitsConfig, SourceConfig};
use crate::device::DeviceConfig;
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::{ArchitectureConfig, MlpConfig, ModelConfig, ModelSettings};
use crate::optimizer::OptimizerConfig;
use crate::scheduler::{SchedulerConfig, Surroundings};
use crate::setting::{Diagnostic, Node, Problems, Shared};
use crate::train::{TrainConfig, metric_columns};
use crate::{Error, Result};

/// Everything that a run is made from: `config.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The experiment: `[A-Za-z0-9._-]{1,64}`, not starting with a dot. Default: the stem of its file.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"))]
    pub name: String,
    /// What the experiment is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Governs initial weights, shuffling and dropout.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Where to train.
    #[serde(default)]
    pub device: DeviceConfig,
    /// The reported metrics; default by task.
    #[serde(default)]
    #[schemars(!default)]
    pub metrics: Shared<Vec<MetricConfig>>,
    /// The samples.
    pub data: Shared<DataConfig>,
    /// The network.
    pub model: Shared<ModelConfig>,
    /// What is minimised; default by task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Shared<LossConfig>>,
    /// How weights follow gradients.
    #[serde(default)]
    pub optimizer: Shared<OptimizerConfig>,
    /// How the learning rate changes.
    #[serde(default)]
    pub scheduler: Shared<SchedulerConfig>,
    /// Epochs, batches, stopping, checkpoints.
    #[serde(default)]
    pub train: Shared<TrainConfig>,
}

impl Default for RunConfig {
    /// Every key at its default, the two that have none at the simplest there is.
    fn default() -> Self {
        let source = SourceConfig::Digits(DigitsConfig {});
        let architecture = ArchitectureConfig::Mlp(MlpConfig::default());
        Self {
            name: String::new(),
            description: String::new(),
            seed: default_seed(),
            device: DeviceConfig::default(),
            metrics: Shared::default(),
            data: Shared::new(DataConfig { common: DataSettings::default(), kind: source }),
            model: Shared::new(ModelConfig { common: ModelSettings::default(), kind: architecture }),
            loss: None,
            optimizer: Shared::default(),
            scheduler: Shared::default(),
            train: Shared::default(),
        }
    }
}

/// The seed of an experiment that names none.
pub(super) fn default_seed() -> u64 {
    42
}

impl RunConfig {
    /// The top-level keys.
    pub(super) const KEYS: &'static [&'static str] = &[
        "name",
        "description",
        "seed",
        "device",
        "metrics",
        "data",
        "model",
        "loss",
        "optimizer",
        "scheduler",
        "train",
    ];

    /// Takes a top-level key over from another configuration; the tables are then shared.
    pub(super) fn take(&mut self, key: &str, other: &Self) {
        match key {
            "name" => self.name.clone_from(&other.name),
            "description" => self.description.clone_from(&other.description),
            "seed" => self.seed = other.seed,
            "device" => self.device = other.device,
            "metrics" => self.metrics = other.metrics.clone(),
            "data" => self.data = other.data.clone(),
            "model" => self.model = other.model.clone(),
            "loss" => self.loss.clone_from(&other.loss),
            "optimizer" => self.optimizer = other.optimizer.clone(),
            "scheduler" => self.scheduler = other.scheduler.clone(),
            "train" => self.train = other.train.clone(),
            _ => {}
        }
    }

    /// Reads a top-level key, if it is known and nothing is wrong with it; whether it was.
    pub(super) fn put(&mut self, key: &str, value: &Value) -> bool {
        fn into<T: DeserializeOwned>(field: &mut T, value: &Value) -> bool {
            T::deserialize(Node::new(value)).map(|read| *field = read).is_ok()
        }
        match key {
            "name" => into(&mut self.name, value),
            "description" => into(&mut self.description, value),
            "seed" => into(&mut self.seed, value),
            "device" => into(&mut self.device, value),
            "metrics" => into(&mut self.metrics, value),
            "data" => into(&mut self.data, value),
            "model" => into(&mut self.model, value),
            "loss" => into(&mut self.loss, value),
            "optimizer" => into(&mut self.optimizer, value),
            "scheduler" => into(&mut self.scheduler, value),
            "train" => into(&mut self.train, value),
            _ => false,
        }
    }

    /// A top-level key as JSON; `null` for one that there is not.
    pub(super) fn text_of(&self, key: &str) -> Result<String> {
        let text = match key {
            "name" => serde_json::to_string(&self.name),
            "description" => serde_json::to_string(&self.description),
            "seed" => serde_json::to_string(&self.seed),
            "device" => serde_json::to_string(&self.device),
            "metrics" => serde_json::to_string(&self.metrics),
            "data" => serde_json::to_string(&self.data),
            "model" => serde_json::to_string(&self.model),
            "loss" => serde_json::to_string(&self.loss),
            "optimizer" => serde_json::to_string(&self.optimizer),
            "scheduler" => serde_json::to_string(&self.scheduler),
            "train" => serde_json::to_string(&self.train),
            _ => Ok("null".to_owned()),
        };
        text.map_err(|error| Error::Bug(format!("`{key}` is not JSON: {error}")))
    }

    /// Writes every default out that depends on other settings.
    pub fn resolve(&mut self) -> Result<()> {
        for key in Self::KEYS {
            self.resolve_alone(key)?;
        }
        self.resolve_together();
        Ok(())
    }

    /// Writes the defaults of a top-level key out that follow from itself.
    pub(super) fn resolve_alone(&mut self, key: &str) -> Result<()> {
        if key == "data" {
            self.data.resolve()?;
        }
        Ok(())
    }

    /// Writes the defaults out that follow from other tables.
    pub(super) fn resolve_together(&mut self) {
        if let Some(task) = self.data.task() {
            self.loss.get_or_insert_with(|| Shared::new(LossConfig::default_for(task)));
            if self.metrics.is_empty() {
                self.metrics = Shared::new(MetricConfig::defaults_for(task));
            }
        }
        self.train.resolve(self.data.has_validation());
        self.scheduler.resolve(self.train.epochs, self.train.monitor.as_deref().unwrap_or_default());
    }

    /// What is minimised.
    pub fn loss(&self) -> &LossConfig {
        static CROSS_ENTROPY: LossConfig = LossConfig::CROSS_ENTROPY;
        self.loss.as_deref().unwrap_or(&CROSS_ENTROPY)
    }

    /// Refuses values that are out of range or do not fit together; call after [`resolve`](Self::resolve).
    pub fn check(&self, problems: &mut Problems) {
        for key in Self::KEYS {
            self.check_alone(key, problems);
        }
        self.check_together(problems);
    }

    /// What can be said of a top-level key without the others.
    pub(super) fn check_alone(&self, key: &str, problems: &mut Problems) {
        match key {
            "name" => check_name(&self.name, problems),
            "seed" => {
                problems.require(i64::try_from(self.seed).is_ok(), "seed", self.seed, "a number below 2^63");
            }
            "metrics" => problems.within("metrics", |problems| check_metrics(&self.metrics, problems)),
            "data" => problems.within("data", |problems| self.data.check(problems)),
            "model" => problems.within("model", |problems| self.model.check(problems)),
            "loss" => problems.within("loss", |problems| self.loss().as_loss().check(problems)),
            "optimizer" => problems.within("optimizer", |problems| self.optimizer.check(problems)),
            _ => {}
        }
    }

    /// What depends on several tables.
    pub(super) fn check_together(&self, problems: &mut Problems) {
        if let Some(task) = self.data.task() {
            problems.within("loss", |problems| self.loss().check_task(task, problems));
            problems.within("metrics", |problems| {
                for (index, metric) in self.metrics.iter().enumerate() {
                    problems.within_entry(index, |problems| metric.check_task(task, problems));
                }
            });
        }
        let columns = metric_columns(&self.metrics, self.data.has_validation());
        let has_momentum = self.optimizer.kind.has_momentum();
        let around = Surroundings { epochs: self.train.epochs, columns: &columns, has_momentum };
        problems.within("scheduler", |problems| self.scheduler.check(&around, problems));
        problems.within("train", |problems| self.train.check(&columns, problems));
    }

    /// Reads a run's own `config.toml`: every default is written out in it.
    pub fn load(path: &Path) -> Result<Self> {
        let layer = super::Layer::file(path)?;
        let value = toml::Value::Table(layer.table.clone());
        let sections = super::schema::sections();
        crate::setting::read(&value).map_err(|mut problems| {
            for problem in &mut problems {
                explain(problem, &layer.table, &sections);
            }
            let found = problems.into_iter().map(|problem| {
                let of_key = problem.place == crate::setting::Place::Key;
                let excerpt = Some(layer.excerpt(&problem.path, of_key));
                super::locate::diagnostic(problem, excerpt, Vec::new())
            });
            let mut found: Vec<Diagnostic> = found.collect();
            found.sort_by_key(|found| found.excerpt.as_ref().map(|excerpt| excerpt.span.start));
            Error::Settings(found)
        })
    }

    /// The text of `config.toml`.
    pub fn render(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::Bug(format!("failed to write the configuration: {error}")))
    }
}

fn check_name(name: &str, problems: &mut Problems) {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.');
    if !fits {
        let expected = "expected 1 to 64 letters, digits, '.', '_' or '-', not starting with '.'";
        problems.refuse("name", format!("\"{name}\" cannot name an experiment"), expected);
    }
}

/// Each metric has columns of its own name, so none can be there twice.
fn check_metrics(metrics: &[MetricConfig], problems: &mut Problems) {
    for (index, metric) in metrics.iter().enumerate() {
        let name = metric.about().name;
        if metrics[..index].iter().any(|earlier| earlier.about().name == name) {
            let message = format!("`{name}` is listed twice");
            problems.within_entry(index, |problems| problems.refuse("", message, "expected it once"));
        }
        problems.within_entry(index, |problems| metric.check(problems));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_known_by_name() {
        assert_eq!(RunConfig::KEYS, crate::setting::keys_of::<RunConfig>());
        let text = "name = 'b'\ndescription = 'd'\nseed = 7\ndevice = 'cpu'\nmetrics = ['accuracy']\n\
                    data = 'mnist'\nmodel = { kind = 'mlp', layers = 2 }\nloss = 'cross_entropy'\n\
                    optimizer = 'sgd'\nscheduler = 'cosine'\ntrain.epochs = 3\n";
        let table: toml::Value = toml::from_str(text).unwrap();
        let other: RunConfig = crate::setting::read(&table).unwrap();
        let mut config = RunConfig::default();
        for key in RunConfig::KEYS {
            assert!(*key == "loss" || config.text_of(key).unwrap() != other.text_of(key).unwrap(), "{key}");
            config.take(key, &other);
            assert_eq!(config.text_of(key).unwrap(), other.text_of(key).unwrap(), "{key}");
            let mut read = RunConfig::default();
            assert!(read.put(key, &table[*key]), "{key}");
            assert_eq!(read.text_of(key).unwrap(), other.text_of(key).unwrap(), "{key}");
            assert!(!read.put(key, &toml::Value::Float(0.5)), "{key}");
        }
        assert_eq!(config, other);
    }

    #[test]
    fn metrics_are_written_as_names_and_none_twice() {
        let text = "name = 'a'\nmetrics = ['accuracy', { kind = 'accuracy' }]\ndata.source = 'digits'\nmodel.kind = 'mlp'";
        let value = toml::Value::Table(toml::from_str(text).unwrap());
        let mut config: RunConfig = crate::setting::read(&value).unwrap();
        let mut problems = Problems::default();
        config.check(&mut problems);
        let found = problems.into_found();
        assert_eq!(found[0].path.to_string(), "metrics[1]");
        assert_eq!(found[0].message, "`accuracy` is listed twice");
        config.metrics.pop();
        config.resolve().unwrap();
        let text = config.render().unwrap();
        assert!(text.contains("metrics = [\"accuracy\"]\n"), "{text}");
        let read: RunConfig = crate::setting::read(&toml::from_str(&text).unwrap()).unwrap();
        assert_eq!(read, config);
    }

    #[test]
    fn a_saved_configuration_with_a_wrong_key_says_what_it_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = "name = 'a'\ndata = { source = 'digits', normalise = 'unit' }\nmodel.kind = 'mlp'";
        std::fs::write(&path, text).unwrap();
        let Err(Error::Settings(found)) = RunConfig::load(&path) else { panic!("it was read") };
        assert_eq!(found[0].label, "expected one of: source, split, normalize, classes, augment, limit");
        assert_eq!(found[0].help.as_deref(), Some("did you mean \"normalize\"?"));
    }
}
