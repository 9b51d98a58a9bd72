//! Augmentation: random changes of training images that leave their class as it is.
//!
//! A change is drawn from the run's seed, the epoch and the sample's row alone, so it does not depend on the
//! batch, the threads or a resume. Images are changed after scaling; what comes in from outside of an image is
//! black: the scaled 0 of the source. An augmentation is one file here, one variant and one arm.

mod crop;
mod erasing;
mod flip;
mod noise;
mod rotation;
mod translate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crop::RandomCropConfig;
pub use erasing::ErasingConfig;
pub use flip::HorizontalFlipConfig;
pub use noise::NoiseConfig;
pub use rotation::RotationConfig;
pub use translate::TranslateConfig;

use crate::rng::{Draws, Purpose, Stream};
use crate::setting::{Problems, by_kind, kind};

/// An entry of `data.augment`; the entries follow one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum AugmentConfig {
    /// A piece of the image's size out of the image with a black border.
    RandomCrop(RandomCropConfig),
    /// Left and right change places.
    HorizontalFlip(HorizontalFlipConfig),
    /// A turn around the middle.
    Rotation(RotationConfig),
    /// A move by whole pixels.
    Translate(TranslateConfig),
    /// Normal noise on every value.
    Noise(NoiseConfig),
    /// A rectangle of zeros.
    Erasing(ErasingConfig),
}

kind!(AugmentConfig);

impl AugmentConfig {
    fn augment(&self) -> &dyn Augment {
        match self {
            Self::RandomCrop(config) => config,
            Self::HorizontalFlip(config) => config,
            Self::Rotation(config) => config,
            Self::Translate(config) => config,
            Self::Noise(config) => config,
            Self::Erasing(config) => config,
        }
    }

    /// Refuses numbers that are out of range.
    pub fn check(&self, problems: &mut Problems) {
        self.augment().check(problems);
    }

    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws) {
        self.augment().apply(image, draws);
    }
}

/// A random change of an image.
trait Augment {
    /// Refuses numbers that are out of range.
    fn check(&self, problems: &mut Problems);

    /// Changes the image.
    fn apply(&self, image: &mut Canvas<'_>, draws: &mut Draws);
}

/// What the changes of an epoch are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// The run's.
    pub seed: u64,
    /// From 1.
    pub epoch: u32,
}

/// An image that is being changed.
struct Canvas<'a> {
    /// `[C, H, W]`.
    pixels: &'a mut [f32],
    height: usize,
    width: usize,
    /// Black, for each channel.
    black: &'a [f32],
    /// Room for a copy, of any length and content.
    copy: &'a mut Vec<f32>,
}

impl Canvas<'_> {
    /// Each channel with its black.
    fn planes(&mut self) -> impl Iterator<Item = (&mut [f32], f32)> {
        let area = self.height * self.width;
        self.pixels.chunks_exact_mut(area).zip(self.black.iter().copied())
    }

    /// Puts the pixel at `from(row, column)` at every place, black where there is none.
    fn resample(&mut self, from: impl Fn(usize, usize) -> Option<(usize, usize)>) {
        let (height, width) = (self.height, self.width);
        self.copy.clear();
        self.copy.extend_from_slice(self.pixels);
        let area = height * width;
        let copies = std::mem::take(self.copy);
        for ((plane, black), copy) in self.planes().zip(copies.chunks_exact(area)) {
            for (row, line) in plane.chunks_exact_mut(width).enumerate() {
                for (column, pixel) in line.iter_mut().enumerate() {
                    *pixel = from(row, column).map_or(black, |(row, column)| copy[row * width + column]);
                }
            }
        }
        *self.copy = copies;
    }

    /// Moves the image down by `rows` and to the right by `columns`, less than its own size each.
    fn shift(&mut self, rows: isize, columns: isize) {
        let (height, width) = (self.height, self.width);
        if (rows, columns) == (0, 0) {
            return;
        }
        self.resample(|row, column| {
            // What would come from above or from the left of the image has no place in it.
            let row = row.checked_add_signed(-rows).filter(|row| *row < height)?;
            Some((row, column.checked_add_signed(-columns).filter(|column| *column < width)?))
        });
    }
}

/// Changes images `[B, C, H, W]`, each `shape`, of the samples `rows`; `black` is the scaled 0 of each channel.
pub(super) fn apply(
    entries: &[AugmentConfig],
    draw: Draw,
    rows: &[u32],
    pixels: &mut [f32],
    shape: &[usize],
    black: &[f32],
) {
    let &[_, height, width] = shape else { return };
    let features: usize = shape.iter().product();
    let mut copy = Vec::new();
    for (image, row) in pixels.chunks_exact_mut(features.max(1)).zip(rows) {
        let mut draws = Stream::new(draw.seed, Purpose::Augment, draw.epoch, *row).draws();
        let mut canvas = Canvas { pixels: image, height, width, black, copy: &mut copy };
        for entry in entries {
            entry.apply(&mut canvas, &mut draws);
        }
    }
}

fn check_chance(p: f64, problems: &mut Problems) {
    problems.require((0.0..=1.0).contains(&p), "p", p, "a number between 0 and 1");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;
    use crate::setting::Kind;

    pub fn read(text: &str) -> AugmentConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    /// What becomes of an image `[C, H, W]` in each of 200 epochs.
    pub fn changed(text: &str, image: &[f32], shape: &[usize], black: &[f32]) -> Vec<Vec<f32>> {
        let entries = [read(text)];
        let change = |epoch| {
            let mut pixels = image.to_vec();
            apply(&entries, Draw { seed: 3, epoch }, &[9], &mut pixels, shape, black);
            pixels
        };
        (0..200).map(change).collect()
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in AugmentConfig::kinds() {
            let config = read(&format!("kind = '{kind}'"));
            let written = toml::to_string(&config).unwrap();
            assert_eq!(read(&written), config);
            let keys: Vec<&str> =
                written.lines().skip(1).filter_map(|line| line.split(" = ").next()).collect();
            assert_eq!(keys, AugmentConfig::keys(kind));
            let mut problems = Problems::default();
            config.check(&mut problems);
            assert!(problems.into_found().is_empty());
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_at_its_key() {
        for (text, expected) in [
            ("kind = 'random_crop'\npadding = 0", "padding"),
            ("kind = 'horizontal_flip'\np = 1.5", "p"),
            ("kind = 'rotation'\ndegrees = -1", "degrees"),
            ("kind = 'translate'\nfraction = [0.1, 2]", "fraction"),
            ("kind = 'noise'\nstd = nan", "std"),
            ("kind = 'erasing'\nscale = [0.5, 0.1]", "scale"),
            ("kind = 'erasing'\nratio = [0, 1]", "ratio"),
        ] {
            let mut problems = Problems::default();
            read(text).check(&mut problems);
            let found = problems.into_found();
            assert_eq!(found[0].path.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_change_depends_on_seed_epoch_and_row_and_on_nothing_else() {
        let entries = [read("kind = 'noise'"), read("kind = 'random_crop'"), read("kind = 'rotation'")];
        let shape = [2, 5, 4];
        let images: Vec<f32> = (0..120).map(|value| (value as f32).sin()).collect();
        let make = |seed, epoch, rows: &[u32], images: &[f32]| {
            let mut pixels = images.to_vec();
            apply(&entries, Draw { seed, epoch }, rows, &mut pixels, &shape, &[0.0, -1.0]);
            pixels
        };
        let together = make(1, 2, &[7, 8, 9], &images);
        // In a batch of its own, as another thread or a resume may put it.
        assert_eq!(together[40..80], make(1, 2, &[8], &images[40..80]));
        assert_ne!(together[40..80], make(1, 2, &[7], &images[40..80]));
        assert_ne!(together, make(2, 2, &[7, 8, 9], &images));
        assert_ne!(together, make(1, 3, &[7, 8, 9], &images));
    }
}
