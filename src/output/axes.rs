//! What each axis of a sweep does, a line an axis.

use super::{Cell, Column, Table};
use crate::config::AxisSummary;

/// Values that are shown whole; of more, the first ones and the last.
const WHOLE: usize = 6;
const HEAD: usize = 3;

/// The axes as aligned lines no wider than `width`.
pub fn render(axes: &[AxisSummary], width: Option<usize>) -> String {
    let has_parts = axes.iter().any(|axis| axis.part > 0);
    let has_conditions = axes.iter().any(|axis| !axis.when.is_empty());
    let mut columns = Vec::new();
    if has_parts {
        columns.push(Column::number("union"));
    }
    columns.extend([Column::text("axis"), Column::text("changes"), Column::text("values")]);
    if has_conditions {
        columns.push(Column::text("where"));
    }
    columns.push(Column::text("written in"));
    let mut table = Table::new(columns);
    for axis in axes {
        let mut cells = Vec::new();
        if has_parts {
            cells.push(Cell::Count(axis.part));
        }
        cells.extend([&axis.key, &axis.how, &short(&axis.values)].map(|text| Cell::Text(text.clone())));
        if has_conditions {
            cells.push(Cell::Text(axis.when.clone()));
        }
        cells.push(Cell::Text(axis.place.clone()));
        table.push(cells);
    }
    table.text(width)
}

fn short(values: &[String]) -> String {
    match values {
        values if values.len() <= WHOLE => values.join(", "),
        [head @ .., last] => format!("{}, …, {last}", head[..HEAD].join(", ")),
        [] => String::new(),
    }
}
