//! Whether a run can be trained on its data, and where to tell that it cannot.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexSet;

use super::library::Library;
use super::spec::RunSpec;
use crate::config::schema::PATHS;
use crate::config::{RunConfig, Written};
use crate::data::{Prepared, shown_classes};
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
    check_class_weights(config, data)?;
    // Without an epoch there are no batches that could be too small, and nothing is watched.
    if config.train.epochs > 0 {
        check_batches(config, data.split.train.len(), config.model.needs_two_samples(&shape, outputs)?)?;
        check_monitors(config, data)?;
    }
    Ok(())
}

/// Whether every part has samples that the loss counts: the mean over none is no number.
fn check_class_weights(config: &RunConfig, data: &Prepared) -> Result<(), Refusal> {
    let loss = config.loss().as_loss();
    if (0..).zip(data.classes()).all(|(class, _)| loss.counts(class)) {
        return Ok(());
    }
    let split = &data.split;
    let parts =
        [("train", Some(&split.train)), ("valid", split.valid.as_ref()), ("test", split.test.as_ref())];
    for (name, part) in parts {
        let Some(part) = part else { continue };
        let counted = (0..).zip(data.classes_of(part)?).any(|(class, present)| present && loss.counts(class));
        if !counted {
            let reason = format!(
                "no sample of the {name} part counts: `loss.class_weights` is 0 for every class that it has; give one \
                 of them a weight or change `data.split`"
            );
            return Err(reason.into());
        }
    }
    Ok(())
}

/// Whether there are batches, and large enough ones.
fn check_batches(config: &RunConfig, samples: usize, needs_two: bool) -> Result<(), Refusal> {
    let batch = config.train.batch_size;
    if config.train.drop_last && samples < batch {
        let reason = format!(
            "train.drop_last leaves no batch: {samples} training samples, batches of {batch}; lower train.batch_size"
        );
        return Err(reason.into());
    }
    let last = if config.train.drop_last { batch } else { samples % batch };
    if !needs_two || (last != 1 && batch != 1) {
        return Ok(());
    }
    let why = if samples == 1 {
        ", and there is no more to train on; widen data.split.train or data.limit".to_owned()
    } else if batch == 1 {
        "; set train.batch_size to 2 or more".to_owned()
    } else {
        format!(
            ", and the last of the batches of {batch} from {samples} samples has one; change train.batch_size or \
             set train.drop_last = true"
        )
    };
    Err(format!("batch norm cannot train on a single sample{why}").into())
}

/// Whether what is watched is ever a number: the area under the curve needs samples of every class.
fn check_monitors(config: &RunConfig, data: &Prepared) -> Result<(), Refusal> {
    let stopping = config.train.early_stopping.as_ref().and_then(|stopping| stopping.monitor.as_deref());
    let watched =
        [("train.monitor", config.train.monitor.as_deref()), ("train.early_stopping.monitor", stopping)];
    let parts = [("train_auc", Some(&data.split.train)), ("valid_auc", data.split.valid.as_ref())];
    for (key, column) in watched {
        let Some((column, Some(part))) = parts.iter().find(|(name, _)| Some(*name) == column) else {
            continue;
        };
        if let Some(class) = data.classes_without_samples(part)?.first() {
            let reason = format!(
                "`{key}` is \"{column}\", which is no number: none of the {} samples that it is measured on is of \
                 the class \"{class}\"; change `data.split` (`stratify = true` gives each part its share) or \
                 monitor another column",
                part.len()
            );
            return Err(reason.into());
        }
    }
    Ok(())
}

/// What the user should know of runs that are trained all the same, a line each: classes that cannot be learned, and
/// warm-ups that leave nothing to warm up for.
pub fn notes<'a>(runs: impl IntoIterator<Item = (&'a RunConfig, &'a Prepared)>) -> Result<Vec<String>> {
    let mut notes = IndexSet::new();
    // Many runs share their data.
    let mut seen = HashSet::new();
    for (config, data) in runs {
        notes.extend(long_warmup(config, data));
        if config.train.epochs == 0 || !seen.insert(std::ptr::from_ref(data)) {
            continue;
        }
        let absent = data.classes_without_samples(&data.split.train)?;
        if !absent.is_empty() {
            let classes = if absent.len() == 1 { "class" } else { "classes" };
            notes.insert(format!(
                "no training sample is of the {classes} {}: a model cannot learn it; `data.split` says which samples \
                 train, `data.classes` which classes there are",
                shown_classes(&absent)
            ));
        }
    }
    Ok(notes.into_iter().collect())
}

/// That the learning rate never gets where it is set to.
fn long_warmup(config: &RunConfig, data: &Prepared) -> Option<String> {
    let warmup = config.scheduler.common.warmup.as_ref()?;
    let (epochs, steps) = (config.train.epochs, config.train.steps(data.split.train.len()));
    let (length, whole, unit) = match (warmup.epochs, warmup.steps) {
        (Some(length), _) => (length as u64, epochs as u64, "epochs"),
        (None, Some(length)) => (length, (steps as u64).saturating_mul(epochs as u64), "steps"),
        (None, None) => return None,
    };
    (length >= whole && whole > 0).then(|| {
        format!(
            "`scheduler.warmup` takes {length} {unit}, the training {whole}: the learning rate never gets to where it is \
             set, and the schedule never begins"
        )
    })
}
