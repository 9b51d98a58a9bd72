//! Samples in memory and batches of them.

use candle_core::Tensor;

use super::image::Images;
use super::labels::Labels;
use super::table::Table;
use super::text::{TextSettings, Texts};
use crate::target::Targets;
use crate::{Error, Result};

/// What the samples of a data set are made of, as their source has them.
///
/// A new sort of data is one variant here, one of [`Transform`](super::preprocessing::Transform), and an arm
/// in each `match` over them.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Bytes, all of one size.
    Images(Images),
    /// Words.
    Texts {
        /// The texts, cut into words.
        texts: Texts,
        /// How they become sequences.
        settings: TextSettings,
    },
    /// Numbers and categories.
    Table(Table),
}

impl Content {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Images(images) => images.len(),
            Self::Texts { texts, .. } => texts.rows(),
            Self::Table(table) => table.rows(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    content: Content,
    targets: Targets,
    /// The rows that may be used, in order, where not all of them may: those without missing values.
    usable: Option<Vec<u32>>,
}

impl Samples {
    /// One target for each sample.
    pub fn new(content: Content, targets: Targets) -> Result<Self> {
        if content.len() != targets.len() {
            let (samples, targets) = (content.len(), targets.len());
            return Err(Error::Bug(format!("{targets} targets do not belong to {samples} samples")));
        }
        Ok(Self { content, targets, usable: None })
    }

    /// Images of `shape` `[C, H, W]` with their classes.
    pub fn images(pixels: Vec<u8>, shape: Vec<usize>, maximum: f32, classes: Vec<u32>) -> Result<Self> {
        Self::new(Content::Images(Images::new(pixels, shape, maximum)?), Targets::Classes(classes))
    }

    /// The same, of which only `rows` may be used; the others keep their numbers.
    #[must_use]
    pub fn with_usable(self, rows: Vec<u32>) -> Self {
        Self { usable: Some(rows), ..self }
    }

    /// How many samples there are, those that may not be used among them.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// What they are made of.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The target of every sample.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The rows that may be used, in order.
    pub fn usable(&self) -> Vec<u32> {
        self.usable.clone().unwrap_or_else(|| (0..self.len() as u32).collect())
    }

    /// The images, for tests.
    ///
    /// # Panics
    /// If these are none.
    #[cfg(test)]
    pub fn expect_images(&self) -> &Images {
        match &self.content {
            Content::Images(images) => images,
            other @ Content::Texts { .. } => panic!("{other:?}"),
            Content::Table(_) => panic!("this is a table"),
        }
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

/// A data set, shared by all runs that use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The samples that are split.
    pub main: Samples,
    /// The source's own test set, of the same sort.
    pub test: Option<Samples>,
    /// What the targets are called.
    pub labels: Labels,
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
    /// What the model is to make of each of them.
    pub targets: Targets,
}

impl Dataset {
    /// Holds the parts to one another: at least one sample, every target with a label.
    pub fn new(main: Samples, test: Option<Samples>, labels: Labels) -> Result<Self> {
        for samples in std::iter::once(&main).chain(&test) {
            labels.expect(&samples.targets)?;
            if samples.is_empty() {
                return Err(Error::Bug("a data set without a sample".to_owned()));
            }
        }
        Ok(Self { main, test, labels })
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let images = |count: usize| Images::new(vec![0; 4 * count], vec![1, 2, 2], 255.0).unwrap();
        let samples = |count, targets: &[u32]| {
            Samples::new(Content::Images(images(count)), Targets::Classes(targets.to_vec()))
        };
        assert!(samples(2, &[0]).is_err() && samples(0, &[]).is_ok());
        assert!(Images::new(vec![0; 7], vec![1, 2, 2], 255.0).is_err());
        let labels = || Labels::Classes(vec!["a".into(), "b".into()]);
        assert!(Dataset::new(samples(1, &[2]).unwrap(), None, labels()).is_err());
        assert!(Dataset::new(samples(0, &[]).unwrap(), None, labels()).is_err());
        let data =
            Dataset::new(samples(3, &[0, 1, 1]).unwrap().with_usable(vec![0, 2]), None, labels()).unwrap();
        assert_eq!((data.main.len(), data.main.usable()), (3, vec![0, 2]));
        assert!(data.samples(Set::Test).is_err() && data.main.expect_images().row(3).is_err());
    }
}
