//! Which IDX files make a data set, where they lie by default, and the data set that they make.

use std::path::{Path, PathBuf};

use super::super::dataset::{Dataset, Samples};
use super::super::fingerprint;
use super::super::labels::{Labels, class_names};
use super::reader::IdxReader;
use crate::{Error, Result};

/// MNIST's names: images and labels to train with.
const TRAIN: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
/// MNIST's names: images and labels to test with.
const TEST: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
/// The largest value of a byte.
const MAXIMUM: f32 = 255.0;

/// The files of one data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct IdxFiles {
    pub images: PathBuf,
    pub labels: PathBuf,
    /// Images and labels of the test set.
    pub test: Option<(PathBuf, PathBuf)>,
}

impl IdxFiles {
    /// Those with MNIST's names; the test pair may be missing, but not one half of it.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let [images, labels] = TRAIN.map(|name| find(folder, name));
        let test = TEST.map(|name| find(folder, name));
        let missing = |pair: [&'static str; 2], found: [bool; 2]| {
            pair.into_iter().zip(found).filter(|(_, found)| !found).map(|(name, _)| name).collect::<Vec<_>>()
        };
        match (images, labels, test) {
            (Some(images), Some(labels), [None, None]) => Ok(Self { images, labels, test: None }),
            (Some(images), Some(labels), [Some(test_images), Some(test_labels)]) => {
                Ok(Self { images, labels, test: Some((test_images, test_labels)) })
            }
            (images, labels, [test_images, test_labels]) => {
                let mut names = missing(TRAIN, [images.is_some(), labels.is_some()]);
                if test_images.is_some() != test_labels.is_some() {
                    names.extend(missing(TEST, [test_images.is_some(), test_labels.is_some()]));
                }
                Err(absent(folder, &names, ""))
            }
        }
    }

    /// Those with MNIST's names, all four, of the data set `name`.
    pub fn all_in_folder(folder: &Path, name: &str) -> Result<Self> {
        let missing: Vec<&str> =
            TRAIN.into_iter().chain(TEST).filter(|name| find(folder, name).is_none()).collect();
        if missing.is_empty() {
            Self::in_folder(folder)
        } else {
            let way = if cache(name).as_deref() == Some(folder) {
                format!("download them with `runner data fetch {name}`")
            } else {
                "put them there".to_owned()
            };
            Err(absent(folder, &missing, &format!("; {way}, or say with `data.path` where they are")))
        }
    }

    /// The pair to evaluate on: the test pair, else the one to train with.
    pub fn evaluation_pair(&self) -> (&Path, &Path) {
        match &self.test {
            Some((images, labels)) => (images, labels),
            None => (&self.images, &self.labels),
        }
    }

    /// Over the content of the files as they are stored.
    pub fn fingerprint(&self) -> Result<String> {
        let mut files = vec![("images", self.images.as_path()), ("labels", &self.labels)];
        if let Some((images, labels)) = &self.test {
            files.extend([("test_images", images.as_path()), ("test_labels", labels)]);
        }
        fingerprint::of_files(files)
    }

    /// Reads everything; classes get the first of `names` that they need, else numbers.
    pub fn load(&self, names: &[&str]) -> Result<Dataset> {
        let (size, pixels, targets) = read_pair(&self.images, &self.labels)?;
        if let [first, others @ ..] = targets.as_slice()
            && others.iter().all(|other| other == first)
        {
            let reason = format!("holds the label {first} alone: there is nothing to tell apart");
            return Err(Error::unreadable(&self.labels, reason));
        }
        let classes = class_names(&targets, names);
        let samples = |pixels, targets| Samples::images(pixels, vec![1, size[0], size[1]], MAXIMUM, targets);
        let main = samples(pixels, targets)?;
        let test = match &self.test {
            None => None,
            Some((images, labels)) => {
                let (test_size, pixels, targets) = read_pair(images, labels)?;
                if test_size != size {
                    let [[h, w], [height, width]] = [test_size, size];
                    return Err(Error::unreadable(
                        images,
                        format!("holds images of {h}×{w}, those to train with are {height}×{width}"),
                    ));
                }
                if let Some(row) = targets.iter().position(|class| *class as usize >= classes.len()) {
                    return Err(Error::unreadable(
                        labels,
                        format!(
                            "has the label {} at index {row}, those to train with end at {}",
                            targets[row],
                            classes.len() - 1
                        ),
                    ));
                }
                Some(samples(pixels, targets)?)
            }
        };
        Dataset::new(main, test, Labels::Classes(classes))
    }
}

fn read_pair(images: &Path, labels: &Path) -> Result<([usize; 2], Vec<u8>, Vec<u32>)> {
    let images = IdxReader::open(images)?;
    let size = images.image_size()?;
    let labels = IdxReader::open(labels)?;
    labels.expect_labels(&images)?;
    let targets = labels.read_all()?.into_iter().map(u32::from).collect();
    Ok((size, images.read_all()?, targets))
}

/// The file `name` in `folder`, as it is or with `.gz`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.exists())
}

fn absent(folder: &Path, missing: &[&str], advice: &str) -> Error {
    let what = if folder.is_dir() { "the folder is without" } else { "there is no such folder with" };
    Error::unreadable(folder, format!("{what} {}, as they are or with .gz{advice}", missing.join(", ")))
}

/// The labels of a file of images, by MNIST's way to name them.
pub(in super::super) fn labels_beside(images: &Path) -> Result<PathBuf> {
    let name = images.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains("images-idx3") {
        return Err(Error::unreadable(
            images,
            "has no `images-idx3` in its name, which would tell the name of its labels (`labels-idx1`)",
        ));
    }
    let name = name.replace("images-idx3", "labels-idx1");
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let folder = images.parent().unwrap_or(Path::new(""));
    find(folder, name).ok_or_else(|| {
        Error::unreadable(images, format!("needs its labels beside it, in {name} or {name}.gz"))
    })
}

/// `path`, or the folder `name` in the cache of `runner`; absolute.
pub(in super::super) fn folder(path: Option<&Path>, name: &str) -> Result<PathBuf> {
    if let Some(path) = path {
        return absolute(path);
    }
    cache(name).ok_or_else(|| {
        Error::Environment(format!("there is no home folder to look for {name} in: set `data.path`"))
    })
}

/// The folder `name` in the cache of `runner`; `None` where there is no home folder.
pub(in super::super) fn cache(name: &str) -> Option<PathBuf> {
    let cache = cache_folder(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from), std::env::home_dir());
    cache.map(|cache| cache.join("runner").join(name))
}

/// As the XDG base directory specification has it: a relative `$XDG_CACHE_HOME` counts as unset.
fn cache_folder(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let usable = |path: &PathBuf| path.is_absolute();
    xdg.filter(usable).or_else(|| home.filter(usable).map(|home| home.join(".cache")))
}

/// `path` from the root; links are not followed.
pub(in crate::data) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::unreadable(path, format!("is no path: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{gzip, idx};
    use super::super::super::{FashionMnistConfig, IdxConfig, MnistConfig, Source};
    use super::*;

    /// Four files of 2×3 images; three to train with, two to test with.
    fn write_all(folder: &Path) {
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", idx(&[3, 2, 3], &(0..18).collect::<Vec<u8>>()));
        write("train-labels-idx1-ubyte.gz", gzip(&idx(&[3], &[2, 0, 1])));
        write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[2, 2, 3], &(100..112).collect::<Vec<u8>>())));
        write("t10k-labels-idx1-ubyte", idx(&[2], &[1, 2]));
    }

    fn in_folder(folder: &Path) -> IdxConfig {
        IdxConfig { path: Some(folder.to_path_buf()), ..IdxConfig::default() }
    }

    fn refused(folder: &Path, expected: &str) {
        let error = in_folder(folder).load().unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_folder_with_the_names_of_mnist_is_a_data_set() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path());
        let data = in_folder(folder.path()).load().unwrap();
        let images = data.main.expect_images();
        assert_eq!((images.shape(), images.maximum()), (&[1, 2, 3][..], 255.0));
        assert_eq!(data.labels.classes(), ["0", "1", "2"]);
        assert_eq!(images.row(1).unwrap(), [6, 7, 8, 9, 10, 11]);
        assert_eq!(data.main.targets().classes().unwrap(), [2, 0, 1]);
        let test = data.test.as_ref().unwrap();
        assert_eq!(test.expect_images().row(0).unwrap()[0], 100);
        assert_eq!(test.targets().classes().unwrap(), [1, 2]);

        let path = Some(folder.path().to_path_buf());
        assert_eq!(MnistConfig { path: path.clone() }.load().unwrap(), data);
        let fashion = FashionMnistConfig { path }.load().unwrap();
        assert_eq!(fashion.labels.classes(), ["T-shirt/top", "Trouser", "Pullover"]);

        let at = |name: &str| Some(folder.path().join(name));
        let single = IdxConfig {
            images: at("train-images-idx3-ubyte"),
            labels: at("train-labels-idx1-ubyte.gz"),
            ..IdxConfig::default()
        };
        assert_eq!(single.load().unwrap(), Dataset { test: None, ..data });
    }

    #[test]
    fn the_test_pair_may_be_missing_but_not_one_half_of_it() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path());
        std::fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
        refused(folder.path(), "is without t10k-labels-idx1-ubyte");
        std::fs::remove_file(folder.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
        assert!(in_folder(folder.path()).load().unwrap().test.is_none());
        let error = MnistConfig { path: Some(folder.path().into()) }.load().unwrap_err().to_string();
        assert!(!error.contains("runner data fetch"), "it would go elsewhere: {error}");
        assert!(error.contains("is without t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"), "{error}");
        assert!(error.contains("put them there"), "{error}");
    }

    #[test]
    fn an_absent_folder_is_named_with_what_belongs_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing");
        let error = MnistConfig { path: Some(path.clone()) }.fingerprint().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: there is no such folder", path.display())), "{error}");
        assert!(
            error.contains("train-images-idx3-ubyte") && error.contains("t10k-labels-idx1-ubyte"),
            "{error}"
        );
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        write_all(folder.path());
        write("t10k-labels-idx1-ubyte", idx(&[2], &[1, 3]));
        refused(folder.path(), "has the label 3 at index 1, those to train with end at 2");
        write("t10k-images-idx3-ubyte.gz", gzip(&idx(&[2, 3, 2], &[0; 12])));
        refused(folder.path(), "images of 3×2, those to train with are 2×3");
        write("train-labels-idx1-ubyte.gz", gzip(&idx(&[4], &[0; 4])));
        refused(folder.path(), "holds 4 labels for the 3 images");
        write("train-labels-idx1-ubyte.gz", idx(&[3, 1, 1], &[0; 3]));
        refused(folder.path(), "are images and labels swapped?");
        write("train-images-idx3-ubyte", idx(&[3], &[0; 3]));
        refused(folder.path(), "holds labels (one dimension) where images belong");
        write("train-images-idx3-ubyte", idx(&[3, 1, 1, 1], &[0; 3]));
        refused(folder.path(), "has 4 dimensions");
    }

    #[test]
    fn the_fingerprint_is_of_the_content() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_all(first.path());
        write_all(second.path());
        let hash = |folder: &Path| in_folder(folder).fingerprint().unwrap();
        let before = hash(first.path());
        assert_eq!(before, hash(second.path()));
        write_test_label(second.path());
        assert_ne!(before, hash(second.path()));
        assert_eq!(before.len(), 64);
    }

    fn write_test_label(folder: &Path) {
        std::fs::write(folder.join("t10k-labels-idx1-ubyte"), idx(&[2], &[1, 1])).unwrap();
    }

    #[test]
    fn the_cache_is_where_the_system_says() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(cache_folder(path("/cache"), path("/home/a")), path("/cache"));
        assert_eq!(cache_folder(path("cache"), path("/home/a")), path("/home/a/.cache"));
        assert_eq!(cache_folder(None, path("/home/a")), path("/home/a/.cache"));
        assert_eq!(cache_folder(None, path("")), None);
        assert!(folder(Some(Path::new("a/b")), "mnist").unwrap().is_absolute());
        assert!(folder(None, "mnist").unwrap().ends_with("runner/mnist"));
    }
}
