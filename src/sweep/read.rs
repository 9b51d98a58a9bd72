//! From the table `[sweep]` to spaces.

use std::sync::Arc;

use toml::{Table, Value};

use super::axis::{Axis, Entry, MOST_RUNS, Places, When, entries, problem};
use super::condition::Rule;
use super::config::{Seeds, SweepConfig};
use super::random;
use super::space::{Origin, Space};
use super::values::{Values, is_description, values};
use crate::setting::{KeyPath, Problem, Problems, Segment, read};

/// A sweep that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// One for each entry of `union`, else one.
    pub spaces: Vec<Space>,
    /// What is left out.
    pub exclude: Vec<Rule>,
}

/// Where the parts of a sweep were written, as far as their order and their rank depend on it.
pub trait Writing {
    /// The place at which the key was first written: the number of the layer, and the place in it.
    fn position(&self, written: &KeyPath) -> (usize, usize);

    /// The layer whose value of the key is in force.
    fn layer(&self, written: &KeyPath) -> Option<usize>;

    /// Whether a flag sweeps the key, which then stands in the grid and nowhere else.
    fn is_swept_by_flag(&self, key: &KeyPath) -> bool;
}

/// More axes than a sweep can have: each has a value at least in every run.
const MOST_AXES: usize = 500;

/// Reads the table `[sweep]`.
pub fn read_sweep(table: &Table, writing: &dyn Writing) -> Result<(SweepConfig, Sweep), Vec<Problem>> {
    let at = KeyPath::parse("sweep");
    let config: SweepConfig = read(&Value::Table(table.clone()))
        .map_err(|found| found.into_iter().map(|problem| problem.below(&at)).collect::<Vec<_>>())?;
    let mut reader = Reader { writing, problems: Vec::new() };
    let shared = reader.space(table, &at);
    let mut spaces = Vec::new();
    // The entries come from the table, whose order is that of the text.
    let members = table.get("union").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, member) in members.iter().enumerate() {
        let mut joined = shared.clone();
        if let Value::Table(member) = member {
            joined.join(reader.space(member, &at.join("union").entry(index)));
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
            Err(found) => reader.problems.extend(found),
        }
    }
    let mut problems = reader.problems;
    problems.extend(wrong_prune(&config));
    for space in &spaces {
        if space.axes.len() > MOST_AXES {
            let message = format!("the sweep has {} axes", space.axes.len());
            return Err(vec![problem(&at, message, format!("expected at most {MOST_AXES}"))]);
        }
        problems.extend(twice(space).filter(|problem| !problems.contains(problem)).collect::<Vec<_>>());
    }
    if problems.is_empty() { Ok((config, Sweep { spaces, exclude })) } else { Err(problems) }
}

/// What cannot be meant in `sweep.prune`.
fn wrong_prune(config: &SweepConfig) -> Vec<Problem> {
    let mut problems = Problems::default();
    if let Some(prune) = &config.prune {
        problems.within("sweep", |problems| problems.within("prune", |problems| prune.check(problems)));
    }
    problems.into_found()
}

struct Reader<'a> {
    writing: &'a dyn Writing,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The grid, the zips and the random keys of a table, in the order of its keys.
    fn space(&mut self, table: &Table, at: &KeyPath) -> Space {
        let mut space = Space::default();
        for (key, value) in table {
            let written = at.join(key);
            match (key.as_str(), value) {
                ("grid", Value::Table(grid)) => {
                    let mut axes = Vec::new();
                    self.collect_grid(&mut axes, grid, &KeyPath::default(), &written);
                    // Tables keep dotted keys together that were written apart.
                    axes.sort_by_key(|(position, _)| *position);
                    for (_, axis) in axes {
                        let length = axis.values.len();
                        space.push([axis], length, Origin::Grid);
                    }
                }
                ("zip", Value::Array(groups)) => {
                    for (index, group) in groups.iter().enumerate() {
                        if let Value::Table(group) = group {
                            add_zip(&mut space, group, &written.entry(index), &mut self.problems);
                        }
                    }
                }
                ("random", Value::Table(random)) => match random::axes(random, &written) {
                    Ok((axes, samples, seed)) => space.push(axes, samples, Origin::Random(seed)),
                    Err(found) => self.problems.extend(found),
                },
                _ => {}
            }
        }
        let is_top = at.0.len() == 1;
        space.retain(|axis| {
            let in_grid = is_top && axis.written.0.get(1) == Some(&Segment::Key("grid".to_owned()));
            in_grid || !self.writing.is_swept_by_flag(&axis.key)
        });
        space
    }

    fn collect_grid(
        &mut self,
        axes: &mut Vec<((usize, usize), Axis)>,
        grid: &Table,
        key: &KeyPath,
        at: &KeyPath,
    ) {
        for Entry { key, written, value, .. } in entries(grid, key, at, &mut self.problems) {
            match value {
                Value::Table(inner) if !is_description(inner) => {
                    self.collect_grid(axes, inner, &key, &written);
                }
                value => match values(value, &key, &written).and_then(|read| axis(read, key, written)) {
                    Ok(axis) => self.add(axes, axis),
                    Err(found) => self.problems.extend(found),
                },
            }
        }
    }

    /// A key may be dotted in one layer and nested in another: the later layer has the say, at the place of the
    /// first.
    fn add(&mut self, axes: &mut Vec<((usize, usize), Axis)>, axis: Axis) {
        let position = self.writing.position(&axis.written);
        let Some((first, known)) = axes.iter_mut().find(|(_, known)| known.key == axis.key) else {
            axes.push((position, axis));
            return;
        };
        let rank = |axis: &Axis| self.writing.layer(&axis.written);
        match rank(&axis).cmp(&rank(known)) {
            std::cmp::Ordering::Equal => {
                let message = format!("`{}` is swept twice", axis.key);
                self.problems.push(problem(&axis.written, message, "expected one list of its values"));
            }
            std::cmp::Ordering::Greater => *known = axis,
            std::cmp::Ordering::Less => {}
        }
        *first = position.min(*first);
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
    for Entry { key, written, value, .. } in entries(table, key, at, problems) {
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
