//! Tables of numbers and categories, and how their rows become the inputs of a model.

mod column;
mod encoding;
mod preprocessing;
mod statistic;
mod vectors;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use column::{Column, ColumnValues, MISSING};
pub use preprocessing::TablePreprocessing;
pub use vectors::Vectors;

use crate::{Error, Result};

/// Spellings of a value that is not there, as they are most used; a field of nothing but space is one, too.
pub const SPELLINGS_OF_MISSING: [&str; 8] = ["", "NA", "N/A", "nan", "NaN", "null", "?", "None"];

/// What is done where a value is missing.
///
/// An empty field is a missing value, and so are `NA`, `N/A`, `nan`, `NaN`, `null`, `?` and `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The data is refused.
    #[default]
    Error,
    /// The row is left out; rows keep their numbers.
    Drop,
    /// The mean of the train part stands in, of categories the most frequent one.
    Mean,
    /// The median of the train part stands in, of categories the most frequent one.
    Median,
    /// The most frequent value of the train part stands in, of several the smallest.
    Mode,
}

impl Missing {
    /// Whether a value of the train part stands in.
    pub fn fills(self) -> bool {
        matches!(self, Self::Mean | Self::Median | Self::Mode)
    }
}

/// Whether a field, without the space around it, stands for a value that is not there.
pub fn is_missing(field: &str) -> bool {
    SPELLINGS_OF_MISSING.contains(&field)
}

/// The features of all rows, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
    target: String,
    missing: Missing,
}

impl Table {
    /// Columns of equal lengths, the name of the column beside them that there is to predict, and what is done
    /// where a value is missing.
    pub fn new(columns: Vec<Column>, target: String, missing: Missing) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.values.len());
        if columns.is_empty() || columns.iter().any(|column| column.values.len() != rows) {
            return Err(Error::Bug(format!("{} columns do not make a table", columns.len())));
        }
        Ok(Self { columns, rows, target, missing })
    }

    /// The features.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The name of the column that there is to predict, which is none of these.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What is done where a value is missing.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// The rows in which no value is missing, in order.
    pub fn complete_rows(&self) -> Vec<u32> {
        let is_complete = |row: &u32| !self.columns.iter().any(|column| column.values.misses(*row as usize));
        (0..self.rows as u32).filter(is_complete).collect()
    }
}
