//! Images in memory, and all that stands between their bytes and a model's input.

mod moments;

use candle_core::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::moments::Moments;
use super::dataset::Inputs;
use crate::{Error, Result};

/// Images as their source stores them: one byte a value, all of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    pixels: Vec<u8>,
    shape: Vec<usize>,
    maximum: f32,
}

impl Images {
    /// `pixels` holds images of `shape` `[C, H, W]`, one behind the other; `maximum` is the largest value that
    /// the source can hold: what `unit` divides by.
    pub fn new(pixels: Vec<u8>, shape: Vec<usize>, maximum: f32) -> Result<Self> {
        let features: usize = shape.iter().product();
        if shape.len() != 3 || features == 0 || !pixels.len().is_multiple_of(features) {
            return Err(Error::Bug(format!("{} pixels are no images of {shape:?}", pixels.len())));
        }
        Ok(Self { pixels, shape, maximum })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.features()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// `[C, H, W]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The largest value that the source can hold.
    pub fn maximum(&self) -> f32 {
        self.maximum
    }

    /// All bytes, image by image.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes of one image, `[C, H, W]`.
    pub fn row(&self, row: u32) -> Result<&[u8]> {
        let start = row as usize * self.features();
        let found = self.pixels.get(start..start + self.features());
        found.ok_or_else(|| Error::Bug(format!("image {row} was asked for, there are {}", self.len())))
    }

    fn features(&self) -> usize {
        self.shape.iter().product()
    }
}

/// How values are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Not at all.
    None,
    /// Divided by the largest value that the source can hold (255, digits 16).
    #[default]
    Unit,
    /// To mean 0 and population standard deviation 1, as scikit-learn's `StandardScaler`, for each channel or column.
    Standardize,
    /// To the range from 0 to 1, as scikit-learn's `MinMaxScaler`, for each channel or column.
    MinMax,
}

/// y = (x − shift) · scale for each channel of an image.
///
/// It is stored in checkpoints as JSON, and what is read back is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct ImageTransform {
    shape: Vec<usize>,
    maximum: f32,
    normalize: Normalize,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

#[derive(Deserialize)]
struct Stored {
    shape: Vec<usize>,
    maximum: f32,
    normalize: Normalize,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Stored> for ImageTransform {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, &'static str> {
        let Stored { shape, maximum, normalize, shift, scale } = stored;
        let features = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        if shape.len() != 3 || !features.is_some_and(|features| (1..=1 << 31).contains(&features)) {
            return Err("the preprocessing's shape is not [channels, height, width]");
        }
        if shift.len() != shape[0] || scale.len() != shape[0] || !finite(&shift) || !finite(&scale) {
            return Err("the preprocessing needs one finite shift and scale for each channel");
        }
        if !(maximum.is_finite() && maximum > 0.0) {
            return Err("the preprocessing needs a maximum above 0");
        }
        Ok(Self { shape, maximum, normalize, shift, scale })
    }
}

impl ImageTransform {
    /// Takes the statistics from the rows of `train` and from no others.
    ///
    /// A channel in which all values are equal is shifted but not stretched.
    pub fn fit(images: &Images, train: &[u32], normalize: Normalize) -> Result<Self> {
        let channels = images.shape[0];
        let plane = images.features() / channels;
        let mut moments = vec![Moments::default(); channels];
        if matches!(normalize, Normalize::Standardize | Normalize::MinMax) {
            for row in train {
                for (moments, values) in moments.iter_mut().zip(images.row(*row)?.chunks_exact(plane)) {
                    moments.add(values);
                }
            }
        }
        let unit = f64::from(images.maximum);
        let (shift, scale) = moments
            .iter()
            .map(|moments| match normalize {
                Normalize::None => (0.0, 1.0),
                Normalize::Unit => (0.0, 1.0 / unit),
                Normalize::Standardize => (moments.mean(), stretch(moments.deviation())),
                Normalize::MinMax => (f64::from(moments.low), stretch(moments.range())),
            })
            .unzip();
        let stored = Stored { shape: images.shape.clone(), maximum: images.maximum, normalize, shift, scale };
        Self::try_from(stored).map_err(|reason| Error::Bug(reason.into()))
    }

    /// `[C, H, W]` of the inputs.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// C · H · W.
    pub fn features(&self) -> usize {
        self.shape.iter().product()
    }

    /// The largest value that the source can hold.
    pub fn maximum(&self) -> f32 {
        self.maximum
    }

    /// What the shifts and scales were fitted for.
    pub fn normalize(&self) -> Normalize {
        self.normalize
    }

    /// The images at `rows`, in that order, scaled: `[1, B, C, H, W]`, f32, on `device`.
    pub fn gather(&self, images: &Images, rows: &[u32], device: &Device) -> Result<Inputs> {
        self.gather_changed(images, rows, |_| {}, device)
    }

    /// The same, after `change` of the scaled numbers `[B, C, H, W]`.
    pub fn gather_changed(
        &self,
        images: &Images,
        rows: &[u32],
        change: impl FnOnce(&mut [f32]),
        device: &Device,
    ) -> Result<Inputs> {
        self.expect_shape(&images.shape)?;
        let tables = self.tables();
        let plane = self.features() / tables.len();
        let mut inputs = Vec::with_capacity(rows.len() * self.features());
        for row in rows {
            for (values, table) in images.row(*row)?.chunks_exact(plane).zip(&tables) {
                inputs.extend(values.iter().map(|value| table[usize::from(*value)]));
            }
        }
        change(&mut inputs);
        self.inputs(inputs, rows.len(), device)
    }

    /// What a byte of 0 becomes, for each channel.
    pub fn black(&self) -> Vec<f32> {
        (0..self.shape[0]).map(|channel| self.apply(channel, 0.0)).collect()
    }

    /// Scales images that were read from files, each `[C, H, W]` in the units of the source.
    ///
    /// The same numbers give the same bits as in [`gather`](Self::gather).
    pub fn batch<'a>(&self, images: impl Iterator<Item = &'a [f32]>, device: &Device) -> Result<Inputs> {
        let plane = self.features() / self.shape[0];
        let (mut inputs, mut count) = (Vec::new(), 0);
        for image in images {
            if image.len() != self.features() {
                let (found, wanted) = (image.len(), self.features());
                return Err(Error::Bug(format!("an image of {found} values came where {wanted} belong")));
            }
            for (channel, values) in image.chunks_exact(plane).enumerate() {
                inputs.extend(values.iter().map(|value| self.apply(channel, f64::from(*value))));
            }
            count += 1;
        }
        self.inputs(inputs, count, device)
    }

    fn inputs(&self, numbers: Vec<f32>, count: usize, device: &Device) -> Result<Inputs> {
        let shape = [&[1, count], self.shape.as_slice()].concat();
        Ok(Inputs { values: Tensor::from_vec(numbers, shape, device)?, lengths: None })
    }

    /// In f64, so that `unit` is the correctly rounded quotient and not a product with a rounded inverse.
    fn apply(&self, channel: usize, value: f64) -> f32 {
        ((value - self.shift[channel]) * self.scale[channel]) as f32
    }

    /// The scaled value of every byte, for each channel.
    pub(super) fn tables(&self) -> Vec<[f32; 256]> {
        let table = |channel| std::array::from_fn(|byte| self.apply(channel, byte as f64));
        (0..self.shape[0]).map(table).collect()
    }

    /// `1×28×28`, for messages.
    pub(super) fn size_text(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    }

    fn expect_shape(&self, shape: &[usize]) -> Result<()> {
        if shape == self.shape {
            return Ok(());
        }
        let wanted = &self.shape;
        Err(Error::Request(format!(
            "the data has samples of shape {shape:?}, the model was made for {wanted:?}"
        )))
    }
}

fn stretch(width: f64) -> f64 {
    if width > 0.0 { 1.0 / width } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::super::{DigitsConfig, Source, Split};
    use super::*;

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Two channels of 2×2; the second is constant in rows 0 and 1.
    fn two_channels() -> Images {
        let pixels = vec![1, 2, 3, 4, 9, 9, 9, 9, 10, 20, 30, 255, 9, 9, 9, 9, 7, 7, 7, 7, 1, 2, 3, 4];
        Images::new(pixels, vec![2, 2, 2], 255.0).unwrap()
    }

    /// scikit-learn 1.9.1:
    /// ```python
    /// x = numpy.array([1, 2, 3, 4, 10, 20, 30, 255.0]).reshape(-1, 1)
    /// s = StandardScaler().fit(x); m = MinMaxScaler().fit(x)
    /// print(s.mean_, s.scale_, s.transform(x)[[0, 7], 0], m.transform(x)[[1, 6], 0])
    /// c = StandardScaler().fit(numpy.full((8, 1), 9.0)); print(c.scale_, c.transform([[9.0], [11.0]]))
    /// ```
    #[test]
    fn scales_as_scikit_learn_does() {
        let data = two_channels();
        let train = [0, 1];
        let fitted = ImageTransform::fit(&data, &train, Normalize::Standardize).unwrap();
        assert_eq!(fitted.shift, [40.625, 9.0]);
        assert!((1.0 / fitted.scale[0] - 81.587_280_718_259_02).abs() < 1e-12, "{}", 1.0 / fitted.scale[0]);
        assert_eq!(fitted.scale[1..], [1.0]);
        let values = flat(&fitted.gather(&data, &[0, 1], &Device::Cpu).unwrap().values);
        assert!((values[0] - -0.485_676_2).abs() < 1e-6 && (values[11] - 2.627_554_2).abs() < 1e-6);
        assert_eq!(values[4..8], [0.0; 4]);

        let fitted = ImageTransform::fit(&data, &train, Normalize::MinMax).unwrap();
        let values = flat(&fitted.gather(&data, &[0, 1], &Device::Cpu).unwrap().values);
        assert!((values[1] - 0.003_937_008).abs() < 1e-9 && (values[10] - 0.114_173_23).abs() < 1e-8);
        assert_eq!((values[0], values[11], values[4]), (0.0, 1.0, 0.0));
    }

    /// scikit-learn 1.9.1, over the train part of `split = { shuffle = false }`, all pixels being one channel:
    /// ```python
    /// x = load_digits().data[:1078].reshape(-1, 1); s = StandardScaler().fit(x); print(s.mean_, s.scale_)
    /// ```
    #[test]
    fn statistics_of_the_digits_are_those_of_scikit_learn() {
        let data = digits();
        let train: Vec<u32> = (0..1078).collect();
        let fitted = ImageTransform::fit(&data, &train, Normalize::Standardize).unwrap();
        assert!((fitted.shift[0] - 4.909_714_169_758_812_5).abs() < 1e-12, "{}", fitted.shift[0]);
        assert!((1.0 / fitted.scale[0] - 6.014_547_590_808_839_5).abs() < 1e-12, "{}", 1.0 / fitted.scale[0]);
    }

    #[test]
    fn unit_is_the_correctly_rounded_quotient() {
        for maximum in [255.0f32, 16.0] {
            let data = Images { maximum, ..two_channels() };
            let fitted = ImageTransform::fit(&data, &[0], Normalize::Unit).unwrap();
            let quotients: [f32; 256] = std::array::from_fn(|byte| byte as f32 / maximum);
            assert_eq!(fitted.tables(), [quotients; 2]);
        }
    }

    fn digits() -> Images {
        DigitsConfig {}.load().unwrap().main.expect_images().clone()
    }

    #[test]
    fn nothing_is_fitted_outside_the_train_part() {
        let data = DigitsConfig {}.load().unwrap();
        let images = data.main.expect_images();
        let split = Split::new(&data, &DigitsConfig {}.default_split()).unwrap();
        let mut pixels = images.pixels().to_vec();
        for row in split.valid.iter().chain(&split.test).flat_map(|part| &part.rows) {
            pixels[*row as usize * 64..][..64].fill(255);
        }
        let changed = Images { pixels, ..images.clone() };
        for normalize in [Normalize::None, Normalize::Unit, Normalize::Standardize, Normalize::MinMax] {
            let fitted = ImageTransform::fit(images, &split.train.rows, normalize).unwrap();
            assert_eq!(fitted, ImageTransform::fit(&changed, &split.train.rows, normalize).unwrap());
            let rows = &split.train.rows[..64];
            let batch = |data: &Images| flat(&fitted.gather(data, rows, &Device::Cpu).unwrap().values);
            assert_eq!(batch(images), batch(&changed));
        }
        // The test can fail: a train pixel does change the fit.
        let all: Vec<u32> = (0..1797).collect();
        let fit = |data: &Images| ImageTransform::fit(data, &all, Normalize::Standardize).unwrap();
        assert_ne!(fit(images), fit(&changed));
    }

    #[test]
    fn every_channel_has_its_own_scale() {
        let data = Images::new((0..24).map(|value| value * 10).collect(), vec![2, 2, 2], 255.0).unwrap();
        let scale = ImageTransform::fit(&data, &[0], Normalize::MinMax).unwrap();
        let third = 1.0f32 / 3.0;
        let values = flat(&scale.gather(&data, &[0], &Device::Cpu).unwrap().values);
        assert_eq!(values, [0.0, third, 2.0 * third, 1.0, 0.0, third, 2.0 * third, 1.0]);
    }

    #[test]
    fn rows_from_files_get_the_same_bits_as_gathered_rows() {
        let data = two_channels();
        for normalize in [Normalize::Unit, Normalize::Standardize, Normalize::MinMax] {
            let fitted = ImageTransform::fit(&data, &[0, 1, 2], normalize).unwrap();
            let values: Vec<f32> = data.row(1).unwrap().iter().map(|value| f32::from(*value)).collect();
            let read = fitted.batch(std::iter::once(values.as_slice()), &Device::Cpu).unwrap();
            let gathered = fitted.gather(&data, &[1], &Device::Cpu).unwrap();
            assert_eq!(read.values.dims(), gathered.values.dims());
            assert_eq!(flat(&read.values), flat(&gathered.values));
        }
    }

    #[test]
    fn json_reads_back_exactly_and_damage_is_refused() {
        let fitted = ImageTransform::fit(&two_channels(), &[0, 1, 2], Normalize::Standardize).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<ImageTransform>(&text).unwrap(), fitted);
        for (old, new) in [
            ("[2,2,2]", "[2,2]"),
            ("[2,2,2]", "[3,2,2]"),
            ("[2,2,2]", "[2,0,2]"),
            ("[2,2,2]", "[2,4294967296,4294967296]"),
            ("255.0", "0.0"),
        ] {
            assert!(text.contains(old));
            assert!(serde_json::from_str::<ImageTransform>(&text.replacen(old, new, 1)).is_err(), "{new}");
        }
    }
}
