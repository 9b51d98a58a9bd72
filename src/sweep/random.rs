//! `[sweep.random]`: keys with distributions, drawn so many times.

use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::axis::{Axis, Entry, MOST_RUNS, Places, When, entries, problem, round, rounded};
use super::condition::Rule;
use crate::rng::{Draws, Purpose, Stream};
use crate::setting::{KeyPath, Place, Problem, nearest, read};

/// Keys by which a table describes a distribution instead of holding settings.
const FORMS: [&str; 4] = ["uniform", "log_uniform", "int_uniform", "choice"];

/// What stands beside the keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    samples: u64,
    #[serde(default)]
    seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    uniform: Option<(f64, f64)>,
    log_uniform: Option<(f64, f64)>,
    int_uniform: Option<(i64, i64)>,
    choice: Option<Vec<Value>>,
    when: Option<Table>,
}

enum Distribution {
    /// Of [a, b).
    Uniform(f64, f64),
    /// The logarithm is uniform in [ln a, ln b).
    LogUniform(f64, f64),
    /// Whole numbers from a to b.
    IntUniform(i64, i64),
    /// One of these.
    Choice(Vec<Value>),
}

/// The axes of the table at `written`, which move together; the number of samples; the seed.
///
/// A draw is a function of the seed, the key and the sample's number: more samples keep the earlier ones, and
/// so does another key.
pub(super) fn axes(table: &Table, written: &KeyPath) -> Result<(Vec<Axis>, usize, u64), Vec<Problem>> {
    let header: Table = table
        .iter()
        .filter(|(key, _)| is_header(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let header: Header = read(&Value::Table(header)).map_err(|found| below(found, written))?;
    let samples = written.join("samples");
    if header.samples == 0 {
        return Err(vec![problem(&samples, "`samples` is 0", "expected at least 1")]);
    }
    if u128::from(header.samples) > MOST_RUNS {
        let message = format!("`samples` is {}", header.samples);
        return Err(vec![problem(&samples, message, format!("expected at most {MOST_RUNS}"))]);
    }
    let keys: Table = table
        .iter()
        .filter(|(key, _)| !is_header(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut maker = Maker { seed: header.seed, samples: header.samples as usize, axes: Vec::new() };
    let mut problems = Vec::new();
    maker.flatten(&keys, &KeyPath::default(), written, &mut problems);
    if maker.axes.is_empty() && problems.is_empty() {
        let expected = "expected keys with { uniform }, { log_uniform }, { int_uniform } or { choice }";
        problems.push(problem(written, "there is nothing to draw", expected));
    }
    if problems.is_empty() { Ok((maker.axes, maker.samples, maker.seed)) } else { Err(problems) }
}

fn is_header(key: &str) -> bool {
    key == "samples" || key == "seed"
}

fn below(found: Vec<Problem>, written: &KeyPath) -> Vec<Problem> {
    found.into_iter().map(|problem| problem.below(written)).collect()
}

struct Maker {
    seed: u64,
    samples: usize,
    axes: Vec<Axis>,
}

impl Maker {
    fn flatten(&mut self, table: &Table, key: &KeyPath, at: &KeyPath, problems: &mut Vec<Problem>) {
        for Entry { key, name, written, value } in entries(table, key, at, problems) {
            match value {
                Value::Table(inner) if is_distribution(inner) => match self.axis(value, key, written) {
                    Ok(axis) => self.axes.push(axis),
                    Err(found) => problems.extend(found),
                },
                Value::Table(inner) if !inner.is_empty() => self.flatten(inner, &key, &written, problems),
                _ => problems.push(no_distribution(name, &key, &written)),
            }
        }
    }

    fn axis(&self, value: &Value, key: KeyPath, written: KeyPath) -> Result<Axis, Vec<Problem>> {
        let mut described: Described = read(value).map_err(|found| below(found, &written))?;
        let when = match described.when.take() {
            Some(when) => When::Holds(Rule::read(&when, &written.join("when"))?.conditions),
            None => When::Always,
        };
        let distribution = described.distribution(&written).map_err(|problem| vec![problem])?;
        let hash = blake3::hash(key.to_string().as_bytes());
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| hash.as_bytes()[at + byte]));
        let mut draws = Stream::new(self.seed, Purpose::Sweep, word(0), word(4)).draws();
        let (mut values, mut picks) = (Vec::with_capacity(self.samples), Vec::new());
        for _ in 0..self.samples {
            let (value, pick) = distribution.draw(&mut draws);
            values.push(Some(Arc::new(value)));
            picks.extend(pick);
        }
        let places =
            if picks.is_empty() { Places::Whole } else { Places::Picked(KeyPath::parse("choice"), picks) };
        let described = Some(value.clone());
        Ok(Axis { key: Arc::new(key), values, dimension: 0, written, places, when, described })
    }
}

/// What is no distribution: perhaps the name of one that was mistyped.
fn no_distribution(name: &str, key: &KeyPath, written: &KeyPath) -> Problem {
    if let Some(near) = nearest(name, FORMS) {
        Problem {
            path: written.clone(),
            place: Place::Key,
            message: format!("unknown distribution `{name}`"),
            expected: format!("expected one of: {}", FORMS.join(", ")),
            help: Some(format!("did you mean \"{near}\"?")),
        }
    } else {
        let expected = "expected a table with one of: uniform, log_uniform, int_uniform, choice";
        problem(written, format!("`{key}` has no distribution"), expected)
    }
}

/// Whether a table in the random part describes a distribution.
pub fn is_distribution(table: &Table) -> bool {
    FORMS.iter().any(|form| table.contains_key(*form))
}

impl Described {
    fn distribution(self, written: &KeyPath) -> Result<Distribution, Problem> {
        let Self { uniform, log_uniform, int_uniform, choice, .. } = self;
        let refuse = |form: &str, ends: String, expected: &str| {
            Err(problem(&written.join(form), format!("`{form}` from {ends}"), expected.to_owned()))
        };
        match (uniform, log_uniform, int_uniform, choice) {
            (Some((a, b)), None, None, None) if a.is_finite() && b.is_finite() && a < b => {
                Ok(Distribution::Uniform(a, b))
            }
            (Some((a, b)), None, None, None) => {
                refuse("uniform", format!("{a} to {b}"), "expected two numbers, the smaller one first")
            }
            (None, Some((a, b)), None, None) if a > 0.0 && b.is_finite() && a < b => {
                Ok(Distribution::LogUniform(a, b))
            }
            (None, Some((a, b)), None, None) => refuse(
                "log_uniform",
                format!("{a} to {b}"),
                "expected two numbers above 0, the smaller one first",
            ),
            (None, None, Some((a, b)), None) if a <= b && b.checked_sub(a).is_some() => {
                Ok(Distribution::IntUniform(a, b))
            }
            (None, None, Some((a, b)), None) => refuse(
                "int_uniform",
                format!("{a} to {b}"),
                "expected two whole numbers, the smaller one first",
            ),
            (None, None, None, Some(list)) if list.is_empty() => {
                Err(problem(&written.join("choice"), "`choice` has no values", "expected at least one"))
            }
            (None, None, None, Some(list)) => Ok(Distribution::Choice(list)),
            _ => Err(problem(written, "these are several distributions", "expected one of them")),
        }
    }
}

impl Distribution {
    /// One value, and which of a list it is. Every kind takes the same number of random bits.
    fn draw(&self, draws: &mut Draws) -> (Value, Option<usize>) {
        match self {
            Self::Uniform(a, b) => (Value::Float(round(a + (b - a) * draws.uniform())), None),
            Self::LogUniform(a, b) => {
                let (low, high) = (libm::log(*a), libm::log(*b));
                (Value::Float(round(libm::exp(low + (high - low) * draws.uniform()))), None)
            }
            Self::IntUniform(a, b) => {
                let count = b.abs_diff(*a).saturating_add(1);
                (Value::Integer(a.saturating_add_unsigned(draws.below(count))), None)
            }
            Self::Choice(list) => {
                let pick = draws.below(list.len() as u64) as usize;
                (rounded(&list[pick]), Some(pick))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> Result<Vec<Axis>, Vec<Problem>> {
        axes(&toml::from_str(text).unwrap(), &KeyPath::parse("sweep.random")).map(|(axes, ..)| axes)
    }

    fn values(axis: &Axis) -> Vec<Value> {
        axis.values.iter().flatten().map(|value| (**value).clone()).collect()
    }

    const KEYS: &str = "'optimizer.lr' = { log_uniform = [1e-4, 1e-1] }\n\
                        'model.regularizer.p' = { uniform = [0, 0.5] }\n\
                        model.layers = { int_uniform = [2, 5] }\n\
                        'model.activation' = { choice = ['relu', 'tanh', 'gelu'] }\n";

    #[test]
    fn draws_lie_where_they_should_and_fill_it() {
        let axes = drawn(&format!("samples = 2000\n{KEYS}")).unwrap();
        let numbers = |axis: &Axis| -> Vec<f64> {
            let number = |value: &Value| value.as_float().or(value.as_integer().map(|whole| whole as f64));
            values(axis).iter().filter_map(number).collect()
        };
        let of = |key: &str| axes.iter().find(|axis| axis.key.to_string() == key).unwrap();
        let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
        let logs: Vec<f64> = numbers(of("optimizer.lr")).iter().map(|lr| lr.log10()).collect();
        assert!(logs.iter().all(|log| (-4.0..-1.0).contains(log)));
        // Four standard errors of the mean of 2,000: the width over √12 · √2000, times 4.
        assert!((mean(&logs) + 2.5).abs() < 4.0 * 3.0 / (12.0f64 * 2000.0).sqrt());
        let p = numbers(of("model.regularizer.p"));
        assert!(p.iter().all(|p| (0.0..0.5).contains(p)) && (mean(&p) - 0.25).abs() < 0.013);
        let layers = numbers(of("model.layers"));
        for layer in 2..=5 {
            let share = layers.iter().filter(|drawn| (**drawn - f64::from(layer)).abs() < 0.5).count();
            assert!((400..600).contains(&share), "{layer} was drawn {share} times");
        }
        let names = of("model.activation");
        let distinct: std::collections::BTreeSet<String> =
            values(names).iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), 3);
        let Places::Picked(_, picks) = &names.places else { panic!("a choice knows its place") };
        assert_eq!(
            names.place_of(7).to_string(),
            format!("sweep.random.model.activation.choice[{}]", picks[7])
        );
    }

    #[test]
    fn more_samples_and_other_keys_keep_the_earlier_draws() {
        let few = drawn(&format!("samples = 5\n{KEYS}")).unwrap();
        let many = drawn(&format!("samples = 50\n{KEYS}")).unwrap();
        for (few, many) in few.iter().zip(&many) {
            assert_eq!(values(few), values(many)[..5]);
        }
        let alone = drawn("samples = 5\noptimizer.lr = { log_uniform = [1e-4, 1e-1] }").unwrap();
        assert_eq!(values(&alone[0]), values(&few[0]));
        let other = drawn("samples = 5\nseed = 1\noptimizer.lr = { log_uniform = [1e-4, 1e-1] }").unwrap();
        assert_ne!(values(&other[0]), values(&few[0]));
        // The draws are pinned: a sweep goes on another day and on another machine.
        let first: Vec<String> = values(&few[0])[..2].iter().map(ToString::to_string).collect();
        assert_eq!(first, ["0.0064099795154", "0.0560322914455"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_where_it_stands() {
        let refused = |text: &str| {
            let found = drawn(text).unwrap_err();
            found.iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>().join("; ")
        };
        let at = "sweep.random";
        assert_eq!(refused("a = { uniform = [0, 1] }"), format!("{at}.samples: missing key `samples`"));
        assert_eq!(refused("samples = 0\na = { uniform = [0, 1] }"), format!("{at}.samples: `samples` is 0"));
        assert_eq!(refused("samples = 3"), format!("{at}: there is nothing to draw"));
        assert!(
            refused("samples = 9000000000\na.b = { uniform = [0, 1] }").contains("`samples` is 9000000000")
        );
        for (text, expected) in [
            ("3", "a: `a` has no distribution"),
            ("{}", "a: `a` has no distribution"),
            ("{ uniform = [1, 0] }", "a.uniform: `uniform` from 1 to 0"),
            ("{ uniform = [0, inf] }", "a.uniform: `uniform` from 0 to inf"),
            ("{ log_uniform = [0, 1] }", "a.log_uniform: `log_uniform` from 0 to 1"),
            ("{ int_uniform = [3, 1] }", "a.int_uniform: `int_uniform` from 3 to 1"),
            ("{ choice = [] }", "a.choice: `choice` has no values"),
            ("{ uniform = [0, 1], choice = [1] }", "a: these are several distributions"),
            ("{ uniform = [0] }", "a.uniform: wrong value for `uniform`: a list of 1 value"),
            ("{ uniform = [0, 1], step = 1 }", "a.step: unknown key `step`"),
        ] {
            assert_eq!(refused(&format!("samples = 2\na = {text}")), format!("{at}.{expected}"), "{text}");
        }
    }
}
