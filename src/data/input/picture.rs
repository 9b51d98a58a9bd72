//! PNG and JPEG files, each one sample.

use std::path::PathBuf;

use super::super::file::Peeked;
use super::super::image::ImageTransform;
use super::super::images::{self, ClassFolder};
use super::super::labels::LabelIndex;
use super::{LabelledRows, RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// Reads an image: gray or RGB as the model wants it, resized to the model's height and width where it differs
/// (triangle filter), 0 to 255 scaled to the range of the model's source.
pub(super) fn read(file: Peeked, transform: &ImageTransform) -> Result<RawRow> {
    let &[channels, height, width] = transform.shape() else {
        return Err(Error::Bug("a model of images without channels, height and width".into()));
    };
    if !matches!(channels, 1 | 3) {
        let reason = format!("is an image, which has 1 or 3 channels; the model wants {channels}");
        return Err(Error::unreadable(&file.path, reason));
    }
    let planes = images::planes(images::read(file)?, channels, [height, width]);
    let scale = f64::from(transform.maximum()) / 255.0;
    let values = planes.into_iter().map(|value| (f64::from(value) * scale) as f32).collect();
    Ok(RawRow { index: 0, sample: RawSample::Image(values) })
}

/// The images in folders that have the names of classes.
pub(super) fn labelled(
    folders: Vec<ClassFolder>,
    transform: &ImageTransform,
    labels: &LabelIndex,
) -> Result<LabelledRows> {
    let mut files: Vec<(PathBuf, Option<Target>)> = Vec::new();
    for ClassFolder { name, files: found } in folders {
        let meaning = labels.find(&name).ok_or_else(|| {
            let folder = found[0].parent().unwrap_or(&found[0]);
            Error::unreadable(folder, format!("\"{name}\" {}", labels.refusal(&name)))
        })?;
        files.extend(found.into_iter().map(|path| (path, meaning.target())));
    }
    let transform = transform.clone();
    let mut index = 0..;
    Ok(Box::new(files.into_iter().map(move |(path, target)| {
        let row = read(Peeked::open(&path)?, &transform)?;
        Ok((RawRow { index: index.next().unwrap_or_default(), ..row }, target))
    })))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{DynamicImage, ImageFormat};

    use super::super::super::fixture;
    use super::super::tests::preprocessing;
    use super::super::{open, open_labelled};
    use super::*;

    fn encode(image: &DynamicImage) -> Vec<u8> {
        fixture::encode(image, ImageFormat::Png)
    }

    fn gray(width: u32, pixels: &[u8]) -> DynamicImage {
        let height = pixels.len() as u32 / width;
        DynamicImage::ImageLuma8(image::GrayImage::from_raw(width, height, pixels.to_vec()).unwrap())
    }

    fn values(bytes: &[u8], preprocessing: &crate::data::Preprocessing) -> Result<Vec<f32>> {
        let folder = tempfile::tempdir().unwrap();
        // The content tells what it is, not the name.
        let path = folder.path().join("picture");
        std::fs::write(&path, bytes).unwrap();
        let rows: Vec<RawRow> = open(&path, preprocessing)?.collect::<Result<_>>()?;
        assert_eq!((rows.len(), rows[0].index), (1, 0));
        let values = rows[0].image().unwrap();
        Ok(values.to_vec())
    }

    #[test]
    fn gray_images_of_the_right_size_keep_their_values() {
        let bytes = encode(&gray(3, &[0, 51, 102, 153, 204, 255]));
        assert_eq!(
            values(&bytes, &preprocessing(1, 255.0)).unwrap(),
            [0.0, 51.0, 102.0, 153.0, 204.0, 255.0]
        );
        let digits = values(&bytes, &preprocessing(1, 16.0)).unwrap();
        assert_eq!((digits[0], digits[5]), (0.0, 16.0));
        assert!((digits[1] - 3.2).abs() < 1e-6);
    }

    #[test]
    fn other_sizes_are_resized() {
        let flat = encode(&gray(30, &[77; 600]));
        assert_eq!(values(&flat, &preprocessing(1, 255.0)).unwrap(), [77.0; 6]);
        // A ramp from left to right stays one.
        let ramp: Vec<u8> = (0..20).flat_map(|_| (0..30).map(|x| x * 8)).collect();
        let row = values(&encode(&gray(30, &ramp)), &preprocessing(1, 255.0)).unwrap();
        assert_eq!(row[..3], row[3..]);
        assert!(row[0] < 60.0 && (row[1] - 116.0).abs() <= 1.0 && row[2] > 172.0, "{row:?}");
    }

    #[test]
    fn channels_become_planes() {
        let pixels = (0..18).map(|value| value * 10).collect();
        let colour = DynamicImage::ImageRgb8(image::RgbImage::from_raw(3, 2, pixels).unwrap());
        let planes = values(&encode(&colour), &preprocessing(3, 255.0)).unwrap();
        assert_eq!(planes[..6], [0.0, 30.0, 60.0, 90.0, 120.0, 150.0]);
        assert_eq!(planes[12..], [20.0, 50.0, 80.0, 110.0, 140.0, 170.0]);
        let gray = values(&encode(&gray(3, &[9; 6])), &preprocessing(3, 255.0)).unwrap();
        assert_eq!(gray, [9.0; 18]);
        let error = values(&encode(&colour), &preprocessing(2, 255.0)).unwrap_err().to_string();
        assert!(error.contains("1 or 3 channels; the model wants 2"), "{error}");
    }

    /// A PNG whose header announces other sizes, with the checksum that belongs to it.
    fn announce(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = encode(&gray(3, &[0; 6]));
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
        bytes
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let refused = |bytes: &[u8]| values(bytes, &preprocessing(1, 255.0)).unwrap_err().to_string();
        assert!(refused(&announce(100_000, 100_000)).contains("more than 8192 pixels a side"));
        assert!(refused(&announce(u32::MAX >> 1, 1)).contains("more than 8192 pixels a side"));
        assert!(refused(&announce(8000, 8000)).contains("is a damaged PNG"));
        let bytes = encode(&gray(3, &[1; 6]));
        for cut in [9, 20, 40, bytes.len() - 14] {
            assert!(refused(&bytes[..cut]).contains("is a damaged PNG"), "{cut}");
        }
    }

    #[test]
    fn a_png_has_no_class() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, encode(&gray(3, &[0; 6]))).unwrap();
        let open = |path: &Path| open_labelled(path, &preprocessing(1, 255.0)).err().unwrap().to_string();
        assert!(open(&path).contains("tells no class"));
    }
}
