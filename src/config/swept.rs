//! The axes of an experiment: those that its layers wrote, less those that flags and variables replaced.

use std::sync::Arc;

use indexmap::IndexSet;
use serde::Deserialize;
use toml::{Table, Value};

use super::anchor::{anchor_axis, anchor_rule, anchor_value};
use super::conditional::{misused, order_of_conditions};
use super::late::{Late, contradictions};
use super::layer::Layer;
use super::locate;
use super::merge::Merged;
use super::patch::misplaced;
use super::rows::Rows;
use super::schema;
use super::section::{Section, section_at};
use super::unknown::explain;
use crate::setting::{Diagnostic, KeyPath, Place, Problem, read};
use crate::sweep::prune::PruneConfig;
use crate::sweep::{self, Axis, Origin, Rule, Space, Sweep, Writing};
use crate::{Error, Result};

/// What is left to sweep.
pub(super) struct Swept {
    /// One after the other; each with its folds and its seeds last.
    pub spaces: Vec<Space>,
    /// What is left out.
    pub exclude: Vec<Rule>,
    /// What gave way, for the user.
    pub notes: Vec<String>,
    /// Settings of flags and variables that were written into the values of an axis.
    pub late: Vec<KeyPath>,
    /// By which rule runs stop early.
    pub prune: Option<PruneConfig>,
}

/// The rows instead of a sweep; a flag that says what is swept as well cannot be meant.
fn only(rows: &Rows, merged: &Merged) -> Result<Sweep> {
    let (sweep, prune) = (KeyPath::parse("sweep"), KeyPath::parse(schema::PRUNE));
    let says =
        |layer: &&Layer| layer.assigned().is_some_and(|(path, _)| sweep.covers(path) && !prune.covers(path));
    if let Some(layer) = merged.layers().iter().find(says) {
        let message = format!("{} says what is swept, and {} too", layer.origin, rows.origin());
        let excerpt = layer.assigned().map(|(path, _)| layer.excerpt(path, true));
        let (label, notes) = ("expected one of the two".to_owned(), Vec::new());
        return Err(Error::Settings(vec![Diagnostic { message, excerpt, label, notes, help: None }]));
    }
    Ok(Sweep { spaces: vec![rows.space()], exclude: Vec::new() })
}

/// Reads the table `sweep` of the layers, in their order; `base` is all that stands beside it.
pub(super) fn read_sweep(
    merged: &Merged,
    base: &Table,
    swept: Option<&Table>,
    rows: Option<&Rows>,
    sections: &[Section],
) -> Result<Swept> {
    let refuse = |mut problems: Vec<Problem>| {
        for problem in &mut problems {
            explain(problem, &merged.tree, sections);
        }
        Error::Settings(locate::all(problems, merged))
    };
    let mut table = swept.filter(|_| rows.is_none()).cloned().unwrap_or_default();
    // Rows say what is trained, not how long; and a rule has a kind, which only the merged layers have followed.
    table.remove("prune");
    table.extend(merged_prune(merged).map(|prune| ("prune".to_owned(), prune)));
    let (config, mut sweep) = sweep::read_sweep(&table, merged).map_err(refuse)?;
    if let Some(rows) = rows {
        sweep = only(rows, merged)?;
    }
    let Sweep { spaces, exclude } = sweep;
    let mut found =
        Swept { spaces, exclude, notes: Vec::new(), late: Vec::new(), prune: config.prune.clone() };
    found.give_way(merged, base, sections);
    for space in &mut found.spaces {
        for axis in &mut space.axes {
            anchor_axis(axis, merged);
        }
    }
    for rule in &mut found.exclude {
        anchor_rule(rule, merged);
    }
    found.write_late(merged, base, sections).map_err(refuse)?;
    let mut problems = misused(&found.exclude, &found.spaces, sections);
    problems.extend(found.spaces.iter().flat_map(|space| &space.axes).filter_map(is_for_all_runs));
    found.notes.extend(beaten(&found.spaces, merged));
    let seeds = match &config.seeds {
        Some(seeds) if !yields_seeds(merged) => {
            let first = seed_of(base).map_err(refuse)?;
            Some(sweep::seed_axis(seeds, first).map_err(|problem| refuse(vec![problem]))?)
        }
        Some(_) => {
            found.notes.push(gives_way("seed", merged));
            None
        }
        None => None,
    };
    for space in &mut found.spaces {
        problems.extend(contradictions(space, sections));
        let folds = most_folds(base, space);
        if folds > 0 {
            let axis = sweep::fold_axis(folds).map_err(|problem| refuse(vec![problem]))?;
            let length = axis.values.len();
            space.push([axis], length, Origin::Folds);
        }
        if let Some(axis) = &seeds {
            problems.extend(swept_as_well(space));
            space.push([axis.clone()], axis.values.len(), Origin::Seeds);
        }
        problems.extend(order_of_conditions(space).err());
    }
    if problems.is_empty() {
        return Ok(found);
    }
    // What the entries of a union share is wrong in each of them, and told once.
    Err(refuse(problems.into_iter().collect::<IndexSet<_>>().into_iter().collect()))
}

/// The table `sweep.prune` as the layers have it together.
fn merged_prune(merged: &Merged) -> Option<Value> {
    KeyPath::parse(schema::PRUNE).find_in(&merged.tree).cloned()
}

/// Whether a table `sweep` says what is swept, beside the rule by which runs stop.
pub(super) fn sweeps_something(sweep: &Value) -> bool {
    sweep.as_table().is_none_or(|table| table.keys().any(|key| key != "prune"))
}

/// `sweep` is no table.
pub(super) fn no_table(found: &Value, merged: &Merged) -> Error {
    let message = format!("wrong value for `sweep`: {found}");
    let problem = problem(KeyPath::parse("sweep"), message, "expected a table, as in [sweep.grid]");
    Error::Settings(locate::all(vec![problem], merged))
}

/// The table `sweep` of all layers, its keys in the order in which they were first written; merging sorts
/// them. Tables merge, but the description of an axis is one value.
pub(super) fn ordered_sweep(layers: &[Layer]) -> Option<Table> {
    let mut sweep: Option<Table> = None;
    for layer in layers {
        if let Some(Value::Table(more)) = layer.table.get("sweep") {
            merge_in_order(sweep.get_or_insert_default(), more);
        }
    }
    sweep
}

fn merge_in_order(table: &mut Table, more: &Table) {
    let is_value = |table: &Table| sweep::is_description(table) || sweep::is_distribution(table);
    for (key, value) in more {
        match (table.get_mut(key), value) {
            (Some(Value::Table(known)), Value::Table(value)) if !is_value(known) && !is_value(value) => {
                merge_in_order(known, value);
            }
            (Some(known), value) => *known = value.clone(),
            (None, value) => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The experiment's own seed, from which `seeds` counts: the axis hides it from the reading of the runs.
fn seed_of(base: &Table) -> Result<u64, Vec<Problem>> {
    #[derive(Deserialize)]
    struct Own {
        seed: u64,
    }
    let Some(seed) = base.get("seed") else { return Ok(super::run_config::default_seed()) };
    let table = std::iter::once(("seed".to_owned(), seed.clone())).collect();
    read::<Own>(&Value::Table(table)).map(|own| own.seed)
}

fn swept_as_well(space: &Space) -> Option<Problem> {
    let twice = space.axes.iter().find(|axis| *axis.key == KeyPath::parse("seed"))?;
    let message = "`seed` is swept by `seeds` as well".to_owned();
    Some(problem(twice.written.clone(), message, "expected one of the two"))
}

/// The largest number of folds that a combination may divide its data into; 0 where none does, or where the
/// fold is chosen.
fn most_folds(base: &Table, space: &Space) -> usize {
    let (folds, fold) = (KeyPath::parse("data.split.folds"), KeyPath::parse("data.split.fold"));
    if space.axes.iter().any(|axis| *axis.key == fold) || fold.find_in(base).is_some() {
        return 0;
    }
    let below = |axis: &Axis| -> Vec<i64> {
        let Some(way) = axis.key.way_to(&folds) else { return Vec::new() };
        axis.values.iter().flatten().filter_map(|value| way.find(value)?.as_integer()).collect()
    };
    let own = folds.find_in(base).and_then(Value::as_integer);
    let largest = space.axes.iter().flat_map(below).chain(own).max().unwrap_or(0);
    usize::try_from(largest).unwrap_or(0)
}

/// Whether a flag or a variable behind `sweep.seeds` sets the seed.
fn yields_seeds(merged: &Merged) -> bool {
    let setter = merged.setter_of(&KeyPath::parse("seed"));
    let by_flag = merged.is_swept_by_flag(&KeyPath::parse("seed"));
    by_flag || (setter.is_some() && setter > merged.layer_of(&KeyPath::parse("sweep.seeds")))
}

fn gives_way(key: &str, merged: &Merged) -> String {
    let setter = merged.setter_of(&KeyPath::parse(key));
    let origin = setter.map_or("--grid", |setter| &merged.layers()[setter].origin);
    format!("the sweep over `{key}` gives way to {origin}")
}

impl Swept {
    /// Removes the axes whose key a flag or a variable sets, or has no place in the kind that one sets.
    fn give_way(&mut self, merged: &Merged, base: &Table, sections: &[Section]) {
        let mut notes: Vec<String> = Vec::new();
        for space in &mut self.spaces {
            let keys: Vec<Arc<KeyPath>> = space.axes.iter().map(|axis| Arc::clone(&axis.key)).collect();
            space.retain(|axis| {
                let reason = yields(axis, &keys, merged, base, sections);
                let stays = reason.is_none();
                notes.extend(reason.filter(|reason| !notes.contains(reason)));
                stays
            });
        }
        self.notes.extend(notes);
    }

    /// Writes what a flag or a variable says below the key of an axis into the values of the axis.
    fn write_late(
        &mut self,
        merged: &Merged,
        base: &Table,
        sections: &[Section],
    ) -> Result<(), Vec<Problem>> {
        for layer in merged.layers() {
            let Some((path, set)) = layer.assigned() else { continue };
            let axes = self.spaces.iter_mut().flat_map(|space| &mut space.axes);
            for axis in axes.filter(|axis| axis.key.covers(path)) {
                let mut set = set.clone();
                anchor_value(&mut set, path, &layer.base);
                let key = Arc::clone(&axis.key);
                let late = Late { key: &key, path, set: &set, base, sections };
                let mut failure = None;
                let mut notes = Vec::new();
                axis.change(|value| {
                    match late.write(value) {
                        Ok(note) => notes.extend(note),
                        Err(message) => failure = Some(message),
                    }
                    *value = sweep::rounded(value);
                });
                if let Some(message) = failure {
                    return Err(vec![problem(path.clone(), message, "")]);
                }
                for note in notes {
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                self.late.push(path.clone());
            }
        }
        Ok(())
    }
}

/// An experiment has one name, and so have the folders of its runs; and it has one sweep.
fn is_for_all_runs(axis: &Axis) -> Option<Problem> {
    let key = &axis.key;
    if **key == KeyPath::parse("name") {
        let message = "`name` cannot change from run to run".to_owned();
        return Some(problem(axis.written.clone(), message, "expected one name for all runs"));
    }
    let of_sweep = KeyPath::parse("sweep").covers(key);
    let message = format!("`{key}` cannot change from run to run");
    of_sweep.then(|| problem(axis.written.clone(), message, "expected it in `sweep` itself, for all runs"))
}

/// Files that set what a file below them sweeps: the sweep has the say, which they may not expect.
fn beaten(spaces: &[Space], merged: &Merged) -> Vec<String> {
    let note = |axis: &Axis| {
        let (set, swept) = (merged.layer_of(&axis.key)?, merged.layer_of(&axis.written)?);
        let (setter, sweeper) = (&merged.layers()[set], &merged.layers()[swept]);
        (set > swept && setter.assigned().is_none()).then(|| {
            format!("`{}` of {} has no effect: {} sweeps it", axis.key, setter.origin, sweeper.origin)
        })
    };
    spaces
        .iter()
        .flat_map(|space| &space.axes)
        .filter_map(note)
        .collect::<IndexSet<_>>()
        .into_iter()
        .collect()
}

/// Why an axis gives way to a flag or a variable that was written after it, if it does.
fn yields(
    axis: &Axis,
    keys: &[Arc<KeyPath>],
    merged: &Merged,
    base: &Table,
    sections: &[Section],
) -> Option<String> {
    let key = &axis.key;
    let written = merged.layer_of(&axis.written).or_else(|| merged.rank_of_rows());
    let setter = merged.setter_of(key);
    if let Some(layer) = setter.filter(|layer| Some(*layer) > written) {
        return Some(format!("the sweep over `{key}` gives way to {}", merged.layers()[layer].origin));
    }
    let (path, dropped) = misplaced(base, key, sections)?;
    let section = section_at(sections, &KeyPath::parse(path))?;
    let tag = section.at().join(section.tag);
    let is_swept = keys.iter().any(|other| other.covers(&tag));
    let decided = merged.layer_of(&tag).or_else(|| merged.layer_of(section.at()));
    let layer = decided.filter(|layer| !is_swept && Some(*layer) > written)?;
    let origin = &merged.layers()[layer].origin;
    Some(format!("the sweep over `{key}` is dropped: {origin} sets {}", dropped.reason))
}

/// A problem with the value at `path`.
pub(super) fn problem(path: KeyPath, message: String, expected: &str) -> Problem {
    Problem { path, place: Place::Value, message, expected: expected.to_owned(), help: None }
}
