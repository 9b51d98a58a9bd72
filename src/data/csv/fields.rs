//! The fields of some columns of a file, as texts.

use std::io::Read;
use std::path::PathBuf;

use super::super::records::Records;
use crate::{Error, Result};

/// All rows of some columns, in one stretch of memory.
pub(super) struct Fields {
    path: PathBuf,
    names: Vec<String>,
    texts: String,
    /// Where each field ends, row by row.
    ends: Vec<usize>,
    /// The line on which each row begins.
    lines: Vec<u64>,
}

impl Fields {
    /// Reads `columns` of all records, in that order.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if there is no row, more than rows can be numbered, or something is wrong with one.
    pub fn read<R: Read>(mut records: Records<R>, columns: &[usize]) -> Result<Self> {
        let name = |column: &usize| records.header().get(*column).cloned().unwrap_or_default();
        let mut fields = Self {
            path: records.path().to_path_buf(),
            names: columns.iter().map(name).collect(),
            texts: String::new(),
            ends: Vec::new(),
            lines: Vec::new(),
        };
        while records.advance()? {
            for column in columns {
                fields.texts.push_str(records.field(*column));
                fields.ends.push(fields.texts.len());
            }
            fields.lines.push(records.line());
        }
        if fields.lines.is_empty() {
            return Err(records.refuse("has a header but no rows"));
        }
        if u32::try_from(fields.lines.len()).is_err() {
            return Err(records.refuse(format!("has {} rows, more than can be numbered", fields.lines.len())));
        }
        Ok(fields)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// What a column is called.
    pub fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }

    /// The fields of a column, row by row.
    pub fn column(&self, column: usize) -> impl Iterator<Item = &str> + Clone {
        (0..self.rows()).map(move |row| self.field(row, column))
    }

    /// One field.
    pub fn field(&self, row: usize, column: usize) -> &str {
        let at = row * self.names.len() + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[at]]
    }

    /// An error of the whole file.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason)
    }

    /// An error of one field.
    pub fn at(&self, row: usize, column: usize, reason: &str) -> Error {
        let line = self.lines.get(row).copied().unwrap_or_default();
        self.refuse(format!("line {line}: column \"{}\" {reason}", self.name(column)))
    }
}
