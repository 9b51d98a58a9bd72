//! An experiment: layers of settings and the runs that they describe.

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;
use toml::{Table, Value};

use super::layer::Layer;
use super::locate;
use super::merge::Merged;
use super::run_config::RunConfig;
use super::schema;
use super::section::{Section, patch};
use crate::setting::{Diagnostic, Excerpt, KeyPath, Place, Problem, Problems, read, read_what_can_be_read};
use crate::sweep::{self, Axis, SweepConfig, text_of};
use crate::{Error, Result};

/// More runs than anyone waits for; a larger sweep is refused before it is expanded.
const MOST_RUNS: u128 = 1_000_000;

/// An experiment as it was written.
pub struct Experiment {
    merged: Merged,
    base: Table,
    axes: Vec<Axis>,
    sections: Vec<Section>,
}

/// One run of an experiment, checked, but without the id that only its data can give.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Swept keys and their values.
    pub assignment: Vec<(KeyPath, Value)>,
    /// Every setting, defaults included.
    pub config: RunConfig,
}

impl Experiment {
    /// Layers a file, the variables and the flags, lowest first.
    ///
    /// A run's own `config.toml` (beside a `run.json`) takes no variables.
    pub fn load(file: &Path, variables: &[(String, String)], flags: &[String]) -> Result<Self> {
        let mut layers = vec![Layer::file(file)?];
        if !file.with_file_name("run.json").is_file() {
            let found = variables.iter().filter_map(|(name, value)| Layer::variable(name, value));
            layers.extend(found.collect::<Result<Vec<_>>>()?);
        }
        layers.extend(flags.iter().map(|flag| Layer::flag(flag)).collect::<Result<Vec<_>>>()?);
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Self::from_layers(layers, &stem.unwrap_or_default())
    }

    /// As [`load`](Self::load), from layers that were read before; `name` is used where they have none.
    pub fn from_layers(layers: Vec<Layer>, name: &str) -> Result<Self> {
        let sections = schema::sections();
        let grid = ordered_grid(&layers);
        let mut merged = Merged::new(layers, &sections)?;
        let mut base = merged.tree.clone();
        base.entry("name").or_insert_with(|| Value::String(name.to_owned()));
        let swept = base.remove("sweep");
        let seed = base.get("seed").and_then(Value::as_integer).and_then(|seed| u64::try_from(seed).ok());
        let axes = match swept {
            None => Vec::new(),
            Some(swept) => read_sweep(&merged, &swept, grid.clone(), seed.unwrap_or(42))?,
        };
        if let Some(Value::Table(sweep)) = merged.tree.get_mut("sweep")
            && !grid.is_empty()
        {
            sweep.insert("grid".to_owned(), Value::Table(grid));
        }
        let mut experiment = Self { merged, base, axes, sections };
        experiment.anchor_paths();
        Ok(experiment)
    }

    /// The name under `runs/`; it may be refused only by [`expand`](Self::expand).
    pub fn name(&self) -> &str {
        self.base.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The axes of the sweep in order, seeds last.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// What the layers did that the user should know: settings dropped by a change of kind.
    pub fn notes(&self) -> &[String] {
        &self.merged.notes
    }

    /// The text of `experiment.toml`: the layers as one file.
    pub fn render(&self) -> Result<String> {
        let mut tree = Table::new();
        for key in ["name", "description", "seed", "device", "metrics"] {
            let value = self.base.get(key).or_else(|| self.merged.tree.get(key));
            tree.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        for (key, value) in &self.merged.tree {
            if !tree.contains_key(key) {
                tree.insert(key.clone(), value.clone());
            }
        }
        toml::to_string(&tree).map_err(|error| Error::Bug(format!("failed to write the experiment: {error}")))
    }

    /// Every run in order, each once; or every problem of every run.
    pub fn expand(&self) -> Result<Vec<Draft>> {
        let total = sweep::count(&self.axes);
        if total > MOST_RUNS {
            let axes: Vec<String> =
                self.axes.iter().map(|a| format!("{} × {}", a.key, a.values.len())).collect();
            return Err(Error::Request(format!(
                "the sweep has {total} runs ({}); the most is {MOST_RUNS}",
                axes.join(", ")
            )));
        }
        let mut drafts = Vec::with_capacity(total as usize);
        let mut found: IndexMap<Problem, Found> = IndexMap::new();
        for choices in sweep::combinations(&self.axes) {
            match self.draft(&choices) {
                Ok(draft) => drafts.push(draft),
                Err((problems, written)) => {
                    for problem in problems {
                        let excerpt = self.place(&problem, &choices, &written);
                        let found =
                            found.entry(problem).or_insert_with(|| Found { excerpt, runs: Vec::new() });
                        found.runs.push(self.describe(&choices));
                    }
                }
            }
        }
        if found.is_empty() {
            return Ok(drafts);
        }
        let report = found.into_iter().map(|(problem, found)| {
            let notes = locate::hit(&found.runs, total as usize);
            locate::diagnostic(problem, found.excerpt, notes)
        });
        Err(Error::Settings(report.collect::<Vec<Diagnostic>>()))
    }

    /// One run. The error holds the problems and the paths that the axes really wrote.
    fn draft(&self, choices: &[usize]) -> Result<Draft, (Vec<Problem>, Vec<KeyPath>)> {
        let mut tree = self.base.clone();
        let mut written = Vec::with_capacity(choices.len());
        let mut assignment = Vec::with_capacity(choices.len());
        for (axis, choice) in self.axes.iter().zip(choices) {
            let value = axis.values[*choice].clone();
            assignment.push((axis.key.clone(), value.clone()));
            match patch(&mut tree, &axis.key, value, &self.sections) {
                Ok((path, _)) => written.push(path),
                Err(message) => {
                    let place = Place::Value;
                    let (path, expected) = (axis.key.clone(), String::new());
                    written.push(path.clone());
                    return Err((vec![Problem { path, place, message, expected, help: None }], written));
                }
            }
        }
        let (config, unread) = read_what_can_be_read::<RunConfig>(&Value::Table(tree));
        let Some(mut config) = config else { return Err((unread, written)) };
        if let Err(error) = config.resolve() {
            let (path, place) = (KeyPath::parse("data"), Place::Value);
            let problem =
                Problem { path, place, message: error.to_string(), expected: String::new(), help: None };
            return Err((vec![problem], written));
        }
        let mut problems = Problems::default();
        config.check(&mut problems);
        let mut problems = problems.into_found();
        // A default stands in for what could not be read: what the checks say of its table may be wrong.
        problems.retain(|problem| unread.iter().all(|known| !share_table(&known.path, &problem.path)));
        problems.extend(unread);
        if problems.is_empty() { Ok(Draft { assignment, config }) } else { Err((problems, written)) }
    }

    /// Where a problem was written: in an axis, or in a layer.
    fn place(&self, problem: &Problem, choices: &[usize], written: &[KeyPath]) -> Option<Excerpt> {
        let mut axes = self.axes.iter().zip(choices).zip(written);
        let related = |path: &KeyPath| path.covers(&problem.path);
        if let Some(((axis, choice), path)) = axes.find(|(_, path)| related(path)) {
            let unknown = problem.place == Place::Key && *path == problem.path;
            let place = if unknown { axis.written.clone() } else { axis.place_of(*choice) };
            let layer = self.merged.layer_of(&axis.written)?;
            return Some(self.merged.layers()[layer].excerpt(&place, unknown));
        }
        self.merged.excerpt(&problem.path, problem.place == Place::Key)
    }

    fn describe(&self, choices: &[usize]) -> String {
        let keys = schema::keys();
        let parts = self.axes.iter().zip(choices).map(|(axis, choice)| {
            let key = axis.key.to_string();
            format!("{}={}", sweep::short_key(&key, &keys), text_of(&axis.values[*choice]))
        });
        parts.collect::<Vec<_>>().join(",")
    }

    /// Makes paths absolute: one in a file is relative to that file, any other to the current folder.
    fn anchor_paths(&mut self) {
        for key in schema::PATHS {
            let key = KeyPath::parse(key);
            let layer = self.merged.layer_of(&key).map(|layer| &self.merged.layers()[layer]);
            let Some(layer) = layer else { continue };
            if let Some(value) = find_mut(&mut self.base, &key) {
                anchor(value, &layer.base);
            }
        }
        for axis in &mut self.axes {
            if !schema::PATHS.contains(&axis.key.to_string().as_str()) {
                continue;
            }
            let Some(layer) = self.merged.layer_of(&axis.written) else { continue };
            for value in &mut axis.values {
                anchor(value, &self.merged.layers()[layer].base);
            }
        }
    }
}

/// Whether two settings stand side by side.
fn share_table(one: &KeyPath, other: &KeyPath) -> bool {
    one.0.split_last().map(|(_, table)| table) == other.0.split_last().map(|(_, table)| table)
}

struct Found {
    excerpt: Option<Excerpt>,
    runs: Vec<String>,
}

fn anchor(value: &mut Value, base: &Path) {
    if let Value::String(path) = value
        && let Ok(absolute) = std::path::absolute(base.join(&*path))
    {
        *path = absolute.to_string_lossy().into_owned();
    }
}

fn find_mut<'a>(table: &'a mut Table, path: &KeyPath) -> Option<&'a mut Value> {
    let mut keys: Vec<&str> = path.0.iter().filter_map(key_of).collect();
    let last = keys.pop()?;
    let parent = keys.into_iter().try_fold(table, |table, key| table.get_mut(key)?.as_table_mut())?;
    parent.get_mut(last)
}

fn key_of(segment: &crate::setting::Segment) -> Option<&str> {
    match segment {
        crate::setting::Segment::Key(key) => Some(key),
        crate::setting::Segment::Index(_) => None,
    }
}

/// The grid of all layers in the order in which its keys were first written; merging sorts keys.
fn ordered_grid(layers: &[Layer]) -> Table {
    let mut grid = Table::new();
    for layer in layers {
        if let Some(Value::Table(more)) = layer.table.get("sweep").and_then(|sweep| sweep.get("grid")) {
            merge_in_order(&mut grid, more);
        }
    }
    grid
}

fn merge_in_order(grid: &mut Table, more: &Table) {
    for (key, value) in more {
        match (grid.get_mut(key), value) {
            (Some(Value::Table(known)), Value::Table(value)) => merge_in_order(known, value),
            (Some(known), value) => *known = value.clone(),
            (None, value) => {
                grid.insert(key.clone(), value.clone());
            }
        }
    }
}

fn read_sweep(merged: &Merged, swept: &Value, grid: Table, seed: u64) -> Result<Vec<Axis>> {
    let locate = |problem: Problem| {
        let excerpt = merged.excerpt(&problem.path, problem.place == Place::Key);
        locate::diagnostic(problem, excerpt, Vec::new())
    };
    let refuse = |problems: Vec<Problem>| Error::Settings(problems.into_iter().map(locate).collect());
    let below = |mut problem: Problem| {
        problem.path.0.insert(0, crate::setting::Segment::Key("sweep".to_owned()));
        problem
    };
    let mut config: SweepConfig =
        read(swept).map_err(|problems| refuse(problems.into_iter().map(below).collect()))?;
    config.grid = grid;
    let mut axes = sweep::axes(&config, seed).map_err(refuse)?;
    // A flag or a variable that sets a swept key stands for the whole axis.
    let overridden = |axis: &Axis| {
        let layers = merged.layers().iter().filter(|layer| layer.overrides);
        layers.into_iter().any(|layer| axis.key.find(&Value::Table(layer.table.clone())).is_some())
    };
    axes.retain(|axis| !overridden(axis));
    // The same key written as a dotted and as a nested one is one axis: the last one written.
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Axis> = Vec::new();
    for axis in axes {
        if seen.insert(axis.key.clone()) {
            kept.push(axis);
        } else if let Some(known) = kept.iter_mut().find(|known| known.key == axis.key) {
            *known = axis;
        }
    }
    Ok(kept)
}
