//! A trained model taken from its checkpoint alone.

use std::path::Path;

use candle_core::{DType, Device};

use crate::data::Preprocessing;
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::{Model, ModelConfig};
use crate::store;
use crate::{Error, Result, setting};

/// A model with everything that stands between a file of samples and its answer.
pub struct Predictor {
    /// The network with its trained weights.
    pub model: Model,
    /// What every sample goes through first.
    pub preprocessing: Preprocessing,
    /// What it was trained to minimise.
    pub loss: LossConfig,
    /// What was reported of it.
    pub metrics: Vec<MetricConfig>,
}

impl Predictor {
    /// Reads a checkpoint that `runner` wrote; in the folder of a run it must still be what the run wrote.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = store::load_checkpoint(path)?;
        let refuse = |reason: String| {
            Error::unreadable(path, format!("{reason}; expected a checkpoint that runner wrote"))
        };
        let metadata = checkpoint.metadata.ok_or_else(|| refuse("it has no metadata `runner`".into()))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)
            .map_err(|error| refuse(format!("its metadata `runner` is not JSON: {error}")))?;
        let mut preprocessing: Preprocessing = serde_json::from_value(metadata["preprocessing"].clone())
            .map_err(|error| refuse(format!("its preprocessing cannot be read: {error}")))?;
        if !metadata["data"]["classes"].is_null() {
            preprocessing = preprocessing.with_chosen_classes();
        }
        let mut model: ModelConfig = section(&metadata, "model").map_err(refuse)?;
        let loss: LossConfig = section(&metadata, "loss").map_err(refuse)?;
        let outputs = loss.outputs(preprocessing.task()).map_err(|error| refuse(error.to_string()))?;
        let shape = &preprocessing.sample_shape();
        model.parameter_count(shape, outputs).map_err(|error| refuse(error.to_string()))?;
        // Its weights are in the checkpoint, not in the file that its training began with.
        model.common = model.common.without_weights();
        let mut built = Model::build(&model, shape, outputs, 0, DType::F32, device)?;
        let tensors: Vec<_> =
            checkpoint.tensors.into_iter().filter(|(name, _)| !name.starts_with("training.")).collect();
        built.load_tensors(&tensors, true).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            model: built,
            preprocessing,
            loss,
            metrics: section(&metadata, "metrics").map_err(refuse)?,
        })
    }
}

/// Reads one table of the metadata as settings are read.
fn section<T: serde::de::DeserializeOwned>(metadata: &serde_json::Value, key: &str) -> Result<T, String> {
    let found = metadata.get(key).ok_or_else(|| format!("its metadata has no `{key}`"))?;
    let value = toml::Value::try_from(found).map_err(|error| format!("`{key}`: {error}"))?;
    setting::read(&value).map_err(|problems| {
        let texts: Vec<String> =
            problems.iter().map(|problem| format!("{key}.{}: {}", problem.path, problem.message)).collect();
        texts.join("; ")
    })
}
