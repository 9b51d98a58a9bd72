//! What decides a run's result, and the id made of it.

use std::collections::HashMap;
use std::fmt::Write;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use super::run_config::RunConfig;
use super::schema::PATHS;
use crate::setting::Shared;
use crate::{Error, Result};

/// Counts up whenever the same configuration gives other numbers than before: kernels, randomness, order.
pub const NUMERICS: u32 = 2;

/// What does not change the result, and so no id.
pub const IGNORED: &[&str] = &["name", "description", "device", "train.checkpoint", "train.log_every"];

/// Settings that came later, each with the default that does what was done without it: at that value they are
/// left out, so that a run keeps its id when the program learns something new.
const ADDED: &[(&str, &str)] = &[
    ("data.split.stratify", "false"),
    ("loss.label_smoothing", "0.0"),
    ("optimizer.decay_bias", "true"),
    ("train.accumulate", "1"),
];

/// What an id covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity(Value);

impl Identity {
    /// Of a resolved configuration whose data, and weights if it starts from some, have these fingerprints.
    ///
    /// Left out is what does not change the result: name, description, device and checkpoints. Paths give
    /// way to the fingerprints of what they point to.
    pub fn new(config: &RunConfig, data: &str, weights: Option<&str>) -> Result<Self> {
        let mut covered = serde_json::Map::new();
        for key in RunConfig::KEYS.iter().filter(|key| !IGNORED.contains(key)) {
            covered.insert((*key).to_owned(), part(key, config, data, weights)?);
        }
        covered.insert("numerics".to_owned(), Value::from(NUMERICS));
        Ok(Self(Value::Object(covered)))
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

/// What an identity covers of a top-level key.
fn part(key: &str, config: &RunConfig, data: &str, weights: Option<&str>) -> Result<Value> {
    let mut part: Value = serde_json::from_str(&config.text_of(key)?)
        .map_err(|error| Error::Bug(format!("`{key}` is not JSON: {error}")))?;
    for ignored in IGNORED.iter().chain(PATHS) {
        if let Some(below) = ignored.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) {
            remove(&mut part, below, None);
        }
    }
    for (added, default) in ADDED {
        let default = Value::from_str(default)
            .map_err(|error| Error::Bug(format!("the default of `{added}` is not JSON: {error}")))?;
        if let Some(below) = added.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')) {
            remove(&mut part, below, Some(&default));
        }
    }
    match (key, weights) {
        ("data", _) => part["content"] = Value::String(data.to_owned()),
        ("model", Some(weights)) => part["weights"] = Value::String(weights.to_owned()),
        _ => {}
    }
    Ok(part)
}

/// The ids of many runs: what runs share is written out once.
///
/// Gives the very ids that [`Identity`] gives one by one.
#[derive(Debug, Default)]
pub struct Identities<'a> {
    texts: HashMap<(&'static str, usize), Arc<str>>,
    /// The addresses stay in use as long as the configurations that were looked at.
    looked_at: PhantomData<&'a RunConfig>,
}

impl<'a> Identities<'a> {
    /// As [`Identity::new`] and [`Identity::id`].
    pub fn id(&mut self, config: &'a RunConfig, data: &str, weights: Option<&str>) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let mut separator = "{";
        let mut push = |text: &str| {
            hasher.update(separator.as_bytes());
            hasher.update(text.as_bytes());
            separator = ",";
        };
        // In the order of the keys.
        push(&self.shared("data", config.data.address(), config, data, weights)?);
        let loss = config.loss.as_ref().map_or(0, Shared::address);
        push(&self.shared("loss", loss, config, data, weights)?);
        push(&self.shared("metrics", config.metrics.address(), config, data, weights)?);
        push(&self.shared("model", config.model.address(), config, data, weights)?);
        push(&format!("\"numerics\":{NUMERICS}"));
        push(&self.shared("optimizer", config.optimizer.address(), config, data, weights)?);
        push(&self.shared("scheduler", config.scheduler.address(), config, data, weights)?);
        push(&format!("\"seed\":{}", config.seed));
        push(&self.shared("train", config.train.address(), config, data, weights)?);
        hasher.update(b"}");
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn shared(
        &mut self,
        key: &'static str,
        address: usize,
        config: &RunConfig,
        data: &str,
        weights: Option<&str>,
    ) -> Result<Arc<str>> {
        if let Some(known) = self.texts.get(&(key, address)) {
            return Ok(Arc::clone(known));
        }
        let text: Arc<str> = format!("\"{key}\":{}", sorted(&part(key, config, data, weights)?)).into();
        self.texts.insert((key, address), Arc::clone(&text));
        Ok(text)
    }
}

/// Takes a key out, if there is one and, with `only`, if this is its value.
fn remove(value: &mut Value, dotted: &str, only: Option<&Value>) {
    let (way, last) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let parent =
        way.split('.').filter(|key| !key.is_empty()).try_fold(value, |value, key| value.get_mut(key));
    if let Some(Value::Object(map)) = parent
        && only.is_none_or(|only| map.get(last) == Some(only))
    {
        map.remove(last);
    }
}

/// JSON with the keys of every object in order, whatever map `serde_json` was built with.
fn sorted(value: &Value) -> String {
    let mut text = String::new();
    write_sorted(&mut text, value);
    text
}

fn write_sorted(text: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let mut separator = '{';
            for (key, value) in entries {
                // A key is written as any text is, with its quotes.
                let _ = write!(text, "{separator}{}:", Quoted(key));
                separator = ',';
                write_sorted(text, value);
            }
            text.push_str(if separator == '{' { "{}" } else { "}" });
        }
        Value::Array(list) => {
            text.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_sorted(text, value);
            }
            text.push(']');
        }
        // 0 and -0 are one number in any setting.
        Value::Number(number) if number.as_f64() == Some(0.0) && number.is_f64() => text.push_str("0.0"),
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// A text as JSON.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_plain = self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_plain { write!(f, "\"{}\"", self.0) } else { Value::String(self.0.to_owned()).fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Experiment, Layer};

    #[test]
    fn ids_of_many_runs_are_those_of_each() {
        let text = "data = { source = 'digits', split = { train = 0.5 } }\n\
                    model = { kind = 'mlp', weights = 'w' }\n[sweep]\nseeds = 2\n[sweep.grid]\n\
                    train = [{ epochs = 3 }, { epochs = 4, checkpoint.every = 2 }]\noptimizer = ['sgd', 'adam']\n\
                    'model.regularizer' = ['none', { kind = 'dropout', p = 0.3 }]\nscheduler = ['constant', 'cosine']\n";
        let layer = Layer::parse("a.toml".into(), "/e".into(), text).unwrap();
        let drafts = Experiment::from_layers(vec![layer], "a", None).unwrap().expand().unwrap().drafts;
        assert_eq!(drafts.len(), 32);
        let mut identities = Identities::default();
        let mut seen = std::collections::HashSet::new();
        for draft in &drafts {
            let alone = Identity::new(&draft.config, "d", Some("w")).unwrap();
            assert_eq!(identities.id(&draft.config, "d", Some("w")).unwrap(), alone.id());
            assert!(seen.insert(alone.id()));
        }
    }

    /// The id of a run must not change from one version of the program to the next: it is how its folder is found.
    #[test]
    fn the_id_of_a_simple_run_is_pinned() {
        let layer =
            Layer::parse("a.toml".into(), "/e".into(), "data.source = 'digits'\nmodel.kind = 'mlp'").unwrap();
        let draft =
            Experiment::from_layers(vec![layer], "a", None).unwrap().expand().unwrap().drafts.remove(0);
        let identity = Identity::new(&draft.config, "d", None).unwrap();
        insta::assert_snapshot!(identity.metadata([]), @r#"{"data":{"content":"d","normalize":"unit","source":"digits","split":{"seed":0,"shuffle":true,"test":0.2,"train":0.6,"valid":0.2}},"loss":{"kind":"cross_entropy"},"metrics":["accuracy"],"model":{"activation":{"kind":"leaky_relu","negative_slope":0.01},"activation_position":"before_regularizer","init":{"kind":"default"},"kind":"mlp","layers":5,"regularizer":{"eps":0.00001,"kind":"batch_norm","momentum":0.1}},"numerics":2,"optimizer":{"amsgrad":false,"betas":[0.9,0.999],"eps":1e-8,"kind":"adam","lr":0.001,"weight_decay":0.0},"scheduler":{"kind":"constant"},"seed":42,"train":{"batch_size":256,"drop_last":false,"epochs":20,"monitor":"valid_loss","shuffle":true}}"#);
        assert_eq!(identity.id(), "cf3465026b35b3277da8c80f1c56b31c15b60acfe35371e960c1b6606596440e");
    }
}
