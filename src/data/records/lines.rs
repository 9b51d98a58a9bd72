//! The lines of a text, a record at a time.

use std::io::{BufRead, BufReader, Read};

use super::super::file::plain;
use crate::Result;

/// Bytes of the longest record; a file that is no CSV may be without any line break.
pub const LONGEST: usize = 16 << 20;

/// Where in a record a byte stands. A quote that is not at the start of a field means itself.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or the first of two that mean one.
    Closing,
}

impl Place {
    fn behind(self, bytes: &[u8], delimiter: u8) -> Self {
        if self == Self::Start && !bytes.contains(&b'"') {
            return Self::Plain;
        }
        bytes.iter().fold(self, |place, byte| match (place, *byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) | (Self::Start | Self::Closing, b'"') => Self::Quoted,
            (_, byte) if byte == delimiter => Self::Start,
            _ => Self::Plain,
        })
    }
}

/// The lines of a text, joined where a quoted field goes over several.
pub struct Lines<R> {
    reader: BufReader<R>,
    delimiter: u8,
    /// Without the line break behind it.
    pub record: Vec<u8>,
    /// The line on which it begins, from 1.
    pub start: u64,
    /// Lines that were read.
    count: u64,
}

impl<R: Read> Lines<R> {
    /// Before the first of them.
    pub fn new(reader: R, delimiter: u8) -> Self {
        Self { reader: BufReader::new(reader), delimiter, record: Vec::new(), start: 1, count: 0 }
    }

    /// Goes to the next record that is not blank; whether there was one.
    pub fn advance(&mut self) -> Result<bool, String> {
        loop {
            self.record.clear();
            self.start = self.count + 1;
            let mut place = Place::Start;
            loop {
                let from = self.record.len();
                if !self.line(place)? {
                    break;
                }
                place = place.behind(&self.record[from..], self.delimiter);
                if place != Place::Quoted {
                    break;
                }
            }
            if place == Place::Quoted {
                return Err("opens a quote that is never closed".to_owned());
            }
            if self.count < self.start {
                return Ok(false);
            }
            self.strip();
            if !self.is_blank() {
                return Ok(true);
            }
        }
    }

    /// Puts one more line behind the record; whether there was one.
    fn line(&mut self, place: Place) -> Result<bool, String> {
        let left = LONGEST - self.record.len().min(LONGEST);
        let mut bounded = self.reader.by_ref().take(left as u64);
        let count = bounded.read_until(b'\n', &mut self.record).map_err(|error| plain(&error))?;
        if count == left && self.record.last() != Some(&b'\n') {
            let open = if place == Place::Quoted { "opens a quote and" } else { "" };
            return Err(format!("{open} is longer than {LONGEST} bytes").trim_start().to_owned());
        }
        if self.count == 0 && self.record.starts_with(b"\xef\xbb\xbf") {
            self.record.drain(..3);
        }
        self.count += u64::from(count > 0);
        Ok(count > 0)
    }

    fn strip(&mut self) {
        if self.record.last() == Some(&b'\n') {
            self.record.pop();
        }
        if self.record.last() == Some(&b'\r') {
            self.record.pop();
        }
    }

    fn is_blank(&self) -> bool {
        self.record.iter().all(|byte| byte.is_ascii_whitespace() && *byte != self.delimiter)
    }
}
