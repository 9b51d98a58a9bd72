//! Data sets: where they come from, how they are split, how their values are scaled, and batches of them.
//!
//! A [`DataConfig`] becomes a [`Dataset`] that all runs share, a [`Split`] of its rows and a
//! [`Preprocessing`] that is fitted on the train part alone; [`Prepared`] is the three together. Pixels stay
//! bytes until a batch is gathered.
//! [`input`] reads the files that a trained model is applied to, [`fetch`] downloads data sets. A source is one file here, one variant of
//! [`SourceConfig`] and one arm. Nothing here knows of models or of the run's seed.

pub mod augment;
mod csv;
mod dataset;
mod description;
mod digits;
mod fashion_mnist;
pub mod fetch;
mod file;
mod fingerprint;
#[cfg(test)]
mod fixture;
mod idx;
mod image;
mod images;
pub mod input;
mod labels;
mod mnist;
mod prepared;
mod preprocessing;
mod records;
mod selection;
mod settings;
mod split;
mod synthetic;
pub mod table;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use augment::AugmentConfig;
pub use csv::{CsvConfig, TableTask};
pub use dataset::{Batch, Content, Dataset, Inputs, Samples, Set};
pub use description::{ColumnFacts, Description, NumberFacts};
pub use digits::DigitsConfig;
pub use fashion_mnist::FashionMnistConfig;
pub use idx::IdxConfig;
pub use image::{ImageTransform, Images, Normalize};
pub use images::ImagesConfig;
pub use labels::{Labels, shown_classes};
pub use mnist::MnistConfig;
pub use prepared::Prepared;
pub use preprocessing::{Preprocessing, Transform};
pub use selection::ClassName;
pub use settings::{DataConfig, DataSettings};
pub use split::{Part, Split, SplitConfig};
pub use synthetic::SyntheticConfig;
pub use table::{Missing, Table, TablePreprocessing};
pub use text::{Sequences, TextConfig, TextPreprocessing, TextSettings, Texts, Tokenizer};

use crate::Result;
use crate::setting::{Problems, by_kind, kind};
use crate::target::TaskKind;

/// What a source of data has to say, beside its settings.
pub trait Source {
    /// Refuses settings that cannot work; does not look at the disk.
    fn check(&self, _problems: &mut Problems) {}

    /// The settings with every default filled in, so that they mean the same in any folder; none where they do.
    fn resolved(&self) -> Result<Option<SourceConfig>> {
        Ok(None)
    }

    /// How the rows are divided when the user does not say.
    fn default_split(&self) -> SplitConfig {
        SplitConfig::default()
    }

    /// What there is to predict; none where only the data can tell.
    fn task(&self) -> Option<TaskKind> {
        Some(TaskKind::Classification)
    }

    /// How values are scaled when the user does not say.
    fn default_normalize(&self) -> Normalize {
        Normalize::Unit
    }

    /// Whether samples are numbers, which can be scaled.
    fn is_scaled(&self) -> bool {
        true
    }

    /// Whether values have a maximum that `normalize = "unit"` can divide by.
    fn has_maximum(&self) -> bool {
        true
    }

    /// Whether the settings alone tell that there is a test set apart from the other rows.
    fn has_test(&self) -> bool {
        false
    }

    /// 64 hex digits over the content behind the settings; where it lies makes no difference.
    fn fingerprint(&self) -> Result<String>;

    /// Reads or makes the data.
    fn load(&self) -> Result<Dataset>;
}

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "kebab-case")]
#[schemars(tag = "source", transform = by_kind::<Self>)]
pub enum SourceConfig {
    /// 1,797 handwritten digits of 8×8 pixels, built in.
    Digits(DigitsConfig),
    /// 70,000 handwritten digits of 28×28 pixels.
    Mnist(MnistConfig),
    /// 70,000 pictures of clothes of 28×28 pixels.
    FashionMnist(FashionMnistConfig),
    /// Images and labels in IDX files.
    Idx(IdxConfig),
    /// PNG and JPEG files in a folder for each class.
    Images(ImagesConfig),
    /// A table of numbers and categories in a CSV file.
    Csv(CsvConfig),
    /// Texts and their classes in a CSV file.
    Text(TextConfig),
    /// Made up, of any size.
    Synthetic(SyntheticConfig),
}

impl SourceConfig {
    /// The variant's own settings.
    pub fn source(&self) -> &dyn Source {
        match self {
            Self::Digits(config) => config,
            Self::Mnist(config) => config,
            Self::FashionMnist(config) => config,
            Self::Idx(config) => config,
            Self::Csv(config) => config,
            Self::Images(config) => config,
            Self::Text(config) => config,
            Self::Synthetic(config) => config,
        }
    }
}

kind!(SourceConfig, tag = "source");
