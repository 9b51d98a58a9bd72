//! Rows of a table as a model is given them.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::super::Inputs;
use super::{Table, TablePreprocessing};
use crate::{Error, Result};

/// All rows of a table, encoded once for all batches; clones share them.
#[derive(Debug, Clone)]
pub struct Vectors {
    width: usize,
    /// `[rows, width]`.
    numbers: Arc<[f32]>,
}

impl Vectors {
    /// Encodes every row of `table`.
    pub fn new(preprocessing: &TablePreprocessing, table: &Table) -> Result<Self> {
        Ok(Self { width: preprocessing.width(), numbers: preprocessing.encode(table)?.into() })
    }

    /// The rows in that order, `[1, B, width]` on `device`.
    ///
    /// # Errors
    /// [`Error::Bug`] if there is no such row.
    pub fn gather(&self, rows: &[u32], device: &Device) -> Result<Inputs> {
        let mut numbers = Vec::with_capacity(rows.len() * self.width);
        for row in rows {
            let start = *row as usize * self.width;
            let found = self.numbers.get(start..start + self.width);
            numbers.extend_from_slice(found.ok_or_else(|| {
                let count = self.numbers.len() / self.width;
                Error::Bug(format!("row {row} was asked for, there are {count}"))
            })?);
        }
        inputs(numbers, self.width, device)
    }
}

impl TablePreprocessing {
    /// Rows that [`encode_fields`](Self::encode_fields) made, `[1, B, width]` on `device`.
    ///
    /// # Errors
    /// [`Error::Bug`] if one of them has another width.
    pub fn batch<'a>(&self, rows: impl Iterator<Item = &'a [f32]>, device: &Device) -> Result<Inputs> {
        let width = self.width();
        let mut numbers = Vec::new();
        for row in rows {
            if row.len() != width {
                let found = row.len();
                return Err(Error::Bug(format!("a row of {found} numbers came where {width} belong")));
            }
            numbers.extend_from_slice(row);
        }
        inputs(numbers, width, device)
    }
}

fn inputs(numbers: Vec<f32>, width: usize, device: &Device) -> Result<Inputs> {
    let shape = (1, numbers.len() / width, width);
    Ok(Inputs { values: Tensor::from_vec(numbers, shape, device)?, lengths: None })
}
