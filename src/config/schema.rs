//! What keys an experiment may have.

use std::sync::LazyLock;

use super::run_config::RunConfig;
use super::section::Section;
use crate::data::{DataSettings, SourceConfig, SplitConfig};
use crate::loss::LossConfig;
use crate::metric::MetricConfig;
use crate::model::layer::activation::ActivationConfig;
use crate::model::{ArchitectureConfig, InitConfig, ModelSettings, RegularizerConfig};
use crate::optimizer::OptimizerConfig;
use crate::scheduler::SchedulerConfig;
use crate::setting::keys_of;
use crate::train::{CheckpointConfig, EarlyStoppingConfig, TrainConfig};

/// Keys whose values are paths.
pub const PATHS: &[&str] =
    &["data.path", "data.images", "data.labels", "data.test_images", "data.test_labels", "model.weights"];

/// Every table whose keys depend on a tag.
pub fn sections() -> Vec<Section> {
    vec![
        Section::of::<SourceConfig>("data", keys_of::<DataSettings>()),
        Section::of::<ArchitectureConfig>("model", keys_of::<ModelSettings>()),
        Section::of::<ActivationConfig>("model.activation", &[]),
        Section::of::<RegularizerConfig>("model.regularizer", &[]),
        Section::of::<InitConfig>("model.init", &[]),
        Section::of::<LossConfig>("loss", &[]),
        Section::of::<OptimizerConfig>("optimizer", &[]),
        Section::of::<SchedulerConfig>("scheduler", &[]),
        Section::of::<MetricConfig>("metrics", &[]),
    ]
}

/// Every dotted key that an experiment may have, in a fixed order: what names of runs are cut against.
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
    for section in sections() {
        below(section.path, &section.all_keys());
    }
    below("data.split", keys_of::<SplitConfig>());
    below("train", keys_of::<TrainConfig>());
    below("train.early_stopping", keys_of::<EarlyStoppingConfig>());
    below("train.checkpoint", keys_of::<CheckpointConfig>());
    keys
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
}
