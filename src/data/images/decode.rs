//! PNG and JPEG files as bytes in the order of a model's input.

use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageFormat, ImageReader, ImageResult, Limits};

use super::super::file::{Peeked, plain};
use crate::{Error, Result};

/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 64 << 20;
/// Pixels of the longest side that is unpacked.
const LONGEST_SIDE: u32 = 8192;
/// Bytes of memory that unpacking may take.
const LARGEST_IMAGE: u64 = 256 << 20;
/// What is said of a file that begins as no image does.
pub(in super::super) const NO_PICTURE: &str = "is neither a PNG nor a JPEG, or it is damaged";
/// Marks in a JPEG: the start of the packed pixels of a scan, and the end of the image.
const START_OF_SCAN: [u8; 2] = [0xff, 0xda];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// What the first bytes of a file tell: a PNG, a JPEG, or neither.
pub(in super::super) fn format(head: &[u8]) -> Option<ImageFormat> {
    match head {
        [0x89, b'P', b'N', b'G', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        _ => None,
    }
}

/// Reads a PNG or a JPEG as its pixels are stored: how a camera was held (EXIF) makes no difference.
///
/// # Errors
/// [`Error::Unreadable`] if it is neither, damaged, cut off or too large.
pub(in super::super) fn read(file: Peeked) -> Result<DynamicImage> {
    through(file, ImageReader::decode)
}

/// What `find` makes of the bytes of a file.
fn through<T>(file: Peeked, find: fn(ImageReader<Cursor<Vec<u8>>>) -> ImageResult<T>) -> Result<T> {
    let path = file.path.clone();
    let refuse = |reason: String| Error::unreadable(&path, reason);
    if file.head.is_empty() {
        return Err(refuse("is empty".into()));
    }
    let Some(format) = format(&file.head) else {
        return Err(refuse(NO_PICTURE.into()));
    };
    let mut bytes = Vec::new();
    file.into_stored()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(plain(&error)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse(format!("is larger than {} MiB", LARGEST_FILE >> 20)));
    }
    let name = if format == ImageFormat::Png { "PNG" } else { "JPEG" };
    // The decoder fills up with gray what a JPEG that was cut off lacks.
    if format == ImageFormat::Jpeg && last(&bytes, END_OF_IMAGE) <= last(&bytes, START_OF_SCAN) {
        return Err(refuse("is a damaged JPEG: it is cut off".into()));
    }
    find(reader(bytes, format)).map_err(|error| match error {
        ImageError::Limits(_) => refuse(format!(
            "is an image of more than {LONGEST_SIDE} pixels a side or {} MiB",
            LARGEST_IMAGE >> 20
        )),
        other => refuse(format!("is a damaged {name}: {other}")),
    })
}

/// Where a mark stands for the last time.
fn last(bytes: &[u8], mark: [u8; 2]) -> Option<usize> {
    bytes.windows(mark.len()).rposition(|window| window == mark)
}

fn reader(bytes: Vec<u8>, format: ImageFormat) -> ImageReader<Cursor<Vec<u8>>> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(LARGEST_IMAGE);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader
}

/// The bytes of an image in the order `[C, H, W]`: gray (`channels` 1) or RGB (3), transparency left out, resized to
/// `size`, height and width, where it differs (triangle filter).
pub(in super::super) fn planes(image: DynamicImage, channels: usize, size: [usize; 2]) -> Vec<u8> {
    let [height, width] = size.map(|side| side as u32);
    // Colours first, so that only the channels that are wanted are resized.
    let image = if channels == 1 {
        DynamicImage::ImageLuma8(image.into_luma8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    };
    let same = (image.height(), image.width()) == (height, width);
    let image = if same { image } else { image.resize_exact(width, height, FilterType::Triangle) };
    let pixels = image.into_bytes();
    if channels == 1 {
        return pixels;
    }
    (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
}

/// Height and width as the head of an image tells them; its pixels are not unpacked.
///
/// # Errors
/// As [`read`] has them, but for damage among the pixels.
pub(super) fn size(path: &Path) -> Result<[usize; 2]> {
    let (width, height) = through(Peeked::open(path)?, ImageReader::into_dimensions)?;
    Ok([height as usize, width as usize])
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{colour, encode};
    use super::*;

    fn read_bytes(bytes: &[u8]) -> std::result::Result<DynamicImage, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        read(Peeked::open(&path).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_formats_are_read_whatever_their_name() {
        let image = colour(8, 6, [200, 100, 50]);
        let png = planes(read_bytes(&encode(&image, ImageFormat::Png)).unwrap(), 3, [6, 8]);
        assert_eq!(png, [[200; 48], [100; 48], [50; 48]].concat());
        let jpeg = planes(read_bytes(&encode(&image, ImageFormat::Jpeg)).unwrap(), 3, [6, 8]);
        assert_eq!(jpeg.len(), 144);
        assert!(jpeg.iter().zip(&png).all(|(packed, exact)| packed.abs_diff(*exact) <= 2), "{jpeg:?}");
        // Rec. 709, as the crate `image` weighs colours: 0.2126 R + 0.7152 G + 0.0722 B.
        let gray = planes(read_bytes(&encode(&image, ImageFormat::Png)).unwrap(), 1, [3, 2]);
        assert_eq!(gray, [118; 6]);
    }

    #[test]
    fn the_size_is_told_without_the_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let size_of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            size(&path).map_err(|error| error.to_string())
        };
        let image = colour(8, 6, [200, 100, 50]);
        assert_eq!(size_of(&encode(&image, ImageFormat::Jpeg)), Ok([6, 8]));
        let mut bytes = encode(&image, ImageFormat::Png);
        let pixels = bytes.windows(4).position(|name| name == b"IDAT").unwrap() + 4;
        bytes[pixels..].fill(0);
        assert!(read_bytes(&bytes).unwrap_err().contains("is a damaged PNG"));
        assert_eq!(size_of(&bytes), Ok([6, 8]));
        assert!(size_of(&bytes[..20]).unwrap_err().contains("is a damaged PNG"));
        let wide = DynamicImage::new_luma8(LONGEST_SIDE + 1, 1);
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let error = size_of(&encode(&wide, format)).unwrap_err();
            assert!(error.contains("is an image of more than 8192 pixels a side"), "{error}");
        }
    }

    #[test]
    fn a_jpeg_that_is_cut_off_or_damaged_is_refused() {
        let pixels = (0..64 * 64 * 3).map(|value| (value * 7919 % 251) as u8).collect();
        let image = DynamicImage::ImageRgb8(image::RgbImage::from_raw(64, 64, pixels).unwrap());
        let bytes = encode(&image, ImageFormat::Jpeg);
        for cut in [3, 20, 200, bytes.len() / 2, bytes.len() - 2] {
            let error = read_bytes(&bytes[..cut]).unwrap_err();
            assert!(error.contains("is a damaged JPEG"), "{cut}: {error}");
        }
        let mut trailing = bytes.clone();
        trailing.extend(b"a camera's notes");
        assert!(read_bytes(&trailing).is_ok());
        let error = read_bytes(b"GIF89a").unwrap_err();
        assert!(error.ends_with("is neither a PNG nor a JPEG, or it is damaged"), "{error}");
    }
}
