//! Axes and their combinations.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::setting::{KeyPath, Place, Problem, Segment};

/// More runs than anyone waits for; a larger sweep is refused before it is made.
pub const MOST_RUNS: u128 = 1_000_000;

/// The table `[sweep]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SweepConfig {
    /// N for seed, seed + 1, … seed + N − 1; a list for itself. Innermost axis.
    pub seeds: Option<Seeds>,
    /// A key and the list of its values; quoted dotted keys or nested tables alike. The last axis is fastest.
    pub grid: Table,
}

/// How many seeds, or which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of seeds or a list of seeds")]
pub enum Seeds {
    /// So many, counted up from the experiment's own.
    Count(u64),
    /// These.
    List(Vec<u64>),
}

/// A key that changes from run to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The setting.
    pub key: KeyPath,
    /// What it becomes, one after the other.
    pub values: Vec<Value>,
    /// Where the values were written.
    pub written: KeyPath,
    /// Whether each value has a place of its own in the list at `written`.
    pub listed: bool,
}

impl Axis {
    /// The place at which the value with this index was written.
    pub fn place_of(&self, index: usize) -> KeyPath {
        let mut place = self.written.clone();
        if self.listed {
            place.0.push(Segment::Index(index));
        }
        place
    }
}

/// The axes of `sweep` in order; `first_seed` is the experiment's own seed.
pub fn axes(sweep: &SweepConfig, first_seed: u64) -> Result<Vec<Axis>, Vec<Problem>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let at = KeyPath::parse("sweep.grid");
    flatten(&sweep.grid, &KeyPath::default(), &at, &mut found, &mut problems);
    if let Some(seeds) = &sweep.seeds {
        if let Some(twice) = found.iter().find(|axis: &&Axis| axis.key == KeyPath::parse("seed")) {
            let message = "`seed` is swept by `seeds` as well";
            problems.push(problem(&twice.written, message, "expected one of the two"));
        }
        match seed_axis(seeds, first_seed) {
            Ok(axis) => found.push(axis),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The innermost axis; the count is refused before anything of its size is made.
fn seed_axis(seeds: &Seeds, first: u64) -> Result<Axis, Problem> {
    let written = KeyPath::parse("sweep.seeds");
    let refuse = |message: &str, expected: &str| Err(problem(&written, message, expected));
    let listed = matches!(seeds, Seeds::List(_));
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
    let values = seeds.into_iter().map(|seed| Value::Integer(seed.cast_signed())).collect();
    Ok(Axis { key: KeyPath::parse("seed"), values, written, listed })
}

fn flatten(table: &Table, key: &KeyPath, at: &KeyPath, axes: &mut Vec<Axis>, problems: &mut Vec<Problem>) {
    for (name, value) in table {
        let mut path = key.clone();
        path.0.extend(KeyPath::parse(name).0);
        let written = at.join(name);
        match value {
            Value::Table(inner) => flatten(inner, &path, &written, axes, problems),
            Value::Array(list) if list.is_empty() => {
                problems.push(problem(&written, &format!("`{path}` has no values"), "expected at least one"));
            }
            Value::Array(list) => {
                let values = list.iter().map(rounded).collect();
                axes.push(Axis { key: path, values, written, listed: true });
            }
            _ => problems.push(problem(
                &written,
                &format!("`{path}` in the grid is not a list"),
                "expected a list of values",
            )),
        }
    }
}

fn problem(path: &KeyPath, message: &str, expected: &str) -> Problem {
    Problem {
        path: path.clone(),
        place: Place::Value,
        message: message.to_owned(),
        expected: expected.to_owned(),
        help: None,
    }
}

/// The value with floats rounded to 12 significant digits, so that 0.1 + 0.2 and 0.3 are one run.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Float(number) if number.is_finite() => {
            Value::Float(format!("{number:.11e}").parse().unwrap_or(*number))
        }
        Value::Array(list) => Value::Array(list.iter().map(rounded).collect()),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.clone(), rounded(value))).collect())
        }
        other => other.clone(),
    }
}

/// How many combinations there are.
pub fn count(axes: &[Axis]) -> u128 {
    axes.iter().fold(1, |product: u128, axis| product.saturating_mul(axis.values.len() as u128))
}

/// Every combination as one index an axis, the last axis fastest.
pub fn combinations(axes: &[Axis]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let mut next = axes.iter().all(|axis| !axis.values.is_empty()).then(|| vec![0; axes.len()]);
    std::iter::from_fn(move || {
        let current = next.clone()?;
        let mut following = current.clone();
        let advanced = (0..axes.len()).rev().any(|position| {
            following[position] += 1;
            let fits = following[position] < axes[position].values.len();
            if !fits {
                following[position] = 0;
            }
            fits
        });
        next = advanced.then_some(following);
        Some(current)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> SweepConfig {
        crate::setting::read(&Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    #[test]
    fn the_last_axis_is_fastest_and_seeds_are_innermost() {
        let config =
            sweep("seeds = 2\n[grid]\n\"model.regularizer.p\" = [0.5, 0.0]\noptimizer.lr = [1, 2]\n");
        let axes = axes(&config, 42).unwrap();
        let keys: Vec<String> = axes.iter().map(|axis| axis.key.to_string()).collect();
        assert_eq!(keys, ["model.regularizer.p", "optimizer.lr", "seed"]);
        let all: Vec<Vec<usize>> = combinations(&axes).collect();
        assert_eq!(all.len() as u128, count(&axes));
        assert_eq!(all[..3], [[0, 0, 0], [0, 0, 1], [0, 1, 0]]);
        assert_eq!(axes[2].values, [Value::Integer(42), Value::Integer(43)]);
        assert_eq!(axes[0].place_of(1).to_string(), "sweep.grid.model.regularizer.p[1]");
    }

    #[test]
    fn no_axis_is_one_combination_and_a_huge_grid_is_counted_not_made() {
        assert_eq!(combinations(&[]).collect::<Vec<_>>(), [Vec::<usize>::new()]);
        let axis = Axis {
            key: KeyPath::parse("a"),
            values: vec![Value::Integer(0); 1000],
            written: KeyPath::default(),
            listed: true,
        };
        assert_eq!(count(&vec![axis; 4]), 1_000_000_000_000);
    }

    #[test]
    fn floats_are_rounded_to_twelve_digits() {
        assert_eq!(rounded(&Value::Float(0.1 + 0.2)), Value::Float(0.3));
        assert_eq!(rounded(&Value::Float(3e-4)), Value::Float(3e-4));
        assert!(matches!(rounded(&Value::Float(f64::NAN)), Value::Float(number) if number.is_nan()));
    }

    #[test]
    fn seeds_that_are_too_many_or_too_large_or_swept_twice_are_refused() {
        let refused = |text: &str, first: u64| {
            let found = axes(&sweep(text), first).unwrap_err();
            found.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>()
        };
        assert_eq!(refused("seeds = 4000000000", 42), ["sweep.seeds: `seeds` is 4000000000"]);
        assert_eq!(refused("seeds = 5000000000000", 42), ["sweep.seeds: `seeds` is 5000000000000"]);
        let last = i64::MAX.cast_unsigned();
        assert_eq!(axes(&sweep("seeds = 1"), last).unwrap()[0].values, [Value::Integer(i64::MAX)]);
        let beyond = format!("sweep.seeds: 2 seeds from {last} on go beyond 2^63");
        assert_eq!(refused("seeds = 2", last), [beyond]);
        assert_eq!(refused("seeds = 2", u64::MAX).len(), 1);
        let twice = refused("seeds = 2\n[grid]\nseed = [1, 2]", 42);
        assert_eq!(twice, ["sweep.grid.seed: `seed` is swept by `seeds` as well"]);
    }

    #[test]
    fn what_is_no_list_or_empty_is_refused_where_it_stands() {
        let found = axes(&sweep("seeds = []\n[grid]\na = 1\nb.c = []\n"), 0).unwrap_err();
        let paths: Vec<String> = found.iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(paths, ["sweep.grid.a", "sweep.grid.b.c", "sweep.seeds"]);
    }
}
