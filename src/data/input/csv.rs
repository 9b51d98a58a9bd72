//! Rows of numbers in CSV files, one at a time.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::super::file::{Peeked, plain};
use super::super::image::ImageTransform;
use super::super::labels::LabelIndex;
use super::{RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// Columns that hold no values, whatever the case of their names; pandas leaves the name of the index empty.
const INDEX: [&str; 2] = ["index", ""];
/// Columns that hold the class, the first one first.
const TARGET: [&str; 2] = ["target", "label"];
/// As many columns named 0, 1, 2, … are names (pandas writes them) and not values.
const NUMBERED: usize = 8;

/// Which column means what.
struct Columns {
    values: Vec<usize>,
    target: Option<usize>,
    count: usize,
}

/// The rows of a file.
pub(super) struct Rows {
    path: PathBuf,
    lines: Lines,
    columns: Columns,
    /// The record that is worked on; filled already if the first line is one.
    record: ByteRecord,
    pending: bool,
    next: usize,
    ended: bool,
}

impl Rows {
    /// Fails if the first line does not fit to the model.
    pub fn new(file: Peeked, image: &ImageTransform) -> Result<Self> {
        let path = file.path.clone();
        let lines = Lines::new(file.into_unpacked(), (1 << 20) + 64 * image.features() as u64);
        let columns = Columns { values: Vec::new(), target: None, count: 0 };
        let record = ByteRecord::new();
        let mut rows = Self { path, lines, columns, record, pending: false, next: 0, ended: false };
        if !rows.advance()? {
            return Err(rows.refuse("is empty"));
        }
        let header = rows.is_header();
        rows.columns = rows.columns(header);
        let (found, wanted) = (rows.columns.values.len(), image.features());
        if found != wanted {
            let (line, size) = (rows.lines.number, image.size_text());
            let what = if header { format!("names {found} columns of") } else { format!("has {found}") };
            return Err(rows.refuse(format!("line {line} {what} values, the model wants {wanted} ({size})")));
        }
        rows.pending = !header;
        Ok(rows)
    }

    /// Reads the next line that is not blank into the record; whether there was one.
    fn advance(&mut self) -> Result<bool> {
        let found = self.lines.advance().and_then(|found| {
            if found {
                self.record = self.lines.record()?;
            }
            Ok(found)
        });
        found.map_err(|reason| self.refuse(format!("line {} {reason}", self.lines.number)))
    }

    /// Whether the record names columns: none of its fields is a number, or one is a name that we know, or
    /// they are 0, 1, 2, …
    fn is_header(&self) -> bool {
        let number = |field: &str| field.parse::<f64>().is_ok();
        let fields: Vec<&str> = self.record.iter().map(text).collect();
        let special =
            |field: &&str| TARGET.iter().chain(&INDEX[..1]).any(|name| field.eq_ignore_ascii_case(name));
        let counted = |fields: &[&str]| fields.iter().enumerate().all(|(at, field)| *field == at.to_string());
        fields.iter().all(|field| !number(field))
            || fields.iter().any(special)
            || (fields.len() >= NUMBERED && counted(&fields))
            || (fields.len() > 1 && fields[0].is_empty() && counted(&fields[1..]))
    }

    fn columns(&self, header: bool) -> Columns {
        let names: Vec<String> = self.record.iter().map(|field| text(field).to_ascii_lowercase()).collect();
        let count = names.len();
        if !header {
            return Columns { values: (0..count).collect(), target: None, count };
        }
        let is_value = |name: &String| !INDEX.iter().chain(&TARGET).any(|special| name == special);
        let values = (0..count).filter(|at| is_value(&names[*at])).collect();
        let target = TARGET.iter().find_map(|target| names.iter().position(|name| name == target));
        Columns { values, target, count }
    }

    fn at(&self, column: usize, reason: &str) -> Error {
        let field = text(self.record.get(column).unwrap_or_default());
        // A wrong file may have fields of any length.
        let field: String = field.chars().take(40).collect();
        self.refuse(format!("line {}, column {}: \"{field}\" {reason}", self.lines.number, column + 1))
    }

    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason)
    }

    fn read(&mut self) -> Result<Option<RawRow>> {
        if !std::mem::take(&mut self.pending) && !self.advance()? {
            return Ok(None);
        }
        let (found, first) = (self.record.len(), self.columns.count);
        if found != first {
            let line = self.lines.number;
            return Err(self.refuse(format!("line {line} has {found} columns, the first has {first}")));
        }
        let number = |column: usize| {
            let field = text(self.record.get(column).unwrap_or_default());
            let value: f32 = field.parse().map_err(|_| self.at(column, "is not a number"))?;
            if value.is_finite() { Ok(value) } else { Err(self.at(column, "is not a finite number")) }
        };
        let values = self.columns.values.iter().map(|column| number(*column)).collect::<Result<_>>()?;
        let row = RawRow { index: self.next, sample: RawSample::Image(values) };
        self.next += 1;
        Ok(Some(row))
    }
}

impl Iterator for Rows {
    type Item = Result<RawRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

/// The rows of a file with the classes in one of its columns.
pub(super) struct LabelledRows {
    rows: Rows,
    target: usize,
    labels: LabelIndex,
}

impl LabelledRows {
    /// Fails without a column for the class, too.
    pub fn new(file: Peeked, image: &ImageTransform, labels: LabelIndex) -> Result<Self> {
        let rows = Rows::new(file, image)?;
        let Some(target) = rows.columns.target else {
            return Err(rows.refuse("has no header line with a column named `target` or `label`"));
        };
        Ok(Self { rows, target, labels })
    }

    /// What there is to predict of the record that was read last.
    fn target(&self) -> Result<Option<Target>> {
        let field = text(self.rows.record.get(self.target).unwrap_or_default());
        let meaning = self.labels.find(field);
        let meaning = meaning.ok_or_else(|| self.rows.at(self.target, &self.labels.refusal(field)))?;
        Ok(meaning.target())
    }
}

impl Iterator for LabelledRows {
    type Item = Result<(RawRow, Option<Target>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let labelled = self.rows.next()?.and_then(|row| self.target().map(|target| (row, target)));
        self.rows.ended |= labelled.is_err();
        Some(labelled)
    }
}

/// A field without the space around it; what is not UTF-8 is no number and no name.
fn text(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap_or("\u{fffd}").trim()
}

/// The lines of a text, of which none may fill the memory.
struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    /// Of `line`, from 1.
    number: u64,
    longest: u64,
}

impl Lines {
    fn new(reader: Box<dyn Read + Send>, longest: u64) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), number: 0, longest }
    }

    /// Goes to the next line that is not blank; whether there was one.
    fn advance(&mut self) -> Result<bool, String> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut bounded = self.reader.by_ref().take(self.longest);
            let count = bounded.read_until(b'\n', &mut self.line).map_err(|error| plain(&error))?;
            if count as u64 == self.longest && self.line.last() != Some(&b'\n') {
                return Err(format!("is longer than {count} bytes"));
            }
            if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            let end = self.line.trim_ascii_end().len();
            self.line.truncate(end);
            if !self.line.is_empty() || count == 0 {
                return Ok(count > 0);
            }
        }
    }

    /// The fields of the line.
    fn record(&self) -> Result<ByteRecord, String> {
        if !self.line.contains(&b'"') {
            return Ok(self.line.split(|byte| *byte == b',').collect());
        }
        let mut record = ByteRecord::new();
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(self.line.as_slice());
        reader.read_byte_record(&mut record).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(record)
    }
}
