//! The forms that values have in a sweep, as far as they are the same for every key.

use serde_json::{Map, Value, json};

/// Seeds, samples and points of an axis: a count below 1 leaves nothing to run.
pub(super) const LEAST: u64 = 1;

/// Definitions of the keys of an axis or a draw, by their names.
pub(super) fn definitions() -> Map<String, Value> {
    let definitions = [
        ("from", number("The first value; with `to` and `step`.")),
        ("to", number("The last value, included.")),
        ("step", number("From one value to the next.")),
        ("linspace", pair("number", "The first and the last of `count` values with equal differences.")),
        (
            "logspace",
            positive("The first and the last of `count` values with equal ratios; not their logarithms."),
        ),
        ("count", json!({ "type": "integer", "minimum": LEAST, "description": "How many values." })),
        ("min", number("The smallest value that is meant.")),
        ("max", number("The largest value that is meant.")),
        ("uniform", pair("number", "Every value between the two is as likely as another.")),
        ("log_uniform", positive("Every order of magnitude between the two is as likely as another.")),
        ("int_uniform", pair("integer", "Every whole number from the first to the last, both included.")),
        ("listed", form(&["values"])),
        ("rule", rule()),
    ];
    definitions.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn number(text: &str) -> Value {
    json!({ "type": "number", "description": text })
}

fn pair(kind: &str, text: &str) -> Value {
    json!({ "type": "array", "items": { "type": kind }, "minItems": 2, "maxItems": 2, "description": text })
}

fn positive(text: &str) -> Value {
    let mut pair = pair("number", text);
    pair["items"]["exclusiveMinimum"] = 0.into();
    pair
}

/// An axis that is written with these keys, and nothing beside them but `when`.
fn form(keys: &[&str]) -> Value {
    let beside = keys.iter().chain(&["when"]);
    let properties: Map<String, Value> = beside.map(|key| ((*key).to_owned(), true.into())).collect();
    json!({ "properties": properties, "required": keys, "additionalProperties": false })
}

/// The ways to write an axis of numbers as a table, told apart by a key that only one of them has.
fn rule() -> Value {
    let ways = [
        ("linspace", form(&["linspace", "count"])),
        ("logspace", form(&["logspace", "count"])),
        ("values", form(&["values"])),
    ];
    ways.into_iter().rev().fold(
        form(&["from", "to", "step"]),
        |others, (key, way)| json!({ "if": { "required": [key] }, "then": way, "else": others }),
    )
}
