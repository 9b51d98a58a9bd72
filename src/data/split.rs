//! The division of a data set's rows into parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Set};
use crate::rng::{Purpose, Stream};
use crate::setting::Problems;
use crate::{Error, Result};

/// How far a sum of fractions may miss 1, being decimal fractions in binary.
const TOLERANCE: f64 = 1e-9;

/// What fraction of the rows each part gets.
///
/// The split depends on its own seed only, never on the run's, so that runs with different seeds can be
/// compared on the same validation and test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// The fraction to train on, above 0.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub train: f64,
    /// The fraction for validation; what the others leave unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub valid: Option<f64>,
    /// The fraction held back for the final test; 0 if the source has a test set of its own.
    #[schemars(range(min = 0, max = 1))]
    pub test: f64,
    /// What the division is drawn with.
    pub seed: u64,
    /// Whether rows are drawn; otherwise the parts follow one another in the order of the source.
    pub shuffle: bool,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { train: 0.8, valid: None, test: 0.0, seed: 0, shuffle: true }
    }
}

impl SplitConfig {
    /// Refuses fractions that make no division; `has_test` if the source has a test set of its own.
    pub fn check(&self, has_test: bool, problems: &mut Problems) {
        let within = |fraction: f64| (0.0..=1.0).contains(&fraction);
        let valid = self.valid.unwrap_or(0.0);
        let train_holds = within(self.train) && self.train > 0.0;
        problems.require(train_holds, "train", self.train, "a fraction above 0 and up to 1");
        problems.require(within(valid), "valid", valid, "a fraction between 0 and 1");
        problems.require(within(self.test), "test", self.test, "a fraction between 0 and 1");
        let sum = self.train + valid + self.test;
        if train_holds && within(valid) && within(self.test) && sum > 1.0 + TOLERANCE {
            problems.refuse(
                "",
                format!("the parts add up to {sum}"),
                "expected parts that add up to 1 or less",
            );
        }
        if has_test && within(self.test) && self.test > 0.0 {
            let message = format!("`test` is {}, but the source has a test set of its own", self.test);
            problems.refuse("test", message, "expected 0");
        }
    }

    /// Fills in the validation fraction.
    pub(super) fn resolve(&mut self) {
        // Rounded, so that 0.8 leaves 0.2 and not 0.19999999999999996.
        let rest = ((1.0 - self.train - self.test) * 1e12).round() / 1e12;
        self.valid.get_or_insert(rest.max(0.0));
    }

    /// The rows of train, valid and test: floors, the last part that is not 0 taking what they leave if the
    /// fractions add up to 1.
    fn counts(&self, rows: usize) -> Result<[usize; 3]> {
        let mut resolved = self.clone();
        resolved.resolve();
        let fractions = [self.train, resolved.valid.unwrap_or(0.0), self.test];
        let mut problems = Problems::default();
        resolved.check(false, &mut problems);
        if let Some(problem) = problems.into_found().into_iter().next() {
            return Err(Error::Request(format!("the split cannot be made: {}", problem.message)));
        }
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
}

/// The whole part, forgiving a product like 0.29 · 100 = 28.999999999999996.
fn floor(product: f64) -> usize {
    let nearest = product.round();
    let exact = (product - nearest).abs() <= TOLERANCE * nearest.max(1.0);
    if exact { nearest as usize } else { product.floor() as usize }
}

/// Some rows of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where the rows lie.
    pub set: Set,
    /// Rows in the source, from 0.
    pub rows: Vec<u32>,
}

impl Part {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none; no part of a [`Split`] is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The parts of a data set; no row is in two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What is trained on, in the order in which it was drawn: it is the order of training without `shuffle`.
    pub train: Part,
    /// What models are chosen by, in the order of the source.
    pub valid: Option<Part>,
    /// What is looked at once, in the order of the source: the source's own test set if it has one.
    pub test: Option<Part>,
}

impl Split {
    /// Divides the rows of `dataset`.
    ///
    /// Fails if a part that was asked for gets no row, or if a test part is asked for beside a test set.
    pub fn new(dataset: &Dataset, config: &SplitConfig) -> Result<Self> {
        if dataset.test.is_some() && config.test > 0.0 {
            return Err(Error::Request(format!(
                "`data.split.test` is {}, but the source has a test set of its own: set it to 0",
                config.test
            )));
        }
        let rows = dataset.main.len();
        let [train, valid, test] = config.counts(rows)?;
        let mut order = if config.shuffle {
            Stream::new(config.seed, Purpose::Split, 0, 0).permutation(rows)
        } else {
            (0..rows as u32).collect()
        };
        order.truncate(train + valid + test);
        let sorted = |mut rows: Vec<u32>| {
            rows.sort_unstable();
            (!rows.is_empty()).then_some(Part { set: Set::Main, rows })
        };
        let own_test = sorted(order.split_off(train + valid));
        let valid = sorted(order.split_off(train));
        let test = match &dataset.test {
            Some(samples) => Some(Part { set: Set::Test, rows: (0..samples.len() as u32).collect() }),
            None => own_test,
        };
        Ok(Self { train: Part { set: Set::Main, rows: order }, valid, test })
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::Samples;
    use super::*;

    fn dataset(rows: usize, test: usize) -> Dataset {
        let samples = |rows: usize| Samples::new(vec![0; rows], 1, vec![0; rows]).unwrap();
        let test = (test > 0).then(|| samples(test));
        let classes = vec!["0".into(), "1".into()];
        Dataset::new(samples(rows), test, vec![1, 1, 1], classes, 255.0).unwrap()
    }

    fn config(train: f64, valid: Option<f64>, test: f64) -> SplitConfig {
        SplitConfig { train, valid, test, ..SplitConfig::default() }
    }

    #[test]
    fn counts_are_floored_and_the_last_part_takes_the_remainder() {
        let counts = |train, valid, test, rows| config(train, valid, test).counts(rows).unwrap();
        assert_eq!(counts(0.6, Some(0.2), 0.2, 1797), [1078, 359, 360]);
        assert_eq!(counts(0.8, None, 0.0, 60_000), [48_000, 12_000, 0]);
        assert_eq!(counts(0.8, None, 0.0, 1797), [1437, 360, 0]);
        assert_eq!(counts(1.0, None, 0.0, 7), [7, 0, 0]);
        // 0.29 · 100 is 28.999999999999996 in binary, 0.7 · 10 is 7.000000000000001 less an ulp or two.
        assert_eq!(counts(0.29, Some(0.71), 0.0, 100), [29, 71, 0]);
        assert_eq!(counts(0.7, Some(0.2), 0.1, 10), [7, 2, 1]);
        // Fractions below 1 in sum leave rows out.
        assert_eq!(counts(0.5, Some(0.25), 0.0, 11), [5, 2, 0]);
    }

    #[test]
    fn parts_are_disjoint_and_cover_every_row() {
        let split = Split::new(&dataset(1797, 0), &config(0.6, Some(0.2), 0.2)).unwrap();
        let (valid, test) = (split.valid.unwrap(), split.test.unwrap());
        assert_eq!((split.train.len(), valid.len(), test.len()), (1078, 359, 360));
        assert!(valid.rows.is_sorted() && test.rows.is_sorted() && !split.train.rows.is_sorted());
        let mut all = [split.train.rows, valid.rows, test.rows].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1797).collect::<Vec<u32>>());
    }

    #[test]
    fn the_split_depends_on_its_own_seed_only() {
        let data = dataset(100, 0);
        let seeded = |seed| SplitConfig { seed, ..SplitConfig::default() };
        let split = Split::new(&data, &seeded(0)).unwrap();
        assert_eq!(split, Split::new(&data, &seeded(0)).unwrap());
        assert_ne!(split, Split::new(&data, &seeded(1)).unwrap());
        // The draw is pinned: runs of another day and machine see the same rows.
        assert_eq!(split.train.rows[..6], [31, 73, 36, 87, 81, 90]);
    }

    #[test]
    fn without_shuffling_the_parts_follow_one_another() {
        let config = SplitConfig { shuffle: false, ..config(0.5, Some(0.3), 0.2) };
        let split = Split::new(&dataset(10, 0), &config).unwrap();
        assert_eq!(split.train.rows, [0, 1, 2, 3, 4]);
        assert_eq!(split.valid.unwrap().rows, [5, 6, 7]);
        assert_eq!(split.test.unwrap().rows, [8, 9]);
    }

    #[test]
    fn a_test_set_of_the_source_is_the_test_part() {
        let split = Split::new(&dataset(10, 3), &SplitConfig::default()).unwrap();
        assert_eq!(split.test.unwrap(), Part { set: Set::Test, rows: vec![0, 1, 2] });
        assert_eq!(split.train.len() + split.valid.unwrap().len(), 10);
        let error = Split::new(&dataset(10, 3), &config(0.8, None, 0.1)).unwrap_err();
        assert!(error.to_string().contains("test set of its own"), "{error}");
    }

    #[test]
    fn a_part_without_rows_is_an_error() {
        let empty =
            |config: SplitConfig, rows| Split::new(&dataset(rows, 0), &config).unwrap_err().to_string();
        assert!(empty(config(0.1, None, 0.0), 5).contains("train part is empty"));
        assert!(empty(config(0.6, Some(0.2), 0.2), 3).contains("validation part is empty"));
        assert!(empty(config(1.2, None, 0.0), 5).contains("`train` is 1.2"));
        assert!(empty(config(0.9, Some(0.2), 0.0), 50).contains("add up to 1.1"));
        let split = Split::new(&dataset(5, 0), &config(1.0, None, 0.0)).unwrap();
        assert_eq!((split.train.len(), split.valid, split.test), (5, None, None));
    }
}
