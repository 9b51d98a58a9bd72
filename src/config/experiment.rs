//! An experiment: layers of settings, and the axes along which they change.

use std::path::Path;

use toml::{Table, Value};

use super::anchor::anchor_settings;
use super::extends;
use super::identity::IGNORED;
use super::layer::Layer;
use super::merge::Merged;
use super::overrides::Overrides;
use super::run_config::RunConfig;
use super::schema;
use super::section::{Section, section_at};
use super::swept::{Swept, ordered_grid, read_sweep};
use crate::Result;
use crate::setting::KeyPath;
use crate::sweep::Axis;

/// An experiment as it was written.
pub struct Experiment {
    pub(super) merged: Merged,
    /// Everything but the sweep.
    pub(super) base: Table,
    pub(super) axes: Vec<Axis>,
    /// The order in which the values of the axes are written into a run.
    pub(super) order: Vec<usize>,
    pub(super) sections: Vec<Section>,
    /// What flags and variables wrote into the values of axes.
    pub(super) late: Vec<KeyPath>,
    notes: Vec<String>,
}

/// One run of an experiment, checked, but without the id that only its data can give.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Swept keys and their values, less those that have no place in the run's kinds.
    pub assignment: Vec<(KeyPath, Value)>,
    /// Every setting, defaults included.
    pub config: RunConfig,
}

impl Experiment {
    /// Layers a file and those that it extends, the variables and the flags, lowest first.
    ///
    /// A run's own `config.toml` (beside a `run.json`) stands for itself: it extends nothing and takes no variables.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self> {
        let is_run = file.with_file_name("run.json").is_file();
        let mut layers = if is_run { vec![Layer::file(file)?] } else { extends::stack(file)? };
        layers.extend(overrides.layers(!is_run)?);
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Self::from_layers(layers, &stem.unwrap_or_default())
    }

    /// As [`load`](Self::load), from layers that were read before; `name` is used where they have none.
    pub fn from_layers(layers: Vec<Layer>, name: &str) -> Result<Self> {
        let sections = schema::sections();
        let grid = ordered_grid(&layers);
        let merged = Merged::new(layers, &sections)?;
        let mut base = merged.tree.clone();
        base.entry("name").or_insert_with(|| Value::String(name.to_owned()));
        let swept = base.remove("sweep");
        anchor_settings(&mut base, &merged);
        let Swept { axes, notes, late } = read_sweep(&merged, &base, swept.as_ref(), grid, &sections)?;
        let order = order_of(&axes, &sections);
        let mut all = merged.notes.clone();
        all.extend(notes);
        all.extend(axes.iter().filter(|axis| axis.values.len() > 1).filter_map(without_effect));
        Ok(Self { merged, base, axes, order, sections, late, notes: all })
    }

    /// The name under `runs/`; it may be refused only by [`expand`](Self::expand).
    pub fn name(&self) -> &str {
        self.base.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The axes of the sweep in order, seeds last.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// What the layers did that the user should know: settings dropped by a change of kind, axes that gave
    /// way to a flag.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Whole tables first and kinds before the keys beside them; otherwise as the axes stand.
fn order_of(axes: &[Axis], sections: &[Section]) -> Vec<usize> {
    let is_tag = |key: &KeyPath| {
        section_at(sections, &key.parent()).is_some_and(|section| key.last_key() == Some(section.tag))
    };
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by_key(|index| {
        let key = &axes[*index].key;
        (key.0.len(), !is_tag(key))
    });
    order
}

fn without_effect(axis: &Axis) -> Option<String> {
    let key = &axis.key;
    let ignored = IGNORED.iter().any(|ignored| KeyPath::parse(ignored).covers(key));
    ignored.then(|| {
        format!("`{key}` does not change the result: runs that differ in nothing else are trained once")
    })
}
