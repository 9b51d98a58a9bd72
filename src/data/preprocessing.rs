//! The scaling of values: all that stands between a source's numbers and a model's input.

use candle_core::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Inputs};
use super::input::RawRow;
use super::split::Part;
use crate::sample::SampleShape;
use crate::target::Task;
use crate::{Error, Result};

/// How values are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Not at all.
    None,
    /// Divided by the largest value that the source can hold (255, digits 16).
    #[default]
    Unit,
    /// To mean 0 and population standard deviation 1, as scikit-learn's `StandardScaler`, for each channel.
    Standardize,
    /// To the range from 0 to 1, as scikit-learn's `MinMaxScaler`, for each channel.
    MinMax,
}

/// y = (x − shift) · scale for each channel, with what else a prediction needs to know of the data.
///
/// It is stored in checkpoints as JSON, and what is read back is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Preprocessing {
    shape: Vec<usize>,
    classes: Vec<String>,
    maximum: f32,
    normalize: Normalize,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

#[derive(Deserialize)]
struct Stored {
    shape: Vec<usize>,
    classes: Vec<String>,
    maximum: f32,
    normalize: Normalize,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Stored> for Preprocessing {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, &'static str> {
        let Stored { shape, classes, maximum, normalize, shift, scale } = stored;
        let features = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        if shape.len() != 3 || !features.is_some_and(|features| (1..=1 << 31).contains(&features)) {
            return Err("the preprocessing's shape is not [channels, height, width]");
        }
        if shift.len() != shape[0] || scale.len() != shape[0] || !finite(&shift) || !finite(&scale) {
            return Err("the preprocessing needs one finite shift and scale for each channel");
        }
        if !(maximum.is_finite() && maximum > 0.0) || classes.len() < 2 {
            return Err("the preprocessing needs a maximum above 0 and two classes or more");
        }
        Ok(Self { shape, classes, maximum, normalize, shift, scale })
    }
}

impl Preprocessing {
    /// Takes the statistics from the rows of `train` and from no others.
    ///
    /// A channel in which all values are equal is shifted but not stretched.
    pub fn fit(dataset: &Dataset, train: &Part, normalize: Normalize) -> Result<Self> {
        let channels = dataset.shape.first().copied().unwrap_or(0);
        let plane: usize = dataset.shape.iter().skip(1).product();
        let mut moments = vec![Moments::default(); channels];
        if matches!(normalize, Normalize::Standardize | Normalize::MinMax) {
            let samples = dataset.samples(train.set)?;
            for row in &train.rows {
                for (moments, values) in moments.iter_mut().zip(samples.row(*row)?.chunks_exact(plane)) {
                    moments.add(values);
                }
            }
        }
        let unit = f64::from(dataset.maximum);
        let (shift, scale) = moments
            .iter()
            .map(|moments| match normalize {
                Normalize::None => (0.0, 1.0),
                Normalize::Unit => (0.0, 1.0 / unit),
                Normalize::Standardize => (moments.mean(), stretch(moments.deviation())),
                Normalize::MinMax => (f64::from(moments.low), stretch(moments.range())),
            })
            .unzip();
        let stored = Stored {
            shape: dataset.shape.clone(),
            classes: dataset.classes.clone(),
            maximum: dataset.maximum,
            normalize,
            shift,
            scale,
        };
        Self::try_from(stored).map_err(|reason| Error::Bug(reason.into()))
    }

    /// `[C, H, W]` of the inputs.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What a sample looks like to a model.
    pub fn sample_shape(&self) -> SampleShape {
        SampleShape::Numbers(self.shape.clone())
    }

    /// What there is to predict.
    pub fn task(&self) -> Task {
        Task::Classification { classes: self.classes.len() }
    }

    /// C · H · W.
    pub fn features(&self) -> usize {
        self.shape.iter().product()
    }

    /// The name of every class.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The largest value that the source can hold.
    pub fn maximum(&self) -> f32 {
        self.maximum
    }

    /// What the shifts and scales were fitted for.
    pub fn normalize(&self) -> Normalize {
        self.normalize
    }

    /// Scales rows that were read from a file: `[1, B, C, H, W]`, f32, on `device`.
    ///
    /// The same numbers give the same bits as in [`Dataset::gather`].
    pub fn batch(&self, rows: &[RawRow], device: &Device) -> Result<Inputs> {
        let plane = self.features() / self.shape[0];
        let mut inputs = Vec::with_capacity(rows.len() * self.features());
        for row in rows {
            if row.values.len() != self.features() {
                let (found, wanted) = (row.values.len(), self.features());
                return Err(Error::Bug(format!("a row of {found} values came where {wanted} belong")));
            }
            for (channel, values) in row.values.chunks_exact(plane).enumerate() {
                inputs.extend(values.iter().map(|value| self.apply(channel, f64::from(*value))));
            }
        }
        let values = Tensor::from_vec(inputs, self.batch_shape(rows.len()), device)?;
        Ok(Inputs { values, lengths: None })
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

    pub(super) fn batch_shape(&self, rows: usize) -> Vec<usize> {
        [&[1, rows], self.shape.as_slice()].concat()
    }

    /// `1×28×28`, for messages.
    pub(super) fn size_text(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    }

    pub(super) fn expect_shape(&self, shape: &[usize]) -> Result<()> {
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

/// Sums in whole numbers: exact, whatever the order.
#[derive(Debug, Clone, PartialEq)]
struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
    low: u8,
    high: u8,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, sum: 0, squares: 0, low: u8::MAX, high: u8::MIN }
    }
}

impl Moments {
    fn add(&mut self, values: &[u8]) {
        // 65,536 squares of a byte still fit into 32 bits, in which the loop is fastest.
        for chunk in values.chunks(1 << 16) {
            let (mut sum, mut squares) = (0u32, 0u32);
            for value in chunk {
                sum += u32::from(*value);
                squares += u32::from(*value) * u32::from(*value);
            }
            self.sum += u64::from(sum);
            self.squares += u64::from(squares);
            self.low = chunk.iter().fold(self.low, |low, value| low.min(*value));
            self.high = chunk.iter().fold(self.high, |high, value| high.max(*value));
        }
        self.count += values.len() as u64;
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// Of the population: √(Σx²/n − (Σx/n)²).
    fn deviation(&self) -> f64 {
        let (count, sum) = (u128::from(self.count), u128::from(self.sum));
        let numerator = count * u128::from(self.squares) - sum * sum;
        (numerator as f64).sqrt() / self.count.max(1) as f64
    }

    fn range(&self) -> f64 {
        f64::from(self.high.saturating_sub(self.low))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::{Samples, Set, class_names};
    use super::super::{DigitsConfig, Source, Split};
    use super::*;

    fn part(rows: Vec<u32>) -> Part {
        Part { set: Set::Main, rows }
    }

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Two channels of 2×2; the second is constant in rows 0 and 1.
    fn two_channels() -> Dataset {
        let pixels = vec![1, 2, 3, 4, 9, 9, 9, 9, 10, 20, 30, 255, 9, 9, 9, 9, 7, 7, 7, 7, 1, 2, 3, 4];
        let main = Samples::new(pixels, 8, vec![0, 1, 0]).unwrap();
        Dataset::new(main, None, vec![2, 2, 2], class_names(&[1], &[]), 255.0).unwrap()
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
        let train = part(vec![0, 1]);
        let fitted = Preprocessing::fit(&data, &train, Normalize::Standardize).unwrap();
        assert_eq!(fitted.shift, [40.625, 9.0]);
        assert!((1.0 / fitted.scale[0] - 81.587_280_718_259_02).abs() < 1e-12, "{}", 1.0 / fitted.scale[0]);
        assert_eq!(fitted.scale[1..], [1.0]);
        let values = flat(&data.gather(Set::Main, &[0, 1], &fitted, &Device::Cpu).unwrap().inputs.values);
        assert!((values[0] - -0.485_676_2).abs() < 1e-6 && (values[11] - 2.627_554_2).abs() < 1e-6);
        assert_eq!(values[4..8], [0.0; 4]);

        let fitted = Preprocessing::fit(&data, &train, Normalize::MinMax).unwrap();
        let values = flat(&data.gather(Set::Main, &[0, 1], &fitted, &Device::Cpu).unwrap().inputs.values);
        assert!((values[1] - 0.003_937_008).abs() < 1e-9 && (values[10] - 0.114_173_23).abs() < 1e-8);
        assert_eq!((values[0], values[11], values[4]), (0.0, 1.0, 0.0));
    }

    /// scikit-learn 1.9.1, over the train part of `split = { shuffle = false }`, all pixels being one channel:
    /// ```python
    /// x = load_digits().data[:1078].reshape(-1, 1); s = StandardScaler().fit(x); print(s.mean_, s.scale_)
    /// ```
    #[test]
    fn statistics_of_the_digits_are_those_of_scikit_learn() {
        let data = DigitsConfig {}.load().unwrap();
        let train = part((0..1078).collect());
        let fitted = Preprocessing::fit(&data, &train, Normalize::Standardize).unwrap();
        assert!((fitted.shift[0] - 4.909_714_169_758_812_5).abs() < 1e-12, "{}", fitted.shift[0]);
        assert!((1.0 / fitted.scale[0] - 6.014_547_590_808_839_5).abs() < 1e-12, "{}", 1.0 / fitted.scale[0]);
    }

    #[test]
    fn unit_is_the_correctly_rounded_quotient() {
        for maximum in [255.0f32, 16.0] {
            let data = Dataset { maximum, ..two_channels() };
            let fitted = Preprocessing::fit(&data, &part(vec![0]), Normalize::Unit).unwrap();
            let quotients: [f32; 256] = std::array::from_fn(|byte| byte as f32 / maximum);
            assert_eq!(fitted.tables(), [quotients; 2]);
        }
    }

    #[test]
    fn nothing_is_fitted_outside_the_train_part() {
        let data = DigitsConfig {}.load().unwrap();
        let split = Split::new(&data, &DigitsConfig {}.default_split()).unwrap();
        let mut pixels = data.main.pixels().to_vec();
        for row in split.valid.iter().chain(&split.test).flat_map(|part| &part.rows) {
            pixels[*row as usize * 64..][..64].fill(255);
        }
        let main = Samples::new(pixels, 64, data.main.targets().to_vec()).unwrap();
        let changed = Dataset { main, ..data.clone() };
        assert_ne!(changed, data);
        for normalize in [Normalize::None, Normalize::Unit, Normalize::Standardize, Normalize::MinMax] {
            let fitted = Preprocessing::fit(&data, &split.train, normalize).unwrap();
            assert_eq!(fitted, Preprocessing::fit(&changed, &split.train, normalize).unwrap());
            let rows = &split.train.rows[..64];
            let batch = |data: &Dataset| {
                flat(&data.gather(Set::Main, rows, &fitted, &Device::Cpu).unwrap().inputs.values)
            };
            assert_eq!(batch(&data), batch(&changed));
        }
        // The test can fail: a train pixel does change the fit.
        let all = part((0..1797).collect());
        let fit = |data: &Dataset| Preprocessing::fit(data, &all, Normalize::Standardize).unwrap();
        assert_ne!(fit(&data), fit(&changed));
    }

    #[test]
    fn rows_from_files_get_the_same_bits_as_gathered_rows() {
        let data = two_channels();
        for normalize in [Normalize::Unit, Normalize::Standardize, Normalize::MinMax] {
            let fitted = Preprocessing::fit(&data, &part(vec![0, 1, 2]), normalize).unwrap();
            let values = data.main.row(1).unwrap().iter().map(|value| f32::from(*value)).collect();
            let read = fitted.batch(&[RawRow { index: 0, values }], &Device::Cpu).unwrap();
            let gathered = data.gather(Set::Main, &[1], &fitted, &Device::Cpu).unwrap().inputs;
            assert_eq!(read.values.dims(), gathered.values.dims());
            assert_eq!(flat(&read.values), flat(&gathered.values));
        }
    }

    #[test]
    fn json_reads_back_exactly_and_damage_is_refused() {
        let fitted =
            Preprocessing::fit(&two_channels(), &part(vec![0, 1, 2]), Normalize::Standardize).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), fitted);
        for (old, new) in [
            ("[2,2,2]", "[2,2]"),
            ("[2,2,2]", "[3,2,2]"),
            ("[2,2,2]", "[2,0,2]"),
            ("[2,2,2]", "[2,4294967296,4294967296]"),
            ("255.0", "0.0"),
            ("\"0\",\"1\"", "\"0\""),
        ] {
            assert!(text.contains(old));
            assert!(serde_json::from_str::<Preprocessing>(&text.replacen(old, new, 1)).is_err(), "{new}");
        }
    }

    #[test]
    fn sums_are_exact_beyond_one_chunk() {
        let mut moments = Moments::default();
        moments.add(&vec![255; (1 << 16) + 5]);
        assert_eq!((moments.sum, moments.squares), (65_541 * 255, 65_541 * 65_025));
        assert_eq!((moments.mean(), moments.deviation(), moments.range()), (255.0, 0.0, 0.0));
    }
}
