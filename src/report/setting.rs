//! Settings as a flat list of dotted keys, and their values as short text.

use indexmap::IndexMap;
use serde_json::Value;

use crate::setting::{KeyPath, Segment};
use crate::store::json_value;

/// Every leaf under its dotted key, in the order of the file: `optimizer.lr`, `model.layers[0].kind`.
///
/// A list is a leaf unless it holds tables.
pub fn flatten(table: &toml::Table) -> IndexMap<String, Value> {
    let mut flat = IndexMap::new();
    for (key, value) in table {
        descend(quoted(key), value, &mut flat);
    }
    flat
}

/// The same of the value at one top-level key.
pub(super) fn leaves(key: &str, value: &toml::Value) -> IndexMap<String, Value> {
    let mut flat = IndexMap::new();
    descend(quoted(key), value, &mut flat);
    flat
}

fn descend(path: String, value: &toml::Value, flat: &mut IndexMap<String, Value>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                descend(format!("{path}.{}", quoted(key)), value, flat);
            }
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            for (index, value) in list.iter().enumerate() {
                descend(format!("{path}[{index}]"), value, flat);
            }
        }
        leaf => {
            flat.insert(path, json_value(leaf));
        }
    }
}

/// A key as it stands in a dotted path.
pub(super) fn quoted(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if is_bare { key.to_owned() } else { format!("\"{key}\"") }
}

/// The path of a key as [`flatten`] writes it.
pub(super) fn path_of(key: &str) -> KeyPath {
    let mut segments = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let list = rest.strip_prefix('[').and_then(|list| list.split_once(']'));
        let behind = if let Some((index, behind)) = list {
            segments.extend(index.parse().ok().map(Segment::Index));
            behind
        } else {
            let (word, behind) = word(rest);
            segments.push(Segment::Key(word.to_owned()));
            behind
        };
        rest = behind.strip_prefix('.').unwrap_or(behind);
    }
    KeyPath(segments)
}

/// The bare or quoted key at the front, and what follows it.
fn word(text: &str) -> (&str, &str) {
    // From the second character on, so that every word is one character nearer to the end.
    let end = || text.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '['));
    let bare = || text.split_at(end().map_or(text.len(), |(end, _)| end));
    text.strip_prefix('"').and_then(|quoted| quoted.split_once('"')).unwrap_or_else(bare)
}

/// The value at `path`, of a leaf or a whole table.
pub(super) fn find<'a>(table: &'a toml::Table, path: &KeyPath) -> Option<&'a toml::Value> {
    let (Segment::Key(first), rest) = path.0.split_first()? else { return None };
    KeyPath(rest.to_vec()).find(table.get(first)?)
}

/// A value as people write it: `0.3`, `adam`, `[1, 2]`, `{kind = sgd, momentum = 0.9}`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // TOML's NaN and infinities, which JSON does not have.
        Value::Null => "nan".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_text(float),
            _ => number.to_string(),
        },
        Value::Array(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{key} = {}", plain(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn float_text(value: f64) -> String {
    let is_plain = value == 0.0 || (1e-4..1e15).contains(&value.abs());
    if is_plain { value.to_string() } else { format!("{value:e}") }
}

/// A text that is equal for equal settings: 1 and 1.0 are the same number.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |float| format!("{float:e}"))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_have_dotted_keys_in_file_order() {
        let table: toml::Table = toml::from_str(
            "seed = 1\nempty = {}\n[model]\nhidden = [3, 2]\nlayers = [{kind = 'linear'}, 'relu']\n'odd.key' = nan",
        )
        .unwrap();
        let lines: Vec<String> =
            flatten(&table).iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        seed: 1
        empty: {}
        model.hidden: [3, 2]
        model.layers[0].kind: linear
        model.layers[1]: relu
        model."odd.key": nan
        "#);
        for (key, value) in flatten(&table) {
            assert_eq!(find(&table, &path_of(&key)).map(json_value), Some(value), "{key}");
        }
        for odd in ["", ".", "[", "]", "[x]", "a[1", "\"", "a..b", "[0]"] {
            assert_eq!(find(&table, &path_of(odd)), None, "{odd}");
        }
    }

    #[test]
    fn values_are_short() {
        let value = serde_json::json!({"kind": "sgd", "lr": 1e-5, "betas": [0.9, 1], "nesterov": true});
        assert_eq!(plain(&value), "{betas = [0.9, 1], kind = sgd, lr = 1e-5, nesterov = true}");
        assert_eq!(plain(&serde_json::json!(0.001)), "0.001");
        assert_eq!(plain(&serde_json::json!(42)), "42");
    }

    #[test]
    fn whole_and_broken_numbers_are_compared_as_numbers() {
        let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        assert_eq!(canonical(&json("[1, {\"a\": 2}]")), canonical(&json("[1.0, {\"a\": 2.0}]")));
        assert_ne!(canonical(&json("\"1\"")), canonical(&json("1")));
        assert_ne!(canonical(&json("0.1")), canonical(&json("0.10000000000000002")));
    }
}
