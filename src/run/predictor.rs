//! A trained model taken from its checkpoint alone.

use std::path::Path;

use candle_core::{DType, Device};

use crate::data::Preprocessing;
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::{Model, ModelConfig};
use crate::setting::{self, Problem, Problems};
use crate::store;
use crate::{Error, Result};

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
        // Its weights are in the checkpoint, not in the file that its training began with.
        model.common = model.common.without_weights();
        check(&model).map_err(refuse)?;
        let count = model.parameter_count(shape, outputs).map_err(|error| refuse(error.to_string()))?;
        let tensors: Vec<_> =
            checkpoint.tensors.into_iter().filter(|(name, _)| !name.starts_with("training.")).collect();
        // A damaged width must not ask for more memory than there is before the tensors are compared.
        let held: u64 = tensors.iter().map(|(_, tensor)| tensor.elem_count() as u64).sum();
        if count > held {
            return Err(refuse(format!("its model has {count} parameters, its tensors have {held} numbers")));
        }
        let mut built = Model::build(&model, shape, outputs, 0, DType::F32, device)?;
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
    setting::read(&value).map_err(|problems| told(key, &problems))
}

/// Holds the settings to their ranges, as those of an experiment are.
fn check(model: &ModelConfig) -> Result<(), String> {
    let mut problems = Problems::default();
    model.check(&mut problems);
    let found = problems.into_found();
    if found.is_empty() { Ok(()) } else { Err(told("model", &found)) }
}

fn told(key: &str, problems: &[Problem]) -> String {
    let text = |problem: &Problem| format!("{key}.{}: {}", problem.path, problem.message);
    problems.iter().map(text).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;
    use crate::store::checkpoint;
    use crate::store::file::Durability;

    /// What is said of a checkpoint of a linear layer from 1 number to 2 classes with these settings of the model.
    fn refused(model: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let metadata = format!(
            r#"{{"data": {{"classes": null}}, "loss": {{"kind": "cross_entropy"}}, "metrics": [], "model": {model},
                "preprocessing": {{"classes": ["a", "b"], "shape": [1, 1, 1], "maximum": 1.0,
                "normalize": "unit", "shift": [0.0], "scale": [1.0]}}}}"#
        );
        let cpu = &Device::Cpu;
        let weight = Tensor::zeros((2, 1), DType::F32, cpu).unwrap();
        let bias = Tensor::zeros(2, DType::F32, cpu).unwrap();
        let tensors = [("layers.0.weight".to_owned(), weight), ("layers.0.bias".to_owned(), bias)];
        checkpoint::save_model(&path, &tensors, &metadata, Durability::Later).unwrap();
        Predictor::load(&path, cpu).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_model_that_its_tensors_cannot_fill_is_not_built() {
        assert_eq!(refused(r#"{"kind": "mlp", "hidden": []}"#), "");
        // Terabytes, if it were built.
        let wide = refused(r#"{"kind": "mlp", "hidden": [1000000, 1000000]}"#);
        assert!(wide.contains("parameters, its tensors have 4 numbers"), "{wide}");
        let long = refused(r#"{"kind": "mlp", "layers": 1000000000000}"#);
        assert!(long.contains("model.layers: "), "{long}");
    }
}
