//! Random erasing, as `torchvision.transforms.RandomErasing` with `value = 0`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas, check_chance};
use crate::rng::Draws;
use crate::setting::Problems;

/// Rectangles that are drawn before an image is left as it is.
const ATTEMPTS: usize = 10;

/// A rectangle of zeros covers a part of some images.
///
/// Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ErasingConfig {
    /// The chance of an image to lose a rectangle.
    #[schemars(range(min = 0, max = 1))]
    pub p: f64,
    /// The smallest and the largest part of the image's area.
    #[schemars(inner(range(min = 0, max = 1)))]
    pub scale: [f64; 2],
    /// The smallest and the largest height for each width, above 0.
    #[schemars(inner(range(min = 0)))]
    pub ratio: [f64; 2],
}

impl Default for ErasingConfig {
    fn default() -> Self {
        Self { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] }
    }
}

impl Augment for ErasingConfig {
    fn check(&self, problems: &mut Problems) {
        check_chance(self.p, problems);
        let [low, high] = self.scale;
        let fits = (0.0..=1.0).contains(&low) && (low..=1.0).contains(&high);
        problems.require(fits, "scale", format!("[{low}, {high}]"), "two growing numbers between 0 and 1");
        let [low, high] = self.ratio;
        let fits = low > 0.0 && high >= low && high.is_finite();
        problems.require(fits, "ratio", format!("[{low}, {high}]"), "two growing numbers above 0");
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        if draws.uniform() >= self.p {
            return;
        }
        let area = (image.height * image.width) as f64;
        let mut between = |low: f64, high: f64| low + (high - low) * draws.uniform();
        for _ in 0..ATTEMPTS {
            let size = area * between(self.scale[0], self.scale[1]);
            let ratio = libm::exp(between(libm::log(self.ratio[0]), libm::log(self.ratio[1])));
            let (height, width) = ((size * ratio).sqrt().round(), (size / ratio).sqrt().round());
            if height >= image.height as f64 || width >= image.width as f64 {
                continue;
            }
            let (height, width) = (height as usize, width as usize);
            let mut place = |room: usize| (between(0.0, 1.0) * (room + 1) as f64) as usize;
            let (top, left) = (place(image.height - height), place(image.width - width));
            let (rows, columns) = (top..top + height, left..left + width);
            let line = image.width;
            for (plane, _) in image.planes() {
                for row in rows.clone() {
                    plane[row * line..][columns.clone()].fill(0.0);
                }
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::changed;

    #[test]
    fn a_rectangle_of_all_channels_is_zero() {
        let found = changed("kind = 'erasing'\np = 0.8", &[1.0; 200], &[2, 10, 10], &[5.0, 5.0]);
        let mut erased = 0;
        for image in &found {
            let zeros: Vec<usize> = (0..200).filter(|at| image[*at].to_bits() == 0).collect();
            assert!(image.iter().all(|pixel| *pixel == 0.0 || (*pixel - 1.0).abs() < f32::EPSILON));
            let Some((first, last)) = zeros.first().zip(zeros.iter().rfind(|at| **at < 100)) else {
                continue;
            };
            erased += 1;
            let (height, width) = (last / 10 - first / 10 + 1, last % 10 - first % 10 + 1);
            assert_eq!(zeros.len(), 2 * height * width, "it is a rectangle in both channels");
            assert!((1..=40).contains(&(height * width)), "{height} by {width}");
        }
        assert!((130..185).contains(&erased), "{erased} of 200");
    }
}
