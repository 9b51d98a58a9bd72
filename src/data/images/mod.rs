//! Images in folders, one for each class.

mod decode;
mod tree;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use decode::{NO_PICTURE, format, planes, read};
pub(super) use tree::{ClassFolder, classes, files, has_folders, is_named_as_image};

use super::dataset::{Dataset, Samples};
use super::file::Peeked;
use super::idx::absolute;
use super::labels::Labels;
use super::{Source, SourceConfig, fingerprint};
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
                let reason =
                    format!("has the folder \"{}\", which the one to train with has not", class.name);
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

    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let mut resolved = self.clone();
        for path in [&mut resolved.path, &mut resolved.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(Some(SourceConfig::Images(resolved)))
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
            let reason = format!(
                "has only the folder \"{}\"; expected one for each of two classes or more",
                only.name
            );
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

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::super::fixture::{colour, encode};
    use super::*;
    use crate::target::Targets;

    fn write(folder: &Path, name: &str, bytes: &[u8]) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn png(width: u32, height: u32, gray: u8) -> Vec<u8> {
        encode(&colour(width, height, [gray; 3]), ImageFormat::Png)
    }

    /// Two classes: 10 and 20 in `cat`, 30 (a JPEG) and 40 (in a folder of its own) in `dog`, and what is left out.
    fn pets() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "dog/c.JPG", &encode(&colour(3, 2, [30; 3]), ImageFormat::Jpeg));
        write(folder.path(), "dog/more/a.png", &png(3, 2, 40));
        write(folder.path(), "cat/b.png", &png(3, 2, 20));
        write(folder.path(), "cat/a.png", &png(3, 2, 10));
        for other in ["readme.txt", ".hidden/a.png", "cat/.a.png", "cat/notes.txt", "cat/Thumbs.db", "cat/x"]
        {
            write(folder.path(), other, b"no image");
        }
        folder
    }

    fn config(folder: &Path) -> ImagesConfig {
        ImagesConfig { path: Some(folder.to_path_buf()), channels: 1, ..ImagesConfig::default() }
    }

    fn refused(config: &ImagesConfig) -> String {
        let error = config.load().unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
        error.to_string()
    }

    #[test]
    fn folders_are_classes_and_rows_follow_their_paths() {
        let folder = pets();
        let data = config(folder.path()).load().unwrap();
        assert_eq!(data.labels.classes(), ["cat", "dog"]);
        assert_eq!(data.main.targets(), &Targets::Classes(vec![0, 0, 1, 1]));
        let images = data.main.expect_images();
        assert_eq!((images.shape(), images.maximum()), (&[1, 2, 3][..], 255.0));
        assert_eq!(images.pixels(), [[10; 6], [20; 6], [30; 6], [40; 6]].concat());
        let colours = ImagesConfig { channels: 3, size: Some([4, 5]), ..config(folder.path()) };
        let data = colours.load().unwrap();
        assert_eq!(data.main.expect_images().shape(), [3, 4, 5]);
        assert_eq!(data.main.expect_images().row(3).unwrap(), [40; 60]);
    }

    #[test]
    fn images_of_several_sizes_need_one() {
        let folder = pets();
        write(folder.path(), "dog/d.png", &png(5, 4, 50));
        let error = refused(&config(folder.path()));
        assert!(
            error.ends_with(
                "d.png: has 4×5 pixels, the first image 2×3; set `data.size` to the height and width that all are \
                 resized to"
            ),
            "{error}"
        );
        let sized = ImagesConfig { size: Some([2, 2]), ..config(folder.path()) };
        assert_eq!(sized.load().unwrap().main.len(), 5);
    }

    #[test]
    fn a_test_set_has_its_classes_among_those_to_train_with() {
        let (folder, test) = (pets(), tempfile::tempdir().unwrap());
        write(test.path(), "dog/a.png", &png(3, 2, 50));
        let own = ImagesConfig { test_path: Some(test.path().to_path_buf()), ..config(folder.path()) };
        let data = own.load().unwrap();
        let samples = data.test.as_ref().unwrap();
        assert_eq!((samples.len(), samples.targets()), (1, &Targets::Classes(vec![1])));
        assert_ne!(own.fingerprint().unwrap(), config(folder.path()).fingerprint().unwrap());
        write(test.path(), "bird/a.png", &png(3, 2, 50));
        let error = refused(&own);
        assert!(error.ends_with("has the folder \"bird\", which the one to train with has not"), "{error}");
    }

    #[test]
    fn folders_that_make_no_data_set_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| refused(&config(path));
        assert!(said(folder.path()).ends_with("has no folders in it; expected one for each class"));
        assert!(said(&folder.path().join("absent")).ends_with("absent: there is no such folder"));
        write(folder.path(), "cat/a.png", &png(3, 2, 10));
        assert!(said(folder.path()).contains("has only the folder \"cat\""));
        assert!(said(&folder.path().join("cat/a.png")).ends_with("is a file; expected a folder"));
        std::fs::create_dir(folder.path().join("dog")).unwrap();
        assert!(said(folder.path()).contains("dog: holds no image"));
        write(folder.path(), "dog/a.gif", b"GIF89a");
        assert!(said(folder.path()).contains("a.gif: is an image of a kind that is not read"));
        std::fs::remove_file(folder.path().join("dog/a.gif")).unwrap();
        write(folder.path(), "dog/b.png", &png(3, 2, 10)[..40]);
        assert!(said(folder.path()).contains("b.png: is a damaged PNG"));
        write(folder.path(), "dog/b.png", b"no image");
        assert!(said(folder.path()).contains("b.png: is neither a PNG nor a JPEG"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = pets();
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(from, folder.path().join(to)).unwrap();
        link("cat", "also_cat");
        assert_eq!(config(folder.path()).load().unwrap().labels.classes(), ["also_cat", "cat", "dog"]);
        link("../..", "dog/more/up");
        let error = refused(&config(folder.path()));
        assert!(error.contains("to a folder that it lies in; remove the link"), "{error}");
        std::fs::remove_file(folder.path().join("dog/more/up")).unwrap();
        link("nowhere.png", "dog/lost.png");
        assert!(refused(&config(folder.path())).ends_with("lost.png: there is no such file"));
    }

    #[test]
    fn the_fingerprint_is_that_of_classes_and_contents_in_order() {
        let folder = pets();
        let of = || config(folder.path()).fingerprint().unwrap();
        let first = of();
        let rename = |from: &str, to: &str| {
            std::fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
        };
        rename("cat/b.png", "cat/c.png");
        assert_eq!(of(), first);
        rename("cat/c.png", "cat/0.png");
        assert_ne!(of(), first);
        rename("cat/0.png", "cat/b.png");
        rename("cat", "hat");
        assert_ne!(of(), first);
    }
}
