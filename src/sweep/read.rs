//! From the table `[sweep]` to spaces.

use std::sync::Arc;

use toml::{Table, Value};

use super::axis::{Axis, MOST_RUNS, Places, When, problem};
use super::condition::Rule;
use super::config::{Seeds, SweepConfig};
use super::random;
use super::space::{Origin, Space};
use super::values::{Values, is_description, values};
use crate::setting::{KeyPath, Problem, read};

/// A sweep that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// One for each entry of `union`, else one.
    pub spaces: Vec<Space>,
    /// What is left out.
    pub exclude: Vec<Rule>,
}

/// Reads the table `[sweep]`; keys are looked at in their order.
pub fn read_sweep(table: &Table) -> Result<(SweepConfig, Sweep), Vec<Problem>> {
    let at = KeyPath::parse("sweep");
    let config: SweepConfig = read(&Value::Table(table.clone())).map_err(|problems| {
        let below = |mut problem: Problem| {
            problem.path.0.splice(0..0, at.0.iter().cloned());
            problem
        };
        problems.into_iter().map(below).collect::<Vec<_>>()
    })?;
    let mut problems = Vec::new();
    let shared = space(table, &at, &mut problems);
    let mut spaces = Vec::new();
    // The entries come from the table, whose order is that of the text.
    let members = table.get("union").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, member) in members.iter().enumerate() {
        let mut joined = shared.clone();
        if let Value::Table(member) = member {
            joined.join(space(member, &at.join("union").entry(index), &mut problems));
        }
        spaces.push(joined);
    }
    if members.is_empty() {
        spaces.push(shared);
    }
    let mut exclude = Vec::new();
    for (index, rule) in config.exclude.iter().enumerate() {
        match Rule::read(rule, &at.join("exclude").entry(index)) {
            Ok(rule) => exclude.push(rule),
            Err(found) => problems.extend(found),
        }
    }
    for space in &spaces {
        problems.extend(twice(space).filter(|problem| !problems.contains(problem)).collect::<Vec<_>>());
    }
    if problems.is_empty() { Ok((config, Sweep { spaces, exclude })) } else { Err(problems) }
}

/// The grid, the zips and the random keys of a table, in the order of its keys.
fn space(table: &Table, at: &KeyPath, problems: &mut Vec<Problem>) -> Space {
    let mut space = Space::default();
    for (key, value) in table {
        let written = at.join(key);
        match (key.as_str(), value) {
            ("grid", Value::Table(grid)) => {
                add_grid(&mut space, grid, &KeyPath::default(), &written, problems);
            }
            ("zip", Value::Array(groups)) => {
                for (index, group) in groups.iter().enumerate() {
                    if let Value::Table(group) = group {
                        add_zip(&mut space, group, &written.entry(index), problems);
                    }
                }
            }
            ("random", Value::Table(random)) => match random::axes(random, &written) {
                Ok((axes, samples, seed)) => space.push(axes, samples, Origin::Random(seed)),
                Err(found) => problems.extend(found),
            },
            _ => {}
        }
    }
    space
}

fn add_grid(space: &mut Space, grid: &Table, key: &KeyPath, at: &KeyPath, problems: &mut Vec<Problem>) {
    for (name, value) in grid {
        let mut key = key.clone();
        key.0.extend(KeyPath::parse(name).0);
        let written = at.join(name);
        match value {
            Value::Table(inner) if !is_description(inner) => add_grid(space, inner, &key, &written, problems),
            value => match values(value, &key, &written).and_then(|values| axis(values, key, written)) {
                Ok(axis) => {
                    let length = axis.values.len();
                    // The same key as a dotted and as a nested one is one axis: the last one written.
                    let dimensions = &space.dimensions;
                    let is_same = |known: &&mut Axis| {
                        known.key == axis.key && dimensions[known.dimension].origin == Origin::Grid
                    };
                    match space.axes.iter_mut().find(is_same) {
                        Some(known) => {
                            space.dimensions[known.dimension].length = length;
                            *known = Axis { dimension: known.dimension, ..axis };
                        }
                        None => space.push([axis], length, Origin::Grid),
                    }
                }
                Err(found) => problems.extend(found),
            },
        }
    }
}

fn axis(read: Values, key: KeyPath, written: KeyPath) -> Result<Axis, Vec<Problem>> {
    let when = match read.when {
        Some(when) => When::Holds(Rule::read(&when, &written.join("when"))?.conditions),
        None => When::Always,
    };
    Ok(Axis {
        key: Arc::new(key),
        values: read.list.into_iter().map(|value| Some(Arc::new(value))).collect(),
        dimension: 0,
        written,
        places: read.places,
        when,
        described: read.described,
    })
}

fn add_zip(space: &mut Space, group: &Table, at: &KeyPath, problems: &mut Vec<Problem>) {
    let mut axes: Vec<Axis> = Vec::new();
    let before = problems.len();
    collect_zip(&mut axes, group, &KeyPath::default(), at, problems);
    let Some(first) = axes.first() else {
        if problems.len() == before {
            problems.push(problem(at, "there is nothing to zip", "expected keys with lists of equal length"));
        }
        return;
    };
    let (length, leader) = (first.values.len(), Arc::clone(&first.key));
    for axis in axes.iter().filter(|axis| axis.values.len() != length) {
        let message = format!("`{}` has {} values, but `{leader}` has {length}", axis.key, axis.values.len());
        problems.push(problem(&axis.written, message, "expected lists of equal length"));
    }
    space.push(axes, length, Origin::Zip);
}

fn collect_zip(
    axes: &mut Vec<Axis>,
    table: &Table,
    key: &KeyPath,
    at: &KeyPath,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in table {
        let mut key = key.clone();
        key.0.extend(KeyPath::parse(name).0);
        let written = at.join(name);
        match value {
            Value::Table(inner) if !is_description(inner) => {
                collect_zip(axes, inner, &key, &written, problems);
            }
            value => match values(value, &key, &written) {
                Ok(read) if read.when.is_some() => {
                    let message = format!("`{key}` moves with others and cannot have a condition of its own");
                    problems.push(problem(&written.join("when"), message, "expected it in `grid`"));
                }
                Ok(read) => match axis(read, key, written) {
                    Ok(axis) => axes.push(axis),
                    Err(found) => problems.extend(found),
                },
                Err(found) => problems.extend(found),
            },
        }
    }
}

/// Keys that two parts of a space sweep.
fn twice(space: &Space) -> impl Iterator<Item = Problem> + '_ {
    space.axes.iter().enumerate().filter_map(|(index, axis)| {
        let earlier = space.axes[..index].iter().find(|earlier| earlier.key == axis.key)?;
        let message = format!("`{}` is swept twice", axis.key);
        let expected = format!("expected it here or in `{}`", earlier.written.parent());
        Some(problem(&axis.written, message, expected))
    })
}

/// The innermost axis; the count is refused before anything of its size is made.
pub fn seed_axis(seeds: &Seeds, first: u64) -> Result<Axis, Problem> {
    let written = KeyPath::parse("sweep.seeds");
    let refuse = |message: &str, expected: &str| Err(problem(&written, message, expected));
    let places = match seeds {
        Seeds::List(_) => Places::List(KeyPath::default()),
        Seeds::Count(_) => Places::Whole,
    };
    let described = match seeds {
        Seeds::Count(count) => i64::try_from(*count).ok().map(Value::Integer),
        Seeds::List(_) => None,
    };
    let seeds: Vec<u64> = match seeds {
        Seeds::Count(0) => return refuse("`seeds` leaves no run", "expected at least one seed"),
        Seeds::Count(count) if u128::from(*count) > MOST_RUNS => {
            return refuse(&format!("`seeds` is {count}"), &format!("expected at most {MOST_RUNS}"));
        }
        Seeds::Count(count) => match first.checked_add(count - 1) {
            Some(last) if i64::try_from(last).is_ok() => (first..=last).collect(),
            _ => {
                let message = format!("{count} seeds from {first} on go beyond 2^63");
                return refuse(&message, "expected fewer, or a smaller `seed`");
            }
        },
        Seeds::List(list) if list.is_empty() => {
            return refuse("`seeds` leaves no run", "expected at least one seed");
        }
        Seeds::List(list) => list.clone(),
    };
    let value = |seed: u64| Some(Arc::new(Value::Integer(seed.cast_signed())));
    Ok(Axis {
        key: Arc::new(KeyPath::parse("seed")),
        values: seeds.into_iter().map(value).collect(),
        dimension: 0,
        written,
        places,
        when: When::Always,
        described,
    })
}

/// The axis over the folds that the data is divided into, at most `folds` of them.
pub fn fold_axis(folds: usize) -> Result<Axis, Problem> {
    let written = KeyPath::parse("data.split.folds");
    if folds as u128 > MOST_RUNS {
        return Err(problem(
            &written,
            format!("`folds` is {folds}"),
            format!("expected at most {MOST_RUNS}"),
        ));
    }
    Ok(Axis {
        key: Arc::new(KeyPath::parse("data.split.fold")),
        values: (1..=folds).map(|fold| Some(Arc::new(Value::Integer(fold.cast_signed() as i64)))).collect(),
        dimension: 0,
        written,
        places: Places::Whole,
        when: When::Folds,
        described: None,
    })
}
