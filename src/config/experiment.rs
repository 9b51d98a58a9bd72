//! An experiment: layers of settings, and the axes along which they change.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;
use toml::{Table, Value};

use super::anchor::anchor_settings;
use super::extends;
use super::identity::IGNORED;
use super::layer::Layer;
use super::merge::Merged;
use super::overrides::Overrides;
use super::rows::Rows;
use super::run_config::RunConfig;
use super::schema;
use super::section::{Section, section_at};
use super::swept::{Swept, ordered_sweep, read_sweep, sweeps_something};
use crate::setting::{Diagnostic, KeyPath};
use crate::sweep::prune::PruneConfig;
use crate::sweep::{Axis, Rule, Space, When, short_key, text_of};
use crate::{Error, Result};

/// An experiment as it was written.
pub struct Experiment {
    pub(super) merged: Merged,
    /// Everything but the sweep.
    pub(super) base: Table,
    pub(super) spaces: Vec<Space>,
    pub(super) exclude: Vec<Rule>,
    /// The table of runs that stands for the sweep, if there is one.
    pub(super) rows: Option<Rows>,
    pub(super) sections: Vec<Section>,
    /// What flags and variables wrote into the values of axes.
    pub(super) late: Vec<KeyPath>,
    prune: Option<PruneConfig>,
    notes: Vec<String>,
}

/// Swept keys and the values of one run. Many runs hold the same keys and values.
pub type Assignment = Vec<(Arc<KeyPath>, Arc<Value>)>;

/// A run in words, by its swept keys.
pub fn words(assignment: &Assignment) -> String {
    let keys = schema::keys();
    let part = |(key, value): &(Arc<KeyPath>, Arc<Value>)| {
        format!("{}={}", short_key(&key.to_string(), keys), text_of(value))
    };
    assignment.iter().map(part).collect::<Vec<_>>().join(",")
}

/// One run of an experiment, checked, but without the id that only its data can give.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Swept keys and their values, less those that have no say in the run.
    pub assignment: Assignment,
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
        let rows = overrides.rows.as_deref().map(Rows::load).transpose()?;
        Self::from_layers(layers, &stem.unwrap_or_default(), rows)
    }

    /// As [`load`](Self::load), from layers that were read before; `name` is used where they have none, and
    /// `rows`, if given, stand for what the layers sweep.
    pub fn from_layers(layers: Vec<Layer>, name: &str, rows: Option<Rows>) -> Result<Self> {
        let sections = schema::sections();
        let swept = ordered_sweep(&layers);
        let merged = Merged::new(layers, &sections)?;
        let mut base = merged.tree.clone();
        base.entry("name").or_insert_with(|| Value::String(name.to_owned()));
        let written = base.remove("sweep");
        anchor_settings(&mut base, &merged);
        let mut notes = merged.notes.clone();
        if let Some(rows) = &rows {
            let given = written.as_ref().filter(|written| sweeps_something(written));
            notes.extend(given.map(|_| format!("the sweep gives way to {}", rows.origin())));
        }
        let swept = match &written {
            Some(other) if rows.is_none() && !other.is_table() => Err(super::swept::no_table(other, &merged)),
            _ => read_sweep(&merged, &base, swept.as_ref(), rows.as_ref(), &sections),
        };
        let swept = match swept {
            Ok(swept) => swept,
            Err(Error::Settings(found)) => {
                let (spaces, exclude, late) = (vec![Space::default()], Vec::new(), Vec::new());
                let bare = Self { merged, base, spaces, exclude, rows, sections, late, prune: None, notes };
                return Err(Error::Settings(bare.with_unknown_keys(found)));
            }
            Err(other) => return Err(other),
        };
        let Swept { spaces, exclude, notes: more, late, prune } = swept;
        notes.extend(more);
        let axes = spaces.iter().flat_map(|space| &space.axes);
        notes.extend(
            axes.filter(|axis| axis.values.len() > 1).filter_map(without_effect).collect::<IndexSet<_>>(),
        );
        Ok(Self { merged, base, spaces, exclude, rows, sections, late, prune, notes })
    }

    /// The name under `runs/`; it may be refused only by [`expand`](Self::expand).
    pub fn name(&self) -> &str {
        self.base.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// By which rule runs stop before their last epoch, if by one.
    pub fn prune(&self) -> Option<&PruneConfig> {
        self.prune.as_ref()
    }

    /// Every key that is swept, once, in the order of the axes; folds and seeds last.
    pub fn swept_keys(&self) -> Vec<Arc<KeyPath>> {
        let keys = self.spaces.iter().flat_map(|space| &space.axes).map(|axis| Arc::clone(&axis.key));
        let mut keys: Vec<Arc<KeyPath>> = keys.collect::<IndexSet<_>>().into_iter().collect();
        keys.sort_by_key(|key| schema::AVERAGED_OVER.iter().position(|last| KeyPath::parse(last) == **key));
        keys
    }

    /// What the layers did that the user should know: settings dropped by a change of kind, axes that gave
    /// way to a flag.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The axes as they write: whole tables first and kinds before the keys beside them; otherwise as they
    /// stand.
    pub(super) fn order_of(&self, axes: &[Axis]) -> Vec<usize> {
        let is_tag = |key: &KeyPath| {
            section_at(&self.sections, &key.parent())
                .is_some_and(|section| key.last_key() == Some(section.tag))
        };
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|index| {
            let key = &axes[*index].key;
            (key.0.len(), !is_tag(key))
        });
        order
    }

    /// The error of a sweep without a run.
    pub(super) fn nothing_is_left(&self) -> Error {
        Error::Settings(vec![Diagnostic {
            message: "`sweep.exclude` leaves out every combination".to_owned(),
            excerpt: self.exclude.first().and_then(|rule| self.merged.excerpt(&rule.written, false)),
            label: "expected a run that it does not leave out".to_owned(),
            notes: Vec::new(),
            help: None,
        }])
    }

    /// File and line, in brackets.
    fn line_of(&self, written: &KeyPath) -> String {
        let excerpt = self.merged.excerpt(written, false);
        let line = excerpt.map(|excerpt| format!(" ({}:{})", excerpt.origin, excerpt.position().0));
        line.unwrap_or_default()
    }

    /// An axis whose conditions hold nowhere, for the user.
    pub(super) fn tell_never_swept(&self, axis: &Axis) -> Option<String> {
        let When::Holds(conditions) = &axis.when else { return None };
        let conditions: Vec<String> = conditions.iter().map(ToString::to_string).collect();
        let conditions = conditions.join(" and ");
        let place = self.line_of(&axis.written);
        Some(format!("`{}` is never swept{place}: {conditions} holds in no combination", axis.key))
    }

    /// What a rule of `exclude` left out, for the user.
    pub(super) fn tell_left_out(&self, rule: &Rule, combinations: usize) -> String {
        let place = self.line_of(&rule.written);
        match combinations {
            0 => format!("nothing is left out by the exclude{place}: {rule} holds in no combination"),
            1 => format!("1 combination is left out by the exclude{place}: {rule}"),
            many => format!("{many} combinations are left out by the exclude{place}: {rule}"),
        }
    }
}

fn without_effect(axis: &Axis) -> Option<String> {
    let key = &axis.key;
    let ignored = IGNORED.iter().any(|ignored| KeyPath::parse(ignored).covers(key));
    ignored.then(|| {
        format!("`{key}` does not change the result: runs that differ in nothing else are trained once")
    })
}
