//! JSON Schema of settings, generated from the structs that read them.
//!
//! Draft 7, the one that Taplo validates with; every struct stands in its place and not behind a reference:
//! descriptions of a key and of its type can then stand together.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Keywords that say something about a value and refuse none.
pub(super) const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", EDITOR_NOTES];
/// Taplo's extension: among others, what the values of an `enum` mean.
pub(super) const EDITOR_NOTES: &str = "x-taplo";

/// More keys than this are not listed in the message about an unknown one.
const MOST_LISTED: usize = 20;

/// The schema of what `T` is read from.
pub fn schema_of<T: JsonSchema>() -> Value {
    generate::<T>(plain)
}

/// As [`schema_of`], for TOML, which has no null: an optional key is a key that may be left out.
pub fn settings_schema_of<T: JsonSchema>() -> Value {
    generate::<T>(|schema| {
        without_null(schema);
        plain(schema);
    })
}

fn generate<T: JsonSchema>(clean: impl FnMut(&mut Schema) + Clone + Send + 'static) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let generator = settings.with_transform(RecursiveTransform(clean)).into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Words in an `enum` with what each means; editors show the meanings beside the words.
pub(super) fn words(words: &[&str], meanings: &[String]) -> Value {
    json!({ "type": "string", "enum": words, EDITOR_NOTES: { "docs": { "enumValues": meanings } } })
}

/// Shows editors the values that `candidate` lists; refuses nothing.
pub fn suggest(schema: &mut Map<String, Value>, candidate: Value) {
    schema.insert("anyOf".into(), Value::Array(vec![Value::Bool(true), candidate]));
}

/// Moves the errors for unknown keys from their tables to the keys themselves.
///
/// Validators report `additionalProperties: false` at the table, and Taplo then marks all that is in it. A
/// schema that nothing fulfils is reported at the key instead.
pub fn point_at_unknown_keys(schema: &mut Schema) {
    let mut point = RecursiveTransform(|schema: &mut Schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("additionalProperties") == Some(&Value::Bool(false)) {
            let properties = object.get("properties").and_then(Value::as_object);
            let keys: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            let text = match keys.as_slice() {
                keys if keys.len() > MOST_LISTED => "an unknown key".to_owned(),
                keys => format!("an unknown key; expected one of: {}", keys.join(", ")),
            };
            object.insert("additionalProperties".into(), json!({ "not": { "description": text } }));
        }
    });
    point.transform(schema);
}

/// Takes out what only Rust knows: names of types, sizes of numbers, links between docs.
fn plain(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("title");
    if object.get("format").and_then(Value::as_str) != Some("date-time") {
        object.remove("format");
    }
    if let Some(Value::Array(variants)) = object.get("oneOf")
        && let Some(list) = variants.iter().map(|one| one["const"].as_str()).collect::<Option<Vec<&str>>>()
    {
        let meaning = |one: &Value| one["description"].as_str().map(paragraph).unwrap_or_default();
        let meanings: Vec<String> = variants.iter().map(meaning).collect();
        let Value::Object(words) = words(&list, &meanings) else { return };
        object.remove("oneOf");
        object.extend(words);
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = without_links(text);
    }
}

/// Takes out null where a key may be left out.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            object.insert("type".into(), single);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(choices)) = object.get("anyOf")
        && let [Value::Object(value), null] = choices.as_slice()
        && *null == json!({ "type": "null" })
    {
        let mut value = value.clone();
        object.remove("anyOf");
        // What is said where the key stands goes before what is said of its type.
        value.append(object);
        *object = value;
    }
}

/// Lines joined to one.
pub(super) fn paragraph(text: &str) -> String {
    without_links(text).lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A doc comment for readers outside of Rust: ``[`AdamConfig`](path)`` becomes `` `AdamConfig` ``.
fn without_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`").replace("\\[", "[").replace("\\]", "]")
}
