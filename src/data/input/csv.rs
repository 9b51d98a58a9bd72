//! Rows of numbers in CSV files, one at a time.

use std::io::Read;
use std::path::PathBuf;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::super::file::Peeked;
use super::super::image::ImageTransform;
use super::super::labels::LabelIndex;
use super::super::records::{Lines, shortened};
use super::{RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// Columns that hold no values, whatever the case of their names; pandas leaves the name of the index empty.
const INDEX: [&str; 2] = ["index", ""];
/// Columns that hold the class, the first one first.
const TARGET: [&str; 2] = ["target", "label"];
/// Bytes of the longest line: room for much beside the values, and room for each of them.
const LONGEST_BESIDE: usize = 1 << 20;
const LONGEST_VALUE: usize = 64;
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
    lines: Lines<Box<dyn Read + Send>>,
    columns: Columns,
    /// The record that is worked on; filled already if the first line is one.
    record: ByteRecord,
    pending: bool,
    next: usize,
}

impl Rows {
    /// Fails if the first line does not fit to the model.
    pub fn new(file: Peeked, image: &ImageTransform) -> Result<Self> {
        let path = file.path.clone();
        let lines = Lines::plain(file.into_unpacked(), LONGEST_BESIDE + LONGEST_VALUE * image.features());
        let columns = Columns { values: Vec::new(), target: None, count: 0 };
        let record = ByteRecord::new();
        let mut rows = Self { path, lines, columns, record, pending: false, next: 0 };
        if !rows.advance()? {
            return Err(rows.refuse("is empty"));
        }
        let header = rows.is_header();
        rows.columns = rows.columns(header);
        let (found, wanted) = (rows.columns.values.len(), image.features());
        if found != wanted {
            let (line, size) = (rows.lines.start, image.size_text());
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
                self.record = fields(&self.lines.record)?;
            }
            Ok(found)
        });
        found.map_err(|reason| self.refuse(format!("line {} {reason}", self.lines.start)))
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
        let (line, column, field) = (self.lines.start, column + 1, shortened(field));
        self.refuse(format!("line {line}, column {column}: \"{field}\" {reason}"))
    }

    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason)
    }

    /// The next row; none behind the last.
    pub fn read(&mut self) -> Result<Option<RawRow>> {
        if !std::mem::take(&mut self.pending) && !self.advance()? {
            return Ok(None);
        }
        let (found, first) = (self.record.len(), self.columns.count);
        if found != first {
            let line = self.lines.start;
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

    /// The next row with its target, if that is of a class that the model tells; none behind the last.
    pub fn read(&mut self) -> Result<Option<(RawRow, Option<Target>)>> {
        let Some(row) = self.rows.read()? else { return Ok(None) };
        Ok(Some((row, self.target()?)))
    }

    /// What there is to predict of the record that was read last.
    fn target(&self) -> Result<Option<Target>> {
        let field = text(self.rows.record.get(self.target).unwrap_or_default());
        let meaning = self.labels.find(field);
        let meaning = meaning.ok_or_else(|| self.rows.at(self.target, &self.labels.refusal(field)))?;
        Ok(meaning.target())
    }
}

/// A field without the space around it; what is not UTF-8 is no number and no name.
fn text(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap_or("\u{fffd}").trim()
}

/// The fields of a line, within which quotes end.
fn fields(line: &[u8]) -> Result<ByteRecord, String> {
    if !line.contains(&b'"') {
        return Ok(line.split(|byte| *byte == b',').collect());
    }
    let mut record = ByteRecord::new();
    let mut reader =
        ReaderBuilder::new().has_headers(false).terminator(Terminator::Any(b'\n')).from_reader(line);
    reader.read_byte_record(&mut record).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(record)
}
