//! Relative paths become absolute: one in a file is relative to that file, any other to the current folder.

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::experiment::Experiment;
use super::merge::Merged;
use super::schema::PATHS;
use crate::setting::{Excerpt, KeyPath, Segment};
use crate::sweep::{Axis, Condition, Rule, Test, When};

/// A value that begins so names a run and no file.
const RUN: &str = "run:";

/// The paths of the settings below the sweep.
pub(super) fn anchor_settings(base: &mut Table, merged: &Merged) {
    for key in PATHS {
        let key = KeyPath::parse(key);
        let Some(layer) = merged.layer_of(&key).map(|layer| &merged.layers()[layer]) else { continue };
        if let Some(value) = key.0.split_first().and_then(|(first, rest)| match first {
            Segment::Key(first) => find_mut(base.get_mut(first)?, rest),
            Segment::Index(_) => None,
        }) {
            anchor(value, &layer.base);
        }
    }
}

/// The paths among the values of an axis and in its conditions, tables included.
pub(super) fn anchor_axis(axis: &mut Axis, merged: &Merged) {
    let Some(layer) = merged.layer_of(&axis.written) else { return };
    let base = &merged.layers()[layer].base;
    let key = Arc::clone(&axis.key);
    axis.change(|value| anchor_value(value, &key, base));
    if let When::Holds(conditions) = &mut axis.when {
        anchor_conditions(conditions, base);
    }
}

/// The paths that a rule compares with.
pub(super) fn anchor_rule(rule: &mut Rule, merged: &Merged) {
    let Some(layer) = merged.layer_of(&rule.written) else { return };
    anchor_conditions(&mut rule.conditions, &merged.layers()[layer].base);
}

fn anchor_conditions(conditions: &mut [Condition], base: &Path) {
    for condition in conditions {
        if let Test::OneOf(values) = &mut condition.test {
            for value in values {
                anchor_value(value, &condition.key, base);
            }
        }
    }
}

/// The paths in a value that is meant for `key`.
pub(super) fn anchor_value(value: &mut Value, key: &KeyPath, base: &Path) {
    for path in PATHS {
        if let Some(way) = key.way_to(&KeyPath::parse(path))
            && let Some(found) = find_mut(value, &way.0)
        {
            anchor(found, base);
        }
    }
}

/// A value of a setting, and where it was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The setting.
    pub key: &'static str,
    /// The value; of a path the absolute one.
    pub value: Value,
    /// The place.
    pub excerpt: Excerpt,
}

impl Experiment {
    /// Every value that a layer or an axis gives one of these keys, paths absolute, and where it was written: what
    /// shows only later, as of a file, can then be told at the setting that it is due to.
    pub fn written(&self, keys: impl IntoIterator<Item = &'static str>) -> Vec<Written> {
        let mut found = Vec::new();
        for key in keys {
            let path = KeyPath::parse(key);
            if let Some(value) = path.find_in(&self.base)
                && let Some(excerpt) = self.merged.excerpt(&path, false)
            {
                found.push(Written { key, value: value.clone(), excerpt });
            }
            for axis in self.spaces.iter().flat_map(|space| &space.axes) {
                let Some(way) = axis.key.way_to(&path) else { continue };
                let in_axis = |index| {
                    let (value, excerpt) = self.written_in_axis(axis, index, &way)?;
                    Some(Written { key, value, excerpt })
                };
                found.extend((0..axis.values.len()).filter_map(in_axis));
            }
        }
        found
    }

    fn written_in_axis(&self, axis: &Axis, index: usize, way: &KeyPath) -> Option<(Value, Excerpt)> {
        let value = way.find(axis.value(index)?)?.clone();
        let excerpt = if let Some(rows) = &self.rows {
            rows.excerpt(&axis.key, Some(index))?
        } else {
            let mut place = axis.place_of(index);
            place.0.extend(way.0.iter().cloned());
            self.merged.layers()[self.merged.layer_of(&axis.written)?].excerpt(&place, false)
        };
        Some((value, excerpt))
    }
}

fn anchor(value: &mut Value, base: &Path) {
    if let Value::String(path) = value
        && !path.starts_with(RUN)
        && let Ok(absolute) = std::path::absolute(base.join(&*path))
    {
        *path = absolute.to_string_lossy().into_owned();
    }
}

fn find_mut<'a>(value: &'a mut Value, way: &[Segment]) -> Option<&'a mut Value> {
    way.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key.as_str()),
        Segment::Index(index) => value.get_mut(*index),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Experiment, Layer};
    use crate::data::SourceConfig;

    #[test]
    fn a_relative_path_belongs_to_its_file_and_an_absolute_one_stays() {
        let text = "data = { source = 'idx', images = 'a/images', labels = '/data/labels' }\n\
                    model = { kind = 'mlp', weights = 'w.safetensors' }\n";
        let layer = Layer::parse("a.toml".into(), "/experiments".into(), text).unwrap();
        let config = Experiment::from_layers(vec![layer], "a", None)
            .unwrap()
            .expand()
            .unwrap()
            .drafts
            .remove(0)
            .config;
        let written = toml::to_string(&config.data).unwrap();
        assert!(matches!(config.data.kind, SourceConfig::Idx(_)));
        assert!(written.contains("images = \"/experiments/a/images\""), "{written}");
        assert!(written.contains("labels = \"/data/labels\""), "{written}");
        let weights = config.model.common.weights.as_deref();
        assert_eq!(weights, Some(std::path::Path::new("/experiments/w.safetensors")));
    }
}
