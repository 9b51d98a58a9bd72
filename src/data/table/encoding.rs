//! What becomes of one column of a table.

use serde::{Deserialize, Serialize};

use super::super::Normalize;
use super::super::records::shortened;
use super::Missing;
use super::column::{Column, ColumnValues, MISSING};
use super::statistic::{fill, most_frequent, scaling};
use crate::{Error, Result};

/// Categories of a column beyond which it is rather a name or a text: every one is an input of the model.
pub(super) const MOST_CATEGORIES: usize = 10_000;

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Encoding {
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

impl Encoding {
    /// What the column is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Categories { name, .. } => name,
        }
    }

    /// How many numbers of a row are its.
    pub fn width(&self) -> usize {
        match self {
            Self::Numbers { .. } => 1,
            Self::Categories { names, .. } => names.len() + 1,
        }
    }

    /// Refuses what no table can have led to.
    pub fn check(&self, missing: Missing) -> std::result::Result<(), &'static str> {
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
    pub fn fit(column: &Column, rows: &[u32], normalize: Normalize, missing: Missing) -> Result<Self> {
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
            ColumnValues::Numbers(numbers) => Self::fit_numbers(name, numbers, rows, normalize, missing),
            ColumnValues::Categories { names, codes } => {
                Self::fit_categories(name, names, codes, rows, missing)
            }
        }
    }

    fn fit_numbers(
        name: String,
        numbers: &[f64],
        rows: &[u32],
        normalize: Normalize,
        missing: Missing,
    ) -> Result<Self> {
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

    fn fit_categories(
        name: String,
        names: &[String],
        codes: &[u32],
        rows: &[u32],
        missing: Missing,
    ) -> Result<Self> {
        let mut counts = vec![0; names.len()];
        for row in rows {
            if let Some(count) = counts.get_mut(codes[*row as usize] as usize) {
                *count += 1;
            }
        }
        let kept: Vec<String> =
            names.iter().zip(&counts).filter(|(_, count)| **count > 0).map(|(n, _)| n.clone()).collect();
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

/// In f64 up to the last step.
fn scaled(value: f64, shift: f64, scale: f64) -> f32 {
    ((value - shift) * scale) as f32
}

impl Encoding {
    /// Where each category of `column` stands among those of the train part; those that are not there are last.
    pub fn positions(&self, column: &Column) -> Vec<u32> {
        match (self, &column.values) {
            (Self::Categories { names: own, .. }, ColumnValues::Categories { names, .. }) => {
                names.iter().map(|name| own.binary_search(name).unwrap_or(own.len()) as u32).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Fills in this column's part of some rows; `cells` begin with it.
    pub fn encode_into<'a>(
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

    /// Puts the numbers of one field behind `out`; `None` is a missing value.
    pub fn encode_field(&self, field: Option<&str>, out: &mut Vec<f32>) -> Result<(), String> {
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
        format!("column \"{}\": {value:e} is too large for what the train part was scaled by", self.name())
    }
}

fn number(column: &str, field: &str) -> Result<f64, String> {
    let finite = field.parse::<f64>().ok().filter(|number| number.is_finite());
    finite.ok_or_else(|| {
        let field = shortened(field);
        format!("has \"{field}\" in column \"{column}\", which is not a finite number")
    })
}
