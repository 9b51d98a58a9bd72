//! Columns for a terminal: a line under the header, spaces between.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

use crate::output::table::{ColumnKind, Table};

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

pub(crate) fn render(table: &Table, width: Option<usize>) -> String {
    let mut out = comfy_table::Table::new();
    out.load_style(STYLE);
    match width {
        // Narrower than this no table can be read; a line that is broken by the terminal is better.
        Some(width) => {
            let width = u16::try_from(width.max(40)).unwrap_or(u16::MAX);
            out.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            out.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    out.set_header(table.columns().iter().map(|column| column.name.as_str()));
    out.add_rows(table.rows().iter().map(|row| row.iter().map(|cell| one_line(&cell.render()))));
    for (index, column) in table.columns().iter().enumerate() {
        if let Some(shown) = out.column_mut(index) {
            let is_last = index + 1 == table.columns().len();
            shown.set_padding((0, if is_last { 0 } else { 2 }));
            if column.kind != ColumnKind::Text {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut text = String::new();
    for line in out.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Control characters of a name or a message must neither break the row nor reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use crate::output::table::{Cell, Column, Table, example};

    #[test]
    fn columns_line_up() {
        insta::assert_snapshot!(example().text(None), @r#"
        optimizer                    n     valid_loss
        ─────────────────────────────────────────────
        adam | lr                   12  0.438 ± 0.088
        say "sgd", 확률적 경사  0.3000            NaN
        "#);
    }

    #[test]
    fn long_words_wrap_at_the_width_of_the_terminal() {
        let mut table =
            Table::new(vec![Column::text("run"), Column::number("epoch"), Column::text("failure")]);
        let failure = "failed to write runs/a/b/checkpoints/last.safetensors: no space left on device";
        table.push(vec![Cell::Text("p=0.3".into()), Cell::Count(3), Cell::Text(failure.into())]);
        let text = table.text(Some(50));
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        insta::assert_snapshot!(text, @"
        run    epoch  failure
        ──────────────────────────────────────────────────
        p=0.3      3  failed to write runs/a/b/checkpoints
                      /last.safetensors: no space left on
                      device
        ");
        assert!(table.text(Some(0)).contains("p=0.3"));
    }

    #[test]
    fn an_empty_table_is_its_header() {
        assert_eq!(Table::new(vec![Column::text("a")]).text(Some(80)).lines().next(), Some("a"));
        assert_eq!(Table::new(vec![]).text(None).trim(), "");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::new(vec![Column::text("a")]);
        table.push(vec![Cell::Text("x\u{1b}[31my\tz".into())]);
        assert!(table.text(None).ends_with("x [31my z\n"));
    }
}
