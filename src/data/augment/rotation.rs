//! `torchvision.transforms.RandomRotation` with the nearest pixel, which is its default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas};
use crate::rng::Draws;
use crate::setting::Problems;

/// The image is turned around its middle by an angle within ±`degrees`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotationConfig {
    /// The largest angle in degrees.
    #[schemars(range(min = 0, max = 180))]
    pub degrees: f64,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self { degrees: 15.0 }
    }
}

impl Augment for RotationConfig {
    fn check(&self, problems: &mut Problems) {
        let fits = (0.0..=180.0).contains(&self.degrees);
        problems.require(fits, "degrees", self.degrees, "a number from 0 to 180");
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        let angle = (2.0 * draws.uniform() - 1.0) * self.degrees;
        rotate(image, angle);
    }
}

/// Turns counter-clockwise by `degrees`; a fixed sine, so that every platform picks the same pixels.
fn rotate(image: &mut Canvas<'_>, degrees: f64) {
    let (height, width) = (image.height, image.width);
    let middle = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
    let (sin, cos) = (libm::sin(degrees.to_radians()), libm::cos(degrees.to_radians()));
    image.resample(|row, column| {
        let (y, x) = (row as f64 - middle[0], column as f64 - middle[1]);
        // The way back: where the pixel that comes to stand here stood before.
        let from = [(x * sin + y * cos + middle[0]).round(), (x * cos - y * sin + middle[1]).round()];
        let is_inside = (0.0..height as f64).contains(&from[0]) && (0.0..width as f64).contains(&from[1]);
        is_inside.then_some((from[0] as usize, from[1] as usize))
    });
}

#[cfg(test)]
mod tests {
    use super::super::Canvas;
    use super::super::tests::changed;
    use super::*;

    fn turned(image: &[f32], shape: [usize; 2], degrees: f64) -> Vec<f32> {
        let mut pixels = image.to_vec();
        let mut copy = Vec::new();
        let [height, width] = shape;
        rotate(&mut Canvas { pixels: &mut pixels, height, width, black: &[-1.0], copy: &mut copy }, degrees);
        pixels
    }

    /// ```python
    /// # NumPy 2: a quarter turn counter-clockwise
    /// numpy.rot90(numpy.arange(1, 10).reshape(3, 3))
    /// ```
    #[test]
    fn quarter_turns_are_exact() {
        let image: Vec<f32> = (1..=9).map(|value| value as f32).collect();
        assert_eq!(turned(&image, [3, 3], 90.0), [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]);
        assert_eq!(turned(&image, [3, 3], 180.0), [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(turned(&image, [3, 3], 0.0), image);
        // Of a row only the middle stays inside.
        assert_eq!(turned(&[1.0, 2.0, 3.0], [1, 3], 90.0), [-1.0, 2.0, -1.0]);
    }

    #[test]
    fn angles_go_to_both_sides() {
        let image: Vec<f32> = (1..=9).map(|value| value as f32).collect();
        let found = changed("kind = 'rotation'\ndegrees = 100", &image, &[1, 3, 3], &[-1.0]);
        assert!(
            found.contains(&turned(&image, [3, 3], 90.0)) && found.contains(&turned(&image, [3, 3], -90.0))
        );
        assert!(found.iter().all(|image| image[4].to_bits() == 5f32.to_bits()), "the middle stays");
    }
}
