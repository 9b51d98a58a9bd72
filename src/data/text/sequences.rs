//! Texts as a model sees them.

use candle_core::{Device, Tensor};

use super::super::dataset::Inputs;
use super::preprocessing::{PADDING, UNKNOWN};
use super::texts::slice;
use crate::{Error, Result};

/// Sequences of tokens, none of them empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequences {
    tokens: Vec<u32>,
    ends: Vec<usize>,
}

impl Sequences {
    /// None, with room for so many.
    pub fn with_capacity(tokens: usize, rows: usize) -> Self {
        Self { tokens: Vec::with_capacity(tokens), ends: Vec::with_capacity(rows) }
    }

    /// Adds a sequence; one without tokens becomes one unknown word.
    pub fn push(&mut self, tokens: impl Iterator<Item = u32>) {
        let start = self.tokens.len();
        self.tokens.extend(tokens);
        if self.tokens.len() == start {
            self.tokens.push(UNKNOWN);
        }
        self.ends.push(self.tokens.len());
    }

    /// How many sequences there are.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Tokens in a sequence, the mean over all of them.
    pub fn mean_length(&self) -> f64 {
        self.tokens.len() as f64 / self.rows().max(1) as f64
    }

    /// One sequence; none if there is no such row.
    pub fn row(&self, row: usize) -> Option<&[u32]> {
        slice(&self.tokens, &self.ends, row)
    }

    /// The sequences at `rows`, in that order: `[1, B, T]`, u32, on `device`, T being the length of the longest of
    /// them; the shorter ones are filled with padding behind.
    pub fn gather(&self, rows: &[u32], device: &Device) -> Result<Inputs> {
        let sequences: Vec<&[u32]> = rows
            .iter()
            .map(|row| {
                let found = self.row(*row as usize);
                found
                    .ok_or_else(|| Error::Bug(format!("text {row} was asked for, there are {}", self.rows())))
            })
            .collect::<Result<_>>()?;
        let longest = sequences.iter().map(|sequence| sequence.len()).max().unwrap_or(0);
        let mut values = Vec::with_capacity(rows.len() * longest);
        for sequence in &sequences {
            values.extend_from_slice(sequence);
            values.resize(values.len() + longest - sequence.len(), PADDING);
        }
        let lengths = sequences.iter().map(|sequence| sequence.len() as u32).collect();
        Ok(Inputs {
            values: Tensor::from_vec(values, (1, rows.len(), longest), device)?,
            lengths: Some(lengths),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_long_as_its_own_longest() {
        let mut sequences = Sequences::default();
        for tokens in [&[2u32, 3][..], &[4], &[], &[5, 6, 7]] {
            sequences.push(tokens.iter().copied());
        }
        let batch = sequences.gather(&[1, 0, 2], &Device::Cpu).unwrap();
        assert_eq!(batch.values.to_vec3::<u32>().unwrap(), [[[4, 0], [2, 3], [1, 0]]]);
        assert_eq!(batch.lengths.unwrap(), [1, 2, 1]);
        let batch = sequences.gather(&[3], &Device::Cpu).unwrap();
        assert_eq!(batch.values.dims(), [1, 1, 3]);
        assert!(sequences.gather(&[4], &Device::Cpu).is_err());
    }
}
