//! What decides a run's result, and the id made of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::run_config::RunConfig;
use super::schema::PATHS;
use crate::{Error, Result};

/// Counts up whenever the same configuration gives other numbers than before: kernels, randomness, order.
pub const NUMERICS: u32 = 1;

/// What does not change the result, and so no id.
pub const IGNORED: &[&str] = &["name", "description", "device", "train.checkpoint"];

/// What an id covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity(Value);

impl Identity {
    /// Of a resolved configuration whose data, and weights if it starts from some, have these fingerprints.
    ///
    /// Left out is what does not change the result: name, description, device and checkpoints. Paths give
    /// way to the fingerprints of what they point to.
    pub fn new(config: &RunConfig, data: &str, weights: Option<&str>) -> Result<Self> {
        let mut covered = serde_json::to_value(config)
            .map_err(|error| Error::Bug(format!("a configuration is not JSON: {error}")))?;
        for key in IGNORED.iter().chain(PATHS) {
            remove(&mut covered, key);
        }
        covered["data"]["content"] = Value::String(data.to_owned());
        if let Some(weights) = weights {
            covered["model"]["weights"] = Value::String(weights.to_owned());
        }
        covered["numerics"] = Value::from(NUMERICS);
        Ok(Self(covered))
    }

    /// 256 bits as 64 hex digits.
    pub fn id(&self) -> String {
        blake3::hash(sorted(&self.0).as_bytes()).to_hex().to_string()
    }

    /// The same facts and `more`, as sorted JSON: the metadata of a checkpoint.
    pub fn metadata(&self, more: impl IntoIterator<Item = (&'static str, Value)>) -> String {
        let mut all = self.0.clone();
        for (key, value) in more {
            all[key] = value;
        }
        sorted(&all)
    }
}

fn remove(value: &mut Value, dotted: &str) {
    let (way, last) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let parent =
        way.split('.').filter(|key| !key.is_empty()).try_fold(value, |value, key| value.get_mut(key));
    if let Some(Value::Object(map)) = parent {
        map.remove(last);
    }
}

/// JSON with the keys of every object in order, whatever map `serde_json` was built with.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<&String, &Value> = map.iter().collect();
            let texts = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), sorted(value)));
            format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => {
            let texts: Vec<String> = list.iter().map(sorted).collect();
            format!("[{}]", texts.join(","))
        }
        other => other.to_string(),
    }
}
