//! The names of runs' folders.

use toml::Value;

/// The longest name of a folder, in bytes.
const LONGEST: usize = 120;

/// The key by which a table is known.
const KIND: &str = "kind";

/// Keys that take no short name away from others, though they end alike: those were there first or are what people
/// sweep.
const GIVES_WAY: [&str; 3] = ["optimizer.alpha", "scheduler.patience", "scheduler.warmup.epochs"];

/// The shortest tail of `key` that no other key of the schema ends with; the whole key if there is none.
///
/// It depends on the schema alone, so the name of a run does not change when an axis is added.
pub fn short_key<'a>(key: &'a str, schema: &[String]) -> &'a str {
    let starts = key.rmatch_indices('.').map(|(dot, _)| dot + 1);
    for start in starts {
        let tail = &key[start..];
        let ends = |other: &String| {
            (other == key || !GIVES_WAY.contains(&other.as_str()))
                && (other == tail || other.strip_suffix(tail).is_some_and(|rest| rest.ends_with('.')))
        };
        if schema.iter().filter(|other| ends(other)).count() == 1 {
            return tail;
        }
    }
    key
}

/// `p=0.3,lr=0.001,seed=42-1f3a9c2e`, or `run-1f3a9c2e` where nothing is swept, from the short keys and values
/// of a run. `tag` is the start of the id.
pub fn run_name<'a>(assignment: impl Iterator<Item = (&'a str, &'a Value)>, tag: &str) -> String {
    let mut name = String::with_capacity(LONGEST);
    for (key, value) in assignment {
        let comma = if name.is_empty() { "" } else { "," };
        for text in [comma, key, "=", &folder_text(value)] {
            name.extend(text.chars().map(allowed));
        }
    }
    if name.is_empty() {
        name.push_str("run");
    }
    // Only ASCII is left, so any byte is a boundary.
    name.truncate(LONGEST - 1 - tag.len());
    format!("{name}-{tag}")
}

fn allowed(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || "._=,+-".contains(letter) { letter } else { '-' }
}

/// A value in the letters of a folder's name: a list as `32+16`, a table by its kind and then its other keys, each
/// entry of a list likewise.
fn folder_text(value: &Value) -> String {
    let joined = |parts: Vec<String>, separator: &str| {
        if parts.is_empty() { "none".to_owned() } else { parts.join(separator) }
    };
    match value {
        Value::Array(list) => joined(list.iter().map(folder_text).collect(), "+"),
        Value::Table(table) => {
            let kind = table.get(KIND).map(folder_text);
            let others = table.iter().filter(|(key, _)| *key != KIND);
            let others = others.map(|(key, value)| format!("{key}={}", folder_text(value)));
            joined(kind.into_iter().chain(others).collect(), ",")
        }
        other => text_of(other),
    }
}

/// A value as it stands in a table's cell: short, and the same for equal values.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) if *number != 0.0 && (number.abs() < 1e-4 || number.abs() >= 1e15) => {
            format!("{number:e}")
        }
        Value::Float(number) => number.to_string(),
        Value::Array(list) => {
            let parts: Vec<String> = list.iter().map(text_of).collect();
            format!("[{}]", parts.join(","))
        }
        Value::Table(table) => {
            let parts: Vec<String> =
                table.iter().map(|(key, value)| format!("{key}={}", text_of(value))).collect();
            parts.join(",")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Vec<String> {
        ["seed", "data.split.seed", "optimizer.lr", "optimizer.kind", "model.kind", "model.regularizer.p"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn keys_are_cut_to_their_shortest_unique_tail() {
        let schema = schema();
        assert_eq!(short_key("optimizer.lr", &schema), "lr");
        assert_eq!(short_key("model.regularizer.p", &schema), "p");
        assert_eq!(short_key("optimizer.kind", &schema), "optimizer.kind");
        assert_eq!(short_key("seed", &schema), "seed");
        assert_eq!(short_key("data.split.seed", &schema), "split.seed");
    }

    #[test]
    fn rare_keys_leave_the_short_names_to_others() {
        let schema = ["train.epochs", "scheduler.warmup.epochs", "scheduler.warmup.steps"].map(str::to_owned);
        assert_eq!(short_key("train.epochs", &schema), "epochs");
        assert_eq!(short_key("scheduler.warmup.epochs", &schema), "warmup.epochs");
        assert_eq!(short_key("scheduler.warmup.steps", &schema), "steps");
    }

    #[test]
    fn names_are_safe_and_short() {
        let (p, lr, seed) = (Value::Float(0.3), Value::Float(1e-3), Value::Integer(42));
        let assignment = [("p", &p), ("lr", &lr), ("seed", &seed)];
        assert_eq!(run_name(assignment.into_iter(), "1f3a9c2e"), "p=0.3,lr=0.001,seed=42-1f3a9c2e");
        assert_eq!(run_name(std::iter::empty(), "1f3a9c2e"), "run-1f3a9c2e");
        let odd = Value::String("../é*".repeat(99));
        let name = run_name(std::iter::once(("model.hidden", &odd)), "1f3a9c2e");
        assert_eq!(name.len(), LONGEST);
        assert!(name.starts_with("model.hidden=..---..---") && name.ends_with("-1f3a9c2e"), "{name}");
    }

    #[test]
    fn lists_and_tables_are_readable_in_a_name() {
        let table: toml::Table = toml::from_str(
            "hidden = [32, 16]\naugment = []\nmodel = { match = 'order' }\noptimizer = { lr = 0.1, kind = 'sgd' }\n\
             move = [{ kind = 'translate', fraction = [0.08, 0.1] }, 'noise']",
        )
        .unwrap();
        let named = |key: &str| run_name(std::iter::once((key, &table[key])), "1f3a9c2e");
        assert_eq!(named("hidden"), "hidden=32+16-1f3a9c2e");
        assert_eq!(named("augment"), "augment=none-1f3a9c2e");
        assert_eq!(named("model"), "model=match=order-1f3a9c2e");
        assert_eq!(named("optimizer"), "optimizer=sgd,lr=0.1-1f3a9c2e");
        assert_eq!(named("move"), "move=translate,fraction=0.08+0.1+noise-1f3a9c2e");
    }

    #[test]
    fn small_and_large_numbers_stay_short() {
        assert_eq!(text_of(&Value::Float(3e-4)), "0.0003");
        assert_eq!(text_of(&Value::Float(1e-10)), "1e-10");
        assert_eq!(text_of(&Value::Float(0.0)), "0");
        assert_eq!(text_of(&Value::Array(vec![512.into(), 256.into()])), "[512,256]");
    }
}
