//! Conditions on settings: `when` and `exclude`.

use toml::{Table, Value};

use super::axis::{Entry, entries, problem, round, rounded};
use crate::setting::{KeyPath, Problem, Segment};

/// A setting and what it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The setting.
    pub key: KeyPath,
    /// What it must be.
    pub test: Test,
    /// Where the key was written.
    pub written: KeyPath,
}

/// What a setting must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// One of these; numbers are compared as numbers, and a name is the table of that kind.
    OneOf(Vec<Value>),
    /// A number within these ends, both included.
    Between(Option<f64>, Option<f64>),
}

/// Conditions that hold together.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// All of them.
    pub conditions: Vec<Condition>,
    /// Where they were written.
    pub written: KeyPath,
}

impl Rule {
    /// Reads a table of keys, quoted and dotted or nested, each with a value, a list or `{ min, max }`.
    pub(super) fn read(table: &Table, written: &KeyPath) -> Result<Self, Vec<Problem>> {
        let mut rule = Self { conditions: Vec::new(), written: written.clone() };
        let mut problems = Vec::new();
        rule.flatten(table, &KeyPath::default(), written, &mut problems);
        if rule.conditions.is_empty() && problems.is_empty() {
            problems.push(problem(written, "there is no condition", "expected a key and its value"));
        }
        if problems.is_empty() { Ok(rule) } else { Err(problems) }
    }

    fn flatten(&mut self, table: &Table, key: &KeyPath, at: &KeyPath, problems: &mut Vec<Problem>) {
        for Entry { key, written, value, .. } in entries(table, key, at, problems) {
            if self.conditions.iter().any(|condition| condition.key == key) {
                problems.push(problem(&written, format!("`{key}` has two conditions"), "expected one"));
                continue;
            }
            let test = match value {
                Value::Table(inner) if is_range(inner) => range(inner, &written),
                Value::Table(inner) => {
                    self.flatten(inner, &key, &written, problems);
                    continue;
                }
                Value::Array(list) if list.is_empty() => Err(problem(
                    &written,
                    format!("`{key}` is never one of no values"),
                    "expected at least one",
                )),
                Value::Array(list) => Ok(Test::OneOf(list.iter().map(rounded).collect())),
                other => Ok(Test::OneOf(vec![rounded(other)])),
            };
            match test {
                Ok(test) => self.conditions.push(Condition { key, test, written }),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// Whether a table is `{ min, max }` and not a nested table of keys.
fn is_range(table: &Table) -> bool {
    table.contains_key("min") || table.contains_key("max")
}

fn range(table: &Table, written: &KeyPath) -> Result<Test, Problem> {
    let mut ends = [None, None];
    for (name, value) in table {
        let end = match name.as_str() {
            "min" => &mut ends[0],
            "max" => &mut ends[1],
            _ => {
                let mut unknown = problem(
                    &written.join(name),
                    format!("unknown key `{name}`"),
                    "expected one of: min, max",
                );
                unknown.place = crate::setting::Place::Key;
                return Err(unknown);
            }
        };
        let number = as_number(value).filter(|number| !number.is_nan());
        let Some(number) = number else {
            return Err(problem(&written.join(name), format!("`{name}` is {value}"), "expected a number"));
        };
        *end = Some(number);
    }
    match ends {
        [Some(min), Some(max)] if min > max => {
            Err(problem(written, format!("no number is from {min} to {max}"), "expected `min` below `max`"))
        }
        [min, max] => Ok(Test::Between(min, max)),
    }
}

impl Condition {
    /// Whether a value of the setting fulfils it; a setting that is not there fulfils nothing.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return false };
        match &self.test {
            Test::OneOf(values) => values.iter().any(|wanted| equal(wanted, value)),
            Test::Between(min, max) => as_number(value).is_some_and(|number| {
                let number = round(number);
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }),
        }
    }

    /// As [`holds`](Self::holds), for the setting in a tree of settings; a key leads to every entry of a
    /// list that has it.
    pub fn holds_in(&self, tree: &Value) -> bool {
        let found = reach(tree, &self.key.0);
        if found.is_empty() {
            self.holds(None)
        } else {
            found.into_iter().any(|value| self.holds(Some(value)))
        }
    }
}

fn reach<'a>(value: &'a Value, way: &[Segment]) -> Vec<&'a Value> {
    match (way, value) {
        ([], value) => vec![value],
        ([Segment::Key(key), rest @ ..], Value::Table(table)) => {
            table.get(key).map(|inner| reach(inner, rest)).unwrap_or_default()
        }
        (way, Value::Array(list)) => list.iter().flat_map(|entry| reach(entry, way)).collect(),
        _ => Vec::new(),
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::Integer(_) | Value::Float(_), Value::Integer(_) | Value::Float(_)) => {
            as_number(wanted).map(round) == as_number(value).map(round)
        }
        (Value::String(kind), Value::Table(table)) => {
            ["kind", "source"].iter().any(|tag| table.get(*tag).and_then(Value::as_str) == Some(kind))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        // A table holds where all that it says does: defaults need not be written.
        (Value::Table(a), Value::Table(b)) => {
            a.iter().all(|(key, wanted)| b.get(key).is_some_and(|value| equal(wanted, value)))
        }
        _ => wanted == value,
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::OneOf(values) => match values.as_slice() {
                [one] => write!(f, "{key} = {one}"),
                many => {
                    let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
                    write!(f, "{key} is one of {}", texts.join(", "))
                }
            },
            Test::Between(Some(min), Some(max)) => write!(f, "{min} ≤ {key} ≤ {max}"),
            Test::Between(Some(min), None) => write!(f, "{key} ≥ {min}"),
            Test::Between(None, Some(max)) => write!(f, "{key} ≤ {max}"),
            Test::Between(None, None) => write!(f, "{key} is a number"),
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<Rule, Vec<Problem>> {
        Rule::read(&toml::from_str(text).unwrap(), &KeyPath::parse("sweep.exclude"))
    }

    fn holds(text: &str, tree: &str) -> bool {
        let tree = Value::Table(toml::from_str(tree).unwrap());
        rule(text).unwrap().conditions.iter().all(|condition| condition.holds_in(&tree))
    }

    #[test]
    fn values_lists_and_ranges_hold_by_meaning() {
        let tree = "seed = 3\n[optimizer]\nkind = 'sgd'\nlr = 0.1\nbetas = [0.9, 0.999]\n\
                    [[model.regularizer]]\nkind = 'batch_norm'\n[[model.regularizer]]\nkind = 'dropout'\np = 0.5";
        for (text, expected) in [
            ("'optimizer.kind' = 'sgd'", true),
            ("optimizer.kind = 'sgd'", true),
            ("optimizer = 'sgd'", true),
            ("'optimizer.kind' = ['adam', 'sgd']", true),
            ("'optimizer.kind' = 'adam'", false),
            ("'optimizer.lr' = 0.1\nseed = 3.0", true),
            ("'optimizer.lr' = 0.1\nseed = 4", false),
            ("'optimizer.lr' = { min = 0.1 }", true),
            ("'optimizer.lr' = { min = 0.05, max = 0.1 }", true),
            ("'optimizer.lr' = { max = 0.09 }", false),
            ("'optimizer.kind' = { max = 1 }", false),
            ("'optimizer.nothing' = 1", false),
            ("'model.regularizer.p' = 0.5", true),
            ("'model.regularizer.kind' = 'dropout'", true),
            ("'optimizer' = ['adam', 'sgd']", true),
        ] {
            assert_eq!(holds(text, tree), expected, "{text}");
        }
    }

    #[test]
    fn rules_read_like_sentences() {
        let text = |text: &str| rule(text).unwrap().to_string();
        assert_eq!(text("a.b = 'x'\nc = [1, 2]"), "a.b = \"x\" and c is one of 1, 2");
        assert_eq!(text("a = { min = 1, max = 2.5 }\nb = { max = 3 }"), "1 ≤ a ≤ 2.5 and b ≤ 3");
    }

    #[test]
    fn what_is_no_condition_is_refused_where_it_stands() {
        let refused = |text: &str| {
            let found = rule(text).unwrap_err();
            found.iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(refused(""), "sweep.exclude: there is no condition");
        assert_eq!(refused("a = []"), "sweep.exclude.a: `a` is never one of no values");
        assert_eq!(refused("a = { min = 'x' }"), "sweep.exclude.a.min: `min` is \"x\"");
        assert_eq!(refused("a = { min = 1, mx = 2 }"), "sweep.exclude.a.mx: unknown key `mx`");
        assert_eq!(refused("a = { min = 2, max = 1 }"), "sweep.exclude.a: no number is from 2 to 1");
    }
}
