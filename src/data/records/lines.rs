//! The lines of a text, one at a time or a record at a time, of which none may fill the memory.

use std::io::{BufRead, BufReader, Read};

use super::super::file::plain;
use crate::Result;

/// Bytes of the longest record, and of the longest line of a text; a file that is neither may be without any line
/// break.
pub(in super::super) const LONGEST: usize = 64 << 20;

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

/// The lines of a text; of a CSV joined where a quoted field goes over several.
pub(in super::super) struct Lines<R> {
    reader: BufReader<R>,
    /// What separates the fields; none where quotes mean nothing.
    delimiter: Option<u8>,
    longest: usize,
    /// Without the line break behind it.
    pub record: Vec<u8>,
    /// The line on which it begins, from 1.
    pub start: u64,
    /// Lines that were read.
    count: u64,
}

impl<R: Read> Lines<R> {
    /// Before the first record of a CSV.
    pub fn of_records(reader: R, delimiter: u8) -> Self {
        Self { delimiter: Some(delimiter), ..Self::plain(reader, LONGEST) }
    }

    /// Before the first line, of which none has more than `longest` bytes; each is a record.
    pub fn plain(reader: R, longest: usize) -> Self {
        let reader = BufReader::new(reader);
        Self { reader, delimiter: None, longest, record: Vec::new(), start: 1, count: 0 }
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
                let Some(delimiter) = self.delimiter else { break };
                place = place.behind(&self.record[from..], delimiter);
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
        let left = self.longest - self.record.len().min(self.longest);
        let mut bounded = self.reader.by_ref().take(left as u64);
        let count = bounded.read_until(b'\n', &mut self.record).map_err(|error| plain(&error))?;
        if count == left && self.record.last() != Some(&b'\n') {
            let open = if place == Place::Quoted { "opens a quote and" } else { "" };
            return Err(format!("{open} is longer than {} bytes", self.longest).trim_start().to_owned());
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
        self.record.iter().all(|byte| byte.is_ascii_whitespace() && Some(*byte) != self.delimiter)
    }
}
