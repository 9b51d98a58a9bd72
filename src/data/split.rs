//! The division of a data set's rows into parts.

mod layout;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::layout::Layout;
use super::dataset::{Dataset, Samples, Set};
use crate::rng::{Purpose, Stream};
use crate::setting::Problems;
use crate::target::Targets;
use crate::{Error, Result};

/// How far a sum of fractions may miss 1, being decimal fractions in binary.
const TOLERANCE: f64 = 1e-9;
/// The fraction to train on unless the user says.
const TRAIN: f64 = 0.8;
/// With one fold nothing would be left to train on.
const FEWEST_FOLDS: usize = 2;

/// What fraction of the rows each part gets, or into how many folds they are divided.
///
/// The split depends on its own seed only, never on the run's, so that runs with different seeds can be
/// compared on the same validation and test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// The fraction to train on, above 0; 0.8 unless set. Not beside `folds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub train: Option<f64>,
    /// The fraction for validation; what the others leave unless set. Not beside `folds`.
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
    /// Whether each part gets each class in the proportion of the whole; only where the targets are classes.
    pub stratify: bool,
    /// Into how many parts of nearly equal size the rows beside the test part are divided for cross
    /// validation, at least 2; each of them validates a model that is trained on the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub folds: Option<usize>,
    /// Which of the folds validates, from 1 to `folds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fold: Option<usize>,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self {
            train: None,
            valid: None,
            test: 0.0,
            seed: 0,
            shuffle: true,
            stratify: false,
            folds: None,
            fold: None,
        }
    }
}

impl SplitConfig {
    /// Refuses fractions or folds that make no division; `has_test` if the source has a test set of its own.
    pub fn check(&self, has_test: bool, problems: &mut Problems) {
        match self.folds {
            Some(folds) => self.check_folds(folds, problems),
            None => self.check_fractions(problems),
        }
        if has_test && is_fraction(self.test) && self.test > 0.0 {
            let message = format!("`test` is {}, but the source has a test set of its own", self.test);
            problems.refuse("test", message, "expected 0");
        }
    }

    fn check_fractions(&self, problems: &mut Problems) {
        let (train, valid) = (self.train.unwrap_or(TRAIN), self.valid.unwrap_or(0.0));
        let train_holds = is_fraction(train) && train > 0.0;
        problems.require(train_holds, "train", train, "a fraction above 0 and up to 1");
        problems.require(is_fraction(valid), "valid", valid, "a fraction between 0 and 1");
        problems.require(is_fraction(self.test), "test", self.test, "a fraction between 0 and 1");
        let sum = train + valid + self.test;
        if train_holds && is_fraction(valid) && is_fraction(self.test) && sum > 1.0 + TOLERANCE {
            problems.refuse(
                "",
                format!("the parts add up to {}", (sum * 1e9).round() / 1e9),
                "expected parts that add up to 1 or less",
            );
        }
        if let Some(fold) = self.fold {
            problems.refuse("fold", format!("`fold` is {fold}, but `folds` is not set"), "expected both");
        }
    }

    fn check_folds(&self, folds: usize, problems: &mut Problems) {
        for (key, fraction) in [("train", self.train), ("valid", self.valid)] {
            if fraction.is_some() {
                let message =
                    format!("`{key}` is set beside `folds`, which divide all rows but the test part");
                problems.refuse(key, message, "expected one or the other");
            }
        }
        let test_holds = is_fraction(self.test) && self.test < 1.0;
        problems.require(test_holds, "test", self.test, "a fraction from 0 to below 1");
        let folds_hold = folds >= FEWEST_FOLDS;
        problems.require(folds_hold, "folds", folds, &format!("at least {FEWEST_FOLDS}"));
        if let Some(fold) = self.fold.filter(|fold| folds_hold && !(1..=folds).contains(fold)) {
            let message = format!("`fold` is {fold}, but there are {folds} folds");
            problems.refuse("fold", message, format!("expected a number from 1 to {folds}"));
        }
    }

    /// Fills in the fractions of train and validation, unless there are folds in their place.
    pub(super) fn resolve(&mut self) {
        if self.folds.is_none() {
            let train = *self.train.get_or_insert(TRAIN);
            self.valid.get_or_insert(rounded(1.0 - train - self.test).max(0.0));
        }
    }

    /// Whether some rows are for validation; call after [`resolve`](Self::resolve).
    pub(super) fn has_validation(&self) -> bool {
        self.folds.is_some() || self.valid.is_some_and(|fraction| fraction > 0.0)
    }
}

fn is_fraction(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// A difference of fractions as people write it: 0.2 and not 0.19999999999999996.
fn rounded(fraction: f64) -> f64 {
    (fraction * 1e12).round() / 1e12
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
    /// Divides the rows of `dataset` that may be used.
    ///
    /// Fails if a part that was asked for gets no row, if a test part is asked for beside a test set, or if
    /// there are folds and it is not said which of them validates.
    pub fn new(dataset: &Dataset, config: &SplitConfig) -> Result<Self> {
        let test = dataset.test.as_ref().map(Samples::usable);
        Self::of_rows(&dataset.main.usable(), dataset.main.targets(), test, config)
    }

    /// Divides `rows`, whose targets are found in `targets`; `test` are those of the source's own test set.
    pub(super) fn of_rows(
        rows: &[u32],
        targets: &Targets,
        test: Option<Vec<u32>>,
        config: &SplitConfig,
    ) -> Result<Self> {
        if test.is_some() && config.test > 0.0 {
            return Err(Error::Request(format!(
                "`data.split.test` is {}, but the source has a test set of its own: set it to 0",
                config.test
            )));
        }
        let Layout { valid, test: own } = Layout::new(config, rows.len())?;
        let mut order = if config.shuffle {
            let drawn = Stream::new(config.seed, Purpose::Split, 0, 0).permutation(rows.len());
            drawn.into_iter().map(|position| rows[position as usize]).collect()
        } else {
            rows.to_vec()
        };
        if config.stratify {
            order = stratified(&order, targets)?;
        }
        order.truncate(own.end);
        let sorted = |mut rows: Vec<u32>| {
            rows.sort_unstable();
            (!rows.is_empty()).then_some(Part { set: Set::Main, rows })
        };
        let own_test = sorted(order.split_off(own.start));
        let valid = sorted(order.drain(valid).collect());
        let test = test.map(|rows| Part { set: Set::Test, rows }).or(own_test);
        Ok(Self { train: Part { set: Set::Main, rows: order }, valid, test })
    }
}

/// The same rows in an order in which every stretch has each class in about the proportion of the whole.
///
/// The k-th of a class's n rows stands at (k + ½) / n of the way; rows that stand at the same place keep their
/// order. So any division of the order into stretches, fractions or folds, is a stratified one.
fn stratified(order: &[u32], targets: &Targets) -> Result<Vec<u32>> {
    let Targets::Classes(classes) = targets else {
        return Err(Error::Request(
            "`data.split.stratify` divides the rows of each class, but the targets are numbers: leave it out"
                .into(),
        ));
    };
    let class = |row: &u32| classes.get(*row as usize).copied().unwrap_or_default() as usize;
    let mut sizes = vec![0u64; classes.iter().max().map_or(0, |largest| *largest as usize + 1)];
    for row in order {
        sizes[class(row)] += 1;
    }
    let mut seen = vec![0u64; sizes.len()];
    let mut placed: Vec<(f64, u32)> = order
        .iter()
        .map(|row| {
            let class = class(row);
            seen[class] += 1;
            ((seen[class] as f64 - 0.5) / sizes[class] as f64, *row)
        })
        .collect();
    placed.sort_by(|left, right| left.0.total_cmp(&right.0));
    Ok(placed.into_iter().map(|(_, row)| row).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::labels::Labels;
    use super::*;

    fn dataset(rows: usize, test: usize) -> Dataset {
        let samples =
            |rows: usize| Samples::images(vec![0; rows], vec![1, 1, 1], 255.0, vec![0; rows]).unwrap();
        let test = (test > 0).then(|| samples(test));
        Dataset::new(samples(rows), test, Labels::Classes(vec!["0".into(), "1".into()])).unwrap()
    }

    fn config(train: f64, valid: Option<f64>, test: f64) -> SplitConfig {
        SplitConfig { train: Some(train), valid, test, ..SplitConfig::default() }
    }

    fn fold(fold: usize, folds: usize) -> SplitConfig {
        SplitConfig { folds: Some(folds), fold: Some(fold), ..SplitConfig::default() }
    }

    fn in_order(mut config: SplitConfig) -> SplitConfig {
        config.shuffle = false;
        config
    }

    #[test]
    fn counts_are_floored_and_the_last_part_takes_the_remainder() {
        let counts = |train, valid, test, rows| {
            let Layout { valid, test } = Layout::new(&config(train, valid, test), rows).unwrap();
            [valid.start, valid.len(), test.len()]
        };
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
        let split = Split::new(&dataset(10, 0), &in_order(config(0.5, Some(0.3), 0.2))).unwrap();
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
    fn stratified_parts_have_every_class_in_proportion() {
        // 300 rows of class 0, 90 of class 1 and 10 of class 2, in this order.
        let classes: Vec<u32> = (0..400).map(|row| u32::from(row >= 300) + u32::from(row >= 390)).collect();
        let rows: Vec<u32> = (0..400).collect();
        let split = |config: &SplitConfig| {
            Split::of_rows(&rows, &Targets::Classes(classes.clone()), None, config).unwrap()
        };
        let counts = |part: &Part| {
            let count = |class| part.rows.iter().filter(|row| classes[**row as usize] == class).count();
            [count(0), count(1), count(2)]
        };
        let config = SplitConfig { stratify: true, ..config(0.6, Some(0.2), 0.2) };
        let made = split(&config);
        assert_eq!(counts(&made.train), [180, 54, 6]);
        assert_eq!(counts(made.valid.as_ref().unwrap()), [60, 18, 2]);
        assert_eq!(counts(made.test.as_ref().unwrap()), [60, 18, 2]);
        assert_ne!(split(&SplitConfig { seed: 1, ..config }).train, made.train);
        for index in 1..=10 {
            let folded = split(&SplitConfig { stratify: true, ..fold(index, 10) });
            assert_eq!(counts(folded.valid.as_ref().unwrap()), [30, 9, 1], "fold {index}");
        }
        let numbers = Targets::Values(vec![0.0; 400]);
        let refused = Split::of_rows(&rows, &numbers, None, &SplitConfig { stratify: true, ..fold(1, 2) });
        assert!(refused.unwrap_err().to_string().contains("the targets are numbers"));
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

    #[test]
    fn without_folds_the_text_is_what_it_was_before_there_were_any() {
        let mut config = SplitConfig::default();
        config.resolve();
        let expected = "train = 0.8\nvalid = 0.2\ntest = 0.0\nseed = 0\nshuffle = true\nstratify = false\n";
        assert_eq!(toml::to_string(&config).unwrap(), expected);
        let expected = r#"{"train":0.8,"valid":0.2,"test":0.0,"seed":0,"shuffle":true,"stratify":false}"#;
        assert_eq!(serde_json::to_string(&config).unwrap(), expected);
        let mut folded = fold(2, 5);
        folded.resolve();
        let expected = "test = 0.0\nseed = 0\nshuffle = true\nstratify = false\nfolds = 5\nfold = 2\n";
        assert_eq!(toml::to_string(&folded).unwrap(), expected);
    }

    /// scikit-learn 1.9.1:
    /// ```python
    /// for n, k in [(1797, 5), (11, 4), (7, 7)]:
    ///     print([(v[0], v[-1] + 1, len(t)) for t, v in KFold(k, shuffle=False).split(range(n))])
    /// for t, v in KFold(3, shuffle=False).split(range(8)): print(t, v)
    /// ```
    #[test]
    fn folds_are_those_of_scikit_learn() {
        let bounds = |rows, folds| -> Vec<(u32, u32, usize)> {
            let split = |index| Split::new(&dataset(rows, 0), &in_order(fold(index, folds))).unwrap();
            let bounds = |split: Split| {
                let valid = split.valid.unwrap().rows;
                assert!(valid.windows(2).all(|pair| pair[1] == pair[0] + 1), "{valid:?}");
                (valid[0], valid[valid.len() - 1] + 1, split.train.len())
            };
            (1..=folds).map(|index| bounds(split(index))).collect()
        };
        assert_eq!(
            bounds(1797, 5),
            [(0, 360, 1437), (360, 720, 1437), (720, 1079, 1438), (1079, 1438, 1438), (1438, 1797, 1438)]
        );
        assert_eq!(bounds(11, 4), [(0, 3, 8), (3, 6, 8), (6, 9, 8), (9, 11, 9)]);
        let ones: Vec<(u32, u32, usize)> = (0..7).map(|row| (row, row + 1, 6)).collect();
        assert_eq!(bounds(7, 7), ones);

        let split = |index| Split::new(&dataset(8, 0), &in_order(fold(index, 3))).unwrap();
        let rows = |split: Split| (split.train.rows, split.valid.unwrap().rows);
        assert_eq!(rows(split(1)), (vec![3, 4, 5, 6, 7], vec![0, 1, 2]));
        assert_eq!(rows(split(2)), (vec![0, 1, 2, 6, 7], vec![3, 4, 5]));
        assert_eq!(rows(split(3)), (vec![0, 1, 2, 3, 4, 5], vec![6, 7]));
    }

    #[test]
    fn a_fold_trains_in_the_order_that_was_drawn() {
        let data = dataset(100, 0);
        let drawn = Split::new(&data, &config(1.0, None, 0.0)).unwrap().train.rows;
        let split = Split::new(&data, &fold(2, 10)).unwrap();
        assert_eq!(split.train.rows, [&drawn[..10], &drawn[20..]].concat());
        let mut valid = drawn[10..20].to_vec();
        valid.sort_unstable();
        assert_eq!(split.valid.unwrap().rows, valid);
    }

    #[test]
    fn the_test_part_does_not_depend_on_the_folds() {
        let data = dataset(1797, 0);
        let held_out = Split::new(&data, &config(0.6, Some(0.2), 0.2)).unwrap();
        for folds in [2, 3, 10] {
            let split = Split::new(&data, &SplitConfig { test: 0.2, ..fold(2, folds) }).unwrap();
            assert_eq!(split.test, held_out.test);
        }
        let split = Split::new(&dataset(10, 3), &fold(5, 5)).unwrap();
        assert_eq!(split.test.unwrap(), Part { set: Set::Test, rows: vec![0, 1, 2] });
        assert_eq!((split.train.len(), split.valid.unwrap().len()), (8, 2));
    }

    proptest! {
        #[test]
        fn every_row_is_tested_or_validates_once(
            rows in 4usize..150, folds in 2usize..150, percent in 0usize..60, seed: u64, shuffle: bool,
        ) {
            let data = dataset(rows, 0);
            let test = percent as f64 / 100.0;
            let shaped = SplitConfig { test, seed, shuffle, ..SplitConfig::default() };
            let held_out = SplitConfig { train: Some(1.0 - test), ..shaped.clone() };
            let held_out = Split::new(&data, &held_out).unwrap();
            let known = held_out.train.len();
            let mut validated = Vec::new();
            for fold in 1..=folds {
                let config = SplitConfig { folds: Some(folds), fold: Some(fold), ..shaped.clone() };
                let split = Split::new(&data, &config);
                if folds > known {
                    prop_assert!(split.is_err());
                    return Ok(());
                }
                let split = split.unwrap();
                prop_assert_eq!(&split.test, &held_out.test);
                let valid = split.valid.unwrap().rows;
                let (fewest, more) = (known / folds, usize::from(fold <= known % folds));
                prop_assert_eq!(valid.len(), fewest + more);
                let mut both = [split.train.rows, valid.clone()].concat();
                both.sort_unstable();
                let mut all = held_out.train.rows.clone();
                all.sort_unstable();
                prop_assert_eq!(both, all);
                validated.extend(valid);
            }
            validated.extend(held_out.test.map_or_else(Vec::new, |part| part.rows));
            validated.sort_unstable();
            prop_assert_eq!(validated, (0..rows as u32).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn folds_that_cannot_be_made_are_errors_that_name_the_numbers() {
        let refused = |config: SplitConfig| Split::new(&dataset(10, 0), &config).unwrap_err().to_string();
        assert_eq!(
            refused(SplitConfig { test: 0.2, ..fold(1, 9) }),
            "`data.split.folds` is 9, but there are only 8 of 10 rows to divide: choose fewer folds"
        );
        assert_eq!(
            refused(SplitConfig { fold: None, ..fold(1, 5) }),
            "`data.split.folds` is 5, but nothing says which fold validates: set `data.split.fold` to a number from 1 to 5"
        );
        assert!(refused(fold(1, 1)).contains("`folds` is 1"));
        assert!(refused(fold(0, 5)).contains("`fold` is 0"));
        assert!(refused(fold(6, 5)).contains("`fold` is 6"));
        assert!(refused(fold(1, usize::MAX)).contains("only 10 of 10 rows"));
        assert!(refused(SplitConfig { folds: None, ..fold(1, 5) }).contains("`folds` is not set"));
        assert!(refused(SplitConfig { train: Some(0.8), ..fold(1, 5) }).contains("`train` is set beside"));
        assert!(refused(SplitConfig { test: 1.0, ..fold(1, 5) }).contains("`test` is 1"));
        assert!(refused(SplitConfig { test: f64::NAN, ..fold(1, 5) }).contains("`test` is NaN"));
    }
}
