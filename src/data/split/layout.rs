//! Where the parts of a data set lie among its drawn rows.

use std::ops::Range;

use super::{SplitConfig, TOLERANCE, TRAIN, rounded};
use crate::setting::Problems;
use crate::{Error, Result};

/// Where the parts lie among the drawn rows. What does not validate in front of the test part trains.
pub(super) struct Layout {
    /// What validates.
    pub valid: Range<usize>,
    /// What is held back.
    pub test: Range<usize>,
}

impl Layout {
    /// Among `rows` drawn rows.
    ///
    /// # Errors
    /// [`Error::Request`] if a part or fold that was asked for gets no row, or it is not said which fold
    /// validates.
    pub fn new(config: &SplitConfig, rows: usize) -> Result<Self> {
        let mut resolved = config.clone();
        resolved.resolve();
        let mut problems = Problems::default();
        resolved.check(false, &mut problems);
        if let Some(problem) = problems.into_found().into_iter().next() {
            return Err(Error::Request(format!("the split cannot be made: {}", problem.message)));
        }
        match resolved.folds {
            Some(folds) => Self::folded(&resolved, folds, rows),
            None => Self::held_out(&resolved, rows),
        }
    }

    fn held_out(config: &SplitConfig, rows: usize) -> Result<Self> {
        let fractions = [config.train.unwrap_or(TRAIN), config.valid.unwrap_or(0.0), config.test];
        let [train, valid, test] = counts(fractions, rows)?;
        let known = train + valid;
        Ok(Self { valid: train..known, test: known..known + test })
    }

    fn folded(config: &SplitConfig, folds: usize, rows: usize) -> Result<Self> {
        let Some(fold) = config.fold else {
            return Err(Error::Request(format!(
                "`data.split.folds` is {folds}, but nothing says which fold validates: \
                 set `data.split.fold` to a number from 1 to {folds}"
            )));
        };
        // Where all other rows train the test part is the same, so it does not depend on the folds.
        let [known, _, test] = counts([rounded(1.0 - config.test), 0.0, config.test], rows)?;
        if folds > known {
            return Err(Error::Request(format!(
                "`data.split.folds` is {folds}, but there are only {known} of {rows} rows to divide: \
                 choose fewer folds"
            )));
        }
        // The first folds get a row more where they cannot all have the same size.
        let (size, larger) = (known / folds, known % folds);
        let start = |index: usize| index * size + index.min(larger);
        Ok(Self { valid: start(fold - 1)..start(fold), test: known..known + test })
    }
}

/// The rows of train, valid and test: floors, the last part that is not 0 taking what they leave if the
/// fractions add up to 1.
fn counts(fractions: [f64; 3], rows: usize) -> Result<[usize; 3]> {
    let mut counts = fractions.map(|fraction| floor(fraction * rows as f64));
    if (fractions.iter().sum::<f64>() - 1.0).abs() <= TOLERANCE
        && let Some(last) = fractions.iter().rposition(|fraction| *fraction > 0.0)
    {
        let others: usize = counts[..last].iter().sum();
        counts[last] = rows.saturating_sub(others);
    }
    for ((part, fraction), count) in ["train", "validation", "test"].iter().zip(fractions).zip(counts) {
        if fraction > 0.0 && count == 0 {
            return Err(Error::Request(format!(
                "the {part} part is empty: {fraction} of {rows} rows is none; change `data.split`"
            )));
        }
    }
    Ok(counts)
}

/// The whole part, forgiving a product like 0.29 · 100 = 28.999999999999996.
fn floor(product: f64) -> usize {
    let nearest = product.round();
    let exact = (product - nearest).abs() <= TOLERANCE * nearest.max(1.0);
    if exact { nearest as usize } else { product.floor() as usize }
}
