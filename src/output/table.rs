//! A table with typed cells, which every export renders in its own way.

use indicatif::DecimalBytes;
use jiff::Timestamp;

use super::export;
use super::number::{duration, mean_std, significant};
use crate::report::{Spread, plain};
use crate::{Result, store};

/// Digits of a number that stands alone.
const DIGITS: u8 = 4;

/// Named columns and rows of cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column's name and form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// What its cells hold.
    pub kind: ColumnKind,
}

/// What a column's cells hold: decides the alignment, and the columns in CSV and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Words, to the left.
    Text,
    /// Numbers, to the right.
    Number,
    /// Mean and deviation, to the right; `<name>` and `<name>_std` in CSV and JSON.
    Spread,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// There is none.
    Empty,
    /// A word.
    Text(String),
    /// The value of a setting: short for people, of its own type for programs.
    Setting(serde_json::Value),
    /// A whole number.
    Count(usize),
    /// A size in bytes.
    Bytes(u64),
    /// Any number, shown with a few digits.
    Number(f64),
    /// A number, shown with all of its digits.
    Exact(f64),
    /// A mean with its deviation.
    Spread(Spread),
    /// A wall time in seconds.
    Seconds(f64),
    /// A moment.
    Time(Timestamp),
}

impl Column {
    /// A column of words.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Text }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Number }
    }

    /// A column of means and deviations.
    pub fn spread(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Spread }
    }
}

impl Cell {
    /// The value, or an empty cell.
    pub fn of<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Empty, cell)
    }

    /// For people.
    pub fn render(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Setting(value) => plain(value),
            Self::Count(count) => count.to_string(),
            Self::Bytes(bytes) => DecimalBytes(*bytes).to_string(),
            Self::Number(number) => significant(*number, DIGITS),
            Self::Exact(number) => store::number(*number),
            Self::Spread(spread) => mean_std(spread.mean, spread.std),
            Self::Seconds(seconds) => duration(*seconds),
            Self::Time(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row, filled up or cut to the number of columns.
    pub fn push(&mut self, mut row: Vec<Cell>) {
        row.resize(self.columns.len(), Cell::Empty);
        self.rows.push(row);
    }

    /// Puts a column in front that holds the same word in every row.
    #[must_use]
    pub fn with_first_column(mut self, name: &str, value: &str) -> Self {
        self.columns.insert(0, Column::text(name));
        for row in &mut self.rows {
            row.insert(0, Cell::Text(value.to_owned()));
        }
        self
    }

    /// The rows of several tables in one that has every column of theirs; a cell is empty where its table
    /// has no such column.
    pub fn union(tables: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for table in tables {
            for column in &table.columns {
                if !all.columns.iter().any(|known| known.name == column.name) {
                    all.columns.push(column.clone());
                }
            }
            let place = |column: &Column| all.columns.iter().position(|known| known.name == column.name);
            let places: Vec<Option<usize>> = table.columns.iter().map(place).collect();
            for row in table.rows {
                let mut cells = vec![Cell::Empty; all.columns.len()];
                for (cell, place) in row.into_iter().zip(&places) {
                    if let Some(place) = place {
                        cells[*place] = cell;
                    }
                }
                all.rows.push(cells);
            }
        }
        // Columns that came later are missing from earlier rows.
        for row in &mut all.rows {
            row.resize(all.columns.len(), Cell::Empty);
        }
        all
    }

    /// Turns the column `index`, if there is one, into one of numbers.
    pub fn align_right(&mut self, index: usize) {
        if let Some(column) = self.columns.get_mut(index) {
            column.kind = ColumnKind::Number;
        }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows, each as long as there are columns.
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes out the columns in which every cell is empty.
    #[must_use]
    pub fn without_empty_columns(self) -> Self {
        let keep: Vec<bool> = (0..self.columns.len())
            .map(|column| self.rows.iter().any(|row| row[column] != Cell::Empty))
            .collect();
        let columns =
            self.columns.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(c, _)| c).collect();
        let rows = self
            .rows
            .into_iter()
            .map(|row| row.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(cell, _)| cell).collect())
            .collect();
        Self { columns, rows }
    }

    /// For a terminal of `width` columns; `None` takes as much as it needs. Ends in a newline.
    pub fn text(&self, width: Option<usize>) -> String {
        export::text::render(self, width)
    }

    /// As a Markdown table.
    pub fn markdown(&self) -> String {
        export::markdown::render(self)
    }

    /// As CSV with full numbers; spreads take two columns.
    pub fn csv(&self) -> Result<String> {
        export::csv::render(self)
    }

    /// As a list of objects with full numbers; spreads take two keys, NaN and empty cells are `null`.
    pub fn json(&self) -> Result<String> {
        export::json::render(self)
    }

    /// As [`json`](Self::json), to stand inside another document.
    pub fn value(&self) -> serde_json::Value {
        export::json::value(self)
    }
}

#[cfg(test)]
pub(super) fn example() -> Table {
    let mut table =
        Table::new(vec![Column::text("optimizer"), Column::number("n"), Column::spread("valid_loss")]);
    let spread = Spread::of([0.375, 0.5]).unwrap();
    table.push(vec![Cell::Text("adam | lr".into()), Cell::Count(12), Cell::Spread(spread)]);
    let single = Spread::of([f64::NAN]).unwrap();
    table.push(vec![
        Cell::Text("say \"sgd\", 확률적\n경사".into()),
        Cell::Number(0.1 + 0.2),
        Cell::Spread(single),
    ]);
    table.push(vec![Cell::Text(String::new())]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_length_of_the_header_and_empty_columns_go() {
        let mut table = Table::new(vec![Column::text("a"), Column::text("b")]);
        table.push(vec![Cell::Count(1)]);
        table.push(vec![Cell::Empty, Cell::Empty, Cell::Count(3)]);
        assert!(table.rows().iter().all(|row| row.len() == 2));
        let table = table.without_empty_columns();
        assert_eq!(table.columns(), [Column::text("a")]);
        assert_eq!(table.rows()[1], [Cell::Empty]);
    }

    #[test]
    fn cells_are_rendered_for_people() {
        let time = "2026-03-01T12:00:00.25Z".parse().unwrap();
        let cells = [Cell::Time(time), Cell::Seconds(90.0), Cell::Number(1.0 / 3.0), Cell::Empty];
        let texts: Vec<String> = cells.iter().map(Cell::render).collect();
        assert_eq!(texts, ["2026-03-01 12:00:00", "1 min 30 s", "0.3333", ""]);
    }
}
