//! The schema of the table `sweep`: every setting with the forms that its values can have there.
//!
//! Written by hand around the schema of the settings, to which it refers, so that a value in a list is held
//! to the same rules as one that stands alone.

use serde_json::{Map, Value, json};

use super::forms::{self, LEAST};
use crate::setting::{settings_schema_of, suggest};
use crate::sweep::prune::PruneConfig;

/// What `when` means beside the values of an axis.
const WHEN: &str = "Where the axis applies; elsewhere there is one run without it.";

/// What a key holds in one of the tables of a sweep.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// `grid`: a list, or numbers by a rule.
    Axis,
    /// `zip`: a list.
    List,
    /// `exclude` and `when`: a value, a list of values or a range.
    Condition,
    /// `random`: a distribution.
    Draw,
}

impl Form {
    const ALL: [Self; 4] = [Self::Axis, Self::List, Self::Condition, Self::Draw];

    /// The start of its definitions' names.
    fn word(self) -> &'static str {
        match self {
            Self::Axis => "axis",
            Self::List => "list",
            Self::Condition => "condition",
            Self::Draw => "draw",
        }
    }

    /// What the key holds, in words.
    fn noun(self) -> &'static str {
        match self {
            Self::Axis => "Values that are tried",
            Self::List => "Values that move with those of the other keys of the table",
            Self::Condition => "A value, a list of values, or numbers from `min` to `max`",
            Self::Draw => "What values are drawn from",
        }
    }
}

/// A setting in the tree, with the schema that it has where it stands alone.
struct Setting<'a> {
    /// Dotted, as in `model.regularizer.p`.
    key: String,
    /// Where the schema stands in the document.
    pointer: String,
    schema: &'a Value,
}

/// The schema of `sweep` and the definitions that it needs, for the settings in `root`.
pub(super) fn sweep(root: &Value) -> (Value, Map<String, Value>) {
    let mut settings = Vec::new();
    walk(root, "", "#", &mut settings);
    let mut definitions = forms::definitions();
    for form in Form::ALL {
        for setting in &settings {
            definitions.insert(name(form, &setting.key), entry(form, setting, &settings));
        }
    }
    let condition = described("Keys and what they hold.", table(Form::Condition, "", &settings));
    definitions.insert("condition".into(), condition);
    (tables(&settings), definitions)
}

/// Every key below `schema`, its tables in front of what is in them.
fn walk<'a>(schema: &'a Value, table: &str, pointer: &str, settings: &mut Vec<Setting<'a>>) {
    // Of a list of tables, the keys of its entries: `metrics.kind`.
    let (schema, pointer) = match schema.get("properties") {
        Some(_) => (schema, pointer.to_owned()),
        None => (&schema["items"], format!("{pointer}/items")),
    };
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let key = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
        let pointer = format!("{pointer}/properties/{name}");
        settings.push(Setting { key: key.clone(), pointer: pointer.clone(), schema: below });
        walk(below, &key, &pointer, settings);
    }
}

fn tables(settings: &[Setting<'_>]) -> Value {
    let at = |table: &str| json!({ "$ref": format!("#/properties/sweep/properties/{table}") });
    let union = json!({
        "type": "object",
        "properties": { "grid": at("grid"), "zip": at("zip"), "random": at("random") },
        "additionalProperties": false,
    });
    let grid = "Keys and their values; every combination is a run, the last key changing fastest.";
    let zip = "Tables of keys whose lists are equally long and move together.";
    let exclude = "Combinations that are left out: where all keys of a table hold what stands there.";
    let sweeps = "Sweeps that follow one another, each with its own grid, zip and random.";
    json!({
        "type": "object",
        "description": "What changes from run to run.",
        "properties": {
            "seeds": seeds(),
            "grid": described(grid, table(Form::Axis, "", settings)),
            "zip": list_of(zip, &table(Form::List, "", settings)),
            "exclude": list_of(exclude, &definition("condition")),
            "union": list_of(sweeps, &union),
            "random": random(settings),
            "prune": prune(),
        },
        "additionalProperties": false,
    })
}

fn random(settings: &[Setting<'_>]) -> Value {
    let mut random = table(Form::Draw, "", settings);
    random["description"] = "Combinations that are drawn, crossed with the grid.".into();
    random["properties"]["samples"] = json!({
        "type": "integer",
        "minimum": LEAST,
        "description": "How many combinations are drawn; more of them keep the earlier ones.",
    });
    random["properties"]["seed"] = json!({
        "type": "integer",
        "minimum": 0,
        "default": 0,
        "description": "What they are drawn with; the runs' own seeds are `sweep.seeds`.",
    });
    random
}

fn prune() -> Value {
    let mut prune = settings_schema_of::<PruneConfig>();
    if let Some(prune) = prune.as_object_mut() {
        prune.remove("$schema");
        prune.remove("required");
    }
    described("By which rule runs stop before their last epoch.", prune)
}

fn seeds() -> Value {
    json!({
        "description": "So many seeds, counted up from `seed`, or a list of them; the innermost axis.",
        "type": ["integer", "array"],
        "minimum": LEAST,
        "minItems": LEAST,
        "items": { "type": "integer", "minimum": 0 },
    })
}

fn described(text: &str, mut schema: Value) -> Value {
    schema["description"] = text.into();
    schema
}

fn list_of(text: &str, items: &Value) -> Value {
    json!({ "description": text, "type": "array", "items": items })
}

/// A list with at least one entry.
fn filled(text: &str, items: &Value) -> Value {
    json!({ "description": text, "type": "array", "minItems": LEAST, "items": items })
}

fn name(form: Form, key: &str) -> String {
    format!("{}.{key}", form.word())
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// A definition that editors follow only once a user is inside of it.
///
/// Taplo lists keys some levels ahead, through `$ref` too; every key can stand in the `when` of every other, so
/// it would never come to an end. It looks into `allOf` only where there are no `properties`.
fn later(text: &str, name: &str) -> Value {
    json!({ "description": text, "properties": {}, "allOf": [definition(name)] })
}

/// A table with every setting below `at`, by its dotted key or in nested tables.
fn table(form: Form, at: &str, settings: &[Setting<'_>]) -> Value {
    closed(&below(form, at, settings))
}

fn closed(properties: &Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn below(form: Form, at: &str, settings: &[Setting<'_>]) -> Map<String, Value> {
    let relative = |key: &str| {
        let rest = if at.is_empty() { Some(key) } else { key.strip_prefix(at)?.strip_prefix('.') };
        rest.map(str::to_owned)
    };
    let found = settings.iter().filter_map(|setting| Some((relative(&setting.key)?, setting)));
    let entry = |setting: &Setting<'_>| later(meaning(setting), &name(form, &setting.key));
    found.map(|(relative, setting)| (relative, entry(setting))).collect()
}

/// What a setting may hold in a table of this form.
fn entry(form: Form, setting: &Setting<'_>, settings: &[Setting<'_>]) -> Value {
    let nested = below(form, &setting.key, settings);
    let value = json!({ "$ref": setting.pointer });
    let mut schema = match form {
        Form::Axis => axis(setting, &value, &nested),
        Form::List => json!({ "type": ["array"], "minItems": LEAST, "items": value }),
        Form::Condition => condition(setting, &value, &nested),
        Form::Draw => draw(setting, &value, &nested),
    };
    if let (Form::List, false) = (form, nested.is_empty()) {
        schema["type"] = json!(["array", "object"]);
        schema["properties"] = Value::Object(nested);
        schema["additionalProperties"] = false.into();
    }
    described(&format!("{}. {}", form.noun(), meaning(setting)), schema)
}

fn meaning<'a>(setting: &Setting<'a>) -> &'a str {
    setting.schema["description"].as_str().unwrap_or_default()
}

fn axis(setting: &Setting<'_>, value: &Value, nested: &Map<String, Value>) -> Value {
    let mut properties = nested.clone();
    properties.insert("values".into(), filled("The values, beside `when`.", value));
    properties.insert("when".into(), later(WHEN, "condition"));
    let rule = if is_number(setting.schema) {
        for form in ["from", "to", "step", "linspace", "logspace", "count"] {
            properties.insert(form.into(), definition(form));
        }
        definition("rule")
    } else if nested.is_empty() {
        definition("listed")
    } else {
        let keys: Map<String, Value> = nested.keys().map(|key| (key.clone(), true.into())).collect();
        json!({
            "if": { "required": ["values"] },
            "then": definition("listed"),
            "else": { "properties": keys, "additionalProperties": false },
        })
    };
    json!({
        "type": ["array", "object"],
        "minItems": LEAST,
        "items": value,
        "properties": properties,
        "if": { "type": "object" },
        "then": rule,
    })
}

fn condition(setting: &Setting<'_>, value: &Value, nested: &Map<String, Value>) -> Value {
    // Of a setting that is a list itself, a list may be one value or several.
    let items = if has_type(setting.schema, "array") { json!(true) } else { value.clone() };
    let mut properties = nested.clone();
    if is_number(setting.schema) {
        for bound in ["min", "max"] {
            properties.insert(bound.into(), definition(bound));
        }
    }
    let keys: Map<String, Value> = properties.keys().map(|key| (key.clone(), true.into())).collect();
    let mut schema = Map::new();
    schema.insert("items".into(), items);
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("if".into(), json!({ "type": "object" }));
    schema.insert(
        "then".into(),
        json!({ "properties": keys, "additionalProperties": false, "minProperties": LEAST }),
    );
    schema.insert("else".into(), json!({ "if": { "type": "array" }, "then": true, "else": value }));
    suggest(&mut schema, value.clone());
    Value::Object(schema)
}

fn draw(setting: &Setting<'_>, value: &Value, nested: &Map<String, Value>) -> Value {
    let mut forms: Vec<&str> = Vec::new();
    if is_number(setting.schema) {
        let whole = has_type(setting.schema, "integer");
        forms = if whole { vec!["int_uniform"] } else { vec!["uniform", "log_uniform", "int_uniform"] };
    }
    let mut own: Map<String, Value> =
        forms.iter().map(|form| ((*form).to_owned(), definition(form))).collect();
    own.insert("choice".into(), filled("One of these, each as likely as another.", value));
    let mut properties = nested.clone();
    properties.extend(own);
    let mut schema = closed(&properties);
    schema["minProperties"] = LEAST.into();
    if nested.is_empty() {
        schema["maxProperties"] = LEAST.into();
    }
    schema
}

fn is_number(schema: &Value) -> bool {
    has_type(schema, "number") || has_type(schema, "integer")
}

fn has_type(schema: &Value, word: &str) -> bool {
    match &schema["type"] {
        Value::String(kind) => kind == word,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == word),
        _ => false,
    }
}
