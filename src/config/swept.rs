//! The axes of an experiment: those that its layers wrote, less those that flags and variables replaced.

use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::anchor::{anchor_axis, anchor_rule, anchor_value};
use super::conditional::{misused, order_of_conditions};
use super::late::{Late, contradictions};
use super::layer::Layer;
use super::locate;
use super::merge::Merged;
use super::patch::misplaced;
use super::section::{Section, section_at};
use crate::setting::{KeyPath, Place, Problem, read};
use crate::sweep::{self, Axis, Origin, Rule, Space, Sweep};
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
}

impl Swept {
    /// Nothing but the combinations of `spaces`.
    pub fn only(spaces: Vec<Space>) -> Self {
        Self { spaces, exclude: Vec::new(), notes: Vec::new(), late: Vec::new() }
    }
}

/// Reads the table `sweep` of the layers, in their order; `base` is all that stands beside it.
pub(super) fn read_sweep(
    merged: &Merged,
    base: &Table,
    swept: Option<&Table>,
    sections: &[Section],
) -> Result<Swept> {
    let refuse = |problems: Vec<Problem>| Error::Settings(locate::all(problems, merged));
    let empty = Table::new();
    let (config, Sweep { spaces, exclude }) = sweep::read_sweep(swept.unwrap_or(&empty)).map_err(refuse)?;
    let mut found = Swept { exclude, ..Swept::only(spaces) };
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
    let seeds = match &config.seeds {
        Some(seeds) if !yields_seeds(merged) => {
            let first = seed_of(base).map_err(refuse)?;
            Some(sweep::seed_axis(seeds, first).map_err(|problem| refuse(vec![problem]))?)
        }
        Some(_) => {
            found.notes.extend(gives_way("seed", merged));
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
    let mut once: Vec<Problem> = Vec::new();
    for problem in problems {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    if once.is_empty() { Ok(found) } else { Err(refuse(once)) }
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
    let is_value = |table: &Table| {
        sweep::is_description(table)
            || ["uniform", "log_uniform", "int_uniform", "choice"]
                .iter()
                .any(|form| table.contains_key(*form))
    };
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
    setter.is_some() && setter > merged.layer_of(&KeyPath::parse("sweep.seeds"))
}

fn gives_way(key: &str, merged: &Merged) -> Option<String> {
    let setter = merged.setter_of(&KeyPath::parse(key))?;
    Some(format!("the sweep over `{key}` gives way to {}", merged.layers()[setter].origin))
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
                for value in axis.values.iter_mut().flatten() {
                    let mut changed = (**value).clone();
                    let late = Late { key: &axis.key, path, set: &set, base, sections };
                    match late.write(&mut changed) {
                        Ok(note) => self.notes.extend(note.filter(|note| !self.notes.contains(note))),
                        Err(message) => return Err(vec![problem(path.clone(), message, "")]),
                    }
                    if changed != **value {
                        *value = Arc::new(changed);
                        axis.described = None;
                    }
                }
                self.late.push(path.clone());
            }
        }
        Ok(())
    }
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
    let written = merged.layer_of(&axis.written);
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
