//! The axes of an experiment: those that its layers wrote, less those that flags and variables replaced.

use serde::Deserialize;
use toml::{Table, Value};

use super::anchor::{anchor_axis, anchor_value};
use super::layer::Layer;
use super::locate;
use super::merge::Merged;
use super::patch::{misplaced, patch};
use super::section::{Section, section_at};
use crate::setting::{KeyPath, Place, Problem, Segment, read};
use crate::sweep::{self, Axis, SweepConfig};
use crate::{Error, Result};

/// What is left to sweep.
pub(super) struct Swept {
    /// In file order, seeds last.
    pub axes: Vec<Axis>,
    /// What gave way, for the user.
    pub notes: Vec<String>,
    /// Settings of flags and variables that were written into the values of an axis.
    pub late: Vec<KeyPath>,
}

/// Reads the table `sweep` of the merged layers; `base` is all that stands beside it.
pub(super) fn read_sweep(
    merged: &Merged,
    base: &Table,
    swept: Option<&Value>,
    grid: Table,
    sections: &[Section],
) -> Result<Swept> {
    let mut found = Swept { axes: Vec::new(), notes: Vec::new(), late: Vec::new() };
    let Some(swept) = swept else { return Ok(found) };
    let refuse = |problems: Vec<Problem>| Error::Settings(locate::all(problems, merged));
    let below = |mut problem: Problem| {
        problem.path.0.insert(0, Segment::Key("sweep".to_owned()));
        problem
    };
    let mut config: SweepConfig =
        read(swept).map_err(|problems| refuse(problems.into_iter().map(below).collect()))?;
    config.grid = grid;
    let first_seed = if config.seeds.is_some() { seed_of(base).map_err(refuse)? } else { 0 };
    found.axes = once_each(sweep::axes(&config, first_seed).map_err(refuse)?);
    found.give_way(merged, base, sections);
    for axis in &mut found.axes {
        anchor_axis(axis, merged);
    }
    found.write_late(merged, base, sections).map_err(refuse)?;
    let problems = contradictions(&found.axes, sections);
    if problems.is_empty() { Ok(found) } else { Err(refuse(problems)) }
}

/// The grid of all layers in the order in which its keys were first written; merging sorts keys.
pub(super) fn ordered_grid(layers: &[Layer]) -> Table {
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

/// The same key written as a dotted and as a nested one is one axis: the last one written.
fn once_each(axes: Vec<Axis>) -> Vec<Axis> {
    let mut kept: Vec<Axis> = Vec::with_capacity(axes.len());
    for axis in axes {
        match kept.iter_mut().find(|known| known.key == axis.key) {
            Some(known) => *known = axis,
            None => kept.push(axis),
        }
    }
    kept
}

impl Swept {
    /// Removes the axes whose key a flag or a variable sets, or has no place in the kind that one sets.
    fn give_way(&mut self, merged: &Merged, base: &Table, sections: &[Section]) {
        let mut notes = Vec::new();
        let keys: Vec<KeyPath> = self.axes.iter().map(|axis| axis.key.clone()).collect();
        self.axes.retain(|axis| {
            let key = &axis.key;
            let setter = merged.layers().iter().rev().find(|layer| sets(layer, key));
            if let Some(layer) = setter {
                notes.push(format!("the sweep over `{key}` gives way to {}", layer.origin));
                return false;
            }
            let Some((path, dropped)) = misplaced(base, key, sections) else { return true };
            let Some(section) = section_at(sections, &KeyPath::parse(path)) else { return true };
            let tag = section.at().join(section.tag);
            let is_swept = keys.iter().any(|other| other.covers(&tag));
            let decided = merged.layer_of(&tag).or_else(|| merged.layer_of(section.at()));
            let Some(layer) =
                decided.filter(|layer| !is_swept && Some(*layer) > merged.layer_of(&axis.written))
            else {
                return true;
            };
            let origin = &merged.layers()[layer].origin;
            notes.push(format!("the sweep over `{key}` is dropped: {origin} sets {}", dropped.reason));
            false
        });
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
            for axis in self.axes.iter_mut().filter(|axis| axis.key.covers(path)) {
                let mut set = set.clone();
                anchor_value(&mut set, path, &layer.base);
                for value in &mut axis.values {
                    let late = Late { key: &axis.key, path, set: &set, base, sections };
                    match late.write(value) {
                        Ok(note) => self.notes.extend(note.filter(|note| !self.notes.contains(note))),
                        Err(message) => return Err(vec![problem(path.clone(), message, "")]),
                    }
                }
                self.late.push(path.clone());
            }
        }
        Ok(())
    }
}

/// Whether a flag or a variable sets `key` itself.
fn sets(layer: &Layer, key: &KeyPath) -> bool {
    layer
        .assigned()
        .is_some_and(|(path, value)| path.way_to(key).is_some_and(|way| way.find(value).is_some()))
}

/// A setting below the key of an axis.
struct Late<'a> {
    key: &'a KeyPath,
    path: &'a KeyPath,
    set: &'a Value,
    base: &'a Table,
    sections: &'a [Section],
}

impl Late<'_> {
    /// Changes one value of the axis, if it would hide the setting; what the user should know of it.
    fn write(&self, value: &mut Value) -> Result<Option<String>, String> {
        let Some(way) = self.key.way_to(self.path) else { return Ok(None) };
        let is_tag = section_at(self.sections, &self.path.parent())
            .is_some_and(|section| self.path.last_key() == Some(section.tag));
        if !is_tag && mention(value, self.key, &way.0, self.sections).is_none() && !meets_list(value, &way.0)
        {
            return Ok(None);
        }
        let mut whole = self.base.clone();
        patch(&mut whole, self.key, value.clone(), self.sections)?;
        if let Some((_, dropped)) = misplaced(&whole, self.path, self.sections) {
            return Ok(Some(dropped.to_string()));
        }
        let mut alone = Table::new();
        if let Value::Table(table) = super::layer::nested(self.key, value.clone()) {
            alone = table;
        }
        patch(&mut alone, self.path, self.set.clone(), self.sections)?;
        if let Some(changed) = self.key.find_in(&alone) {
            *value = changed.clone();
        }
        Ok(None)
    }
}

/// Where `value`, meant for `at`, says something of what lies at `way` below it: the way, with the steps into
/// lists.
fn mention(value: &Value, at: &KeyPath, way: &[Segment], sections: &[Section]) -> Option<Vec<Segment>> {
    let step = |segment: &Segment, below: Vec<Segment>| {
        std::iter::once(segment.clone()).chain(below).collect::<Vec<_>>()
    };
    match (way, value) {
        ([], _) => Some(Vec::new()),
        ([Segment::Key(key), rest @ ..], Value::Table(table)) => {
            mention(table.get(key)?, &at.join(key), rest, sections).map(|below| step(&way[0], below))
        }
        ([Segment::Key(key)], Value::String(_)) => {
            section_at(sections, at).filter(|section| section.tag == key).map(|_| way.to_vec())
        }
        (_, Value::Array(list)) => list.iter().enumerate().find_map(|(index, entry)| {
            mention(entry, at, way, sections).map(|below| step(&Segment::Index(index), below))
        }),
        _ => None,
    }
}

fn meets_list(value: &Value, way: &[Segment]) -> bool {
    match (way, value) {
        ([_, ..], Value::Array(_)) => true,
        ([Segment::Key(key), rest @ ..], Value::Table(table)) => {
            table.get(key).is_some_and(|inner| meets_list(inner, rest))
        }
        _ => false,
    }
}

/// Values of an axis that say what another axis sweeps.
fn contradictions(axes: &[Axis], sections: &[Section]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for axis in axes {
        for other in axes.iter().filter(|other| other.key != axis.key) {
            let Some(way) = axis.key.way_to(&other.key) else { continue };
            let mut values = axis.values.iter().enumerate();
            let said = values.find_map(|(index, value)| {
                mention(value, &axis.key, &way.0, sections).map(|below| (index, below))
            });
            if let Some((index, below)) = said {
                let mut path = axis.place_of(index);
                path.0.extend(below);
                let message = format!("`{}` is swept by an axis of its own", other.key);
                problems.push(problem(path, message, "expected it in one of the two axes"));
            }
        }
    }
    problems
}

fn problem(path: KeyPath, message: String, expected: &str) -> Problem {
    Problem { path, place: Place::Value, message, expected: expected.to_owned(), help: None }
}
