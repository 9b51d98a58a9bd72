//! `torchvision.transforms.v2.GaussianNoise` without clipping.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas};
use crate::rng::Draws;
use crate::setting::Problems;

/// Normal noise is added to every value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// Its standard deviation, in the unit of the scaled values.
    #[schemars(range(min = 0))]
    pub std: f64,
}

impl Default for NoiseConfig {
    fn default() -> Self {
        Self { std: 0.1 }
    }
}

impl Augment for NoiseConfig {
    fn check(&self, problems: &mut Problems) {
        let fits = self.std >= 0.0 && self.std.is_finite();
        problems.require(fits, "std", self.std, "a number, 0 or more");
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        for pixel in image.pixels.iter_mut() {
            *pixel += (self.std * draws.normal()) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::changed;

    #[test]
    fn has_the_deviation_that_was_asked_for() {
        let found = changed("kind = 'noise'\nstd = 0.5", &[2.0; 64], &[1, 8, 8], &[0.0]).concat();
        let count = found.len() as f32;
        let mean = found.iter().sum::<f32>() / count;
        let deviation = (found.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt();
        assert!((mean - 2.0).abs() < 0.02 && (deviation - 0.5).abs() < 0.02, "{mean} ± {deviation}");
    }
}
