//! `runner explain`: where the value of a setting comes from.

use serde_json::{Value, json};

use super::{overrides, print, width};
use crate::Result;
use crate::cli::ExplainArgs;
use crate::config::{Experiment, Explanation, Mention};
use crate::error::EXIT_OK;
use crate::output::{Cell, Column, Table};
use crate::report::plain;
use crate::setting::Excerpt;
use crate::store::json_value;

/// Columns of a paragraph.
const WIDTH: usize = 80;

/// The value, every place that speaks of it, and what was dropped.
pub fn execute(args: &ExplainArgs) -> Result<u8> {
    let experiment = Experiment::load(&args.file, &overrides(&args.set, &args.grid)?)?;
    let explanation = experiment.explain(&args.key)?;
    if args.json {
        print(&format!("{:#}", value(&explanation)))?;
        return Ok(EXIT_OK);
    }
    let table = if explanation.is_table { settings(&explanation) } else { places(&explanation) };
    let notes: Vec<String> = explanation.notes.iter().map(|note| format!("note: {note}")).collect();
    // A default was written nowhere, so there is nothing to show a table of.
    let table = if table.is_empty() { String::new() } else { table.text(width()) };
    let parts = [heading(&explanation), meaning(&explanation), table, notes.join("\n")];
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
    print(&parts.join("\n\n"))?;
    Ok(EXIT_OK)
}

/// The value in force, in one line; a table has one for each of its settings.
fn heading(explanation: &Explanation) -> String {
    let key = &explanation.key;
    if explanation.is_table {
        return String::new();
    }
    let Some(mention) = explanation.in_force() else { return format!("{key} has no value") };
    let value = text(mention);
    match mention {
        Mention { is_swept: true, key: swept, .. } if swept == key => format!("{key} is swept: {value}"),
        Mention { is_swept: true, key: swept, .. } => format!("{key} is part of the sweep over {swept}"),
        Mention { place: None, .. } => format!("{key} = {value} (the default)"),
        Mention { key: set, .. } if set == key => format!("{key} = {value}"),
        Mention { key: set, .. } => format!("{key} has no value where {set} = {value}"),
    }
}

/// What the key means, what it holds and what it is where nobody sets it.
fn meaning(explanation: &Explanation) -> String {
    let Some(doc) = &explanation.doc else { return String::new() };
    let mut facts = vec![doc.kind_of_value.clone()];
    facts.extend(doc.default.as_ref().map(|default| format!("default {}", plain(default))));
    if !doc.kinds.is_empty() {
        facts.push(format!("for {}", doc.kinds.join(", ")));
    }
    facts.retain(|fact| !fact.is_empty());
    let width = width().unwrap_or(WIDTH).min(WIDTH);
    // Paragraphs stay apart, the lines in them flow.
    let paragraphs = doc.meaning.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let paragraphs = paragraphs.chain([format!("({})", facts.join("; "))]);
    paragraphs.map(|paragraph| textwrap::fill(&paragraph, width)).collect::<Vec<_>>().join("\n")
}

/// Who says what of one setting.
fn places(explanation: &Explanation) -> Table {
    let columns = ["where", "setting", "value", ""].map(Column::text);
    let mut table = Table::new(columns.into());
    let in_force = explanation.mentions.iter().filter(|mention| mention.is_in_force).count();
    let mark = if in_force > 1 { "← in part" } else { "← in force" };
    for mention in explanation.mentions.iter().filter(|mention| mention.place.is_some()) {
        let is_other = mention.key != explanation.key;
        table.push(vec![
            Cell::Text(origin(mention)),
            if is_other { Cell::Text(mention.key.to_string()) } else { Cell::Empty },
            Cell::Text(text(mention)),
            if mention.is_in_force { Cell::Text(mark.to_owned()) } else { Cell::Empty },
        ]);
    }
    table.without_empty_columns()
}

/// The settings of a table.
fn settings(explanation: &Explanation) -> Table {
    let mut table = Table::new(["setting", "value", "where"].map(Column::text).into());
    for mention in &explanation.mentions {
        let cells = [mention.key.to_string(), text(mention), origin(mention)];
        table.push(cells.map(Cell::Text).into());
    }
    table
}

fn text(mention: &Mention) -> String {
    plain(&json_value(&mention.value))
}

fn origin(mention: &Mention) -> String {
    let place = mention.place.as_ref().map_or_else(|| "default".to_owned(), Excerpt::place);
    if mention.is_swept { format!("{place} (sweep)") } else { place }
}

/// The same for programs.
fn value(explanation: &Explanation) -> Value {
    let place = |mention: &Mention| {
        mention.place.as_ref().map(|place| {
            let (line, column) = place.position();
            json!({ "origin": place.origin, "line": line, "column": column })
        })
    };
    let mentions = explanation.mentions.iter().map(|mention| {
        json!({
            "key": mention.key.to_string(),
            "value": json_value(&mention.value),
            "from": place(mention),
            "swept": mention.is_swept,
            "in_force": mention.is_in_force,
        })
    });
    json!({
        "key": explanation.key.to_string(),
        "table": explanation.is_table,
        "mentions": mentions.collect::<Vec<_>>(),
        "notes": explanation.notes,
        "meaning": explanation.doc.as_ref().map(|doc| &doc.meaning),
        "holds": explanation.doc.as_ref().map(|doc| &doc.kind_of_value),
        "default": explanation.doc.as_ref().and_then(|doc| doc.default.as_ref()),
        "kinds": explanation.doc.as_ref().map(|doc| &doc.kinds),
    })
}
