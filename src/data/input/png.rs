//! A PNG as one sample.

use std::io::{Cursor, Read};

use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};

use super::super::file::{Peeked, plain};
use super::super::image::ImageTransform;
use super::{RawRow, RawSample};
use crate::{Error, Result};

/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 64 << 20;
/// Pixels of the longest side that is unpacked.
const LONGEST_SIDE: u32 = 8192;
/// Bytes of memory that unpacking may take.
const LARGEST_IMAGE: u64 = 256 << 20;

/// Reads an image: gray or RGB as the model wants it, resized to the model's height and width where it differs
/// (triangle filter), 0 to 255 scaled to the range of the model's source.
pub(super) fn read(file: Peeked, transform: &ImageTransform) -> Result<RawRow> {
    let path = file.path.clone();
    let refuse = |reason: String| Error::unreadable(&path, reason);
    let &[channels, height, width] = transform.shape() else {
        return Err(Error::Bug("a model of images without channels, height and width".into()));
    };
    if !matches!(channels, 1 | 3) {
        return Err(refuse(format!("is an image, which has 1 or 3 channels; the model wants {channels}")));
    }
    let mut bytes = Vec::new();
    file.into_stored()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(plain(&error)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse(format!("is larger than {} MiB", LARGEST_FILE >> 20)));
    }
    let image = decode(bytes).map_err(|error| match error {
        ImageError::Limits(_) => refuse(format!(
            "is an image of more than {LONGEST_SIDE} pixels a side or {} MiB",
            LARGEST_IMAGE >> 20
        )),
        other => refuse(format!("is a damaged PNG: {other}")),
    })?;
    let image = resize(image, channels, height as u32, width as u32);
    let scale = f64::from(transform.maximum()) / 255.0;
    let planes: Vec<u8> = if channels == 1 {
        image.into_luma8().into_raw()
    } else {
        let pixels = image.into_rgb8().into_raw();
        (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
    };
    let values = planes.into_iter().map(|value| (f64::from(value) * scale) as f32).collect();
    Ok(RawRow { index: 0, sample: RawSample::Image(values) })
}

fn decode(bytes: Vec<u8>) -> image::ImageResult<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(LARGEST_IMAGE);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    reader.limits(limits);
    reader.decode()
}

/// Colours first, so that only the channels that are wanted are resized.
fn resize(image: DynamicImage, channels: usize, height: u32, width: u32) -> DynamicImage {
    let image = if channels == 1 {
        DynamicImage::ImageLuma8(image.into_luma8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    };
    if (image.height(), image.width()) == (height, width) {
        return image;
    }
    image.resize_exact(width, height, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::preprocessing;
    use super::super::{open, open_labelled};
    use super::*;

    fn encode(image: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
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
        let RawSample::Image(values) = &rows[0].sample;
        Ok(values.clone())
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
