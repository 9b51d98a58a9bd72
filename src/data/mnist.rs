//! MNIST (`LeCun`, Cortes and Burges, 1998): handwritten digits, read from the disk of the user.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::fetch::{Remote, RemoteFile};
use super::idx::{IdxFiles, folder};
use super::{Source, SourceConfig};
use crate::Result;

/// The folder in the cache.
const NAME: &str = "mnist";
/// The files and their sums as torchvision 0.29.2 has them (`torchvision/datasets/mnist.py`), and its mirror; the
/// second is the one of the CVDF, which hosts the files for TensorFlow's and JAX's examples.
pub(super) const REMOTE: Remote<'static> = Remote {
    name: NAME,
    files: &[
        RemoteFile { name: "train-images-idx3-ubyte.gz", md5: "f68b3c2dcbeaaa9fbdd348bbdeb94873" },
        RemoteFile { name: "train-labels-idx1-ubyte.gz", md5: "d53e105ee54ea40749a09fcbcd1e9432" },
        RemoteFile { name: "t10k-images-idx3-ubyte.gz", md5: "9fb629c4189551a2d022fa330f9573f3" },
        RemoteFile { name: "t10k-labels-idx1-ubyte.gz", md5: "ec29112dd5afa0611ce80d1b7f02629c" },
    ],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ],
};

/// 60,000 images to split and 10,000 to test with, of 28×28 pixels from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MnistConfig {
    /// The folder with the four IDX files, each as it is or with `.gz`; the cache's `mnist` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Source for MnistConfig {
    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let path = Some(folder(self.path.as_deref(), NAME)?);
        Ok(Some(SourceConfig::Mnist(Self { path })))
    }

    fn has_test(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Result<String> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?, NAME)?.fingerprint()
    }

    fn load(&self) -> Result<Dataset> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?, NAME)?.load(&[])
    }
}
