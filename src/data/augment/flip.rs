//! `torchvision.transforms.RandomHorizontalFlip`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas, check_chance};
use crate::rng::Draws;
use crate::setting::Problems;

/// Some images are mirrored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlipConfig {
    /// The chance of an image to be mirrored.
    #[schemars(range(min = 0, max = 1))]
    pub p: f64,
}

impl Default for HorizontalFlipConfig {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl Augment for HorizontalFlipConfig {
    fn check(&self, problems: &mut Problems) {
        check_chance(self.p, problems);
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        if draws.uniform() < self.p {
            let width = image.width;
            image.pixels.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::changed;

    #[test]
    fn about_half_of_the_images_are_mirrored() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let found = changed("kind = 'horizontal_flip'", &image, &[1, 2, 3], &[0.0]);
        let mirrored = [3.0, 2.0, 1.0, 6.0, 5.0, 4.0];
        let count = found.iter().filter(|image| **image == mirrored).count();
        assert!((70..130).contains(&count), "{count} of 200");
        assert!(found.iter().all(|found| *found == mirrored || *found == image));
        assert!(
            changed("kind = 'horizontal_flip'\np = 0", &image, &[1, 2, 3], &[0.0])
                .iter()
                .all(|found| *found == image)
        );
    }
}
