//! Images in folders, one for each class.

mod decode;
mod tree;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use decode::{format, planes, read};
pub(super) use tree::{ClassFolder, classes, files, has_folders};

use super::dataset::{Dataset, Samples};
use super::file::Peeked;
use super::idx::absolute;
use super::labels::Labels;
use super::{Source, fingerprint};
use crate::setting::Problems;
use crate::{Error, Result};

/// The largest value of a byte.
const MAXIMUM: f32 = 255.0;
/// Pixels of the longest side.
const LONGEST_SIDE: usize = 4096;
/// Bytes that no machine has to spare for a data set.
const LARGEST: u128 = 1 << 40;

/// A folder in which each folder holds the images of one class.
///
/// Classes are numbered in the order of the names of their folders, rows in the order of classes and paths. Images
/// may lie in folders within those of the classes; hidden files and those of other kinds are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImagesConfig {
    /// The folder with a folder for each class, and in those PNG and JPEG files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A folder with folders of the same names: a test set of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_path: Option<PathBuf>,
    /// Height and width in pixels, to which all images are resized (triangle filter); needed unless all images have
    /// one size.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub size: Option<[usize; 2]>,
    /// Values a pixel: 1 (gray) or 3 (red, green and blue); transparency is left out.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self { path: None, test_path: None, size: None, channels: 3 }
    }
}

/// Where an image lies and its class.
type Labelled = (PathBuf, u32);

impl ImagesConfig {
    fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| Error::Request("`data.path` is not set".into()))
    }

    /// The images of a folder; each class needs a place among `known`.
    fn test_files(folder: &Path, known: &[String]) -> Result<Vec<Labelled>> {
        let mut files = Vec::new();
        for class in classes(folder)? {
            let number = known.iter().position(|name| *name == class.name).ok_or_else(|| {
                let reason = format!("has the folder \"{}\", which the one to train with has not", class.name);
                Error::unreadable(folder, reason)
            })?;
            files.extend(class.files.into_iter().map(|path| (path, number as u32)));
        }
        Ok(files)
    }

    /// The pixels of all `files`, each `[C, H, W]`, with their classes.
    fn samples(&self, files: &[Labelled], size: [usize; 2]) -> Result<Samples> {
        let features = self.channels * size[0] * size[1];
        let mut pixels = Vec::new();
        let bytes = files.len() as u128 * features as u128;
        let room = bytes <= LARGEST && pixels.try_reserve_exact(bytes as usize).is_ok();
        if !room || u32::try_from(files.len()).is_err() {
            return Err(Error::Environment(format!(
                "there is not enough memory for {} images of {}×{}×{}: choose a smaller `data.size`",
                files.len(),
                self.channels,
                size[0],
                size[1]
            )));
        }
        pixels.resize(files.len() * features, 0u8);
        // Unpacking takes far longer than reading, so all processors share it; each image has its own place.
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
        let share = files.len().div_ceil(workers);
        std::thread::scope(|scope| {
            let shares = files.chunks(share).zip(pixels.chunks_mut(share * features));
            let work = |(files, pixels): (&[Labelled], &mut [u8])| {
                let mut each = files.iter().zip(pixels.chunks_exact_mut(features));
                each.try_for_each(|((path, _), pixels)| self.fill(path, size, pixels))
            };
            let workers: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
            // The first file that is wrong, whichever worker is the first to find one.
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Error::Bug("reading an image panicked".into())))
            })
        })?;
        let classes = files.iter().map(|(_, class)| *class).collect();
        Samples::images(pixels, vec![self.channels, size[0], size[1]], MAXIMUM, classes)
    }

    fn fill(&self, path: &Path, size: [usize; 2], pixels: &mut [u8]) -> Result<()> {
        let image = read(Peeked::open(path)?)?;
        let found = [image.height() as usize, image.width() as usize];
        if self.size.is_none() && found != size {
            let [[height, width], [first_height, first_width]] = [found, size];
            return Err(Error::unreadable(
                path,
                format!(
                    "has {height}×{width} pixels, the first image {first_height}×{first_width}; \
                     set `data.size` to the height and width that all are resized to"
                ),
            ));
        }
        pixels.copy_from_slice(&planes(image, self.channels, size));
        Ok(())
    }
}

impl Source for ImagesConfig {
    fn check(&self, problems: &mut Problems) {
        if self.path.is_none() {
            problems.refuse("path", "`path` is not set", "expected a folder with a folder for each class");
        }
        if let Some([height, width]) = self.size {
            let fits = [height, width].iter().all(|side| (1..=LONGEST_SIDE).contains(side));
            let wanted = format!("two sizes from 1 to {LONGEST_SIDE}");
            problems.require(fits, "size", format!("[{height}, {width}]"), &wanted);
        }
        problems.require(matches!(self.channels, 1 | 3), "channels", self.channels, "1 or 3");
    }

    fn resolve(&mut self) -> Result<()> {
        for path in [&mut self.path, &mut self.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(())
    }

    fn has_test(&self) -> bool {
        self.test_path.is_some()
    }

    /// Over the names of the classes and the content of their files, in order; names of files make no difference.
    fn fingerprint(&self) -> Result<String> {
        let main = classes(self.path()?)?;
        let test = self.test_path.as_deref().map(classes).transpose()?.unwrap_or_default();
        let roles: Vec<(String, &Path)> = [("", &main), ("test", &test)]
            .into_iter()
            .flat_map(|(set, classes)| classes.iter().map(move |class| (set, class)))
            .flat_map(|(set, class)| {
                // A name of a folder has no `/`, so that roles of the two sets differ.
                class.files.iter().map(move |path| (format!("{set}/{}", class.name), path.as_path()))
            })
            .collect();
        fingerprint::of_files(roles.iter().map(|(role, path)| (role.as_str(), *path)))
    }

    fn load(&self) -> Result<Dataset> {
        let folder = self.path()?;
        let folders = classes(folder)?;
        if let [only] = folders.as_slice() {
            let reason = format!("has only the folder \"{}\"; expected one for each of two classes or more", only.name);
            return Err(Error::unreadable(folder, reason));
        }
        let names: Vec<String> = folders.iter().map(|class| class.name.clone()).collect();
        let with_class = |(class, folder): (usize, ClassFolder)| {
            folder.files.into_iter().map(move |path| (path, class as u32))
        };
        let files: Vec<Labelled> = folders.into_iter().enumerate().flat_map(with_class).collect();
        let size = match self.size {
            Some(size) => size,
            None => decode::size(&files[0].0)?,
        };
        let main = self.samples(&files, size)?;
        let test = self.test_path.as_deref().map(|folder| {
            let files = Self::test_files(folder, &names)?;
            self.samples(&files, size)
        });
        Dataset::new(main, test.transpose()?, Labels::Classes(names))
    }
}
