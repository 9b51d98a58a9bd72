//! The values of an axis of the grid: listed, or described by a range.

use serde::Deserialize;
use toml::{Table, Value};

use super::axis::{MOST_RUNS, Places, problem, round, rounded};
use crate::setting::{KeyPath, Problem, read};

/// Keys by which a table in the grid describes values instead of holding settings.
const WORDS: [&str; 8] = ["from", "to", "step", "linspace", "logspace", "count", "values", "when"];
/// Those of them that no description can do without.
const FORMS: [&str; 4] = ["from", "linspace", "logspace", "values"];
/// Whole numbers up to here are exact as floats: 2^53.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;
/// How far, in steps, a range may miss its end and still have it: decimal steps in binary do.
const TOLERANCE: f64 = 1e-6;

/// What was read.
pub(super) struct Values {
    pub list: Vec<Value>,
    pub places: Places,
    /// The conditions under which the axis has a say, as they were written.
    pub when: Option<Table>,
    /// The table, if the values were not listed.
    pub described: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Described {
    from: Option<Value>,
    to: Option<Value>,
    step: Option<Value>,
    linspace: Option<(Value, Value)>,
    logspace: Option<(Value, Value)>,
    count: Option<usize>,
    values: Option<Vec<Value>>,
    when: Option<Table>,
}

/// Whether a table in the grid describes the values of an axis.
pub fn is_description(table: &Table) -> bool {
    FORMS.iter().any(|word| table.contains_key(*word))
        || (!table.is_empty() && table.keys().all(|key| WORDS.contains(&key.as_str())))
}

/// The values at `written` for the setting `key`.
pub(super) fn values(value: &Value, key: &KeyPath, written: &KeyPath) -> Result<Values, Vec<Problem>> {
    let refuse = |message: String, expected: &str| vec![problem(written, message, expected)];
    match value {
        Value::Array(list) if list.is_empty() => {
            Err(refuse(format!("`{key}` has no values"), "expected at least one"))
        }
        Value::Array(list) => Ok(Values {
            list: list.iter().map(rounded).collect(),
            places: Places::List(KeyPath::default()),
            when: None,
            described: None,
        }),
        Value::Table(table) if is_description(table) => describe(value, key, written),
        _ => {
            Err(refuse(format!("`{key}` in the grid is not a list"), "expected a list of values, or a range"))
        }
    }
}

fn describe(value: &Value, key: &KeyPath, written: &KeyPath) -> Result<Values, Vec<Problem>> {
    let mut described: Described = read(value)
        .map_err(|problems| problems.into_iter().map(|found| found.below(written)).collect::<Vec<_>>())?;
    let one = |problem: Problem| vec![problem];
    let when = described.when.take();
    if let Some(list) = described.values.take() {
        let others = ["from", "to", "step", "linspace", "logspace", "count"];
        alone(value, "values", &others, written).map_err(one)?;
        let at = written.join("values");
        let listed = values(&Value::Array(list), key, &at)?;
        return Ok(Values { when, places: Places::List(KeyPath::parse("values")), ..listed });
    }
    let list = range(value, described, written).map_err(one)?;
    Ok(Values { list, places: Places::Whole, when, described: Some(value.clone()) })
}

/// Refuses words of another form beside `form`.
fn alone(value: &Value, form: &str, others: &[&str], written: &KeyPath) -> Result<(), Problem> {
    match others.iter().find(|other| value.get(**other).is_some()) {
        None => Ok(()),
        Some(other) => {
            let message = format!("`{other}` has no meaning beside `{form}`");
            Err(problem(
                &written.join(other),
                message,
                "expected one form of range: from, to and step; linspace and count; logspace and count; or values",
            ))
        }
    }
}

fn range(value: &Value, described: Described, written: &KeyPath) -> Result<Vec<Value>, Problem> {
    let missing = |key: &str, form: &str| {
        problem(written, format!("`{form}` without `{key}`"), format!("expected `{key}` beside it"))
    };
    if let Some((first, last)) = described.linspace {
        alone(value, "linspace", &["from", "to", "step", "logspace"], written)?;
        let count = described.count.ok_or_else(|| missing("count", "linspace"))?;
        return spaced(&first, &last, count, written, "linspace", |a, b, part| a + (b - a) * part);
    }
    if let Some((first, last)) = described.logspace {
        alone(value, "logspace", &["from", "to", "step"], written)?;
        let count = described.count.ok_or_else(|| missing("count", "logspace"))?;
        for end in [&first, &last] {
            if number(end).is_none_or(|end| end <= 0.0) {
                let message = format!("`logspace` from {first} to {last}");
                return Err(problem(&written.join("logspace"), message, "expected two numbers above 0"));
            }
        }
        return spaced(&first, &last, count, written, "logspace", |a, b, part| a * libm::pow(b / a, part));
    }
    let Some(from) = described.from else {
        let expected =
            "expected a list, or { from, to, step }, { linspace, count }, { logspace, count } or { values }";
        return Err(problem(written, "this describes no values", expected));
    };
    alone(value, "from", &["count"], written)?;
    let to = described.to.ok_or_else(|| missing("to", "from"))?;
    let step = described.step.ok_or_else(|| missing("step", "from"))?;
    stepped(&from, &to, &step, written)
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// `from`, `from + step`, … up to and with `to`; whole numbers if the first and the step are.
fn stepped(from: &Value, to: &Value, step: &Value, written: &KeyPath) -> Result<Vec<Value>, Problem> {
    let finite = |value: &Value, key: &str| {
        number(value)
            .ok_or_else(|| problem(&written.join(key), format!("`{key}` is {value}"), "expected a number"))
    };
    let (first, last, stride) = (finite(from, "from")?, finite(to, "to")?, finite(step, "step")?);
    let steps = (last - first) / stride;
    if stride == 0.0 || steps < 0.0 {
        let message = format!("steps of {step} do not lead from {from} to {to}");
        return Err(problem(&written.join("step"), message, "expected a step towards `to`"));
    }
    // Whoever means a single value steps by more than the way.
    let steps = (steps + TOLERANCE).floor();
    check_count(steps + 1.0, &written.join("step"))?;
    if let (Value::Integer(first), Value::Integer(stride)) = (from, step) {
        let value = |index: i64| first.saturating_add(index.saturating_mul(*stride));
        return Ok((0..=steps as i64).map(|index| Value::Integer(value(index))).collect());
    }
    Ok((0..=steps as usize).map(|index| Value::Float(round(first + index as f64 * stride))).collect())
}

/// `count` numbers whose ends are exact; whole numbers if the ends are written so and all others come out so.
fn spaced(
    first: &Value,
    last: &Value,
    count: usize,
    written: &KeyPath,
    form: &str,
    at: impl Fn(f64, f64, f64) -> f64,
) -> Result<Vec<Value>, Problem> {
    let (Some(a), Some(b)) = (number(first), number(last)) else {
        let message = format!("`{form}` from {first} to {last}");
        return Err(problem(&written.join(form), message, "expected two numbers"));
    };
    if count == 0 {
        return Err(problem(&written.join("count"), "`count` is 0", "expected at least 1"));
    }
    check_count(count as f64, &written.join("count"))?;
    let numbers: Vec<f64> = (0..count)
        .map(|index| match index {
            0 => a,
            _ if index + 1 == count => b,
            _ => at(a, b, index as f64 / (count - 1) as f64),
        })
        .collect();
    let is_whole = |number: &f64| round(*number).fract() == 0.0 && number.abs() < LARGEST_WHOLE;
    let whole = first.is_integer() && last.is_integer() && numbers.iter().all(is_whole);
    let value =
        |number: f64| if whole { Value::Integer(number.round() as i64) } else { Value::Float(round(number)) };
    Ok(numbers.into_iter().map(value).collect())
}

fn check_count(count: f64, place: &KeyPath) -> Result<(), Problem> {
    if count > MOST_RUNS as f64 {
        let message = format!("these are {count} values");
        return Err(problem(place, message, format!("expected at most {MOST_RUNS}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_values(text: &str) -> Result<Values, Vec<Problem>> {
        let table: Table = toml::from_str(&format!("v = {text}")).unwrap();
        values(&table["v"], &KeyPath::parse("optimizer.lr"), &KeyPath::parse("sweep.grid.v"))
    }

    fn listed(text: &str) -> String {
        match read_values(text) {
            Ok(read) => Value::Array(read.list).to_string(),
            Err(problems) => panic!("{problems:?}"),
        }
    }

    fn refused(text: &str) -> String {
        let Err(problems) = read_values(text) else { panic!("{text} was accepted") };
        problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn ranges_have_their_end() {
        assert_eq!(listed("{ from = 0.0, to = 0.5, step = 0.1 }"), "[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]");
        assert_eq!(listed("{ from = 0.0, to = 0.5, step = 0.2 }"), "[0.0, 0.2, 0.4]");
        assert_eq!(listed("{ from = 1, to = 7, step = 3 }"), "[1, 4, 7]");
        assert_eq!(listed("{ from = 3, to = 1, step = -1 }"), "[3, 2, 1]");
        assert_eq!(listed("{ from = 1, to = 2, step = 0.5 }"), "[1.0, 1.5, 2.0]");
        assert_eq!(listed("{ from = 1, to = 1, step = 1 }"), "[1]");
    }

    /// numpy 2: `np.linspace(0, 1, 5)`, `np.linspace(16, 64, 4)`, `np.geomspace(1e-4, 1e-1, 4)`,
    /// `np.geomspace(1e-4, 1e-2, 4)`, `np.geomspace(16, 128, 4)`, `np.linspace(3, 9, 1)`.
    #[test]
    fn spaced_values_are_those_of_numpy() {
        assert_eq!(listed("{ linspace = [0, 1], count = 5 }"), "[0.0, 0.25, 0.5, 0.75, 1.0]");
        assert_eq!(listed("{ linspace = [16, 64], count = 4 }"), "[16, 32, 48, 64]");
        assert_eq!(listed("{ logspace = [1e-4, 1e-1], count = 4 }"), "[0.0001, 0.001, 0.01, 0.1]");
        let uneven = "[0.0001, 0.000464158883361, 0.00215443469003, 0.01]";
        assert_eq!(listed("{ logspace = [1e-4, 1e-2], count = 4 }"), uneven);
        assert_eq!(listed("{ logspace = [16, 128], count = 4 }"), "[16, 32, 64, 128]");
        assert_eq!(listed("{ linspace = [3, 9], count = 1 }"), "[3]");
    }

    #[test]
    fn listed_values_may_have_a_condition() {
        let read = read_values("{ values = [1, 2], when = { 'optimizer.kind' = 'sgd' } }").unwrap();
        assert_eq!((read.list.len(), read.places), (2, Places::List(KeyPath::parse("values"))));
        assert!(read.when.is_some());
        assert!(read_values("{ from = 1, to = 2, step = 1, when = { seed = 1 } }").unwrap().when.is_some());
    }

    #[test]
    fn what_describes_nothing_is_refused_where_it_stands() {
        let at = "sweep.grid.v";
        for (text, expected) in [
            ("[]", format!("{at}: `optimizer.lr` has no values")),
            ("3", format!("{at}: `optimizer.lr` in the grid is not a list")),
            ("{ from = 1, to = 2 }", format!("{at}: `from` without `step`")),
            ("{ from = 1, step = 2 }", format!("{at}: `from` without `to`")),
            ("{ to = 1, step = 2 }", format!("{at}: this describes no values")),
            ("{ when = { seed = 1 } }", format!("{at}: this describes no values")),
            ("{ from = 1, to = 2, step = 0 }", format!("{at}.step: steps of 0 do not lead from 1 to 2")),
            ("{ from = 1, to = 2, step = -1 }", format!("{at}.step: steps of -1 do not lead from 1 to 2")),
            ("{ from = 1, to = nan, step = 1 }", format!("{at}.to: `to` is nan")),
            ("{ from = 'a', to = 2, step = 1 }", format!("{at}.from: `from` is \"a\"")),
            ("{ from = 0, to = 1, step = 1e-9 }", format!("{at}.step: these are 1000000001 values")),
            ("{ linspace = [0, 1] }", format!("{at}: `linspace` without `count`")),
            ("{ linspace = [0, 1], count = 0 }", format!("{at}.count: `count` is 0")),
            ("{ linspace = [0, 1], count = 5000000000 }", format!("{at}.count: these are 5000000000 values")),
            ("{ linspace = [0, 'b'], count = 2 }", format!("{at}.linspace: `linspace` from 0 to \"b\"")),
            ("{ logspace = [0, 1], count = 2 }", format!("{at}.logspace: `logspace` from 0 to 1")),
            (
                "{ linspace = [0, 1, 2], count = 2 }",
                format!("{at}.linspace: wrong value for `linspace`: a list of 3 values"),
            ),
            ("{ values = [1], count = 2 }", format!("{at}.count: `count` has no meaning beside `values`")),
            ("{ values = [] }", format!("{at}.values: `optimizer.lr` has no values")),
            ("{ values = [1], wen = {} }", format!("{at}.wen: unknown key `wen`")),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }
}
