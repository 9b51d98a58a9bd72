//! JSON Schema of settings, generated from the structs that read them.
//!
//! Draft 7 without references into definitions of its own: the dialect that editors' TOML support reads. A
//! table with a tag has the keys of all its kinds under `properties`, where editors look for completions, and
//! a chain of `if`, `then`, `else` with the keys of each kind, so that an error stands at its key. (`oneOf`
//! would report the whole table, and next to `allOf` Taplo overlooks `properties`.)

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::flat::Flat;
use super::kind::Kind;

/// Keywords that say something about a value and refuse none.
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", EDITOR_NOTES];
/// Taplo's extension: among others, what the values of an `enum` mean.
const EDITOR_NOTES: &str = "x-taplo";

/// More keys than this are not listed in the message about an unknown one.
const MOST_LISTED: usize = 20;

/// The schema of what `T` is read from.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.with_transform(RecursiveTransform(plain)).into_generator();
    schema.root_schema_for::<T>().to_value()
}

/// As [`schema_of`], for TOML, which has no null: an optional key is a key that may be left out.
pub fn settings_schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let without_null = settings.with_transform(RecursiveTransform(without_null));
    let mut schema = without_null.with_transform(RecursiveTransform(plain)).into_generator();
    schema.root_schema_for::<T>().to_value()
}

/// Words in an `enum` with what each means; editors show the meanings beside the words.
fn words(words: &[&str], meanings: &[String]) -> Value {
    json!({ "type": "string", "enum": words, EDITOR_NOTES: { "docs": { "enumValues": meanings } } })
}

/// Shows editors the values that `candidate` lists; refuses nothing.
pub fn suggest(schema: &mut Map<String, Value>, candidate: Value) {
    schema.insert("anyOf".into(), Value::Array(vec![Value::Bool(true), candidate]));
}

/// Brings the schema that is derived for an enum with a tag into the form that the module describes.
///
/// For `#[schemars(transform = …)]` on the enum: its variants are its kinds, and their docs the meanings.
pub fn by_kind<K: Kind>(schema: &mut Schema) {
    let object = schema.ensure_object();
    let variants = match object.remove("oneOf") {
        Some(Value::Array(variants)) => variants,
        _ => Vec::new(),
    };
    let kinds: Vec<Variant> =
        variants.into_iter().filter_map(|variant| Variant::of(variant, K::TAG)).collect();
    let mut keys: Vec<String> = kinds.iter().flat_map(|kind| kind.keys.keys().cloned()).collect();
    keys.sort();
    keys.dedup();

    let mut properties = Map::new();
    let mut own: Vec<Map<String, Value>> = kinds.iter().map(|_| Map::new()).collect();
    for key in &keys {
        let union = unite(key, &kinds, &mut own);
        properties.insert(key.clone(), union);
    }
    properties.insert(K::TAG.into(), tag::<K>(&kinds));

    let all = properties.keys().map(|key| (key.clone(), Value::Bool(true))).collect();
    let mut chain = closed(all);
    for (kind, mut keys) in kinds.iter().zip(own).rev() {
        keys.insert(K::TAG.into(), Value::Bool(true));
        let mut then = closed(keys);
        then["description"] = kind.meaning.clone().into();
        let is_kind = json!({
            "type": "object",
            "properties": { K::TAG: { "const": kind.name } },
            "required": [K::TAG],
        });
        chain = json!({ "if": is_kind, "then": then, "else": chain });
    }
    object.insert("type".into(), json!(["string", "object"]));
    object.insert("properties".into(), Value::Object(properties));
    object.insert("if".into(), json!({ "type": "string" }));
    object.insert("then".into(), json!({ "enum": K::KINDS }));
    object.insert("else".into(), chain);
    let meanings: Vec<String> = meanings_of::<K>(&kinds);
    suggest(object, words(K::KINDS, &meanings));
}

/// One kind: its name, what it means and the schemas of its keys.
struct Variant {
    name: String,
    meaning: String,
    keys: Map<String, Value>,
}

impl Variant {
    fn of(mut variant: Value, tag: &str) -> Option<Self> {
        let meaning = variant["description"].as_str().unwrap_or_default().to_owned();
        let Value::Object(mut keys) = variant.get_mut("properties")?.take() else { return None };
        // A kind that has a key of the tag's name keeps it to itself.
        let name = keys.remove(tag)?.get("const")?.as_str()?.to_owned();
        Some(Self { name, meaning, keys })
    }
}

/// The schema of a key whatever the kind; what a kind has to add goes into its place in `own`.
fn unite(key: &str, kinds: &[Variant], own: &mut [Map<String, Value>]) -> Value {
    let with: Vec<usize> = (0..kinds.len()).filter(|kind| kinds[*kind].keys.contains_key(key)).collect();
    let schemas: Vec<&Value> = with.iter().map(|kind| &kinds[*kind].keys[key]).collect();
    let first = split(schemas[0]);
    let agree = schemas.iter().all(|schema| split(schema).0 == first.0);
    let mut union = if agree { first.0 } else { Map::new() };
    for (kind, schema) in with.iter().zip(&schemas) {
        let (_, notes) = split(schema);
        let adds = if agree { Value::Object(notes) } else { (*schema).clone() };
        own[*kind].insert(key.to_owned(), adds);
    }
    let default = &schemas[0]["default"];
    if !default.is_null() && schemas.iter().all(|schema| schema["default"] == *default) {
        union.insert("default".into(), default.clone());
    }
    let notes = &schemas[0][EDITOR_NOTES];
    if agree && !notes.is_null() {
        union.insert(EDITOR_NOTES.into(), notes.clone());
    }
    let named = with.iter().map(|kind| kinds[*kind].name.as_str()).zip(&schemas);
    let every = with.len() == kinds.len();
    union.insert("description".into(), describe_together(named, every).into());
    Value::Object(union)
}

/// The meanings of a key, each with the kinds that it is for unless it is for all.
fn describe_together<'a>(schemas: impl Iterator<Item = (&'a str, &'a &'a Value)>, every: bool) -> String {
    let mut texts: Vec<(&str, Vec<&str>)> = Vec::new();
    for (kind, schema) in schemas {
        let text = schema["description"].as_str().unwrap_or_default();
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, kinds)) => kinds.push(kind),
            None => texts.push((text, vec![kind])),
        }
    }
    match texts.as_slice() {
        [(text, _)] if every => (*text).to_owned(),
        texts => {
            let parts = texts.iter().map(|(text, kinds)| format!("{text} ({})", kinds.join(", ")));
            parts.collect::<Vec<_>>().join(" ")
        }
    }
}

/// What refuses values, and what only speaks of them.
fn split(schema: &Value) -> (Map<String, Value>, Map<String, Value>) {
    let keywords = schema.as_object().into_iter().flatten();
    keywords
        .map(|(word, value)| (word.clone(), value.clone()))
        .partition(|(word, _)| !ANNOTATIONS.contains(&word.as_str()))
}

fn tag<K: Kind>(kinds: &[Variant]) -> Value {
    let meanings = meanings_of::<K>(kinds);
    let mut schema = words(K::KINDS, &meanings);
    let list: Vec<String> =
        K::KINDS.iter().zip(&meanings).map(|(kind, meaning)| format!("- `{kind}`: {meaning}")).collect();
    schema["description"] = format!("Which one; the other keys depend on it.\n\n{}", list.join("\n")).into();
    if let Some(default) = K::DEFAULT {
        schema["default"] = default.into();
    }
    schema
}

fn meanings_of<K: Kind>(kinds: &[Variant]) -> Vec<String> {
    let meaning = |name: &&str| {
        let kind = kinds.iter().find(|kind| kind.name == *name);
        kind.map(|kind| paragraph(&kind.meaning)).unwrap_or_default()
    };
    K::KINDS.iter().map(meaning).collect()
}

/// Moves the errors for unknown keys from their tables to the keys themselves.
///
/// Validators report `additionalProperties: false` at the table, and Taplo then marks all that is in it. A
/// schema that nothing fulfils is reported at the key instead.
pub fn point_at_unknown_keys(schema: &mut Schema) {
    let mut point = RecursiveTransform(|schema: &mut Schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("additionalProperties") == Some(&Value::Bool(false)) {
            let keys: Vec<&str> = object
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(key, _)| key.as_str())
                .collect();
            let text = match keys.as_slice() {
                keys if keys.len() > MOST_LISTED => "an unknown key".to_owned(),
                keys => format!("an unknown key; expected one of: {}", keys.join(", ")),
            };
            object.insert("additionalProperties".into(), json!({ "not": { "description": text } }));
        }
    });
    point.transform(schema);
}

fn closed(properties: Map<String, Value>) -> Value {
    json!({ "properties": properties, "additionalProperties": false })
}

impl<C: JsonSchema, K: Kind + JsonSchema> JsonSchema for Flat<C, K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}With{}", K::schema_name(), C::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = K::json_schema(generator);
        let common = C::json_schema(generator);
        let common = common.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(chain) = schema.get_mut("else") {
            admit(chain, &common);
        }
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.extend(common);
        }
        schema
    }
}

/// Lets every kind of a chain have the keys in `common`.
fn admit(chain: &mut Value, common: &Map<String, Value>) {
    for branch in ["then", "else"] {
        if let Some(branch) = chain.get_mut(branch) {
            admit(branch, common);
        }
    }
    // The kinds are tested by `if`, which must go on asking for nothing but the tag.
    if let (false, Some(properties)) =
        (chain.get("if").is_some(), chain.get_mut("properties").and_then(Value::as_object_mut))
    {
        properties.extend(common.keys().map(|key| (key.clone(), Value::Bool(true))));
    }
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
fn paragraph(text: &str) -> String {
    without_links(text).lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A doc comment for readers outside of Rust: ``[`AdamConfig`](path)`` becomes `` `AdamConfig` ``.
fn without_links(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`").replace("\\[", "[").replace("\\]", "]")
}
