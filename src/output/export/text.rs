//! Columns for a terminal: a line under the header, spaces between.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};
use textwrap::core::display_width;

use super::fit::{Extent, GAP, widths, within};
use crate::output::table::{ColumnKind, Table};

/// Columns of the narrowest terminal that is taken for what it says.
const NARROWEST: usize = 40;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

pub(crate) fn render(table: &Table, width: Option<usize>) -> String {
    let cells: Vec<Vec<String>> =
        table.rows().iter().map(|row| row.iter().map(|cell| one_line(&cell.render())).collect()).collect();
    let extents: Vec<Extent> = table
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let widest = cells.iter().map(|row| display_width(&row[index])).max().unwrap_or_default();
            let natural = widest.max(display_width(&column.name));
            Extent { natural, is_text: column.kind == ColumnKind::Text }
        })
        .collect();
    // Narrower than this no table can be read; a line that is broken by the terminal is better.
    let shown = widths(&extents, width.map_or(usize::MAX, |width| width.max(NARROWEST)));
    let mut out = comfy_table::Table::new();
    out.load_style(STYLE);
    out.set_content_arrangement(ContentArrangement::Dynamic);
    out.set_header(shown.iter().map(|(index, width)| within(&table.columns()[*index].name, *width)));
    out.add_rows(cells.iter().map(|row| shown.iter().map(|(index, width)| within(&row[*index], *width))));
    for (place, (index, width)) in shown.iter().enumerate() {
        if let Some(column) = out.column_mut(place) {
            let gap = if place + 1 == shown.len() { 0 } else { GAP };
            let whole = u16::try_from(width + gap).unwrap_or(u16::MAX);
            column
                .set_padding((0, gap as u16))
                .set_constraint(ColumnConstraint::Absolute(Width::Fixed(whole)));
            if !extents[*index].is_text {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut text = String::new();
    for line in out.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let is_shown = |index: &usize| shown.iter().any(|(shown, _)| shown == index);
    let left_out: Vec<&str> = (0..extents.len())
        .filter(|index| !is_shown(index))
        .map(|index| table.columns()[index].name.as_str())
        .collect();
    if !left_out.is_empty() {
        text.push_str("not shown, for the terminal is too narrow: ");
        text.push_str(&left_out.join(", "));
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
