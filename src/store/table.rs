//! CSV as all of our tables write and read it: lines that end in `\n`, numbers that come back bit by bit.

use std::fmt::{Display, LowerExp};
use std::path::Path;

use csv::StringRecord;

use super::file;
use crate::{Error, Result};

/// The shortest text that reads back as the same number: `0.1`, `1e-7`, `NaN`, `inf`.
///
/// Very small and very large numbers have an exponent, so that none takes 300 digits.
pub fn number<T: Display + LowerExp + Copy + Into<f64>>(value: T) -> String {
    let magnitude = value.into().abs();
    let is_plain = magnitude == 0.0 || (1e-5..1e16).contains(&magnitude) || !magnitude.is_finite();
    if is_plain { value.to_string() } else { format!("{value:e}") }
}

/// The line of `cells`, quoted where needed.
pub(super) fn line<I: IntoIterator<Item: AsRef<[u8]>>>(cells: I) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: &dyn Display| Error::Bug(format!("a table's line could not be made: {error}"));
    writer.write_record(cells).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))
}

/// The lines of a table, the header first; none if there is no file.
///
/// A last line without its newline was torn by a kill and is left out.
pub(super) fn read(path: &Path) -> Result<Vec<StringRecord>> {
    file::read(path)?.map_or_else(|| Ok(Vec::new()), |bytes| parse(path, &bytes))
}

/// As [`read`], for a table in memory; `path` is what errors call it.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<StringRecord>> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[..end]);
    reader
        .byte_records()
        .map(|record| match record {
            Ok(record) => Ok(StringRecord::from_byte_record_lossy(record)),
            Err(error) => Err(Error::unreadable(path, format!("not a table: {error}"))),
        })
        .collect()
}

/// The error for a line that does not fit its table; `index` counts from the header, 0.
pub(super) fn misfit(path: &Path, index: usize) -> Error {
    Error::unreadable(path, format!("line {} does not fit the columns", index + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.1, "0.1"),
            (3.0, "3"),
            (-0.0, "-0"),
            (1e-5, "0.00001"),
            (9.9e-6, "9.9e-6"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(0.1f32), "0.1");
        assert_eq!(number(1.5e-7f32), "1.5e-7");
    }

    proptest! {
        #[test]
        fn numbers_come_back_bit_by_bit(bits: u64, single: u32) {
            let value = f64::from_bits(bits);
            let text = number(value);
            prop_assert!(text.len() < 26, "{text}");
            let read: f64 = text.parse().unwrap();
            prop_assert!(read.to_bits() == bits || value.is_nan() && read.is_nan());
            let value = f32::from_bits(single);
            let read: f32 = number(value).parse().unwrap();
            prop_assert!(read.to_bits() == single || value.is_nan() && read.is_nan());
        }
    }

    #[test]
    fn cells_are_quoted_where_needed() {
        let line = line(["a", "b,c", "say \"hi\"", ""]).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "a,\"b,c\",\"say \"\"hi\"\"\",\n");
    }

    #[test]
    fn a_torn_last_line_and_garbage_are_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, "a,b\n1,2\n3,").unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        std::fs::write(&path, "a,b").unwrap();
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, [0xff, 0x00, b'"', b',', b'\n', b'"', b'\n', 0xfe]).unwrap();
        let _ = read(&path);
    }
}
