//! What all made-up tables share.

use super::super::dataset::{Content, Dataset, Samples};
use super::super::labels::Labels;
use super::super::table::{Column, ColumnValues, Missing, Table};
use crate::rng::{Draws, Purpose, Stream};
use crate::setting::Problems;
use crate::target::Targets;
use crate::{Error, Result};

/// Bytes that no machine has to spare for a made-up data set.
const LARGEST: u128 = 1 << 40;
/// The most features that are made up.
pub const MOST_FEATURES: usize = 65_536;
/// The most classes that are made up.
pub const MOST_CLASSES: usize = 10_000;
/// What the column is called that there is to predict.
const TARGET: &str = "target";

/// Refuses sizes that cannot be made up.
pub fn check_size(samples: usize, features: usize, problems: &mut Problems) {
    let fits = (1..=u32::MAX as usize).contains(&samples);
    problems.require(fits, "samples", samples, "1 to 4294967295");
    let bytes = (samples as u128) * (features as u128) * size_of::<f64>() as u128;
    if fits {
        problems.require(bytes <= LARGEST, "samples", samples, "no more than 1 TiB of numbers");
    }
}

/// Refuses a strength of noise outside of 0 to 1.
pub fn check_noise(noise: f64, problems: &mut Problems) {
    problems.require((0.0..=1.0).contains(&noise), "noise", noise, "a number between 0 and 1");
}

/// Refuses a number of classes that cannot be told apart.
pub fn check_classes(classes: usize, problems: &mut Problems) {
    let fits = (2..=MOST_CLASSES).contains(&classes);
    problems.require(fits, "num_classes", classes, "2 to 10000");
}

/// Refuses a number of features that cannot be made up.
pub fn check_features(features: usize, problems: &mut Problems) {
    let fits = (1..=MOST_FEATURES).contains(&features);
    problems.require(fits, "features", features, "1 to 65536");
}

/// The draws of a sample: more samples keep the earlier ones. `kind` is the stream's first coordinate.
pub fn draws(seed: u64, kind: u32, row: usize) -> Draws {
    Stream::new(seed, Purpose::Synthetic, kind, row as u32).draws()
}

/// A table of the features x0, x1, …: `fill` is called once a sample with its row and its features, and returns its
/// target.
pub fn table<T>(
    samples: usize,
    features: usize,
    mut fill: impl FnMut(usize, &mut [f64]) -> T,
) -> Result<(Table, Vec<T>)> {
    let short = || Error::Environment(format!("there is not enough memory for {samples} samples"));
    let mut columns: Vec<Vec<f64>> = Vec::new();
    columns.try_reserve_exact(features).map_err(|_| short())?;
    for _ in 0..features {
        let mut column = Vec::new();
        column.try_reserve_exact(samples).map_err(|_| short())?;
        columns.push(column);
    }
    let mut targets = Vec::new();
    targets.try_reserve_exact(samples).map_err(|_| short())?;
    let mut row_values = vec![0.0; features];
    for row in 0..samples {
        targets.push(fill(row, &mut row_values));
        for (column, value) in columns.iter_mut().zip(&row_values) {
            column.push(*value);
        }
    }
    let named = |(at, numbers)| Column { name: format!("x{at}"), values: ColumnValues::Numbers(numbers) };
    let columns = columns.into_iter().enumerate().map(named).collect();
    Ok((Table::new(columns, TARGET.to_owned(), Missing::Error)?, targets))
}

/// A data set of points with classes.
pub fn classified((table, classes): (Table, Vec<u32>), count: usize) -> Result<Dataset> {
    let names = (0..count).map(|class| class.to_string()).collect();
    let main = Samples::new(Content::Table(table), Targets::Classes(classes))?;
    Dataset::new(main, None, Labels::Classes(names))
}

/// A data set of points with numbers.
pub fn valued((table, values): (Table, Vec<f32>)) -> Result<Dataset> {
    let main = Samples::new(Content::Table(table), Targets::Values(values))?;
    Dataset::new(main, None, Labels::Target(TARGET.to_owned()))
}

/// Refuses settings that cannot work where the data is made without a check before.
pub fn expect_fit(check: impl FnOnce(&mut Problems)) -> Result<()> {
    let mut problems = Problems::default();
    check(&mut problems);
    match problems.into_found().into_iter().next() {
        Some(problem) => Err(Error::Request(format!("the data cannot be made up: {}", problem.message))),
        None => Ok(()),
    }
}
