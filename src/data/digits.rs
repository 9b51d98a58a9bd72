//! The digits that come with the program: 1,797 real images, no network, no files.
//!
//! They are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI
//! Machine Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0), as scikit-learn ships them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Samples};
use super::idx::IdxReader;
use super::labels::{Labels, class_names};
use super::split::SplitConfig;
use super::{Source, fingerprint};
use crate::{Error, Result};

const IMAGES: &[u8] = include_bytes!("../../assets/digits-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../assets/digits-labels-idx1-ubyte.gz");
/// Each value counts the set pixels in a square of 4×4 of the scanned bitmap.
const MAXIMUM: f32 = 16.0;

/// There is nothing to set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsConfig {}

impl Source for DigitsConfig {
    /// 0.6/0.2/0.2: there is no test set of its own.
    fn default_split(&self) -> SplitConfig {
        SplitConfig { train: Some(0.6), valid: Some(0.2), test: 0.2, ..SplitConfig::default() }
    }

    fn fingerprint(&self) -> Result<String> {
        // Over what is packed, since another gzip may pack it otherwise.
        let (pixels, labels) = (unpack(IMAGES)?.1, unpack(LABELS)?.1);
        Ok(fingerprint::of_parts([("digits", pixels.as_slice()), ("labels", &labels)]))
    }

    fn load(&self) -> Result<Dataset> {
        let (dims, pixels) = unpack(IMAGES)?;
        let targets: Vec<u32> = unpack(LABELS)?.1.into_iter().map(u32::from).collect();
        let labels = Labels::Classes(class_names(&targets, &[]));
        let main = Samples::images(pixels, [&[1], &dims[1..]].concat(), MAXIMUM, targets)?;
        Dataset::new(main, None, labels)
    }
}

/// The sizes and the values of a built-in file.
fn unpack(bytes: &'static [u8]) -> Result<(Vec<usize>, Vec<u8>)> {
    let read = || {
        let reader = IdxReader::from_bytes("digits", bytes)?;
        Ok((reader.dims().to_vec(), reader.read_all()?))
    };
    read().map_err(|error: Error| Error::Bug(format!("the built-in digits are damaged: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9.1:
    /// ```python
    /// d = load_digits(); x = d.data.astype(int)
    /// print(x.shape, x.sum(), (x ** 2).sum(), (x * numpy.arange(64)).sum())
    /// print((x.sum(1) * numpy.arange(1797)).sum())
    /// print(numpy.bincount(d.target), (d.target * numpy.arange(1797)).sum(), x[0], x[-1].sum(), d.target[-3:])
    /// ```
    #[test]
    fn are_those_of_scikit_learn() {
        let data = DigitsConfig {}.load().unwrap();
        let images = data.main.expect_images();
        let classes = data.main.targets().classes().unwrap();
        assert_eq!((images.len(), images.shape(), images.maximum()), (1797, &[1, 8, 8][..], 16.0));
        assert_eq!(data.labels.classes(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let value = |pixel: &u8| u64::from(*pixel);
        let pixels = images.pixels();
        assert_eq!(pixels.iter().map(value).sum::<u64>(), 561_718);
        assert_eq!(pixels.iter().map(|pixel| value(pixel).pow(2)).sum::<u64>(), 6_907_012);
        let columns = pixels.iter().enumerate().map(|(at, pixel)| (at as u64 % 64) * value(pixel));
        assert_eq!(columns.sum::<u64>(), 17_660_653);
        let rows = pixels.iter().enumerate().map(|(at, pixel)| (at as u64 / 64) * value(pixel));
        assert_eq!(rows.sum::<u64>(), 503_342_547);
        let mut counts = [0; 10];
        for target in classes {
            counts[*target as usize] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let targets = classes.iter().enumerate();
        assert_eq!(targets.map(|(row, target)| row as u64 * u64::from(*target)).sum::<u64>(), 7_264_791);
        let first = [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ];
        assert_eq!(images.row(0).unwrap(), first.concat());
        assert_eq!(images.row(1796).unwrap().iter().map(value).sum::<u64>(), 392);
        assert_eq!(classes[1794..], [8, 9, 8]);
    }

    #[test]
    fn the_fingerprint_is_pinned() {
        // A change of it would train every run on digits again.
        let pinned = "80ff67259c02435f02321663f1c7507e33b650ac52ec1fca49d519aad656488f";
        assert_eq!(DigitsConfig {}.fingerprint().unwrap(), pinned);
    }
}
