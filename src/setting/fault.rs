//! Why a value cannot be read, with its path; what serde says of it, in words for users.

use std::fmt;

use serde::de::{self, Unexpected};

use super::problem::{KeyPath, Place, Problem, Segment, nearest};

/// Why a value could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    path: Vec<Segment>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq)]
enum Reason {
    UnknownKey { key: String, known: &'static [&'static str] },
    UnknownKind { word: String, known: &'static [&'static str] },
    Missing { key: &'static str },
    Wrong { found: String, expected: String },
    Other(String),
}

impl Fault {
    fn new(reason: Reason) -> Self {
        Self { path: Vec::new(), reason }
    }

    /// The same of what lies at `segment`.
    pub(super) fn below(mut self, segment: Segment) -> Self {
        self.path.insert(0, segment);
        self
    }

    /// The problem for the user, and the path of the value whose removal lets the reading go on.
    pub fn into_problem(self) -> (Problem, Option<KeyPath>) {
        let at = KeyPath(self.path);
        let is_kind = matches!(at.last_key(), Some("kind" | "source"));
        let (path, place, message, expected, help) = match self.reason {
            Reason::UnknownKey { key, known } => {
                let help =
                    nearest(&key, known.iter().copied()).map(|word| format!("did you mean \"{word}\"?"));
                let list = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                let message = format!("unknown key `{key}`");
                (at.join(&key), Place::Key, message, format!("expected one of: {list}"), help)
            }
            Reason::UnknownKind { word, known } => {
                let help =
                    nearest(&word, known.iter().copied()).map(|word| format!("did you mean \"{word}\"?"));
                let what = match at.last_key() {
                    Some("source") => "source",
                    _ if is_kind => "kind",
                    _ => "value",
                };
                let expected = format!("expected one of: {}", known.join(", "));
                (at, Place::Value, format!("unknown {what} \"{word}\""), expected, help)
            }
            Reason::Missing { key } => (
                at.join(key),
                Place::Table,
                format!("missing key `{key}`"),
                format!("`{key}` is required"),
                None,
            ),
            Reason::Wrong { found, expected } => {
                // An entry of a list is named by the list.
                let list = || {
                    at.0.iter().rev().find_map(|segment| match segment {
                        Segment::Key(key) => Some(key),
                        Segment::Index(_) => None,
                    })
                };
                let message = match (at.last_key(), list()) {
                    (Some(key), _) => format!("wrong value for `{key}`: {found}"),
                    (None, Some(list)) => format!("wrong value in `{list}`: {found}"),
                    (None, None) => format!("wrong value: {found}"),
                };
                (at, Place::Value, message, format!("expected {expected}"), None)
            }
            Reason::Other(text) => (at, Place::Value, text, String::new(), None),
        };
        // A table without a required key, or with an unknown kind, cannot be read any further.
        let culprit = match place {
            Place::Table => path.0.split_last().map(|(_, table)| KeyPath(table.to_vec())),
            _ if is_kind => path.0.split_last().map(|(_, table)| KeyPath(table.to_vec())),
            _ => Some(path.clone()),
        };
        (Problem { path, place, message, expected, help }, culprit.filter(|path| !path.0.is_empty()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (problem, _) = self.clone().into_problem();
        write!(f, "{}: {}", problem.path, problem.message)
    }
}

impl std::error::Error for Fault {}

/// serde's words for a type, in ours.
fn plain(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number, 0 or more".to_owned(),
        "i64" | "i32" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "any valid TOML value" => "text, a number, true or false, a list or a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("a tuple of size ") => {
            other["a tuple of size ".len()..].parse().map_or_else(|_| other.to_owned(), list_of)
        }
        other => other.to_owned(),
    }
}

/// A list of that length, in words.
pub(super) fn list_of(values: usize) -> String {
    if values == 1 { "a list of 1 value".to_owned() } else { format!("a list of {values} values") }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Str(text) => format!("the string \"{text}\""),
        Unexpected::Bool(truth) => truth.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        // 2.0 is no whole number, and must not look like one.
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Reason::Other(message.to_string()))
    }
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Reason::Wrong { found: found(unexpected), expected: plain(&expected.to_string()) })
    }
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        let expected = plain(&expected.to_string());
        Self::new(Reason::Wrong { found: list_of(length), expected })
    }
    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownKind { word: variant.to_owned(), known })
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownKey { key: field.to_owned(), known })
    }
    fn missing_field(key: &'static str) -> Self {
        Self::new(Reason::Missing { key })
    }
    fn duplicate_field(key: &'static str) -> Self {
        Self::new(Reason::Other(format!("duplicate key `{key}`")))
    }
}
