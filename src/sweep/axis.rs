//! A key that changes from run to run.

use std::sync::Arc;

use toml::{Table, Value};

use super::condition::Condition;
use crate::setting::{KeyPath, Place, Problem, Segment};

/// More runs than anyone waits for; a larger sweep is refused before it is made.
pub const MOST_RUNS: u128 = 1_000_000;

/// A key and what it becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The setting.
    pub key: Arc<KeyPath>,
    /// What it becomes, one after the other; `None` leaves the setting as it is.
    pub values: Vec<Option<Arc<Value>>>,
    /// The dimension of the space that it moves along; axes with the same one move together.
    pub dimension: usize,
    /// Where the key was written.
    pub written: KeyPath,
    /// Where the values were.
    pub places: Places,
    /// In which combinations it has a say.
    pub when: When,
    /// How the values were described, if they were not listed.
    pub described: Option<Value>,
}

/// Where the values of an axis were written, from its key on.
#[derive(Debug, Clone, PartialEq)]
pub enum Places {
    /// All in one place.
    Whole,
    /// In the list at this path, one after the other.
    List(KeyPath),
    /// In the list at this path, picked by these positions.
    Picked(KeyPath, Vec<usize>),
}

/// In which combinations an axis has a say.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// In all.
    Always,
    /// Where all of these hold; elsewhere there is one run without it.
    Holds(Vec<Condition>),
    /// Where the data is divided into folds, so many of them.
    Folds,
}

impl Axis {
    /// The place at which the value with this index was written.
    pub fn place_of(&self, index: usize) -> KeyPath {
        let mut place = self.written.clone();
        let (list, position) = match &self.places {
            Places::Whole => return place,
            Places::List(list) => (list, index),
            Places::Picked(list, picks) => (list, picks.get(index).copied().unwrap_or_default()),
        };
        place.0.extend(list.0.iter().cloned());
        place.0.push(Segment::Index(position));
        place
    }

    /// Changes every value in place, and the choices that they were drawn from; a range that no longer describes
    /// them is forgotten.
    pub fn change(&mut self, mut change: impl FnMut(&mut Value)) {
        let mut has_changed = false;
        for value in self.values.iter_mut().flatten() {
            let mut changed = (**value).clone();
            change(&mut changed);
            if changed != **value {
                *value = Arc::new(changed);
                has_changed = true;
            }
        }
        let choices = self.described.as_mut().and_then(|described| described.get_mut("choice"));
        match choices.and_then(Value::as_array_mut) {
            Some(choices) => choices.iter_mut().for_each(change),
            None if has_changed => self.described = None,
            None => {}
        }
    }

    /// The value with this index.
    pub fn value(&self, index: usize) -> Option<&Arc<Value>> {
        self.values.get(index)?.as_ref()
    }
}

/// A problem with the value at `path`.
pub(super) fn problem(path: &KeyPath, message: impl Into<String>, expected: impl Into<String>) -> Problem {
    Problem {
        path: path.clone(),
        place: Place::Value,
        message: message.into(),
        expected: expected.into(),
        help: None,
    }
}

/// More parts than any key has; what is walked part by part must not be of any length.
const MOST_PARTS: usize = 32;

/// An entry of a table whose keys, dotted or nested, are settings.
pub(super) struct Entry<'a> {
    /// The setting so far.
    pub key: KeyPath,
    /// Its last part as it was written.
    pub name: &'a str,
    /// Where.
    pub written: KeyPath,
    pub value: &'a Value,
}

/// The entries of a table that stands for `key` at `at`; those whose key is too long are problems.
pub(super) fn entries<'a>(
    table: &'a Table,
    key: &KeyPath,
    at: &KeyPath,
    problems: &mut Vec<Problem>,
) -> Vec<Entry<'a>> {
    let mut found = Vec::with_capacity(table.len());
    for (name, value) in table {
        let written = at.join(name);
        let parts = key.0.len() + name.matches('.').count() + 1;
        if parts > MOST_PARTS {
            let long = problem(&written, format!("a key of {parts} parts"), "expected a setting");
            problems.push(Problem { place: Place::Key, ..long });
            continue;
        }
        let mut key = key.clone();
        key.0.extend(KeyPath::parse(name).0);
        found.push(Entry { key, name, written, value });
    }
    found
}

/// Significant digits of a swept number.
const DIGITS: usize = 12;

/// The value with floats rounded to 12 significant digits, so that 0.1 + 0.2 and 0.3 are one run.
pub fn rounded(value: &Value) -> Value {
    match value {
        Value::Float(number) => Value::Float(round(*number)),
        Value::Array(list) => Value::Array(list.iter().map(rounded).collect()),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.clone(), rounded(value))).collect())
        }
        other => other.clone(),
    }
}

/// A number rounded to 12 significant digits.
pub(super) fn round(number: f64) -> f64 {
    if !number.is_finite() {
        return number;
    }
    format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_rounded_to_twelve_digits() {
        assert_eq!(rounded(&Value::Float(0.1 + 0.2)), Value::Float(0.3));
        assert_eq!(rounded(&Value::Float(3e-4)), Value::Float(3e-4));
        assert!(matches!(rounded(&Value::Float(f64::NAN)), Value::Float(number) if number.is_nan()));
    }

    #[test]
    fn every_value_knows_its_place() {
        let axis = |places| Axis {
            key: Arc::new(KeyPath::parse("a")),
            values: vec![None; 3],
            dimension: 0,
            written: KeyPath::parse("sweep.grid.a"),
            places,
            when: When::Always,
            described: None,
        };
        assert_eq!(axis(Places::Whole).place_of(1).to_string(), "sweep.grid.a");
        assert_eq!(axis(Places::List(KeyPath::default())).place_of(1).to_string(), "sweep.grid.a[1]");
        let values = KeyPath::parse("values");
        assert_eq!(axis(Places::List(values.clone())).place_of(2).to_string(), "sweep.grid.a.values[2]");
        assert_eq!(
            axis(Places::Picked(values, vec![1, 0])).place_of(1).to_string(),
            "sweep.grid.a.values[0]"
        );
    }
}
