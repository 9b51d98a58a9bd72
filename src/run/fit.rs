//! Whether a run can be trained on its data, and where to tell that it cannot.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::library::Library;
use super::spec::RunSpec;
use crate::config::Written;
use crate::config::schema::PATHS;
use crate::data::Prepared;
use crate::model::ModelConfig;
use crate::setting::{Excerpt, KeyPath};
use crate::{Error, Result};

/// Why a run cannot be trained on its data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What is wrong: a lower-case fragment.
    pub reason: String,
    /// What is to blame, if that is known.
    pub blame: Option<Blame>,
}

/// What a refusal is due to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Blame {
    /// A file that the settings name.
    File(PathBuf),
    /// A setting, and its value as text.
    Setting(&'static str, String),
}

impl Refusal {
    /// For an error of a model with these settings.
    pub fn of(error: Error, model: &ModelConfig) -> Self {
        match error {
            Error::Setting { key, reason } => {
                let value = toml::Value::try_from(model).ok().and_then(|model| {
                    let path = KeyPath::parse(key.strip_prefix("model.")?);
                    path.find(&model).map(text_of)
                });
                Self { reason, blame: value.map(|value| Blame::Setting(key, value)) }
            }
            other => other.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        let blame = match error {
            Error::Unreadable { path, .. } => Some(Blame::File(path)),
            _ => None,
        };
        Self { reason, blame }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, blame: None }
    }
}

/// The settings that a refusal may be due to: paths, and what must go with the file of weights or with the model.
pub(super) fn blamed() -> impl Iterator<Item = &'static str> {
    PATHS.iter().copied().chain(["model.rename", "model.freeze"])
}

/// The same for tables that differ in their order.
fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => format!("{:?}", table.iter().collect::<BTreeMap<_, _>>()),
        other => other.to_string(),
    }
}

impl Blame {
    /// The place of the setting that has the value, or that names the file or the folder that it lies in.
    pub fn place(&self, written: &[Written]) -> Option<Excerpt> {
        let is_it = |one: &&Written| match (self, &one.value) {
            (Self::File(file), toml::Value::String(path)) => file.starts_with(path),
            (Self::File(_), _) => false,
            (Self::Setting(key, value), written) => one.key == *key && text_of(written) == *value,
        };
        written.iter().find(is_it).map(|one| one.excerpt.clone())
    }
}

/// The data of one run, which fits its settings.
pub fn prepare(spec: &RunSpec, library: &Library) -> Result<Arc<Prepared>> {
    fit(spec, library).map_err(|refusal| Error::Request(refusal.reason))
}

/// As [`prepare`], with the file that is to blame.
pub(super) fn fit(spec: &RunSpec, library: &Library) -> Result<Arc<Prepared>, Refusal> {
    let data = library.prepared(&spec.config.data)?;
    check_against(spec, &data, library)?;
    Ok(data)
}

/// What can be known only with the data at hand.
fn check_against(spec: &RunSpec, data: &Prepared, library: &Library) -> Result<(), Refusal> {
    let config = &spec.config;
    let (shape, outputs) = (data.shape(), config.loss().outputs(data.task())?);
    config.metrics.iter().try_for_each(|metric| metric.require_task(data.task().kind()))?;
    config.model.parameter_count(&shape, outputs)?;
    library.check_weights(&config.model, &shape, outputs)?;
    library.check_groups(config, &shape, outputs)?;
    if config.train.epochs == 0 {
        // There are no batches that could be too small.
        return Ok(());
    }
    let (samples, batch) = (data.split.train.len(), config.train.batch_size);
    if config.train.drop_last && samples < batch {
        let reason =
            format!("train.drop_last leaves no batch: {samples} training samples, batches of {batch}");
        return Err(reason.into());
    }
    let last = if config.train.drop_last { batch } else { samples % batch };
    if (last == 1 || batch == 1) && config.model.needs_two_samples(&shape, outputs)? {
        let reason = format!(
            "batch norm cannot train on a single sample, and the last of the batches of {batch} from {samples} \
             samples has one; change train.batch_size or set train.drop_last = true"
        );
        return Err(reason.into());
    }
    Ok(())
}
