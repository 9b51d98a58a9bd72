//! The schema of the table `sweep`: every setting with the forms that its values can have there.
//!
//! Written by hand around the schema of the settings, to which it refers, so that a value in a list is held
//! to the same rules as one that stands alone.

use serde_json::{Map, Value, json};

use crate::setting::suggest;

/// Seeds, samples and points of an axis: a count below 1 leaves nothing to run.
const LEAST: u64 = 1;

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
    let mut definitions = common_definitions();
    for form in Form::ALL {
        for setting in &settings {
            definitions.insert(name(form, &setting.key), entry(form, setting, &settings));
        }
    }
    for (name, text) in [
        ("condition", "Keys and what they hold."),
        ("when", "Where the axis applies; elsewhere there is one run without it."),
    ] {
        definitions.insert(name.into(), described(text, table(Form::Condition, "", &settings)));
    }
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
    let mut random = table(Form::Draw, "", settings);
    random["properties"]["samples"] = json!({
        "type": "integer", "minimum": LEAST, "description": "How many combinations are drawn; more of them keep the earlier ones.",
    });
    random["properties"]["seed"] =
        json!({ "type": "integer", "minimum": 0, "default": 0, "description": "What they are drawn with." });
    let at = |table: &str| json!({ "$ref": format!("#/properties/sweep/properties/{table}") });
    let union = json!({
        "type": "object",
        "properties": { "grid": at("grid"), "zip": at("zip"), "random": at("random") },
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "What changes from run to run.",
        "properties": {
            "seeds": seeds(),
            "grid": described("Keys and their values; every combination is a run, the last key changing fastest.", table(Form::Axis, "", settings)),
            "zip": list_of("Tables of keys whose lists are equally long and move together.", table(Form::List, "", settings)),
            "exclude": list_of("Combinations that are left out: those in which all keys of a table hold what stands there.", json!({ "$ref": "#/definitions/condition" })),
            "union": list_of("Sweeps that follow one another, each with its own grid, zip and random.", union),
            "random": described("Combinations that are drawn, crossed with the grid.", random),
        },
        "additionalProperties": false,
    })
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

fn list_of(text: &str, items: Value) -> Value {
    json!({ "description": text, "type": "array", "items": items })
}

fn name(form: Form, key: &str) -> String {
    format!("{}.{key}", form.word())
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// A table with every setting below `at`, by its dotted key or in nested tables.
fn table(form: Form, at: &str, settings: &[Setting<'_>]) -> Value {
    json!({ "type": "object", "properties": below(form, at, settings), "additionalProperties": false })
}

fn below(form: Form, at: &str, settings: &[Setting<'_>]) -> Map<String, Value> {
    let relative = |key: &str| {
        let rest = if at.is_empty() { Some(key) } else { key.strip_prefix(at)?.strip_prefix('.') };
        rest.map(str::to_owned)
    };
    let found = settings.iter().filter_map(|setting| Some((relative(&setting.key)?, &setting.key)));
    found.map(|(relative, key)| (relative, definition(&name(form, key)))).collect()
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
    let meaning = setting.schema["description"].as_str().unwrap_or_default();
    described(&format!("{}. {meaning}", form.noun()), schema)
}

fn axis(setting: &Setting<'_>, value: &Value, nested: &Map<String, Value>) -> Value {
    let mut properties = nested.clone();
    properties.insert("values".into(), json!({ "type": "array", "minItems": LEAST, "items": value, "description": "The values, beside `when`." }));
    properties.insert("when".into(), definition("when"));
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
    own.insert("choice".into(), json!({ "type": "array", "minItems": LEAST, "items": value, "description": "One of these, each as likely as another." }));
    let mut properties = nested.clone();
    properties.extend(own.clone());
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false, "minProperties": LEAST });
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

/// Parts of axes and draws that are the same for every key.
fn common_definitions() -> Map<String, Value> {
    let number = |text: &str| json!({ "type": "number", "description": text });
    let pair = |kind: &str, text: &str| json!({ "type": "array", "items": { "type": kind }, "minItems": 2, "maxItems": 2, "description": text });
    let positive = |text: &str| {
        let mut pair = pair("number", text);
        pair["items"]["exclusiveMinimum"] = 0.into();
        pair
    };
    let definitions = [
        ("from", number("The first value; with `to` and `step`.")),
        ("to", number("The last value, included.")),
        ("step", number("From one value to the next.")),
        ("linspace", pair("number", "The first and the last of `count` values with equal differences.")),
        (
            "logspace",
            positive(
                "The first and the last of `count` values with equal ratios, themselves, not their logarithms.",
            ),
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

/// An axis that is written with these keys, and nothing beside them but `when`.
fn form(keys: &[&str]) -> Value {
    let mut properties: Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), true.into())).collect();
    properties.insert("when".into(), true.into());
    json!({ "properties": properties, "required": keys, "additionalProperties": false })
}

/// The ways to write an axis of numbers as a table, told apart by a key that only one of them has.
fn rule() -> Value {
    let by = |key: &str, then: Value, rest: Value| json!({ "if": { "required": [key] }, "then": then, "else": rest });
    let steps = form(&["from", "to", "step"]);
    let listed = by("values", form(&["values"]), steps);
    let logarithmic = by("logspace", form(&["logspace", "count"]), listed);
    by("linspace", form(&["linspace", "count"]), logarithmic)
}
