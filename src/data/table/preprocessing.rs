//! From the values of a table to the numbers that a model is given.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::super::Normalize;
use super::column::{Column, ColumnValues, MISSING};
use super::statistic::{fill, most_frequent, scaling};
use super::{Missing, Table, is_missing};
use crate::{Error, Result};

/// Categories of a column beyond which it is rather a name or a text: every one is an input of the model.
const MOST_CATEGORIES: usize = 10_000;
/// The widest row that is believed of a checkpoint.
const WIDEST: usize = 1 << 28;
/// Rows that are encoded together: they stay in the fastest memory while their columns are filled in.
const BLOCK: usize = 64;

/// How rows become vectors: numbers scaled as y = (x − shift) · scale, categories one-hot.
///
/// A column of categories becomes one number for each category that the train part has, in the order of their
/// names, and one more for all others. It is stored in checkpoints as JSON, and what is read back is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct TablePreprocessing {
    normalize: Normalize,
    missing: Missing,
    target: String,
    columns: Vec<Encoding>,
}

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Encoding {
    Numbers {
        name: String,
        /// What stands in for a missing value.
        fill: Option<f64>,
        shift: f64,
        scale: f64,
    },
    Categories {
        name: String,
        /// Those of the train part, sorted.
        names: Vec<String>,
        /// The one that stands in for a missing value.
        fill: Option<u32>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    normalize: Normalize,
    missing: Missing,
    target: String,
    columns: Vec<Encoding>,
}

impl TryFrom<Stored> for TablePreprocessing {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, &'static str> {
        let Stored { normalize, missing, target, columns } = stored;
        if normalize == Normalize::Unit {
            return Err("the preprocessing of a table cannot be `unit`");
        }
        let mut names: HashSet<&str> = HashSet::from([target.as_str()]);
        if columns.is_empty() || !columns.iter().all(|column| names.insert(column.name())) {
            return Err("the preprocessing needs columns with different names, none of them the target's");
        }
        columns.iter().try_for_each(|column| column.check(missing))?;
        let width = columns.iter().try_fold(0usize, |width, column| width.checked_add(column.width()));
        if width.is_none_or(|width| width > WIDEST) {
            return Err("the preprocessing's rows are wider than any table");
        }
        Ok(Self { normalize, missing, target, columns })
    }
}

impl Encoding {
    fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Categories { name, .. } => name,
        }
    }

    /// How many numbers of a row are its.
    fn width(&self) -> usize {
        match self {
            Self::Numbers { .. } => 1,
            Self::Categories { names, .. } => names.len() + 1,
        }
    }

    fn check(&self, missing: Missing) -> std::result::Result<(), &'static str> {
        let fills = match self {
            Self::Numbers { fill, shift, scale, .. } => {
                if !shift.is_finite() || !scale.is_finite() || fill.is_some_and(|fill| !fill.is_finite()) {
                    return Err("the preprocessing needs finite numbers for every column");
                }
                fill.is_some()
            }
            Self::Categories { names, fill, .. } => {
                if names.is_empty() || !names.is_sorted_by(|a, b| a < b) {
                    return Err("the preprocessing needs categories in order, each once");
                }
                if fill.is_some_and(|fill| fill as usize >= names.len()) {
                    return Err("the preprocessing fills in a category that there is not");
                }
                fill.is_some()
            }
        };
        if fills == missing.fills() {
            Ok(())
        } else {
            Err("the preprocessing's `missing` does not fit to what its columns fill in")
        }
    }

    /// Takes the statistics of one column from `rows` alone.
    fn fit(column: &Column, rows: &[u32], normalize: Normalize, missing: Missing) -> Result<Self> {
        let name = column.name.clone();
        let misses = rows.iter().filter(|row| column.values.misses(**row as usize)).count();
        if misses > 0 && !missing.fills() {
            return Err(Error::Request(format!(
                "{misses} of the {} values of column \"{name}\" in the train part are missing: set `data.missing`",
                rows.len()
            )));
        }
        if misses == rows.len() && missing.fills() {
            return Err(Error::Request(format!(
                "column \"{name}\" has no value in the train part that could stand in for missing ones: name it \
                 in `data.ignore`"
            )));
        }
        match &column.values {
            ColumnValues::Numbers(numbers) => {
                let mut values: Vec<f64> = rows.iter().map(|row| numbers[*row as usize]).collect();
                let present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                let fill = fill(&present, missing);
                if let Some(fill) = fill {
                    values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = fill);
                }
                let (shift, scale) = scaling(&values, normalize);
                if !(shift.is_finite() && scale.is_finite() && fill.is_none_or(f64::is_finite)) {
                    return Err(Error::Request(format!(
                        "the values of column \"{name}\" in the train part are too large or too close to one \
                         another to be scaled"
                    )));
                }
                Ok(Self::Numbers { name, fill, shift, scale })
            }
            ColumnValues::Categories { names, codes } => {
                let mut counts = vec![0; names.len()];
                for row in rows {
                    if let Some(count) = counts.get_mut(codes[*row as usize] as usize) {
                        *count += 1;
                    }
                }
                let kept: Vec<String> = names
                    .iter()
                    .zip(&counts)
                    .filter(|(_, count)| **count > 0)
                    .map(|(n, _)| n.clone())
                    .collect();
                if kept.len() > MOST_CATEGORIES {
                    return Err(Error::Request(format!(
                        "column \"{name}\" has {} different texts in the train part, too many for categories: \
                         name it in `data.ignore`",
                        kept.len()
                    )));
                }
                counts.retain(|count| *count > 0);
                let fill = if missing.fills() { most_frequent(&counts) } else { None };
                Ok(Self::Categories { name, names: kept, fill })
            }
        }
    }
}

impl TablePreprocessing {
    /// Takes the statistics from `rows`, the train part, and from no others; `missing` is the table's.
    ///
    /// # Errors
    /// [`Error::Request`] for a column without any value to fill in, with values that cannot be scaled or with
    /// too many categories, and for missing values that nothing stands in for.
    pub fn fit(table: &Table, rows: &[u32], normalize: Normalize) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= table.rows()) {
            return Err(Error::Bug(format!("row {row} was asked for, there are {}", table.rows())));
        }
        if rows.is_empty() {
            return Err(Error::Bug("a preprocessing was fitted on no rows".to_owned()));
        }
        let missing = table.missing();
        let fit = |column| Encoding::fit(column, rows, normalize, missing);
        let columns = table.columns().iter().map(fit).collect::<Result<_>>()?;
        let stored = Stored { normalize, missing, target: table.target().to_owned(), columns };
        Self::try_from(stored).map_err(|reason| Error::Request(reason.into()))
    }

    /// How many numbers a row becomes.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Encoding::width).sum()
    }

    /// The names of the columns that a row has, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.columns.iter().map(Encoding::name)
    }

    /// The name of the column that there is to predict.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What numbers were scaled by.
    pub fn normalize(&self) -> Normalize {
        self.normalize
    }

    /// All rows, `[rows, width]`; where a value is missing and nothing stands in for it there is a 0.
    ///
    /// # Errors
    /// [`Error::Request`] for a value that is too large once it is scaled.
    pub fn encode(&self, table: &Table) -> Result<Vec<f32>> {
        let columns = table.columns();
        let fits = columns.len() == self.columns.len()
            && columns.iter().zip(&self.columns).all(|(column, encoding)| column.name == encoding.name());
        if !fits {
            return Err(Error::Request("the data has other columns than the model was made for".to_owned()));
        }
        let (rows, width) = (table.rows(), self.width());
        let mut out: Vec<f32> = Vec::new();
        let size = rows.checked_mul(width).filter(|size| out.try_reserve_exact(*size).is_ok());
        let size = size.ok_or_else(|| {
            Error::Environment(format!("there is not enough memory for {rows} rows of {width} numbers"))
        })?;
        out.resize(size, 0.0);
        let codes: Vec<Vec<u32>> =
            columns.iter().zip(&self.columns).map(|(column, encoding)| encoding.positions(column)).collect();
        for (block, out) in out.chunks_mut(BLOCK * width).enumerate() {
            let rows = block * BLOCK..(block * BLOCK + out.len() / width);
            let mut start = 0;
            for ((column, encoding), codes) in columns.iter().zip(&self.columns).zip(&codes) {
                let cells = out[start..].chunks_mut(width);
                encoding.encode_into(column, rows.clone(), codes, cells)?;
                start += encoding.width();
            }
        }
        Ok(out)
    }

    /// One row whose fields stand in the order of [`columns`](Self::columns), as a file has them; `None` is a
    /// missing value.
    ///
    /// # Errors
    /// What is wrong, with the name of the column.
    pub fn encode_fields(&self, row: &[Option<&str>]) -> Result<Vec<f32>, String> {
        if row.len() != self.columns.len() {
            return Err(format!("has {} values where {} belong", row.len(), self.columns.len()));
        }
        let mut out = Vec::with_capacity(self.width());
        for (encoding, field) in self.columns.iter().zip(row) {
            let field = field.map(str::trim).filter(|field| !is_missing(field));
            encoding.encode_field(field, &mut out)?;
        }
        Ok(out)
    }
}

/// In f64 up to the last step.
fn scaled(value: f64, shift: f64, scale: f64) -> f32 {
    ((value - shift) * scale) as f32
}

impl Encoding {
    /// Where each category of `column` stands among those of the train part; those that are not there are last.
    fn positions(&self, column: &Column) -> Vec<u32> {
        match (self, &column.values) {
            (Self::Categories { names: own, .. }, ColumnValues::Categories { names, .. }) => {
                names.iter().map(|name| own.binary_search(name).unwrap_or(own.len()) as u32).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Fills in this column's part of some rows; `cells` begin with it.
    fn encode_into<'a>(
        &self,
        column: &Column,
        rows: std::ops::Range<usize>,
        positions: &[u32],
        cells: impl Iterator<Item = &'a mut [f32]>,
    ) -> Result<()> {
        match (self, &column.values) {
            (Self::Numbers { fill, shift, scale, .. }, ColumnValues::Numbers(numbers)) => {
                let stand_in = fill.unwrap_or(*shift);
                for (cell, value) in cells.zip(&numbers[rows]) {
                    let value = if value.is_nan() { stand_in } else { *value };
                    let y = scaled(value, *shift, *scale);
                    if !y.is_finite() {
                        return Err(Error::Request(self.too_large(value)));
                    }
                    cell[0] = y;
                }
                Ok(())
            }
            (Self::Categories { names, fill, .. }, ColumnValues::Categories { codes, .. }) => {
                for (cell, code) in cells.zip(&codes[rows]) {
                    let position = positions.get(*code as usize).copied().filter(|_| *code != MISSING);
                    if let Some(position) = position.or(*fill) {
                        cell[(position as usize).min(names.len())] = 1.0;
                    }
                }
                Ok(())
            }
            _ => Err(Error::Request(format!(
                "column \"{}\" holds numbers in one file and texts in another",
                self.name()
            ))),
        }
    }

    fn encode_field(&self, field: Option<&str>, out: &mut Vec<f32>) -> Result<(), String> {
        let name = self.name();
        let absent = || {
            format!(
                "has no value in column \"{name}\", and nothing stands in for it: the model was trained \
                     without missing values"
            )
        };
        match self {
            Self::Numbers { fill, shift, scale, .. } => {
                let value = match field {
                    Some(field) => number(name, field)?,
                    None => fill.ok_or_else(absent)?,
                };
                let y = scaled(value, *shift, *scale);
                if !y.is_finite() {
                    return Err(self.too_large(value));
                }
                out.push(y);
            }
            Self::Categories { names, fill, .. } => {
                let position = match field {
                    Some(field) => {
                        names.binary_search_by(|known| known.as_str().cmp(field)).unwrap_or(names.len())
                    }
                    None => fill.ok_or_else(absent)? as usize,
                };
                out.extend((0..=names.len()).map(|at| f32::from(u8::from(at == position))));
            }
        }
        Ok(())
    }

    fn too_large(&self, value: f64) -> String {
        format!("column \"{}\": {value} is too large for what the train part was scaled by", self.name())
    }
}

fn number(column: &str, field: &str) -> Result<f64, String> {
    let finite = field.parse::<f64>().ok().filter(|number| number.is_finite());
    finite.ok_or_else(|| {
        let field = super::super::records::shortened(field);
        format!("has \"{field}\" in column \"{column}\", which is not a finite number")
    })
}
