//! Points of several classes: `blobs`, `moons` and `spirals`.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::dataset::Dataset;
use super::super::{Normalize, Source, fingerprint};
use super::vectors::{
    check_classes, check_features, check_noise, check_size, classified, draws, expect_fit, table,
};
use crate::Result;
use crate::setting::Problems;

/// The first coordinates of the streams; 0 and 1 are those of images.
const CENTER: u32 = 32;
const BLOB: u32 = 33;
const MOON: u32 = 34;
const SPIRAL: u32 = 35;
/// Features of a point in the plane.
const PLANE: usize = 2;
/// How often a spiral goes round.
const TURNS: f64 = 1.5;
/// How far from the middle a spiral begins, of 1 at its end.
const INNER: f64 = 0.1;

/// Points around one center a class, as scikit-learn's `make_blobs`.
///
/// Centers are uniform in the cube from −1 to 1, points normal around them. Row i is of class i mod N.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlobsConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// How many numbers a sample has.
    #[schemars(range(min = 1, max = 65_536))]
    pub features: usize,
    /// How many centers.
    #[schemars(range(min = 2, max = 10_000))]
    pub num_classes: usize,
    /// Standard deviation of the points around their center, which is between −1 and 1.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self { samples: 1000, features: 2, num_classes: 3, noise: 0.1, seed: 0 }
    }
}

impl Source for BlobsConfig {
    fn check(&self, problems: &mut Problems) {
        check_size(self.samples, self.features, problems);
        check_features(self.features, problems);
        check_classes(self.num_classes, problems);
        check_noise(self.noise, problems);
    }

    fn default_normalize(&self) -> Normalize {
        Normalize::Standardize
    }

    fn has_maximum(&self) -> bool {
        false
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"blobs 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        expect_fit(|problems| self.check(problems))?;
        let center = |class| {
            let mut draws = draws(self.seed, CENTER, class);
            (0..self.features).map(|_| 2.0 * draws.uniform() - 1.0).collect::<Vec<f64>>()
        };
        let centers: Vec<Vec<f64>> = (0..self.num_classes.min(self.samples)).map(center).collect();
        let points = table(self.samples, self.features, |row, point| {
            let class = row % self.num_classes;
            let mut draws = draws(self.seed, BLOB, row);
            for (value, center) in point.iter_mut().zip(&centers[class]) {
                *value = center + self.noise * draws.normal();
            }
            class as u32
        })?;
        classified(points, self.num_classes)
    }
}

/// Two half circles of radius 1 that reach into one another, as scikit-learn's `make_moons`.
///
/// The first is around (0, 0), the second, upside down, around (1, ½). Points are uniform along them. Row i is of
/// class i mod 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoonsConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// Standard deviation of the points around their half circle, of which the radius is 1.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for MoonsConfig {
    fn default() -> Self {
        Self { samples: 1000, noise: 0.1, seed: 0 }
    }
}

impl Source for MoonsConfig {
    fn check(&self, problems: &mut Problems) {
        check_size(self.samples, PLANE, problems);
        check_noise(self.noise, problems);
    }

    fn default_normalize(&self) -> Normalize {
        Normalize::Standardize
    }

    fn has_maximum(&self) -> bool {
        false
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"moons 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        expect_fit(|problems| self.check(problems))?;
        let points = table(self.samples, PLANE, |row, point| {
            let mut draws = draws(self.seed, MOON, row);
            let angle = PI * draws.uniform();
            let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
            let first = row % 2 == 0;
            let (x, y) = if first { (cosine, sine) } else { (1.0 - cosine, 0.5 - sine) };
            point[0] = x + self.noise * draws.normal();
            point[1] = y + self.noise * draws.normal();
            u32::from(!first)
        })?;
        classified(points, 2)
    }
}

/// A spiral for each class, each turned by the same angle against the one before it.
///
/// The radius grows from 0.1 to 1 within one and a half turns. Points are uniform along the radius. Row i is of class
/// i mod N.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpiralsConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// How many spirals.
    #[schemars(range(min = 2, max = 10_000))]
    pub num_classes: usize,
    /// Standard deviation of the points around their spiral, which ends at a radius of 1.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for SpiralsConfig {
    fn default() -> Self {
        Self { samples: 1000, num_classes: 2, noise: 0.02, seed: 0 }
    }
}

impl Source for SpiralsConfig {
    fn check(&self, problems: &mut Problems) {
        check_size(self.samples, PLANE, problems);
        check_classes(self.num_classes, problems);
        check_noise(self.noise, problems);
    }

    fn default_normalize(&self) -> Normalize {
        Normalize::Standardize
    }

    fn has_maximum(&self) -> bool {
        false
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"spirals 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        expect_fit(|problems| self.check(problems))?;
        let points = table(self.samples, PLANE, |row, point| {
            let class = row % self.num_classes;
            let mut draws = draws(self.seed, SPIRAL, row);
            let along = draws.uniform();
            let radius = INNER + (1.0 - INNER) * along;
            let angle = 2.0 * PI * (TURNS * along + class as f64 / self.num_classes as f64);
            point[0] = radius * libm::cos(angle) + self.noise * draws.normal();
            point[1] = radius * libm::sin(angle) + self.noise * draws.normal();
            class as u32
        })?;
        classified(points, self.num_classes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::dataset::Content;
    use super::super::super::table::ColumnValues;
    use super::*;

    /// The numbers of a made-up table, column by column.
    fn columns(data: &Dataset) -> Vec<Vec<f64>> {
        let Content::Table(table) = data.main.content() else { panic!("no table") };
        let numbers = table.columns().iter().map(|column| match &column.values {
            ColumnValues::Numbers(numbers) => numbers.clone(),
            ColumnValues::Categories { .. } => panic!("no numbers"),
        });
        numbers.collect()
    }

    fn hash(data: &Dataset) -> String {
        let bytes: Vec<u8> = columns(data).concat().iter().flat_map(|value| value.to_le_bytes()).collect();
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    }

    #[test]
    fn is_the_same_everywhere() {
        // A change of one of these needs a new version in its fingerprint.
        let blobs = BlobsConfig::default().load().unwrap();
        let moons = MoonsConfig::default().load().unwrap();
        let spirals = SpiralsConfig::default().load().unwrap();
        let hashes = [&blobs, &moons, &spirals].map(hash);
        assert_eq!(hashes, ["a8d64c33bef617dc", "d9b60118d1f8b1a6", "f0e4ded8d8e60ada"]);
        assert_eq!(blobs.main.targets().classes().unwrap()[..5], [0, 1, 2, 0, 1]);
        assert_eq!(moons.labels.classes(), ["0", "1"]);
        let other = BlobsConfig { seed: 1, ..BlobsConfig::default() }.load().unwrap();
        assert_ne!(hash(&other), hash(&blobs));
    }

    #[test]
    fn more_samples_keep_the_earlier_ones() {
        let keeps = |few: &Dataset, many: &Dataset| {
            let count = few.main.len();
            let kept: Vec<Vec<f64>> =
                columns(many).into_iter().map(|column| column[..count].to_vec()).collect();
            assert_eq!(columns(few), kept);
        };
        let blobs = |samples| BlobsConfig { samples, features: 5, ..BlobsConfig::default() }.load().unwrap();
        keeps(&blobs(2), &blobs(50));
        let moons = |samples| MoonsConfig { samples, ..MoonsConfig::default() }.load().unwrap();
        keeps(&moons(7), &moons(50));
        let spirals =
            |samples| SpiralsConfig { samples, num_classes: 5, ..SpiralsConfig::default() }.load().unwrap();
        keeps(&spirals(7), &spirals(50));
    }

    /// scikit-learn 1.9.1:
    /// ```python
    /// x, y = make_moons(1000, noise=0)
    /// for c in 0, 1: d = x[y == c] - [[0, 0], [1, .5]][c]; print((d ** 2).sum(1).round(12).min(), d[:, 1].min(), d[:, 1].max())
    /// ```
    /// prints `1.0 0.0 1.0` (nearly) and `1.0 -1.0 0.0` (nearly).
    #[test]
    fn without_noise_moons_are_half_circles() {
        let data = MoonsConfig { noise: 0.0, ..MoonsConfig::default() }.load().unwrap();
        let columns = columns(&data);
        for (row, class) in data.main.targets().classes().unwrap().iter().enumerate() {
            let center = [(0.0, 0.0), (1.0, 0.5)][*class as usize];
            let (x, y) = (columns[0][row] - center.0, columns[1][row] - center.1);
            assert!((x * x + y * y - 1.0).abs() < 1e-12);
            assert!(if *class == 0 { y > -1e-12 } else { y < 1e-12 });
        }
    }

    #[test]
    fn blobs_have_the_deviation_that_was_asked_for() {
        let data = BlobsConfig { samples: 30_000, features: 3, noise: 0.25, ..BlobsConfig::default() }
            .load()
            .unwrap();
        for column in columns(&data) {
            for class in 0..3 {
                let values: Vec<f64> = column.iter().skip(class).step_by(3).copied().collect();
                let mean = values.iter().sum::<f64>() / 1e4;
                let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e4).sqrt();
                assert!(mean.abs() < 1.01 && (deviation - 0.25).abs() < 0.01, "{mean} {deviation}");
            }
        }
    }

    /// A spiral is told from the others by the angle at which its radius is reached.
    #[test]
    fn spirals_do_not_cross() {
        let data = SpiralsConfig { num_classes: 3, noise: 0.0, ..SpiralsConfig::default() }.load().unwrap();
        let columns = columns(&data);
        for (row, class) in data.main.targets().classes().unwrap().iter().enumerate() {
            let (x, y) = (columns[0][row], columns[1][row]);
            let along = (x.hypot(y) - INNER) / (1.0 - INNER);
            let turns = (y.atan2(x) / (2.0 * PI) - TURNS * along).rem_euclid(1.0);
            let distance = (turns - f64::from(*class) / 3.0).rem_euclid(1.0);
            assert!(distance.min(1.0 - distance) < 1e-9, "{distance}");
        }
    }
}
