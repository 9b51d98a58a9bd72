//! Data sets, read once and shared by all runs of the process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device};
use indexmap::IndexMap;

use super::fit::Refusal;
use crate::config::RunConfig;
use crate::data::{DataConfig, Dataset, Prepared};
use crate::model::{Model, ModelConfig, TransferReport};
use crate::sample::SampleShape;
use crate::{Error, Result};

/// The data that has been read so far.
#[derive(Default)]
pub struct Library {
    shelves: Mutex<Shelves>,
}

/// Keyed by the text of the settings, which say all that the content follows from.
#[derive(Default)]
struct Shelves {
    fingerprints: BTreeMap<String, String>,
    datasets: BTreeMap<String, Arc<Dataset>>,
    prepared: BTreeMap<String, Arc<Prepared>>,
    weights: IndexMap<String, Result<Option<TransferReport>, Refusal>>,
    groups: BTreeMap<String, Result<(), String>>,
}

impl Library {
    /// The fingerprint of the content that `config` points to, made once.
    pub fn fingerprint(&self, config: &DataConfig) -> Result<String> {
        let key = key(&config.kind)?;
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelves.fingerprints.get(&key) {
            return Ok(known.clone());
        }
        let made = config.fingerprint()?;
        shelves.fingerprints.insert(key, made.clone());
        Ok(made)
    }

    /// The fingerprint of a file of weights.
    pub fn weights(&self, path: &Path) -> Result<String> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let key = path.to_string_lossy().into_owned();
        if let Some(known) = shelves.fingerprints.get(&key) {
            return Ok(known.clone());
        }
        let mut hasher = blake3::Hasher::new();
        let refused = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::unreadable(path, "there is no such file"),
            _ => Error::unreadable(path, error.to_string()),
        };
        hasher.update_reader(std::fs::File::open(path).map_err(refused)?).map_err(refused)?;
        let made = hasher.finalize().to_hex().to_string();
        shelves.fingerprints.insert(key, made.clone());
        Ok(made)
    }

    /// Whether the file of weights that the model begins with, if there is one, fits the model on this data;
    /// the reason if not. Read once for all the runs that share both.
    pub fn check_weights(
        &self,
        model: &ModelConfig,
        shape: &SampleShape,
        outputs: usize,
    ) -> Result<(), Refusal> {
        if model.common.weights.is_none() && model.common.freeze.is_empty() {
            return Ok(());
        }
        let key = key(&(model, shape, outputs))?;
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shelves.weights.entry(key).or_insert_with(|| {
            // Building it compares every name and shape; the seed does not matter, its draws are replaced.
            let built = Model::build(model, shape, outputs, 0, DType::F32, &Device::Cpu);
            built.map(|built| built.transferred().cloned()).map_err(|error| Refusal::of(error, model))
        });
        known.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// What was taken from files of weights, of those that were [checked](Self::check_weights), in that order: the
    /// report and, a line each, its pairs of names.
    pub fn transfers(&self) -> IndexMap<String, Vec<String>> {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = shelves.weights.values().filter_map(|checked| checked.as_ref().ok()?.as_ref());
        // Models that differ in what has no weights take the same.
        reports.map(|report| (report.to_string(), report.pairs())).collect()
    }

    /// Whether every group of parameters that the optimizer has finds one in the model; the reason if not. Looked
    /// at once for all the runs that share both.
    pub fn check_groups(
        &self,
        config: &RunConfig,
        shape: &SampleShape,
        outputs: usize,
    ) -> Result<(), String> {
        let groups = &config.optimizer.common.groups;
        if groups.is_empty() {
            return Ok(());
        }
        let key = key(&(&config.model, shape, outputs, groups)).map_err(|error| error.to_string())?;
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shelves.groups.entry(key).or_insert_with(|| {
            // Only the names are asked for.
            let mut model = ModelConfig::clone(&config.model);
            model.common.weights = None;
            Model::build(&model, shape, outputs, 0, DType::F32, &Device::Cpu)
                .and_then(|model| {
                    let parameters = model.parameters();
                    let trained = parameters.iter().filter(|(_, one)| one.trainable);
                    let names: Vec<&str> = trained.map(|(name, _)| name.as_str()).collect();
                    config.optimizer.check_names(&names)
                })
                .map_err(|error| error.to_string())
        });
        known.clone()
    }

    /// The data of `config`, read, split and with its preprocessing fitted.
    pub fn prepared(&self, config: &DataConfig) -> Result<Arc<Prepared>> {
        let (source, whole) = (key(&config.kind)?, key(config)?);
        // Held while reading: a second run that wants the same data waits for it instead of reading it too.
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelves.prepared.get(&whole) {
            return Ok(Arc::clone(known));
        }
        let dataset = match shelves.datasets.get(&source) {
            Some(known) => Arc::clone(known),
            None => Arc::new(config.load()?),
        };
        shelves.datasets.insert(source, Arc::clone(&dataset));
        let prepared = Arc::new(Prepared::new(dataset, config)?);
        shelves.prepared.insert(whole, Arc::clone(&prepared));
        Ok(prepared)
    }
}

fn key(settings: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(settings).map_err(|error| Error::Bug(format!("settings are not JSON: {error}")))
}
