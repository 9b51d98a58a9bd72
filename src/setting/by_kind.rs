//! The schema of tables with a tag.
//!
//! The keys of all kinds stand under `properties`, where editors look for completions, and those of each kind
//! in a chain of `if`, `then`, `else`, so that an error stands at its key. (`oneOf` would report the whole
//! table, and beside `allOf` Taplo overlooks `properties`.)

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::flat::Flat;
use super::kind::Kind;
use super::schema::{ANNOTATIONS, EDITOR_NOTES, paragraph, suggest, words};

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
    let mut chain = closed(&all);
    for (kind, mut keys) in kinds.iter().zip(own).rev() {
        keys.insert(K::TAG.into(), Value::Bool(true));
        let mut then = match &kind.chain {
            Some(chain) => nested(chain.clone(), keys),
            None => closed(&keys),
        };
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
    object.insert("then".into(), json!({ "enum": K::kinds() }));
    object.insert("else".into(), chain);
    let meanings: Vec<String> = meanings_of::<K>(&kinds);
    suggest(object, words(K::kinds(), &meanings));
}

/// One kind: its name, what it means and the schemas of its keys.
struct Variant {
    name: String,
    meaning: String,
    keys: Map<String, Value>,
    /// The kinds within this kind, in the form that the module describes.
    chain: Option<Value>,
}

impl Variant {
    fn of(mut variant: Value, tag: &str) -> Option<Self> {
        let meaning = variant["description"].as_str().unwrap_or_default().to_owned();
        let Value::Object(mut keys) = variant.get_mut("properties")?.take() else { return None };
        // A kind that has a key of the tag's name keeps it to itself.
        let name = keys.remove(tag)?.get("const")?.as_str()?.to_owned();
        let chain = variant.get_mut("else").map(Value::take);
        Some(Self { name, meaning, keys, chain })
    }
}

/// The schema of a key whatever the kind; what a kind has to add goes into its place in `own`.
fn unite(key: &str, kinds: &[Variant], own: &mut [Map<String, Value>]) -> Value {
    let with: Vec<usize> = (0..kinds.len()).filter(|kind| kinds[*kind].keys.contains_key(key)).collect();
    let schemas: Vec<&Value> = with.iter().map(|kind| &kinds[*kind].keys[key]).collect();
    let first = split(schemas[0]);
    let agree = schemas.iter().all(|schema| split(schema).0 == first.0);
    let mut union = first.0;
    if !agree {
        // A type that all kinds share holds whatever the kind; other words mean something only beside each other.
        union.retain(|word, value| word == "type" && schemas.iter().all(|schema| schema[word] == *value));
    }
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
    let mut schema = words(K::kinds(), &meanings);
    let list: Vec<String> =
        K::kinds().iter().zip(&meanings).map(|(kind, meaning)| format!("- `{kind}`: {meaning}")).collect();
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
    K::kinds().iter().map(meaning).collect()
}

fn closed(properties: &Map<String, Value>) -> Value {
    json!({ "properties": properties, "additionalProperties": false })
}

/// The chain of the kinds within a kind, which may all have `keys` as far as they are its own.
fn nested(mut chain: Value, keys: Map<String, Value>) -> Value {
    let (own, others): (Map<_, _>, Map<_, _>) = keys.into_iter().partition(|(_, schema)| schema.is_object());
    admit(&mut chain, &others);
    close(&mut chain);
    chain["properties"] = Value::Object(own);
    chain
}

/// Closes the list of keys of every kind of a chain again: a variant's schema has it open.
fn close(chain: &mut Value) {
    for branch in ["then", "else"] {
        if let Some(branch) = chain.get_mut(branch) {
            close(branch);
        }
    }
    if chain.get("if").is_none() {
        chain["additionalProperties"] = Value::Bool(false);
    }
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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::setting::kind;
    use crate::setting::schema::settings_schema_of;

    /// A circle.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Circle {
        /// Radius.
        size: f64,
    }

    /// A rectangle.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Rectangle {
        /// Width and height.
        size: [f64; 2],
        /// How much it is turned.
        angle: Option<f64>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(remote = "Self", rename_all = "snake_case")]
    #[schemars(tag = "kind", transform = by_kind::<Self>)]
    enum Figure {
        /// Round.
        Circle(Circle),
        /// Square or oblong.
        Rectangle(Rectangle),
    }

    kind!(Figure);

    /// What every figure has.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the schema is looked at")]
    struct Common {
        /// In words.
        color: String,
    }

    #[test]
    fn kinds_that_disagree_on_a_key_are_told_apart() {
        let schema = settings_schema_of::<Flat<Common, Figure>>();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let places = |value: Value| {
            let errors = validator.iter_errors(&value);
            errors.map(|error| error.instance_path().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(places(json!({ "kind": "circle", "size": 1, "color": "red" })), [""; 0]);
        assert_eq!(places(json!({ "kind": "rectangle", "size": [1, 2], "angle": 0.5 })), [""; 0]);
        assert_eq!(places(json!({ "size": 1, "angle": 0.5, "color": "red" })), [""; 0]);
        assert_eq!(places(json!("circle")), [""; 0]);
        assert_eq!(places(json!("square")), [""]);
        assert_eq!(places(json!({ "kind": "circle", "size": [1, 2] })), ["/size"]);
        assert_eq!(places(json!({ "kind": "rectangle", "size": 1, "color": 3 })), ["/color", "/size"]);
        assert_eq!(places(json!({ "kind": "square" })), ["/kind"]);
        let size = &schema["properties"]["size"];
        assert_eq!(size["description"], "Radius. (circle) Width and height. (rectangle)");
        assert!(size.get("type").is_none());
        assert_eq!(schema["properties"]["angle"]["type"], "number");
    }
}
