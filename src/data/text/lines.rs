//! The lines of a text file, of which none may fill the memory.

use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::file::{Peeked, plain};
use crate::{Error, Result};

/// Bytes of the longest line, or of the longest record of several lines.
const LONGEST: usize = 64 << 20;

/// A file that is read line by line.
pub(in super::super) struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// The lines of a file, packed with gzip or not.
    pub fn new(file: Peeked) -> Self {
        let path = file.path.clone();
        Self { path, reader: BufReader::new(file.into_unpacked()), line: Vec::new(), number: 0 }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines were read: the number of the last one, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line and what ends it; none behind the last.
    pub fn advance(&mut self) -> Result<Option<(&[u8], &'static [u8])>> {
        self.line.clear();
        let mut bounded = self.reader.by_ref().take(LONGEST as u64);
        let count = bounded
            .read_until(b'\n', &mut self.line)
            .map_err(|error| Error::unreadable(&self.path, plain(&error)))?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        if count == LONGEST && !self.line.ends_with(b"\n") {
            return Err(self.too_long(self.number));
        }
        let line = match self.number {
            1 => self.line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line),
            _ => &self.line,
        };
        Ok(Some(match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
            (Some(line), _) => (line, b"\r\n"),
            (None, Some(line)) => (line, b"\n"),
            (None, None) => (line, b""),
        }))
    }

    /// What is wrong with the file in a line.
    pub fn refuse(&self, line: u64, reason: &str) -> Error {
        Error::unreadable(&self.path, format!("line {line}{reason}"))
    }

    /// Holds what was gathered from several lines to the bound of one.
    pub fn expect_room(&self, first: u64, bytes: usize) -> Result<()> {
        if bytes > LONGEST { Err(self.too_long(first)) } else { Ok(()) }
    }

    fn too_long(&self, line: u64) -> Error {
        self.refuse(line, &format!(" is longer than {} MiB", LONGEST >> 20))
    }

    /// The bytes at `place` in a line as text, or in a record of several lines that begins with line `first`.
    pub fn text<'a>(&self, first: u64, record: &'a [u8], place: Range<usize>) -> Result<&'a str> {
        std::str::from_utf8(&record[place.clone()]).map_err(|error| {
            let before = &record[..place.start + error.valid_up_to()];
            let line = first + before.split(|byte| *byte == b'\n').count() as u64 - 1;
            self.refuse(line, " is not UTF-8; save the file as UTF-8")
        })
    }
}
