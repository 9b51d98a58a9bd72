//! MNIST (`LeCun`, Cortes and Burges, 1998): handwritten digits, read from the disk of the user.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Source;
use super::dataset::Dataset;
use super::idx::{IdxFiles, folder};
use crate::Result;

/// The folder in the cache.
const NAME: &str = "mnist";

/// 60,000 images to split and 10,000 to test with, of 28×28 pixels from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MnistConfig {
    /// The folder with the four IDX files, each as it is or with `.gz`; the cache's `mnist` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Source for MnistConfig {
    fn resolve(&mut self) -> Result<()> {
        self.path = Some(folder(self.path.as_deref(), NAME)?);
        Ok(())
    }

    fn has_test(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Result<String> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?)?.fingerprint()
    }

    fn load(&self) -> Result<Dataset> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?)?.load(&[])
    }
}
