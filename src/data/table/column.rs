//! One column of a table.

use super::is_missing;

/// The code of a category that is missing.
pub const MISSING: u32 = u32::MAX;

/// A feature of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What the source calls it.
    pub name: String,
    /// One value a row.
    pub values: ColumnValues,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Finite numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// One of several texts.
    Categories {
        /// The texts, sorted.
        names: Vec<String>,
        /// The position of each row's text among them, [`MISSING`] where it is missing.
        codes: Vec<u32>,
    },
}

impl ColumnValues {
    /// Numbers if every field that is not missing is a finite number, else categories; none if all are missing.
    ///
    /// # Errors
    /// The position of a field that is infinite or not a number among fields that are numbers.
    pub fn infer<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> Result<Option<Self>, usize> {
        let mut numbers = Vec::new();
        let mut infinite = None;
        let mut any = false;
        for (position, field) in fields.clone().enumerate() {
            if is_missing(field) {
                numbers.push(f64::NAN);
                continue;
            }
            any = true;
            let Ok(number) = field.parse::<f64>() else { return Ok(Some(Self::categories(fields))) };
            if !number.is_finite() {
                infinite.get_or_insert(position);
            }
            numbers.push(number);
        }
        match infinite {
            Some(position) => Err(position),
            None => Ok(any.then_some(Self::Numbers(numbers))),
        }
    }

    /// The fields as categories.
    pub fn categories<'a>(fields: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for field in fields.clone().filter(|field| !is_missing(field)) {
            if seen.insert(field) {
                names.push(field);
            }
        }
        names.sort_unstable();
        let code = |field| names.binary_search(&field).map_or(MISSING, |code| code as u32);
        let codes = fields.map(code).collect();
        Self::Categories { names: names.into_iter().map(str::to_owned).collect(), codes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Categories { codes, .. } => codes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no value in this row.
    pub fn misses(&self, row: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.get(row).is_none_or(|number| number.is_nan()),
            Self::Categories { codes, .. } => codes.get(row).is_none_or(|code| *code == MISSING),
        }
    }

    /// How many are missing.
    pub fn missing(&self) -> usize {
        (0..self.len()).filter(|row| self.misses(*row)).count()
    }

    /// What stands in a row, as text; empty where it is missing.
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Numbers(numbers) => numbers
                .get(row)
                .filter(|number| !number.is_nan())
                .map(ToString::to_string)
                .unwrap_or_default(),
            Self::Categories { names, codes } => {
                codes.get(row).and_then(|code| names.get(*code as usize)).cloned().unwrap_or_default()
            }
        }
    }
}
