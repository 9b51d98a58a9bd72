//! Images that are made up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::dataset::{Dataset, Samples};
use super::super::labels::Labels;
use super::super::{Source, fingerprint};
use crate::rng::{Purpose, Stream};
use crate::setting::Problems;
use crate::{Error, Result, kernel};

/// Bytes that no machine has to spare for a made-up data set.
const LARGEST: u128 = 1 << 40;

/// Images of smooth patterns, one a class.
///
/// A sample is its class's pattern, moved by up to a tenth of the size, with the pattern of another class
/// showing through by up to a half, and noise. Classes follow one another: row i is of class i mod N.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImagesConfig {
    /// How many samples; more of them keep the earlier ones.
    #[schemars(range(min = 1, max = u32::MAX))]
    pub samples: usize,
    /// Height and width in pixels.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub image_size: [usize; 2],
    /// Values a pixel.
    #[schemars(range(min = 1, max = 64))]
    pub channels: usize,
    /// How many patterns.
    #[schemars(range(min = 2, max = 10_000))]
    pub num_classes: usize,
    /// Standard deviation of the noise, as a fraction of the range of values.
    #[schemars(range(min = 0, max = 1))]
    pub noise: f64,
    /// What everything is drawn with.
    pub seed: u64,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self { samples: 1000, image_size: [28, 28], channels: 1, num_classes: 10, noise: 0.1, seed: 0 }
    }
}

impl ImagesConfig {
    /// C · H · W.
    fn features(&self) -> usize {
        self.channels * self.image_size[0] * self.image_size[1]
    }
}

impl Source for ImagesConfig {
    fn check(&self, problems: &mut Problems) {
        let [height, width] = self.image_size;
        let samples = (1..=u32::MAX as usize).contains(&self.samples);
        problems.require(samples, "samples", self.samples, "1 to 4294967295");
        let sides = (1..=4096).contains(&height) && (1..=4096).contains(&width);
        problems.require(sides, "image_size", format!("[{height}, {width}]"), "two sizes from 1 to 4096");
        let channels = (1..=64).contains(&self.channels);
        problems.require(channels, "channels", self.channels, "1 to 64");
        let classes = (2..=10_000).contains(&self.num_classes);
        problems.require(classes, "num_classes", self.num_classes, "2 to 10000");
        problems.require((0.0..=1.0).contains(&self.noise), "noise", self.noise, "a number between 0 and 1");
        if samples && sides && channels && classes {
            // The patterns are in memory as well, each a little larger than a sample.
            let bytes = (self.samples + 2 * self.num_classes) as u128 * self.features() as u128;
            problems.require(bytes <= LARGEST, "samples", self.samples, "no more than 1 TiB of pixels");
        }
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(fingerprint::of_parts([("synthetic", b"images 1".as_slice())]))
    }

    fn load(&self) -> Result<Dataset> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        if let Some(problem) = problems.into_found().into_iter().next() {
            return Err(Error::Request(format!("the data cannot be made up: {}", problem.message)));
        }
        let features = self.features();
        let canvas = Canvas::new(self)?;
        let mut pixels = Vec::new();
        pixels.try_reserve_exact(self.samples * features).map_err(|_| {
            Error::Environment(format!("there is not enough memory for {} samples", self.samples))
        })?;
        pixels.resize(self.samples * features, 0);
        kernel::simd(
            #[inline(always)]
            || canvas.fill(&mut pixels),
        );
        let targets = (0..self.samples).map(|row| (row % self.num_classes) as u32).collect();
        let classes = (0..self.num_classes).map(|class| class.to_string()).collect();
        let [height, width] = self.image_size;
        let main = Samples::images(pixels, vec![self.channels, height, width], 255.0, targets)?;
        Dataset::new(main, None, Labels::Classes(classes))
    }
}

/// The patterns of all classes, with a margin on each side for the movement.
struct Canvas<'a> {
    config: &'a ImagesConfig,
    margin: [usize; 2],
    /// `[class, C, height + 2 · margin, width + 2 · margin]`, from 0 to 255.
    patterns: Vec<u8>,
}

/// Streams of [`Purpose::Synthetic`]: the first coordinate; the second is the class or the row.
const PATTERN: u32 = 0;
const SAMPLE: u32 = 1;
/// Draws before a sample's noise: where it lies and what shows through.
const PLACE: usize = 64;
/// Knots of a pattern on each axis, one more than the cells between them.
const KNOTS: usize = 5;
/// The standard deviation of the sum of four uniform bytes, √(4 · (256² − 1) / 12).
const BYTES_DEVIATION: f64 = 147.800_541_270_998_05;

/// What one sample draws besides its noise.
struct Place {
    own: [usize; 2],
    other: [usize; 2],
    class: usize,
    other_class: usize,
    /// How much of the other class shows through, in 256ths.
    share: i32,
}

impl<'a> Canvas<'a> {
    /// Fails if there is no memory for the patterns.
    fn new(config: &'a ImagesConfig) -> Result<Self> {
        let margin = config.image_size.map(|size| size / 10);
        let mut canvas = Self { config, margin, patterns: Vec::new() };
        let [height, width] = canvas.size();
        let planes = config.num_classes * config.channels;
        canvas.patterns.try_reserve_exact(planes * height * width).map_err(|_| {
            Error::Environment(format!("there is not enough memory for {} patterns", config.num_classes))
        })?;
        let columns: Vec<(usize, f64)> = (0..width).map(|column| cell(column, width)).collect();
        for class in 0..config.num_classes {
            let mut draws = Stream::new(config.seed, Purpose::Synthetic, PATTERN, class as u32).draws();
            for _ in 0..config.channels {
                let knots: [[f64; KNOTS]; KNOTS] =
                    std::array::from_fn(|_| std::array::from_fn(|_| 255.0 * draws.uniform()));
                for (top, down) in (0..height).map(|row| cell(row, height)) {
                    canvas.patterns.extend(columns.iter().map(|(left, right)| {
                        let above = blend(knots[top][*left], knots[top][left + 1], *right);
                        let below = blend(knots[top + 1][*left], knots[top + 1][left + 1], *right);
                        blend(above, below, down).round() as u8
                    }));
                }
            }
        }
        Ok(canvas)
    }

    /// Height and width with the margins.
    fn size(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.config.image_size[axis] + 2 * self.margin[axis])
    }

    fn place(&self, stream: Stream, row: usize) -> Place {
        let mut draws = stream.draws();
        let mut offset = || self.margin.map(|margin| draws.below(2 * margin as u64 + 1) as usize);
        let (own, other) = (offset(), offset());
        let classes = self.config.num_classes;
        let class = row % classes;
        let other_class = (class + 1 + draws.below(classes as u64 - 1) as usize) % classes;
        Place { own, other, class, other_class, share: draws.below(128) as i32 }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn fill(&self, pixels: &mut [u8]) {
        let [height, width] = self.config.image_size;
        let [full_height, full_width] = self.size();
        let features = self.config.channels * height * width;
        let mut noise = vec![0u32; features];
        // Whole numbers from here on: the same pixels on every machine.
        let strength = (self.config.noise * 255.0 / BYTES_DEVIATION * 65536.0).round() as i32;
        for (row, sample) in pixels.chunks_exact_mut(features).enumerate() {
            let stream = Stream::new(self.config.seed, Purpose::Synthetic, SAMPLE, row as u32);
            let place = self.place(stream, row);
            stream.fill(PLACE, &mut noise);
            let lines = sample.chunks_exact_mut(width).zip(noise.chunks_exact(width));
            for (line, (values, noise)) in lines.enumerate() {
                let (channel, y) = (line / height, line % height);
                let window = |class: usize, offset: [usize; 2]| {
                    let plane = (class * self.config.channels + channel) * full_height;
                    let start = (plane + y + offset[0]) * full_width + offset[1];
                    &self.patterns[start..start + width]
                };
                let own = window(place.class, place.own);
                let other = window(place.other_class, place.other);
                for (((value, own), other), noise) in values.iter_mut().zip(own).zip(other).zip(noise) {
                    let mixed = i32::from(*own) * (256 - place.share) + i32::from(*other) * place.share;
                    let bytes = (noise & 0xff) + (noise >> 8 & 0xff) + (noise >> 16 & 0xff) + (noise >> 24);
                    let grain = (bytes.cast_signed() - 510) * strength;
                    *value = ((mixed * 256 + grain + (1 << 15)) >> 16).clamp(0, 255) as u8;
                }
            }
        }
    }
}

/// The knot before a position, and how far it is from there to the next, from 0 to 1.
fn cell(position: usize, size: usize) -> (usize, f64) {
    let at = (position as f64 + 0.5) / size as f64 * (KNOTS - 1) as f64;
    let knot = (at as usize).min(KNOTS - 2);
    (knot, at - knot as f64)
}

fn blend(from: f64, to: f64, share: f64) -> f64 {
    from * (1.0 - share) + to * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(data: &Dataset) -> String {
        blake3::hash(data.main.expect_images().pixels()).to_hex()[..16].to_owned()
    }

    #[test]
    fn is_the_same_everywhere() {
        let data = ImagesConfig::default().load().unwrap();
        let images = data.main.expect_images();
        assert_eq!((images.len(), images.shape(), images.maximum()), (1000, &[1, 28, 28][..], 255.0));
        assert_eq!(data.labels.classes().len(), 10);
        assert_eq!(data.main.targets().classes().unwrap()[8..12], [8, 9, 0, 1]);
        // A change of the pixels needs a new version in the fingerprint.
        assert_eq!(hash(&data), "3ce053bcfeb88952");
        let other = ImagesConfig { seed: 1, ..ImagesConfig::default() }.load().unwrap();
        assert_ne!(hash(&other), hash(&data));
    }

    #[test]
    fn more_samples_keep_the_earlier_ones() {
        let few = ImagesConfig { samples: 7, channels: 3, image_size: [5, 30], ..ImagesConfig::default() };
        let many = ImagesConfig { samples: 50, ..few.clone() }.load().unwrap();
        let few = few.load().unwrap();
        assert_eq!(few.main.expect_images().pixels(), &many.main.expect_images().pixels()[..7 * 3 * 5 * 30]);
        assert_eq!(few.main.expect_images().shape(), [3, 5, 30]);
    }

    #[test]
    fn any_size_works() {
        for image_size in [[1, 1], [1, 100], [64, 2]] {
            let config = ImagesConfig { samples: 3, image_size, num_classes: 2, ..ImagesConfig::default() };
            assert_eq!(config.load().unwrap().main.len(), 3);
        }
        let huge = ImagesConfig {
            samples: u32::MAX as usize,
            image_size: [4096, 4096],
            channels: 64,
            ..ImagesConfig::default()
        };
        assert!(huge.load().unwrap_err().to_string().contains("`samples` is 4294967295"));
        let patterns = ImagesConfig { samples: 1, num_classes: 10_000, ..huge };
        assert_eq!(patterns.load().unwrap_err().exit_code(), crate::error::EXIT_REQUEST);
    }

    #[test]
    fn noise_has_the_deviation_that_was_asked_for() {
        let make = |noise| ImagesConfig { samples: 200, noise, ..ImagesConfig::default() }.load().unwrap();
        let (clean, noisy) = (make(0.0), make(0.1));
        let differences: Vec<f64> = clean
            .main
            .expect_images()
            .pixels()
            .iter()
            .zip(noisy.main.expect_images().pixels())
            // Where nothing is cut off at 0 or 255.
            .filter(|(clean, _)| (102..153).contains(*clean))
            .map(|(clean, noisy)| f64::from(*noisy) - f64::from(*clean))
            .collect();
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let deviation = (differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!(count > 10_000.0 && mean.abs() < 0.5, "mean {mean} of {count}");
        assert!((deviation - 25.5).abs() < 0.5, "deviation {deviation}");
    }

    /// The nearest mean of a class knows far more than chance, and far less than everything.
    #[test]
    fn is_learnable_but_not_trivial() {
        let data = ImagesConfig { samples: 2000, ..ImagesConfig::default() }.load().unwrap();
        let row = |row: usize| data.main.expect_images().row(row as u32).unwrap();
        let mut means = vec![vec![0.0; 784]; 10];
        for sample in 0..1000 {
            for (mean, pixel) in means[sample % 10].iter_mut().zip(row(sample)) {
                *mean += f64::from(*pixel) / 100.0;
            }
        }
        let distance = |mean: &[f64], row: &[u8]| -> f64 {
            mean.iter().zip(row).map(|(mean, pixel)| (mean - f64::from(*pixel)).powi(2)).sum()
        };
        let nearest = |row: &[u8]| {
            (0..10).min_by(|a, b| distance(&means[*a], row).total_cmp(&distance(&means[*b], row))).unwrap()
        };
        let right = (1000..2000).filter(|sample| nearest(row(*sample)) == sample % 10).count();
        assert!((500..980).contains(&right), "{right} of 1000");
    }
}
