//! Images and labels in IDX files, the format of MNIST: `idx`, and what the sources like it share.

mod files;
mod reader;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use files::{IdxFiles, absolute, cache, folder, labels_beside};
pub(super) use reader::IdxReader;

use super::dataset::Dataset;
use super::{Source, SourceConfig};
use crate::setting::Problems;
use crate::{Error, Result};

/// A folder, or the files themselves; each file may be packed with gzip.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdxConfig {
    /// A folder with files named as MNIST's; those to test with (`t10k-…`) may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Images: unsigned bytes in the dimensions count, height and width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    /// The class of every image, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Images of a test set of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<PathBuf>,
    /// The class of every test image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<PathBuf>,
}

impl IdxConfig {
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { path, images, labels, test_images, test_labels } = self;
        [path, images, labels, test_images, test_labels].into_iter().flatten()
    }

    fn files(&self) -> Result<IdxFiles> {
        match (&self.path, &self.images, &self.labels, &self.test_images, &self.test_labels) {
            (Some(folder), None, None, None, None) => IdxFiles::in_folder(folder),
            (None, Some(images), Some(labels), None, None) => {
                Ok(IdxFiles { images: images.clone(), labels: labels.clone(), test: None })
            }
            (None, Some(images), Some(labels), Some(test_images), Some(test_labels)) => {
                let test = Some((test_images.clone(), test_labels.clone()));
                Ok(IdxFiles { images: images.clone(), labels: labels.clone(), test })
            }
            _ => Err(Error::Request(
                "`data` needs either `path` or `images` and `labels`, the latter with both or none of \
                 `test_images` and `test_labels`"
                    .into(),
            )),
        }
    }
}

impl Source for IdxConfig {
    fn check(&self, problems: &mut Problems) {
        let files = [
            ("images", &self.images),
            ("labels", &self.labels),
            ("test_images", &self.test_images),
            ("test_labels", &self.test_labels),
        ];
        let given = |at: usize| files[at].1.is_some();
        let expected = "expected `path`, or `images` and `labels`";
        if self.path.is_some() {
            for (key, _) in files.iter().filter(|(_, path)| path.is_some()) {
                problems.refuse(key, format!("`{key}` stands beside `path`"), expected);
            }
        } else if files.iter().all(|(_, path)| path.is_none()) {
            problems.refuse("path", "`path` is not set", expected);
        } else {
            for at in [0, 1].into_iter().filter(|at| !given(*at)) {
                let key = files[at].0;
                problems.refuse(key, format!("`{key}` is not set"), expected);
            }
            for (at, other) in [(2, 3), (3, 2)].into_iter().filter(|(at, other)| !given(*at) && given(*other))
            {
                let (key, other) = (files[at].0, files[other].0);
                problems.refuse(key, format!("`{key}` is not set"), format!("expected it beside `{other}`"));
            }
        }
    }

    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let mut resolved = self.clone();
        for path in resolved.paths_mut() {
            *path = files::absolute(path)?;
        }
        Ok(Some(SourceConfig::Idx(resolved)))
    }

    fn has_test(&self) -> bool {
        self.test_images.is_some()
    }

    fn fingerprint(&self) -> Result<String> {
        self.files()?.fingerprint()
    }

    fn load(&self) -> Result<Dataset> {
        self.files()?.load(&[])
    }
}
