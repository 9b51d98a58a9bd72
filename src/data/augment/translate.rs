//! `torchvision.transforms.RandomAffine(0, translate=…)`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Augment, Canvas};
use crate::rng::Draws;
use crate::setting::Problems;

/// The image is moved by whole pixels, up to a part of its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TranslateConfig {
    /// The largest moves as parts of the width and of the height.
    #[schemars(inner(range(min = 0, max = 1)))]
    pub fraction: [f64; 2],
}

impl Default for TranslateConfig {
    fn default() -> Self {
        Self { fraction: [0.1, 0.1] }
    }
}

impl Augment for TranslateConfig {
    fn check(&self, problems: &mut Problems) {
        let [x, y] = self.fraction;
        let fits = (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        problems.require(fits, "fraction", format!("[{x}, {y}]"), "two numbers between 0 and 1");
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        let mut offset =
            |part: f64, size: usize| ((2.0 * draws.uniform() - 1.0) * part * size as f64).round() as isize;
        let columns = offset(self.fraction[0], image.width);
        let rows = offset(self.fraction[1], image.height);
        image.shift(rows, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::changed;

    #[test]
    fn moves_stay_within_their_part() {
        let image: Vec<f32> = (1..=10).map(|value| value as f32).collect();
        let found = changed("kind = 'translate'\nfraction = [0.2, 1]", &image, &[1, 1, 10], &[0.0]);
        let first = |image: &Vec<f32>| image.iter().position(|pixel| pixel.to_bits() == 5f32.to_bits());
        let mut columns: Vec<usize> = found.iter().filter_map(first).collect();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns, [2, 3, 4, 5, 6]);
        assert!(found.contains(&vec![0.0; 10]), "a move by the whole height leaves nothing");
    }
}
