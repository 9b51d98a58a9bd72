//! Files that a trained model is applied to, read row by row in constant memory.
//!
//! What a file is follows from its content and, for text, its name: CSV rows of numbers, IDX images (packed
//! with gzip or not), PNG and JPEG. Values come in the units of the model's source (0 to 255, digits 0 to 16);
//! [`Preprocessing::batch`] scales them as the training data was. For a model of texts a file is a CSV by its name,
//! else one text a line; for a model of tables it is a CSV whose columns are found by their names.

mod csv;
mod idx;
mod picture;
mod table;
mod text;

use std::path::{Path, PathBuf};

use super::file::Peeked;
use super::idx::{IdxFiles, IdxReader, labels_beside};
use super::image::ImageTransform;
use super::images;
use super::labels::LabelIndex;
use super::preprocessing::{Preprocessing, Transform};
use crate::target::Target;
use crate::{Error, Result};

/// One sample as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRow {
    /// Its place among the file's samples, from 0.
    pub index: usize,
    /// Its values.
    pub sample: RawSample,
}

/// The values of a sample, by the sort of data that the model was trained on.
#[derive(Debug, Clone, PartialEq)]
pub enum RawSample {
    /// `[C, H, W]`, in the units of the model's source.
    Image(Vec<f32>),
    /// A text as it stands in the file.
    Text(String),
    /// A row of a table, encoded.
    Table(Vec<f32>),
}

impl RawRow {
    /// The values of an image; an error of ours for a sample of another sort.
    pub(super) fn image(&self) -> Result<&[f32]> {
        match &self.sample {
            RawSample::Image(values) => Ok(values),
            RawSample::Text(_) | RawSample::Table(_) => Err(wrong_sort()),
        }
    }

    /// The text; an error of ours for a sample of another sort.
    pub(super) fn text(&self) -> Result<&str> {
        match &self.sample {
            RawSample::Text(text) => Ok(text),
            RawSample::Image(_) | RawSample::Table(_) => Err(wrong_sort()),
        }
    }

    /// The numbers of a row of a table; an error of ours for a sample of another sort.
    pub(super) fn vector(&self) -> Result<&[f32]> {
        match &self.sample {
            RawSample::Table(values) => Ok(values),
            RawSample::Image(_) | RawSample::Text(_) => Err(wrong_sort()),
        }
    }
}

fn wrong_sort() -> Error {
    Error::Bug("a sample of another sort than the model was trained on".to_owned())
}

/// Samples without a known class.
pub type Rows = Box<dyn Iterator<Item = Result<RawRow>> + Send>;
/// Samples, each with its target; without one those of a class that `data.classes` did not choose.
pub type LabelledRows = Box<dyn Iterator<Item = Result<(RawRow, Option<Target>)>> + Send>;

/// The kinds of files, as their content tells.
enum Kind {
    Csv,
    Idx,
    Picture,
}

/// The files that `path` stands for: those of all images in a folder, sorted by path, else itself.
///
/// Fails for a folder without images, and for any folder if the model is not of images.
pub fn files(path: &Path, preprocessing: &Preprocessing) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let files = match preprocessing.transform() {
        Transform::Image(_) => images::files(path)?,
        Transform::Text(_) | Transform::Table(_) => {
            return Err(Error::unreadable(path, "is a folder; name the files in it"));
        }
    };
    if files.is_empty() {
        return Err(Error::unreadable(path, "is a folder without PNG or JPEG files; name the files in it"));
    }
    Ok(files)
}

/// The samples of a file; columns of a CSV named `target`, `label` or `index` are left out.
///
/// For a model of tables, its columns are found by their names, in any order, and others are left out.
///
/// Fails if it is absent, of no known kind, or does not fit to the model. After an error in
/// the middle of the file the iterator ends.
pub fn open(path: &Path, preprocessing: &Preprocessing) -> Result<Rows> {
    if path.is_dir() {
        return Err(Error::unreadable(path, "is a folder; name the files in it"));
    }
    rows(Peeked::open(path)?, preprocessing)
}

/// As [`open`], for a file in memory; `path` is its name.
pub fn open_bytes(path: &Path, bytes: Vec<u8>, preprocessing: &Preprocessing) -> Result<Rows> {
    rows(Peeked::from_vec(path, bytes), preprocessing)
}

fn rows(file: Peeked, preprocessing: &Preprocessing) -> Result<Rows> {
    let image = match preprocessing.transform() {
        Transform::Image(image) => image,
        Transform::Text(text) => return Ok(through(text::Rows::new(file, text)?, text::Rows::read)),
        Transform::Table(table) => return Ok(through(table::Rows::new(file, table)?, table::Rows::read)),
    };
    Ok(match kind(&file)? {
        Kind::Csv => through(csv::Rows::new(file, image)?, csv::Rows::read),
        Kind::Idx => through(idx::Rows::new(IdxReader::new(file)?, image)?, idx::Rows::read),
        Kind::Picture => Box::new(std::iter::once(Ok(picture::read(file, image)?))),
    })
}

/// The samples of a file with their classes.
///
/// A CSV needs a column `target` or `label` with names or numbers of classes; IDX images the file of their
/// labels beside them; a folder the names of MNIST's files, of which the test pair is read, else the other, or a
/// folder of images for each class. A model of texts or of tables needs a CSV with the column of its target.
///
/// Classes are numbered as in the model's source, also where `data.classes` chose among them.
pub fn open_labelled(path: &Path, preprocessing: &Preprocessing) -> Result<LabelledRows> {
    if let (true, Transform::Image(image)) = (path.is_dir(), preprocessing.transform()) {
        let index = preprocessing.label_index();
        let files = match IdxFiles::in_folder(path) {
            Err(_) if images::has_folders(path) => {
                return picture::labelled(images::classes(path)?, image, &index);
            }
            Err(_) if !images::files(path)?.is_empty() => {
                let reason = "holds images, but no folder for each class that tells what they are of";
                return Err(Error::unreadable(path, reason));
            }
            found => found?,
        };
        let (images, labels) = files.evaluation_pair();
        return labelled_idx(IdxReader::open(images)?, labels, image, index);
    }
    labelled_rows(Peeked::open(path)?, preprocessing)
}

/// As [`open_labelled`], for a file in memory; `path` is its name, which tells where IDX labels are.
pub fn open_labelled_bytes(
    path: &Path,
    bytes: Vec<u8>,
    preprocessing: &Preprocessing,
) -> Result<LabelledRows> {
    labelled_rows(Peeked::from_vec(path, bytes), preprocessing)
}

fn labelled_rows(file: Peeked, preprocessing: &Preprocessing) -> Result<LabelledRows> {
    let index = preprocessing.label_index();
    let image = match preprocessing.transform() {
        Transform::Image(image) => image,
        Transform::Text(text) => {
            let rows = text::LabelledRows::new(file, text, index)?;
            return Ok(through(rows, text::LabelledRows::read));
        }
        Transform::Table(table) => {
            let rows = table::LabelledRows::new(file, table, preprocessing.labels(), index)?;
            return Ok(through(rows, table::LabelledRows::read));
        }
    };
    let path = file.path.clone();
    match kind(&file)? {
        Kind::Csv => Ok(through(csv::LabelledRows::new(file, image, index)?, csv::LabelledRows::read)),
        Kind::Idx => labelled_idx(IdxReader::new(file)?, &labels_beside(&path)?, image, index),
        Kind::Picture => Err(Error::unreadable(
            &path,
            "is one image, which tells no class; give a folder with a folder for each class, a CSV or IDX files",
        )),
    }
}

fn labelled_idx(
    images: IdxReader,
    labels: &Path,
    image: &ImageTransform,
    index: LabelIndex,
) -> Result<LabelledRows> {
    let labels = IdxReader::open(labels)?;
    labels.expect_labels(&images)?;
    let rows = idx::Rows::new(images, image)?;
    let rows = idx::LabelledRows::new(rows, labels, index);
    Ok(through(rows, idx::LabelledRows::read))
}

/// What `read` finds in a file until there is nothing more, or up to the first error.
fn through<R: Send + 'static, T: 'static>(
    mut rows: R,
    read: fn(&mut R) -> Result<Option<T>>,
) -> Box<dyn Iterator<Item = Result<T>> + Send> {
    let mut ended = false;
    Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = read(&mut rows).transpose();
        ended = !matches!(row, Some(Ok(_)));
        row
    }))
}

fn kind(file: &Peeked) -> Result<Kind> {
    let head = file.unpacked_head();
    let name = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = "CSV, IDX (as it is or with gzip), PNG or JPEG";
    let refuse = |reason: String| Err(Error::unreadable(&file.path, reason));
    match head.as_slice() {
        [0, 0, ..] => Ok(Kind::Idx),
        head if !file.is_gzip() && images::format(head).is_some() => Ok(Kind::Picture),
        _ if file.is_gzip() => {
            refuse(format!("is packed with gzip but holds no IDX; unpack it, or give {known}"))
        }
        [] => refuse("is empty".into()),
        _ if images::is_named_as_image(&file.path) => refuse(images::NO_PICTURE.into()),
        _ if name.eq_ignore_ascii_case("csv") || is_text(&head) => Ok(Kind::Csv),
        _ => refuse(format!("is of no kind that can be read: expected {known}")),
    }
}

fn is_text(head: &[u8]) -> bool {
    let cut_in_a_character = |error: std::str::Utf8Error| error.error_len().is_none();
    !head.contains(&0) && std::str::from_utf8(head).map_or_else(cut_in_a_character, |_| true)
}

#[cfg(test)]
mod tests {
    use super::super::dataset::Content;
    use super::super::fixture::{gzip, idx};
    use super::super::image::{Images, Normalize};
    use super::super::labels::{Labels, class_names};
    use super::*;

    /// For a model on 2×3 images from 0 to 255 with the classes cat, dog and `7`.
    pub fn preprocessing(channels: usize, maximum: f32) -> Preprocessing {
        let images = Images::new(vec![0; 6 * channels], vec![channels, 2, 3], maximum).unwrap();
        let labels = Labels::Classes(class_names(&[2], &["cat", "dog", "7"]));
        Preprocessing::fit(&Content::Images(images), &[0], labels, Normalize::Unit).unwrap()
    }

    /// The values of an image and its class.
    fn parts((row, target): (RawRow, Option<Target>)) -> (Vec<f32>, u32) {
        let values = row.image().unwrap().to_vec();
        let Some(Target::Class(class)) = target else { panic!("it has no class") };
        (values, class)
    }

    /// The values and classes in a file, or the error without its path.
    fn labelled(name: &str, bytes: &[u8]) -> std::result::Result<Vec<(Vec<f32>, u32)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let read = || -> Result<Vec<_>> {
            open_labelled(&path, &preprocessing(1, 255.0))?.map(|row| row.map(parts)).collect()
        };
        read().map_err(|error| error.to_string().replace(&path.display().to_string(), "F"))
    }

    fn plain(name: &str, bytes: &[u8]) -> std::result::Result<Vec<Vec<f32>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let read = || -> Result<Vec<_>> {
            let rows: Vec<RawRow> = open(&path, &preprocessing(1, 255.0))?.collect::<Result<_>>()?;
            assert!(rows.iter().enumerate().all(|(index, row)| row.index == index));
            Ok(rows.into_iter().map(|row| parts((row, Some(Target::Class(0)))).0).collect())
        };
        read().map_err(|error| {
            assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
            error.to_string().replace(&path.display().to_string(), "F")
        })
    }

    #[test]
    fn reads_csv_with_and_without_a_header() {
        let rows = [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.5, -1.0, 1e3, 0.0, 0.0, 255.0]];
        let body = "1,2,3,4,5,6\n0.5,-1,1e3, 0 ,0.0,255\n";
        assert_eq!(plain("x.csv", body.as_bytes()).unwrap(), rows);
        assert_eq!(plain("x.txt", format!("a,b,c,d,e,f\r\n\r\n{body}").as_bytes()).unwrap(), rows);
        assert_eq!(plain("x", format!("\u{feff}{body}").as_bytes()).unwrap(), rows);
        // pandas names columns 0, 1, … and gives the index an empty name; R quotes names.
        let body = "7,1,2,cat,3,4,5,6\n8,0.5,-1,,1e3,0,0,255";
        assert_eq!(plain("x.csv", format!(",0,1,target,2,3,4,5\n{body}").as_bytes()).unwrap(), rows);
        let quoted = "\"index\",\"a\",\"b\",\"Label\",\"c\",\"d\",\"e\",\"f\"\n";
        assert_eq!(plain("x.csv", format!("{quoted}{body}").as_bytes()).unwrap(), rows);
        assert_eq!(plain("x.csv", b"a,b,c,d,e,f\n").unwrap(), Vec::<Vec<f32>>::new());
    }

    #[test]
    fn wrong_csv_is_refused_with_its_line() {
        let refused = |text: &str| plain("x.csv", text.as_bytes()).unwrap_err();
        assert_eq!(refused("1,2,3,4,5\n"), "F: line 1 has 5 values, the model wants 6 (1×2×3)");
        assert_eq!(
            refused("1,2,3,4,5,6\r\n\r\n1,2,3,4,5,6,7\r\n"),
            "F: line 3 has 7 columns, the first has 6"
        );
        assert_eq!(refused("1,2,3,4,5,6\n1,2,x,4,5,6\n"), "F: line 2, column 3: \"x\" is not a number");
        assert_eq!(refused("1,2,,4,5,6\n"), "F: line 1, column 3: \"\" is not a number");
        assert_eq!(refused("1,2,3,4,5,nan\n"), "F: line 1, column 6: \"nan\" is not a finite number");
        assert_eq!(refused("1,2,3,4,5,1e99\n"), "F: line 1, column 6: \"1e99\" is not a finite number");
        assert_eq!(
            refused("a,b,target\n1,2,3\n"),
            "F: line 1 names 2 columns of values, the model wants 6 (1×2×3)"
        );
        assert_eq!(refused("a,b,c,d,e,f\n1,2,3,4,5,6\n1,2\n"), "F: line 3 has 2 columns, the first has 6");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut endless = b"1,2,3,4,5,6\n".to_vec();
        endless.extend(std::iter::repeat_n(b'1', 5 << 20));
        let error = plain("x.csv", &endless).unwrap_err();
        assert!(error.starts_with("F: line 2 is longer than"), "{error}");
        // A quote that is never closed ends with its line.
        assert!(
            plain("x.csv", b"1,2,3,4,5,6\n\"1,2,3,4,5,6\n1,2,3,4,5,6\n")
                .unwrap_err()
                .contains("line 2 has 1 columns")
        );
    }

    #[test]
    fn reads_classes_by_name_and_number() {
        let text = "a,b,c,target,d,e,f\n1,2,3,dog,4,5,6\n1,2,3,0,4,5,6\n1,2,3,7,4,5,6\n1,2,3,2.0,4,5,6\n";
        let rows = labelled("x.csv", text.as_bytes()).unwrap();
        assert!(rows.iter().all(|(values, _)| *values == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        // A name comes before a number: "7" is the third class.
        assert_eq!(rows.iter().map(|(_, target)| *target).collect::<Vec<_>>(), [1, 0, 2, 2]);
        let refused = |text: &str| labelled("x.csv", text.as_bytes()).unwrap_err();
        let header = "label,a,b,c,d,e,f\n";
        assert_eq!(
            refused(&format!("{header}cat,1,2,3,4,5,6\nbird,1,2,3,4,5,6\n")),
            "F: line 3, column 1: \"bird\" is not one of the model's classes: cat, dog, 7"
        );
        assert!(refused(&format!("{header}3,1,2,3,4,5,6\n")).contains("\"3\" is not one of"));
        assert!(refused(&format!("{header}-1,1,2,3,4,5,6\n")).contains("\"-1\" is not one of"));
        assert!(refused("1,2,3,4,5,6\n").contains("a column named `target` or `label`"));
    }

    #[test]
    fn reads_idx_images_and_their_labels() {
        let images = idx(&[2, 2, 3], &(0..12).collect::<Vec<u8>>());
        let expected = [vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], vec![6.0, 7.0, 8.0, 9.0, 10.0, 11.0]];
        assert_eq!(plain("any", &images).unwrap(), expected);
        assert_eq!(plain("any.gz", &gzip(&images)).unwrap(), expected);

        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let targets = |path: &Path| -> Result<Vec<(f32, u32)>> {
            let rows = open_labelled(path, &preprocessing(1, 255.0))?;
            rows.map(|row| row.map(parts).map(|(values, class)| (values[0], class))).collect()
        };
        write("train-images-idx3-ubyte", &images);
        let error = targets(&folder.path().join("train-images-idx3-ubyte")).unwrap_err().to_string();
        assert!(error.ends_with(
            "needs its labels beside it, in train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz"
        ));
        write("train-labels-idx1-ubyte.gz", &gzip(&idx(&[2], &[2, 1])));
        assert_eq!(targets(&folder.path().join("train-images-idx3-ubyte")).unwrap(), [(0.0, 2), (6.0, 1)]);
        assert_eq!(targets(folder.path()).unwrap(), [(0.0, 2), (6.0, 1)]);
        write("t10k-images-idx3-ubyte", &idx(&[1, 2, 3], &[9; 6]));
        write("t10k-labels-idx1-ubyte", &idx(&[1], &[0]));
        assert_eq!(targets(folder.path()).unwrap(), [(9.0, 0)]);
        write("t10k-labels-idx1-ubyte", &idx(&[1], &[3]));
        let error = targets(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "has the label 3 at index 0, which is not one of the model's classes: cat, dog, 7"
            ),
            "{error}"
        );
        write("t10k-labels-idx1-ubyte", &idx(&[2], &[0, 0]));
        assert!(targets(folder.path()).unwrap_err().to_string().contains("2 labels for the 1 images"));
    }

    #[test]
    fn idx_images_that_do_not_fit_or_end_early_are_refused() {
        let refused = |bytes: &[u8]| plain("x", bytes).unwrap_err();
        assert_eq!(refused(&idx(&[1, 3, 2], &[0; 6])), "F: holds images of 1×3×2, the model wants 1×2×3");
        assert!(refused(&idx(&[6], &[0; 6])).contains("holds labels"));
        assert!(refused(&gzip(&idx(&[2, 2, 3], &[0; 11]))).contains("is cut off"));
        assert!(refused(&gzip(&idx(&[2, 2, 3], &[0; 13]))).contains("is longer"));
    }

    #[test]
    fn the_rest_is_refused_with_a_word_of_help() {
        let refused = |name: &str, bytes: &[u8]| plain(name, bytes).unwrap_err();
        assert_eq!(refused("x.csv", b""), "F: is empty");
        assert!(refused("x.jpg", &[0xff, 0xd8, 0xff, 0xe0]).contains("is a damaged JPEG"));
        assert!(
            refused("x.bin", &[1, 2, 0, 3])
                .contains("expected CSV, IDX (as it is or with gzip), PNG or JPEG")
        );
        assert!(refused("x.csv.gz", &gzip(b"1,2,3,4,5,6\n")).contains("unpack it"));
        assert!(refused("x.csv", &[b'1', b',', 0xff, 0xfe, b'\n']).contains("line 1"));
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path(), &preprocessing(1, 255.0)).err().unwrap().to_string();
        assert!(error.ends_with("is a folder; name the files in it"), "{error}");
        let error = open_labelled(folder.path(), &preprocessing(1, 255.0)).err().unwrap().to_string();
        assert!(error.contains("is without train-images-idx3-ubyte, train-labels-idx1-ubyte"), "{error}");
        let absent = folder.path().join("absent.csv");
        assert!(open(&absent, &preprocessing(1, 255.0)).err().unwrap().to_string().contains("no such file"));
    }
}
