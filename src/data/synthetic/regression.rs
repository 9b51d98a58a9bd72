//! Numbers to predict from numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::dataset::Dataset;
use super::super::{Normalize, Source, fingerprint};
use super::vectors::{check_features, check_noise, check_size, draws, expect_fit, table, valued};
use crate::Result;
use crate::setting::Problems;
use crate::target::TaskKind;

/// The first coordinates of the streams.
const WEIGHTS: u32 = 36;
const SAMPLE: u32 = 37;

/// y = w · x + noise with standard normal x and a random w of length 1, as scikit-learn's `make_regression`
/// but for the scale: without noise, y has a standard deviation of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegressionConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// How many numbers a sample has.
    #[schemars(range(min = 1, max = 65_536))]
    pub features: usize,
    /// Standard deviation of the noise in the target, of which the other part has 1.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for RegressionConfig {
    fn default() -> Self {
        Self { samples: 1000, features: 10, noise: 0.1, seed: 0 }
    }
}

impl Source for RegressionConfig {
    fn check(&self, problems: &mut Problems) {
        check_size(self.samples, self.features, problems);
        check_features(self.features, problems);
        check_noise(self.noise, problems);
    }

    fn task(&self) -> Option<TaskKind> {
        Some(TaskKind::Regression)
    }

    fn default_normalize(&self) -> Normalize {
        Normalize::Standardize
    }

    fn has_maximum(&self) -> bool {
        false
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"regression 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        expect_fit(|problems| self.check(problems))?;
        let mut weights = vec![0.0; self.features];
        let mut drawn = draws(self.seed, WEIGHTS, 0);
        for weight in &mut weights {
            *weight = drawn.normal();
        }
        let length = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
        // A length of 0 has no probability to speak of.
        let scale = if length > 0.0 { 1.0 / length } else { 1.0 };
        valued(table(self.samples, self.features, |row, features| {
            let mut draws = draws(self.seed, SAMPLE, row);
            let mut sum = 0.0;
            for (feature, weight) in features.iter_mut().zip(&weights) {
                *feature = draws.normal();
                sum += weight * scale * *feature;
            }
            (sum + self.noise * draws.normal()) as f32
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::dataset::Content;
    use super::super::super::table::ColumnValues;
    use super::*;

    fn numbers(data: &Dataset) -> Vec<&[f64]> {
        let Content::Table(table) = data.main.content() else { panic!("no table") };
        let columns = table.columns().iter().map(|column| match &column.values {
            ColumnValues::Numbers(numbers) => numbers.as_slice(),
            ColumnValues::Categories { .. } => panic!("no numbers"),
        });
        columns.collect()
    }

    #[test]
    fn is_the_same_everywhere_and_more_samples_keep_the_earlier_ones() {
        let data = RegressionConfig::default().load().unwrap();
        let mut bytes: Vec<u8> =
            numbers(&data).concat().iter().flat_map(|value| value.to_le_bytes()).collect();
        let values = data.main.targets().values().unwrap();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        // A change of it needs a new version in the fingerprint.
        assert_eq!(&blake3::hash(&bytes).to_hex()[..16], "638eef1aaf15980b");
        let few = RegressionConfig { samples: 9, ..RegressionConfig::default() }.load().unwrap();
        assert_eq!(few.main.targets().values().unwrap(), &values[..9]);
        for (few, many) in numbers(&few).iter().zip(numbers(&data)) {
            assert_eq!(*few, &many[..9]);
        }
    }

    /// The weights are found again as the covariances of features and target.
    #[test]
    fn the_target_is_a_weighted_sum_with_the_noise_asked_for() {
        let config = RegressionConfig { samples: 20_000, features: 4, noise: 0.5, seed: 3 };
        let data = config.load().unwrap();
        let values = data.main.targets().values().unwrap();
        let covariance = |x: &[f64]| {
            x.iter().zip(values).map(|(x, y)| x * f64::from(*y)).sum::<f64>() / values.len() as f64
        };
        let weights: Vec<f64> = numbers(&data).into_iter().map(covariance).collect();
        let length = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
        let variance = values.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((length - 1.0).abs() < 0.03 && (variance - 1.25).abs() < 0.03, "{length} {variance}");
    }
}
