//! Data that is made up, of any size, the same on every machine.

mod images;
mod plane;
mod regression;
mod sequences;
mod vectors;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use images::ImagesConfig;
pub use plane::{BlobsConfig, MoonsConfig, SpiralsConfig};
pub use regression::RegressionConfig;
pub use sequences::SequencesConfig;

use super::dataset::Dataset;
use super::{Normalize, Source};
use crate::Result;
use crate::setting::{Problems, by_kind, kind};
use crate::target::TaskKind;

/// What is made up: for tests of speed and size, and for a first look without any file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum SyntheticConfig {
    /// Images of smooth patterns, one a class.
    Images(ImagesConfig),
    /// Points around a center for each class.
    Blobs(BlobsConfig),
    /// Two half circles that reach into one another.
    Moons(MoonsConfig),
    /// A spiral for each class, turned against the others.
    Spirals(SpiralsConfig),
    /// A weighted sum of numbers.
    Regression(RegressionConfig),
    /// Sequences of words of which only the order tells the class.
    Sequences(SequencesConfig),
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self::Images(ImagesConfig::default())
    }
}

impl SyntheticConfig {
    fn source(&self) -> &dyn Source {
        match self {
            Self::Images(config) => config,
            Self::Blobs(config) => config,
            Self::Moons(config) => config,
            Self::Spirals(config) => config,
            Self::Regression(config) => config,
            Self::Sequences(config) => config,
        }
    }
}

kind!(SyntheticConfig, default = "images");

impl Source for SyntheticConfig {
    fn check(&self, problems: &mut Problems) {
        self.source().check(problems);
    }

    fn task(&self) -> Option<TaskKind> {
        self.source().task()
    }

    fn default_normalize(&self) -> Normalize {
        self.source().default_normalize()
    }

    fn is_scaled(&self) -> bool {
        self.source().is_scaled()
    }

    fn has_maximum(&self) -> bool {
        self.source().has_maximum()
    }

    fn fingerprint(&self) -> Result<String> {
        self.source().fingerprint()
    }

    fn load(&self) -> Result<Dataset> {
        self.source().load()
    }
}
