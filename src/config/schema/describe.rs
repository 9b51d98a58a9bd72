//! What a key means and what it holds, read from the schema.

use serde_json::Value;

use super::experiment;
use crate::setting::{KeyPath, Segment};

/// What a key holds whose schema does not say.
const ANYTHING: &str = "a value";

/// A key in words.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyDoc {
    /// What it means, in a sentence or a few.
    pub meaning: String,
    /// What it holds, as in "a number above 0"; a fragment.
    pub kind_of_value: String,
    /// What it is when it is left out; none too where that depends on the kind or on the data.
    pub default: Option<Value>,
    /// The kinds of its table that have it; empty if they all do or the table has no kinds.
    pub kinds: Vec<String>,
}

/// The documentation of a key or a table, whatever kind its table is of; none if there is no such key.
pub fn describe(key: &KeyPath) -> Option<KeyDoc> {
    let (table, schema) = find(key)?;
    let found = of_kinds(table, key.last_key()?);
    let kinds = if found.len() < branches(table).len() {
        found.iter().map(|(kind, _)| (*kind).to_owned()).collect()
    } else {
        Vec::new()
    };
    let mut doc = doc(schema, kinds);
    // What the kinds agree on stands there without their names, which `kinds` has.
    if let Some((_, first)) = found.first()
        && let Some(text) = first["description"].as_str()
        && found.iter().all(|(_, own)| own["description"] == text)
    {
        text.clone_into(&mut doc.meaning);
    }
    // Kinds that hold different things say what each by itself.
    if doc.kind_of_value == ANYTHING && !found.is_empty() {
        let parts = found.iter().map(|(kind, own)| format!("{} ({kind})", holds(own)));
        doc.kind_of_value = parts.collect::<Vec<_>>().join(", or ");
    }
    Some(doc)
}

/// As [`describe`], for a key whose table is of this kind; none if that kind does not have it.
pub fn describe_of_kind(key: &KeyPath, kind: &str) -> Option<KeyDoc> {
    let general = describe(key)?;
    let (table, schema) = find(key)?;
    let found = of_kinds(table, key.last_key()?);
    let Some((_, own)) = found.iter().find(|(name, _)| *name == kind) else {
        return general.kinds.is_empty().then_some(general);
    };
    let mut whole = schema.clone();
    if let (Some(whole), Some(own)) = (whole.as_object_mut(), own.as_object()) {
        whole.extend(own.clone());
    }
    Some(doc(&whole, general.kinds))
}

/// What a kind of a table is, as in `describe_kind(optimizer, "sgd")`.
pub fn describe_kind(table: &KeyPath, kind: &str) -> Option<String> {
    let (_, schema) = find(table)?;
    let (_, branch) = branches(entries(schema)).into_iter().find(|(name, _)| *name == kind)?;
    branch["description"].as_str().map(str::to_owned)
}

fn doc(schema: &Value, kinds: Vec<String>) -> KeyDoc {
    KeyDoc {
        meaning: schema["description"].as_str().unwrap_or_default().to_owned(),
        kind_of_value: holds(schema),
        default: schema.get("default").cloned(),
        kinds,
    }
}

/// The schema of the table that the key is in, and its own.
fn find(key: &KeyPath) -> Option<(&'static Value, &'static Value)> {
    let root = experiment();
    let mut found = (root, root);
    for segment in &key.0 {
        let table = entries(found.1);
        let below = match segment {
            Segment::Key(name) => table["properties"].get(name.as_str())?,
            Segment::Index(_) => found.1.get("items")?,
        };
        found = (table, resolve(root, below)?);
    }
    Some(found)
}

/// Follows a reference within the document, also one that is put off for editors.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str()) {
        Some(reference) => resolve(root, root.pointer(reference.strip_prefix('#')?)?),
        None => Some(schema),
    }
}

/// The schema itself, or that of the entries where it is a list of tables.
fn entries(schema: &Value) -> &Value {
    if schema.get("properties").is_some() { schema } else { schema.get("items").unwrap_or(schema) }
}

/// What the kinds of a table add to a key, of those that have it.
fn of_kinds<'a>(table: &'a Value, key: &str) -> Vec<(&'a str, &'a Value)> {
    let branches = branches(table).into_iter();
    branches.filter_map(|(kind, branch)| Some((kind, key_of(branch, key)?))).collect()
}

/// A key of a kind: its own, or that of the first of the kinds within it that has it.
fn key_of<'a>(branch: &'a Value, key: &str) -> Option<&'a Value> {
    let own = branch.get("properties").and_then(|keys| keys.get(key));
    own.or_else(|| ["then", "else"].iter().find_map(|within| key_of(branch.get(within)?, key)))
}

/// The kinds of a table with their closed lists of keys, from the chain of `if`, `then`, `else`.
fn branches(table: &Value) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    let mut link = Some(table);
    while let Some(here) = link {
        let tests = here["if"]["properties"].as_object().into_iter().flatten();
        for kind in tests.filter_map(|(_, test)| test["const"].as_str()) {
            found.push((kind, &here["then"]));
        }
        link = here.get("else");
    }
    found
}

/// The key that tells the kinds of a table apart.
fn tag(schema: &Value) -> Option<&str> {
    schema["else"]["if"]["properties"].as_object()?.keys().next().map(String::as_str)
}

/// What a schema lets a key hold, in the words of the program's messages.
fn holds(schema: &Value) -> String {
    if let Some(list) = schema["enum"].as_array() {
        return one_of(list);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(tag) = tag(schema) {
        let names: Vec<&str> = branches(schema).iter().map(|(kind, _)| *kind).collect();
        let list = if types.contains(&"array") { ", or a list of them" } else { "" };
        let number = if types.contains(&"integer") { "a whole number, or " } else { "" };
        return format!(
            "{number}one of: {}; or a table with `{tag}` and its own keys{list}",
            names.join(", ")
        );
    }
    let parts: Vec<String> = types.iter().map(|word| of_type(word, schema)).collect();
    if parts.is_empty() { ANYTHING.to_owned() } else { parts.join(", or ") }
}

fn of_type(word: &str, schema: &Value) -> String {
    match word {
        "number" => format!("a number{}", range(schema)),
        "integer" => format!("a whole number{}", range(schema)),
        "boolean" => "true or false".to_owned(),
        "array" => list(schema),
        "object" => "a table".to_owned(),
        _ => text(schema),
    }
}

fn list(schema: &Value) -> String {
    let root = experiment();
    let items = holds(resolve(root, &schema["items"]).unwrap_or(&schema["items"]));
    let length = &schema["minItems"];
    if length.is_u64() && *length == schema["maxItems"] {
        return format!("a list of {length}, each {items}");
    }
    format!("a list, each entry {items}")
}

/// Strings: those that are known, and those that follow a pattern.
fn text(schema: &Value) -> String {
    let choices = schema["anyOf"].as_array().into_iter().flatten();
    let words: Vec<Value> =
        choices.filter_map(|choice| choice["enum"].as_array()).flatten().cloned().collect();
    if words.is_empty() { "text".to_owned() } else { format!("text, such as {}", joined(&words)) }
}

fn one_of(list: &[Value]) -> String {
    format!("one of: {}", joined(list))
}

fn joined(list: &[Value]) -> String {
    let words = list.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
    words.collect::<Vec<_>>().join(", ")
}

/// Bounds of a number, as in " above 0 and up to 1".
fn range(schema: &Value) -> String {
    let bound = |word: &str| schema[word].as_f64();
    let (least, above) = (bound("minimum"), bound("exclusiveMinimum"));
    let (most, below) = (bound("maximum"), bound("exclusiveMaximum"));
    match (least, above, most, below) {
        (_, Some(above), Some(most), _) => format!(" above {above} and up to {most}"),
        (_, Some(above), _, Some(below)) => format!(" above {above} and below {below}"),
        (_, Some(above), _, _) => format!(" above {above}"),
        (Some(least), _, Some(most), _) => format!(" from {least} to {most}"),
        (Some(least), _, _, Some(below)) => format!(" from {least} to below {below}"),
        (Some(least), _, _, _) => format!(", {least} or more"),
        (_, _, Some(most), _) => format!(", {most} or less"),
        _ => String::new(),
    }
}
