//! What flags, variables and axes say below the key of an axis.

use toml::{Table, Value};

use super::patch::{misplaced, patch};
use super::section::{Section, section_at};
use super::swept::problem;
use crate::setting::{KeyPath, Problem, Segment};
use crate::sweep::Space;

/// A setting below the key of an axis.
pub(super) struct Late<'a> {
    pub key: &'a KeyPath,
    pub path: &'a KeyPath,
    pub set: &'a Value,
    pub base: &'a Table,
    pub sections: &'a [Section],
}

impl Late<'_> {
    /// Changes one value of the axis, if it would hide the setting; what the user should know of it.
    pub fn write(&self, value: &mut Value) -> Result<Option<String>, String> {
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
pub(super) fn contradictions(space: &Space, sections: &[Section]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for axis in &space.axes {
        for other in space.axes.iter().filter(|other| other.key != axis.key) {
            let Some(way) = axis.key.way_to(&other.key) else { continue };
            let mut values = axis.values.iter().enumerate();
            let said = values.find_map(|(index, value)| {
                mention(value.as_ref()?, &axis.key, &way.0, sections).map(|below| (index, below))
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
