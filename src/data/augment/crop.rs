//! `torchvision.transforms.RandomCrop` of the image's own size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas};
use crate::rng::Draws;
use crate::setting::Problems;

/// The widest border: beyond it nothing of most images is left.
const WIDEST: usize = 1024;

/// A black border is put around the image, and a piece of the image's size is cut out anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCropConfig {
    /// The width of the border in pixels.
    #[schemars(range(min = 1, max = 1024))]
    pub padding: usize,
}

impl Default for RandomCropConfig {
    fn default() -> Self {
        Self { padding: 4 }
    }
}

impl Augment for RandomCropConfig {
    fn check(&self, problems: &mut Problems) {
        let fits = (1..=WIDEST).contains(&self.padding);
        problems.require(fits, "padding", self.padding, "a whole number from 1 to 1024");
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        // The padding is far below the largest number, so its sign is its own.
        let mut offset =
            || (draws.below(2 * self.padding as u64 + 1) as usize).cast_signed() - self.padding.cast_signed();
        let (rows, columns) = (offset(), offset());
        image.shift(rows, columns);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::changed;

    #[test]
    fn every_piece_of_the_padded_image_is_cut_out() {
        let image: Vec<f32> = (1..=6).map(|value| value as f32).collect();
        let found = changed("kind = 'random_crop'\npadding = 1", &image, &[1, 2, 3], &[-1.0]);
        let distinct: BTreeSet<String> = found.iter().map(|image| format!("{image:?}")).collect();
        assert_eq!(distinct.len(), 9, "a step in each of nine directions");
        assert!(found.contains(&image));
        assert!(found.contains(&vec![-1.0, -1.0, -1.0, -1.0, 1.0, 2.0]), "down and to the right");
        assert!(found.contains(&vec![5.0, 6.0, -1.0, -1.0, -1.0, -1.0]), "up and to the left");
    }
}
