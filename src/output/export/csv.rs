//! CSV with full numbers.

use crate::output::table::{Cell, ColumnKind, Table};
use crate::report::plain;
use crate::store::number;
use crate::{Error, Result};

pub(crate) fn render(table: &Table) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::Bug(format!("a table could not be written: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut names = Vec::new();
    for column in table.columns() {
        names.push(column.name.clone());
        if column.kind == ColumnKind::Spread {
            names.push(format!("{}_std", column.name));
        }
    }
    writer.write_record(&names).map_err(|error| failed(&error))?;
    for row in table.rows() {
        let mut cells = Vec::with_capacity(names.len());
        for (column, cell) in table.columns().iter().zip(row) {
            let (value, deviation) = texts(cell);
            cells.push(value);
            if column.kind == ColumnKind::Spread {
                cells.push(deviation);
            }
        }
        writer.write_record(&cells).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn texts(cell: &Cell) -> (String, String) {
    let value = match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Setting(value) => plain(value),
        Cell::Count(count) => count.to_string(),
        Cell::Bytes(bytes) => bytes.to_string(),
        Cell::Number(value) | Cell::Exact(value) | Cell::Seconds(value) => number(*value),
        Cell::Spread(spread) => return (number(spread.mean), spread.std.map(number).unwrap_or_default()),
        Cell::Time(time) => time.to_string(),
    };
    (value, String::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_whole_and_a_spread_takes_two_columns() {
        insta::assert_snapshot!(crate::output::table::example().csv().unwrap(), @r#"
        optimizer,n,valid_loss,valid_loss_std
        adam | lr,12,0.4375,0.08838834764831845
        "say ""sgd"", 확률적
        경사",0.30000000000000004,NaN,
        ,,,
        "#);
    }
}
