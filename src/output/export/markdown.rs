//! A Markdown table, readable as it stands.

use crate::output::table::{ColumnKind, Table};

pub(crate) fn render(table: &Table) -> String {
    let mut text = row(table.columns().iter().map(|column| escaped(&column.name)));
    text.push_str(&row(table.columns().iter().map(|column| match column.kind {
        ColumnKind::Text => "---".to_owned(),
        ColumnKind::Number | ColumnKind::Spread => "---:".to_owned(),
    })));
    for cells in table.rows() {
        text.push_str(&row(cells.iter().map(|cell| escaped(&cell.render()))));
    }
    text
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let mut line = String::from("|");
    for cell in cells {
        line.push(' ');
        line.push_str(&cell);
        line.push_str(if cell.is_empty() { "|" } else { " |" });
    }
    line.push('\n');
    line
}

/// What would end the cell or the row.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_cannot_break_out() {
        insta::assert_snapshot!(crate::output::table::example().markdown(), @r#"
        | optimizer | n | valid_loss |
        | --- | ---: | ---: |
        | adam \| lr | 12 | 0.438 ± 0.088 |
        | say "sgd", 확률적 경사 | 0.3000 | NaN |
        | | | |
        "#);
    }
}
