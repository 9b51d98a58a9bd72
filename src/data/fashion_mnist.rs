//! Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747), read from the user's disk.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::fetch::{Remote, RemoteFile};
use super::idx::{IdxFiles, folder};
use super::{Source, SourceConfig};
use crate::Result;

/// The folder in the cache.
const NAME: &str = "fashion-mnist";
/// What the labels mean, in their order.
const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];
/// The files and their sums as torchvision 0.29.2 has them (`torchvision/datasets/mnist.py`), and its mirror; the
/// second is the repository of the authors.
pub(super) const REMOTE: Remote<'static> = Remote {
    name: NAME,
    files: &[
        RemoteFile { name: "train-images-idx3-ubyte.gz", md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d" },
        RemoteFile { name: "train-labels-idx1-ubyte.gz", md5: "25c81989df183df01b3e8a0aad5dffbe" },
        RemoteFile { name: "t10k-images-idx3-ubyte.gz", md5: "bef4ecab320f06d8554ea6380940ec79" },
        RemoteFile { name: "t10k-labels-idx1-ubyte.gz", md5: "bb300cfdad3c16e7a12a480ee83cd310" },
    ],
    mirrors: &[
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ],
};

/// 60,000 pictures of clothes to split and 10,000 to test with, of 28×28 pixels from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FashionMnistConfig {
    /// The folder with the four IDX files, each as it is or with `.gz`; the cache's `fashion-mnist` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Source for FashionMnistConfig {
    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let path = Some(folder(self.path.as_deref(), NAME)?);
        Ok(Some(SourceConfig::FashionMnist(Self { path })))
    }

    fn has_test(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Result<String> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?, NAME)?.fingerprint()
    }

    fn load(&self) -> Result<Dataset> {
        IdxFiles::all_in_folder(&folder(self.path.as_deref(), NAME)?, NAME)?.load(&CLASSES)
    }
}
