//! A run that has an id and a name.

use std::sync::Arc;

use serde_json::Value;

use super::library::Library;
use crate::config::{Draft, Identity, RunConfig};
use crate::data::Preprocessing;
use crate::setting::KeyPath;
use crate::{Error, Result};

/// One run, ready to be trained.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// 64 hex digits over what decides the result.
    pub id: String,
    /// The folder's name.
    pub name: String,
    /// Swept keys and this run's values.
    pub assignment: Vec<(KeyPath, toml::Value)>,
    /// Every setting.
    pub config: Arc<RunConfig>,
    /// The fingerprint of the data.
    pub fingerprint: String,
    identity: Identity,
}

impl RunSpec {
    /// The run of a draft; it has no name yet. Reads the data that the draft points to.
    pub fn new(draft: Draft, library: &Library) -> Result<Self> {
        let fingerprint = library.fingerprint(&draft.config.data)?;
        let weights = match &draft.config.model.common.weights {
            Some(path) => Some(library.weights(path)?),
            None => None,
        };
        let identity = Identity::new(&draft.config, &fingerprint, weights.as_deref())?;
        Ok(Self {
            id: identity.id(),
            name: String::new(),
            assignment: draft.assignment,
            config: Arc::new(draft.config),
            fingerprint,
            identity,
        })
    }

    /// The metadata of the run's checkpoints: what the id covers, the classes and the preprocessing.
    pub fn metadata(&self, preprocessing: &Preprocessing) -> Result<String> {
        let preprocessing = serde_json::to_value(preprocessing)
            .map_err(|error| Error::Bug(format!("preprocessing is not JSON: {error}")))?;
        Ok(self.identity.metadata([("preprocessing", preprocessing)]))
    }

    /// The swept keys and values as JSON, for `run.json`.
    pub fn assignment_json(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        self.assignment
            .iter()
            .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap_or(Value::Null)))
    }
}
