//! Rows for a model of tables, from CSV files whose columns are found by their names.

use super::super::csv::{ClassIndex, finite, unknown};
use super::super::file::Peeked;
use super::super::labels::Labels;
use super::super::records::{FileRecords, shortened};
use super::super::table::TablePreprocessing;
use super::{RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// The rows of a file, encoded as those of the train part were.
pub(super) struct Rows {
    records: FileRecords,
    /// Where the model's columns are, in the order in which it wants them.
    columns: Vec<usize>,
    table: TablePreprocessing,
    next: usize,
    ended: bool,
}

impl Rows {
    /// Fails if the header does not name every column that the model was trained on.
    pub fn new(file: Peeked, table: &TablePreprocessing) -> Result<Self> {
        if matches!(file.unpacked_head().as_slice(), [0, 0, ..] | [0x89, b'P', b'N', b'G', ..]) {
            return Err(Error::unreadable(
                &file.path,
                "holds images, but the model was trained on rows of a table; give a CSV file",
            ));
        }
        let names: Vec<&str> = table.columns().collect();
        let records = FileRecords::of_columns(file, &names)?;
        let place = |name: &&str| records.header().iter().position(|column| column == name);
        let absent: Vec<String> =
            names.iter().filter(|name| place(name).is_none()).map(|name| shortened(name)).collect();
        if !absent.is_empty() {
            let columns = if absent.len() == 1 { "column" } else { "columns" };
            let first = names.iter().find(|name| place(name).is_none()).copied().unwrap_or_default();
            return Err(records.refuse(format!(
                "is without the {columns} {}, which the model was trained on; its first line must name the \
                 columns{}",
                absent.join(", "),
                records.advice(first)
            )));
        }
        let columns = names.iter().filter_map(place).collect();
        Ok(Self { records, columns, table: table.clone(), next: 0, ended: false })
    }

    fn read(&mut self) -> Result<Option<RawRow>> {
        if !self.records.advance()? {
            return Ok(None);
        }
        let fields: Vec<Option<&str>> =
            self.columns.iter().map(|column| Some(self.records.field(*column))).collect();
        let values = self.table.encode_fields(&fields).map_err(|reason| self.records.at_line(reason))?;
        let row = RawRow { index: self.next, sample: RawSample::Table(values) };
        self.next += 1;
        Ok(Some(row))
    }
}

impl Iterator for Rows {
    type Item = Result<RawRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

/// The rows of a file with the column that there is to predict.
pub(super) struct LabelledRows {
    rows: Rows,
    column: usize,
    labels: Labels,
    index: ClassIndex,
}

impl LabelledRows {
    /// Fails without a column of the target's name, too.
    pub fn new(file: Peeked, table: &TablePreprocessing, labels: &Labels) -> Result<Self> {
        let rows = Rows::new(file, table)?;
        let header = rows.records.header();
        let Some(column) = header.iter().position(|column| column == table.target()) else {
            let target = shortened(table.target());
            let advice = rows.records.advice(table.target());
            return Err(rows.records.refuse(format!("has no column \"{target}\", the target{advice}")));
        };
        Ok(Self { rows, column, labels: labels.clone(), index: ClassIndex::new(labels.classes()) })
    }

    /// The target of the record that was read last.
    fn target(&self) -> Result<Target> {
        let records = &self.rows.records;
        let field = records.field(self.column);
        let found = match &self.labels {
            Labels::Classes(classes) => {
                self.index.find(field).map(Target::Class).ok_or_else(|| unknown(field, classes))
            }
            Labels::Target(_) => {
                let value = finite(field).map(|value| value as f32).filter(|value| value.is_finite());
                let reason = || format!("has \"{}\", which is not a finite number", shortened(field));
                value.map(Target::Value).ok_or_else(reason)
            }
        };
        let name = self.rows.table.target();
        found.map_err(|reason| records.at_line(format!("{reason} (in column \"{name}\", the target)")))
    }
}

impl Iterator for LabelledRows {
    type Item = Result<(RawRow, Target)>;

    fn next(&mut self) -> Option<Self::Item> {
        let labelled = self.rows.next()?.and_then(|row| self.target().map(|target| (row, target)));
        self.rows.ended |= labelled.is_err();
        Some(labelled)
    }
}
