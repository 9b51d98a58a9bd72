//! The facts of a data set for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::number::significant;
use super::table::{Cell, Column, Table};
use crate::data::{DataConfig, Description, NumberFacts};
use crate::{Error, Result};

/// Digits of a mean.
const DIGITS: u8 = 4;
/// Classes that are shown to people; programs get all.
const MOST_CLASSES: usize = 40;

/// Facts line by line, then a table of the columns if there are any, then one of the classes.
pub fn text(config: &DataConfig, facts: &Description, width: Option<usize>) -> String {
    let mut lines = vec![
        ("source", source(config)),
        ("samples", facts.samples.to_string()),
        ("shape", facts.shape.to_string()),
    ];
    let parts: Vec<String> = facts.parts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    lines.push(("parts", parts.join(", ")));
    if let Some(NumberFacts { name, mean, minimum, maximum }) = &facts.target {
        let [mean, minimum, maximum] = [mean, minimum, maximum].map(|number| significant(*number, DIGITS));
        lines.push(("target", format!("{name}, a number from {minimum} to {maximum}, mean {mean}")));
    }
    lines.extend(facts.facts.iter().map(|(name, value)| (*name, value.clone())));
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<widest$}  {value}");
    }
    for table in [columns(facts), classes(facts)].into_iter().flatten() {
        text.push('\n');
        text.push_str(&table.text(width));
        text.push('\n');
    }
    if facts.classes.len() > MOST_CLASSES {
        let _ = writeln!(text, "… and {} classes more", facts.classes.len() - MOST_CLASSES);
    }
    text
}

fn source(config: &DataConfig) -> String {
    let value = toml::Value::try_from(&config.kind).ok();
    let tag = value.as_ref().and_then(|value| value.get("source")?.as_str());
    tag.unwrap_or_default().to_owned()
}

fn columns(facts: &Description) -> Option<Table> {
    let columns =
        vec![Column::text("column"), Column::text("type"), Column::number("missing"), Column::text("values")];
    let mut table = Table::new(columns);
    for column in &facts.columns {
        let words = |text: &str| Cell::Text(text.to_owned());
        table.push(vec![
            words(&column.name),
            words(column.kind),
            Cell::Count(column.missing),
            words(&column.about),
        ]);
    }
    (!facts.columns.is_empty()).then_some(table)
}

fn classes(facts: &Description) -> Option<Table> {
    let mut columns = vec![Column::text("class")];
    columns.extend(facts.parts.iter().map(|(name, _)| Column::number(*name)));
    columns.push(Column::text("share of train"));
    let mut table = Table::new(columns);
    let total = facts.parts.first().map_or(0, |(_, count)| *count).max(1) as f64;
    for (name, counts) in facts.classes.iter().take(MOST_CLASSES) {
        let mut cells = vec![Cell::Text(name.clone())];
        cells.extend(counts.iter().map(|count| Cell::Count(*count)));
        let share = counts.first().map_or(0.0, |count| *count as f64 / total);
        cells.push(Cell::Text(format!("{:.1} %", 100.0 * share)));
        table.push(cells);
    }
    (!facts.classes.is_empty()).then_some(table)
}

/// All facts as one object.
pub fn json(config: &DataConfig, facts: &Description) -> Result<String> {
    let classes: Vec<Value> = facts
        .classes
        .iter()
        .map(|(name, counts)| {
            let parts = facts.parts.iter().zip(counts);
            let parts: serde_json::Map<String, Value> =
                parts.map(|((part, _), count)| ((*part).to_owned(), json!(count))).collect();
            json!({ "name": name, "samples": parts })
        })
        .collect();
    let parts: serde_json::Map<String, Value> =
        facts.parts.iter().map(|(part, count)| ((*part).to_owned(), json!(count))).collect();
    let columns: Vec<Value> = facts
        .columns
        .iter()
        .map(|column| {
            json!({ "name": column.name, "type": column.kind, "missing": column.missing, "values": column.about })
        })
        .collect();
    let target = facts.target.as_ref().map(|target| {
        json!({ "name": target.name, "mean": target.mean, "min": target.minimum, "max": target.maximum })
    });
    let others: serde_json::Map<String, Value> =
        facts.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let all = json!({
        "source": source(config), "samples": facts.samples, "shape": facts.shape.dims(), "parts": parts,
        "classes": classes, "target": target, "columns": columns, "facts": others,
    });
    serde_json::to_string_pretty(&all).map_err(|error| Error::Bug(format!("facts are not JSON: {error}")))
}
