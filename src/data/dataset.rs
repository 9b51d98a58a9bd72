//! Samples in memory and batches of them.

use candle_core::{Device, Tensor};

use super::preprocessing::Preprocessing;
use crate::target::Targets;
use crate::{Error, Result};

/// Images and their classes, as the source stores them: one byte a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    pixels: Vec<u8>,
    features: usize,
    targets: Vec<u32>,
}

impl Samples {
    /// `pixels` holds `features` bytes, in the order `[C, H, W]`, for each of the `targets`.
    pub fn new(pixels: Vec<u8>, features: usize, targets: Vec<u32>) -> Result<Self> {
        if targets.len().checked_mul(features) != Some(pixels.len()) || features == 0 {
            return Err(Error::Bug(format!(
                "{} pixels are not {} samples of {features}",
                pixels.len(),
                targets.len()
            )));
        }
        Ok(Self { pixels, features, targets })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The class of every sample.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// All bytes, sample by sample.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes of one sample, `[C, H, W]`.
    pub fn row(&self, row: u32) -> Result<&[u8]> {
        let start = row as usize * self.features;
        self.pixels.get(start..start + self.features).ok_or_else(|| self.outside(row))
    }

    /// The class of one sample.
    pub fn target(&self, row: u32) -> Result<u32> {
        self.targets.get(row as usize).copied().ok_or_else(|| self.outside(row))
    }

    fn outside(&self, row: u32) -> Error {
        Error::Bug(format!("row {row} was asked for, there are {}", self.len()))
    }
}

/// Which samples of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Set {
    /// Those that are split.
    Main,
    /// The source's own test set.
    Test,
}

/// A data set for classification, shared by all runs that use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The samples that are split.
    pub main: Samples,
    /// The source's own test set.
    pub test: Option<Samples>,
    /// `[C, H, W]`.
    pub shape: Vec<usize>,
    /// The name of every class; targets are positions in it.
    pub classes: Vec<String>,
    /// The largest value that the source can hold: what `unit` divides by.
    pub maximum: f32,
}

/// Samples, ready for a model.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[1, B, …]`: f32, or u32 where samples are sequences of tokens.
    pub values: Tensor,
    /// How many steps of each sample are real, where samples are sequences of different lengths.
    pub lengths: Option<Vec<u32>>,
}

/// What a training step works on.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The B samples.
    pub inputs: Inputs,
    /// What the model is to make of each of the B samples.
    pub targets: Targets,
}

impl Dataset {
    /// Holds the parts to one another: shapes, at least one sample, every target a class.
    pub fn new(
        main: Samples,
        test: Option<Samples>,
        shape: Vec<usize>,
        classes: Vec<String>,
        maximum: f32,
    ) -> Result<Self> {
        let features: usize = shape.iter().product();
        for samples in std::iter::once(&main).chain(&test) {
            let known = |target: &u32| (*target as usize) < classes.len();
            if samples.features != features || samples.is_empty() || !samples.targets.iter().all(known) {
                return Err(Error::Bug(format!(
                    "{} samples of {} values are no data set of shape {shape:?} with {} classes",
                    samples.len(),
                    samples.features,
                    classes.len()
                )));
            }
        }
        Ok(Self { main, test, shape, classes, maximum })
    }

    /// The samples of a set; an error of ours if it is not there.
    pub fn samples(&self, set: Set) -> Result<&Samples> {
        match set {
            Set::Main => Ok(&self.main),
            Set::Test => {
                self.test.as_ref().ok_or_else(|| Error::Bug("the data has no test set of its own".into()))
            }
        }
    }

    /// The samples at `rows` of a set, in that order, scaled, on `device`.
    pub fn gather(
        &self,
        set: Set,
        rows: &[u32],
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Result<Batch> {
        let samples = self.samples(set)?;
        preprocessing.expect_shape(&self.shape)?;
        let tables = preprocessing.tables();
        let plane = samples.features / tables.len();
        let mut inputs = Vec::with_capacity(rows.len() * samples.features);
        let mut targets = Vec::with_capacity(rows.len());
        for row in rows {
            for (values, table) in samples.row(*row)?.chunks_exact(plane).zip(&tables) {
                inputs.extend(values.iter().map(|value| table[usize::from(*value)]));
            }
            targets.push(samples.target(*row)?);
        }
        let values = Tensor::from_vec(inputs, preprocessing.batch_shape(rows.len()), device)?;
        Ok(Batch { inputs: Inputs { values, lengths: None }, targets: Targets::Classes(targets) })
    }
}

/// As many names as there are different targets up to the largest, two at least; `names` where it has enough.
pub(super) fn class_names(targets: &[u32], names: &[&str]) -> Vec<String> {
    let count = targets.iter().max().map_or(0, |largest| *largest as usize + 1).max(2);
    match names.get(..count) {
        Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        None => (0..count).map(|class| class.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::preprocessing::Normalize;
    use super::super::split::Part;
    use super::*;

    fn small() -> Dataset {
        let main = Samples::new((0..24).map(|value| value * 10).collect(), 8, vec![1, 0, 1]).unwrap();
        Dataset::new(main, None, vec![2, 2, 2], class_names(&[1, 0], &[]), 255.0).unwrap()
    }

    #[test]
    fn a_batch_has_its_rows_in_the_order_asked_for() {
        let data = small();
        let all = Part { set: Set::Main, rows: vec![0, 1, 2] };
        let scale = Preprocessing::fit(&data, &all, Normalize::None).unwrap();
        let batch = data.gather(Set::Main, &[2, 0, 2], &scale, &Device::Cpu).unwrap();
        assert_eq!(batch.inputs.values.dims(), [1, 3, 2, 2, 2]);
        assert_eq!(batch.targets, Targets::Classes(vec![1, 1, 1]));
        let values = batch.inputs.values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values[..3], [160.0, 170.0, 180.0]);
        assert_eq!(values[8..12], [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(values[16..], values[..8]);
    }

    #[test]
    fn every_channel_has_its_own_scale() {
        let data = small();
        let part = Part { set: Set::Main, rows: vec![0] };
        let scale = Preprocessing::fit(&data, &part, Normalize::MinMax).unwrap();
        let batch = data.gather(Set::Main, &[0], &scale, &Device::Cpu).unwrap();
        let values = batch.inputs.values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let third = 1.0f32 / 3.0;
        assert_eq!(values, [0.0, third, 2.0 * third, 1.0, 0.0, third, 2.0 * third, 1.0]);
    }

    #[test]
    fn rows_and_sets_that_are_not_there_are_errors() {
        let data = small();
        let part = Part { set: Set::Main, rows: vec![0] };
        let scale = Preprocessing::fit(&data, &part, Normalize::Unit).unwrap();
        assert!(data.gather(Set::Main, &[3], &scale, &Device::Cpu).is_err());
        assert!(data.gather(Set::Main, &[u32::MAX], &scale, &Device::Cpu).is_err());
        assert!(data.gather(Set::Test, &[0], &scale, &Device::Cpu).is_err());
        assert!(Samples::new(vec![0; 7], 4, vec![0, 0]).is_err());
        let main = Samples::new(vec![0; 8], 8, vec![2]).unwrap();
        assert!(Dataset::new(main, None, vec![2, 2, 2], class_names(&[1], &[]), 255.0).is_err());
    }

    #[test]
    fn classes_are_numbered_unless_they_have_names() {
        assert_eq!(class_names(&[0, 3, 1], &[]), ["0", "1", "2", "3"]);
        assert_eq!(class_names(&[0, 0], &[]), ["0", "1"]);
        assert_eq!(class_names(&[0, 2], &["a", "b", "c", "d"]), ["a", "b", "c"]);
        assert_eq!(class_names(&[0, 2], &["a"]), ["0", "1", "2"]);
    }
}
