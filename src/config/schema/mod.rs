//! What keys an experiment may have, and what each means and holds, for people and for editors.

mod describe;
mod forms;
mod sweep;

use std::sync::LazyLock;

use schemars::Schema;
use serde_json::{Value, json};

pub use describe::{KeyDoc, describe, describe_kind, describe_of_kind};

use super::run_config::RunConfig;
use super::section::Section;
use crate::data::{DataSettings, SourceConfig, SplitConfig};
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::layer::activation::ActivationConfig;
use crate::model::{ArchitectureConfig, InitConfig, ModelSettings, PoolConfig, RegularizerConfig};
use crate::optimizer::{OptimizerSettings, RuleConfig};
use crate::scheduler::{CurveConfig, SchedulerSettings, WarmupConfig};
use crate::setting::{keys_of, point_at_unknown_keys, settings_schema_of};
use crate::sweep::prune::{self, PruneSettings};
use crate::train::{CheckpointConfig, EarlyStoppingConfig, TrainConfig};

/// The keys that repeat a run rather than changing it: what is averaged over, in the order of their axes.
pub const AVERAGED_OVER: &[&str] = &["data.split.fold", "seed"];

/// Keys whose values are paths.
pub const PATHS: &[&str] = &[
    "data.path",
    "data.test_path",
    "data.images",
    "data.labels",
    "data.test_images",
    "data.test_labels",
    "model.weights",
];

/// The table of the rule by which runs stop early; no setting of a run.
pub(super) const PRUNE: &str = "sweep.prune";

/// Every table whose keys depend on a tag.
pub fn sections() -> Vec<Section> {
    vec![
        Section::of::<SourceConfig>("data", keys_of::<DataSettings>()),
        Section::of::<ArchitectureConfig>("model", keys_of::<ModelSettings>()),
        Section::of::<ActivationConfig>("model.activation", &[]),
        Section::of::<RegularizerConfig>("model.regularizer", &[]),
        Section::of::<PoolConfig>("model.pool", &[]),
        Section::of::<InitConfig>("model.init", &[]),
        Section::of::<LossConfig>("loss", &[]),
        Section::of::<RuleConfig>("optimizer", keys_of::<OptimizerSettings>()),
        Section::of::<CurveConfig>("scheduler", keys_of::<SchedulerSettings>()),
        Section::of::<MetricConfig>("metrics", &[]),
        Section::of::<prune::RuleConfig>(PRUNE, keys_of::<PruneSettings>()),
    ]
}

/// Every dotted key that a run may have, in a fixed order: what names of runs are cut against.
pub fn keys() -> &'static [String] {
    // Asked for once a run that is refused, and the same for the whole process.
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(list_keys);
    &KEYS
}

fn list_keys() -> Vec<String> {
    let mut keys: Vec<String> = keys_of::<RunConfig>().iter().map(|key| (*key).to_owned()).collect();
    let mut below = |table: &str, names: &[&'static str]| {
        keys.extend(names.iter().map(|name| format!("{table}.{name}")));
    };
    for section in sections().into_iter().filter(|section| section.path != PRUNE) {
        below(section.path, &section.all_keys());
    }
    below("data.split", keys_of::<SplitConfig>());
    below("scheduler.warmup", keys_of::<WarmupConfig>());
    below("train", keys_of::<TrainConfig>());
    below("train.early_stopping", keys_of::<EarlyStoppingConfig>());
    below("train.checkpoint", keys_of::<CheckpointConfig>());
    keys
}

/// The JSON Schema (draft 7) of an experiment file.
///
/// A file may be part of an experiment: what it extends or sweeps over may bring a key. So nothing is required
/// but `data` and `model`, and those only without `extends`.
pub fn experiment() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(make_experiment);
    &SCHEMA
}

fn make_experiment() -> Value {
    let mut root = settings_schema_of::<RunConfig>();
    let (sweep, mut definitions) = sweep::sweep(&root);
    // What holds itself, as a residual block holds layers, is referred to.
    if let Some(Value::Object(own)) = root.get_mut("definitions").map(Value::take) {
        definitions.extend(own);
    }
    root["title"] = "An experiment of runner".into();
    root["description"] = "Data, a model, an optimizer and a sweep, which `runner run` trains.".into();
    root["properties"]["sweep"] = sweep;
    root["properties"]["extends"] = json!({
        "type": ["string", "array"],
        "items": { "type": "string" },
        "description": "A file whose settings this one adds to and changes, or a list of them, the later ones \
            winning. Paths are meant from this file.",
    });
    root["definitions"] = Value::Object(definitions);
    if let Some(root) = root.as_object_mut() {
        root.remove("required");
    }
    root["if"] = json!({ "required": ["extends"] });
    root["else"] = json!({ "required": ["data", "model"] });
    if let Ok(schema) = <&mut Schema>::try_from(&mut root) {
        point_at_unknown_keys(schema);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::short_key;

    #[test]
    fn folds_have_short_names_of_their_own() {
        assert_eq!(short_key("data.split.fold", keys()), "fold");
        assert_eq!(short_key("data.split.folds", keys()), "folds");
        assert_eq!(short_key("data.split.seed", keys()), "split.seed");
    }

    /// The folders of earlier runs are called so, and a new key must not make them longer.
    #[test]
    fn what_people_sweep_over_keeps_its_short_name() {
        for (key, short) in [
            ("model.regularizer.p", "p"),
            ("optimizer.lr", "lr"),
            ("model.layers", "layers"),
            ("model.hidden", "hidden"),
            ("model.activation", "activation"),
            ("model.init", "init"),
            ("model.regularizer", "regularizer"),
            ("optimizer.weight_decay", "weight_decay"),
            ("train.epochs", "epochs"),
            ("train.batch_size", "batch_size"),
            ("data.normalize", "normalize"),
        ] {
            assert_eq!(short_key(key, keys()), short);
        }
    }
}
