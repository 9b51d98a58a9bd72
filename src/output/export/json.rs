//! JSON with full numbers: a list of objects, keys in the order of the columns.

use indexmap::IndexMap;
use serde_json::Value;

use crate::output::table::{Cell, ColumnKind, Table};
use crate::{Error, Result};

pub(crate) fn render(table: &Table) -> Result<String> {
    let rows: Vec<IndexMap<String, Value>> = table.rows().iter().map(|row| object(table, row)).collect();
    let mut text = serde_json::to_string_pretty(&rows)
        .map_err(|error| Error::Bug(format!("a table is no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// The same list as a value, to stand inside another document.
pub(crate) fn value(table: &Table) -> Value {
    let objects = table.rows().iter().map(|row| Value::Object(object(table, row).into_iter().collect()));
    Value::Array(objects.collect())
}

fn object(table: &Table, row: &[Cell]) -> IndexMap<String, Value> {
    let mut object = IndexMap::new();
    for (column, cell) in table.columns().iter().zip(row) {
        let (value, deviation) = values(cell);
        object.insert(column.name.clone(), value);
        if column.kind == ColumnKind::Spread {
            object.insert(format!("{}_std", column.name), deviation);
        }
    }
    object
}

fn values(cell: &Cell) -> (Value, Value) {
    let value = match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Setting(value) => value.clone(),
        Cell::Count(count) => (*count).into(),
        Cell::Bytes(bytes) => (*bytes).into(),
        Cell::Number(value) | Cell::Exact(value) | Cell::Seconds(value) => (*value).into(),
        Cell::Spread(spread) => return (spread.mean.into(), spread.std.into()),
        Cell::Time(time) => time.to_string().into(),
    };
    (value, Value::Null)
}

#[cfg(test)]
mod tests {
    #[test]
    fn not_a_number_and_nothing_are_null() {
        insta::assert_snapshot!(crate::output::table::example().json().unwrap(), @r#"
        [
          {
            "optimizer": "adam | lr",
            "n": 12,
            "valid_loss": 0.4375,
            "valid_loss_std": 0.08838834764831845
          },
          {
            "optimizer": "say \"sgd\", 확률적\n경사",
            "n": 0.30000000000000004,
            "valid_loss": null,
            "valid_loss_std": null
          },
          {
            "optimizer": "",
            "n": null,
            "valid_loss": null,
            "valid_loss_std": null
          }
        ]
        "#);
    }
}
