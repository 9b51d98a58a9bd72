//! Reading settings: a TOML value becomes a typed struct, and everything that is wrong with it a [`Problem`]
//! with the path of its key.
//!
//! serde's own support for tagged enums and flattening buffers the input and so loses the path of an error.
//! [`Kind`] and [`Flat`] do without a buffer: the [`Node`] deserializer hands out the tag first, the fields
//! that were asked for next and the rest last. What lies here knows nothing of files, of layers of settings
//! or of any component.

mod by_kind;
mod diagnostic;
mod fault;
mod fields;
mod flat;
mod kind;
mod node;
mod problem;
mod schema;
mod shared;
mod variant;
mod written;

pub use by_kind::by_kind;
pub use diagnostic::{Diagnostic, Excerpt};
pub use fault::Fault;
pub use fields::keys_of;
pub use flat::Flat;
pub(crate) use kind::kind;
pub use kind::{Kind, read_kind};
pub use node::Node;
pub use problem::{KeyPath, Place, Problem, Problems, Segment, nearest};
pub use schema::{point_at_unknown_keys, schema_of, settings_schema_of, suggest};
pub use shared::Shared;
pub use written::write_kind;

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Problems of one table that are found; every one costs a reading, and nobody reads so many.
const MOST_PROBLEMS: usize = 100;

/// Reads a `T` from `value` and reports every problem, not only the first.
///
/// A wrong key is taken out and the reading starts again, so its table and the others are still looked at.
pub fn read<T: DeserializeOwned>(value: &toml::Value) -> Result<T, Vec<Problem>> {
    match read_what_can_be_read(value) {
        (Some(read), problems) if problems.is_empty() => Ok(read),
        (_, problems) => Err(problems),
    }
}

/// As [`read`], but hands out what is left when wrong keys have their defaults, so that it can be checked further.
pub fn read_what_can_be_read<T: DeserializeOwned>(value: &toml::Value) -> (Option<T>, Vec<Problem>) {
    // Copied at the first problem: nearly all that is read has none.
    let mut value = Cow::Borrowed(value);
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        match T::deserialize(Node::new(&value)) {
            Ok(read) => return (Some(read), problems),
            Err(fault) => {
                let (problem, culprit) = fault.into_problem();
                // A required key that was taken out because it is wrong is not missing as well.
                let taken_out = problem.place == Place::Table
                    && problems.iter().any(|known| problem.path.covers(&known.path));
                if !taken_out {
                    problems.push(problem);
                }
                if problems.len() >= MOST_PROBLEMS
                    || !culprit.is_some_and(|path| path.remove_from(value.to_mut()))
                {
                    return (None, problems);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Serialize, Deserialize, Default, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sgd {
        lr: f64,
        momentum: f64,
    }

    #[derive(Debug, Serialize, Deserialize, Default, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Adam {
        lr: f64,
        betas: (f64, f64),
    }

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(remote = "Self", rename_all = "snake_case")]
    enum Rule {
        Sgd(Sgd),
        Adam(Adam),
    }

    kind!(Rule);

    #[derive(Debug, Deserialize, Default, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Common {
        decay: Decay,
    }

    #[derive(Debug, Deserialize, Default, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Decay {
        rate: f64,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        optimizer: Flat<Common, Rule>,
        epochs: usize,
    }

    fn problems(text: &str) -> Vec<(String, String)> {
        let value = toml::Value::Table(toml::from_str(text).unwrap());
        let found = read::<Whole>(&value).unwrap_err();
        found.into_iter().map(|p| (p.path.to_string(), p.message)).collect()
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "what was written is read exactly")]
    fn reads_a_flat_table_whatever_the_order_of_its_keys() {
        let text = "epochs = 3\n[optimizer]\nmomentum = 1\ndecay.rate = 0.5\nkind = 'sgd'\nlr = 0.1";
        let value = toml::Value::Table(toml::from_str(text).unwrap());
        let whole: Whole = read(&value).unwrap();
        assert_eq!(whole.epochs, 3);
        assert_eq!(whole.optimizer.common.decay.rate, 0.5);
        assert_eq!(whole.optimizer.kind, Rule::Sgd(Sgd { lr: 0.1, momentum: 1.0 }));
    }

    #[test]
    fn a_string_is_short_for_a_table_with_only_a_kind() {
        let value = toml::Value::Table(toml::from_str("epochs = 1\noptimizer = 'adam'").unwrap());
        let whole: Whole = read(&value).unwrap();
        assert_eq!(whole.optimizer.kind, Rule::Adam(Adam::default()));
    }

    #[test]
    fn reports_every_wrong_key_with_its_full_path() {
        let found = problems(
            "epochs = -1\nepoch = 2\n[optimizer]\nkind = 'sgd'\nmomentun = 0.9\nlr = 'fast'\ndecay = { rate = true, x = 1 }",
        );
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        for path in [
            "epochs",
            "epoch",
            "optimizer.momentun",
            "optimizer.lr",
            "optimizer.decay.rate",
            "optimizer.decay.x",
        ] {
            assert!(paths.contains(&path), "{path} is not in {found:?}");
        }
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn lists_of_another_length_and_dates_are_named() {
        let text = |optimizer: &str| {
            let text = format!("epochs = 1\noptimizer = {{ kind = 'adam', {optimizer} }}");
            let value = toml::Value::Table(toml::from_str(&text).unwrap());
            let found = read::<Whole>(&value).unwrap_err();
            assert_eq!(found.len(), 1, "{found:?}");
            format!("{}; {}", found[0].message, found[0].expected)
        };
        let three = "wrong value for `betas`: a list of 3 values; expected a list of 2 values";
        assert_eq!(text("betas = [0.9, 0.9, 0.9]"), three);
        let one = "wrong value for `betas`: a list of 1 value; expected a list of 2 values";
        assert_eq!(text("betas = [0.9]"), one);
        assert_eq!(text("lr = 2020-01-01"), "wrong value for `lr`: a date; expected a number");
    }

    #[test]
    fn a_missing_kind_and_an_unknown_kind_are_told_apart() {
        let missing = problems("epochs = 1\n[optimizer]\nlr = 1.0");
        assert_eq!(missing, [("optimizer.kind".into(), "missing key `kind`".into())]);
        let unknown = problems("epochs = 1\n[optimizer]\nkind = 'sdg'\nlr = 1.0");
        assert_eq!(unknown, [("optimizer.kind".into(), "unknown kind \"sdg\"".into())]);
    }
}
