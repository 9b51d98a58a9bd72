//! CSV with a header (RFC 4180), record by record in bounded memory.
//!
//! A record may go over several lines where a field is quoted. Fields are handed out as they are or without the
//! space around them. What a column means is decided by those who read here. Lines of other texts are read here, too.

mod lines;

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

pub(super) use self::lines::{LONGEST, Lines};
use super::file::Peeked;
use crate::setting::nearest;
use crate::{Error, Result};

/// Letters of a field that a message repeats: a wrong file may have fields of any length.
const SHOWN: usize = 40;
/// Columns that a message lists.
const LISTED: usize = 20;
/// What is tried where nobody says what separates fields, the usual one first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A file that is read from whatever holds it.
pub(super) type FileRecords = Records<Box<dyn Read + Send>>;

/// The records behind a header.
pub(super) struct Records<R> {
    path: PathBuf,
    lines: Lines<R>,
    parser: csv::Reader<Feed>,
    delimiter: u8,
    header: Vec<String>,
    fields: StringRecord,
}

impl FileRecords {
    /// Opens a file, packed with gzip or not, and reads its header.
    pub fn open(path: &Path, delimiter: u8) -> Result<Self> {
        Self::new(path, Peeked::open(path)?.into_unpacked(), delimiter)
    }

    /// The same of a file whose fields are separated by whatever makes `names` out of its header.
    pub fn of_columns(file: Peeked, names: &[&str]) -> Result<Self> {
        let head = file.unpacked_head();
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let found = |delimiter: u8| {
            let header: HashSet<&str> = line
                .trim_start_matches('\u{feff}')
                .split(char::from(delimiter))
                .map(|name| name.trim().trim_matches('"'))
                .collect();
            names.iter().filter(|name| header.contains(*name)).count()
        };
        let mut delimiter = DELIMITERS[0];
        for other in DELIMITERS {
            if found(other) > found(delimiter) {
                delimiter = other;
            }
        }
        let path = file.path.clone();
        Self::new(&path, file.into_unpacked(), delimiter)
    }

    /// The same of a file with commas, of which some columns are asked for by name: others may be without one, as
    /// spreadsheets and pandas' index leave them.
    pub fn of_some_columns(file: Peeked) -> Result<Self> {
        let path = file.path.clone();
        Self::begin(&path, file.into_unpacked(), DELIMITERS[0])
    }
}

impl<R: Read> Records<R> {
    /// Reads the header; `path` is what messages call the source.
    ///
    /// # Errors
    /// [`Error::Unreadable`] without a header in which every column has a name of its own.
    pub fn new(path: &Path, reader: R, delimiter: u8) -> Result<Self> {
        let records = Self::begin(path, reader, delimiter)?;
        if let Some(at) = records.header.iter().position(String::is_empty) {
            let (line, column) = (records.line(), at + 1);
            return Err(records.refuse(format!(
                "line {line}: column {column} of the header has no name; the first line must name every column"
            )));
        }
        Ok(records)
    }

    /// As [`new`](Self::new), whether all columns have names or not.
    fn begin(path: &Path, reader: R, delimiter: u8) -> Result<Self> {
        let parser = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Feed::default());
        let (path, lines) = (path.to_path_buf(), Lines::of_records(reader, delimiter));
        let mut records =
            Self { path, lines, parser, delimiter, header: Vec::new(), fields: StringRecord::new() };
        if !records.read()? {
            return Err(records.refuse("is empty"));
        }
        records.header = records.fields.iter().map(|name| name.trim().to_owned()).collect();
        records.check_header()?;
        Ok(records)
    }

    fn check_header(&self) -> Result<()> {
        let line = self.line();
        for (at, name) in self.header.iter().enumerate() {
            // A quoted name may go over several lines.
            if name.split("\r\n").any(|line| line.contains('\r')) {
                return Err(self.refuse("ends its lines with a carriage return alone; expected LF or CRLF"));
            }
            if name.is_empty() {
                continue;
            }
            if let Some(first) = self.header[..at].iter().position(|other| other == name) {
                let (first, second, name) = (first + 1, at + 1, shortened(name));
                return Err(self.refuse(format!(
                    "line {line}: columns {first} and {second} of the header are both named \"{name}\""
                )));
            }
        }
        Ok(())
    }

    /// The name of every column.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The place of a column.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The place of the column that the setting `key` names.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with the nearest name if there is no such column.
    pub fn column(&self, key: &str, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| self.without(key, name, &self.advice(name)))
    }

    /// That there is no column as the setting `key` names it, with advice behind.
    pub fn without(&self, key: &str, name: &str, advice: &str) -> Error {
        self.refuse(format!("has no column \"{}\", which `{key}` names{advice}", shortened(name)))
    }

    /// What may have been meant by a column that is not there, to stand behind a sentence.
    pub fn advice(&self, name: &str) -> String {
        match self.other_delimiter() {
            Some(other) => {
                let used = char::from(self.delimiter);
                format!("; its header has no {used:?} but {other:?}: `delimiter` says what separates fields")
            }
            None => self.known(name),
        }
    }

    /// What seems to separate the fields where nothing does that is expected to.
    pub fn other_delimiter(&self) -> Option<char> {
        let [only] = self.header.as_slice() else { return None };
        let mut others = DELIMITERS.into_iter().filter(|other| *other != self.delimiter);
        others.find(|other| only.as_bytes().contains(other)).map(char::from)
    }

    /// The column whose name is nearest to one that is not there, else all that are there.
    pub fn known(&self, name: &str) -> String {
        let names = || self.header.iter().map(String::as_str).filter(|name| !name.is_empty());
        if let Some(near) = nearest(name, names()) {
            return format!("; did you mean \"{}\"?", shortened(near));
        }
        let known: Vec<String> = names().take(LISTED).map(shortened).collect();
        let more = if known.len() < names().count() { ", …" } else { "" };
        format!("; there are: {}{more}", known.join(", "))
    }

    /// Goes to the next record; whether there was one. Blank lines are none.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a record without one field for each column, for a quote that is not closed,
    /// for what is not UTF-8 and for a record that is too long.
    pub fn advance(&mut self) -> Result<bool> {
        if !self.read()? {
            return Ok(false);
        }
        let (found, named) = (self.fields.len(), self.header.len());
        if found != named {
            let fields = if found == 1 { "field" } else { "fields" };
            return Err(self.at_line(format!("has {found} {fields}, the header names {named} columns")));
        }
        Ok(true)
    }

    fn read(&mut self) -> Result<bool> {
        match self.lines.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(reason) => return Err(self.at_line(reason)),
        }
        self.parser.get_mut().hold(&self.lines.record);
        match self.parser.read_record(&mut self.fields) {
            Ok(true) => Ok(true),
            Ok(false) => Err(Error::Bug(format!("line {} of a CSV came to nothing", self.line()))),
            Err(error) => Err(match error.kind() {
                ErrorKind::Utf8 { err, .. } => {
                    let column = err.field() + 1;
                    self.at_line(format!("is not UTF-8 in column {column}; save the file as UTF-8"))
                }
                _ => self.at_line(format!("cannot be read: {error}")),
            }),
        }
    }

    /// A field of the record without the space around it; empty if there is no such column.
    pub fn field(&self, column: usize) -> &str {
        self.raw(column).trim()
    }

    /// A field of the record as it is; empty if there is no such column.
    pub fn raw(&self, column: usize) -> &str {
        self.fields.get(column).unwrap_or_default()
    }

    /// The line on which the record begins, from 1.
    pub fn line(&self) -> u64 {
        self.lines.start
    }

    /// What the source is called.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error of the whole file.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason)
    }

    /// An error of the record.
    pub fn at_line(&self, reason: impl AsRef<str>) -> Error {
        self.refuse(format!("line {} {}", self.line(), reason.as_ref()))
    }
}

/// The start of a text, for messages.
pub(super) fn shortened(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// Hands the parser one record after the other; between two of them it is not asked.
#[derive(Default)]
struct Feed {
    record: Vec<u8>,
    at: usize,
}

impl Feed {
    fn hold(&mut self, record: &[u8]) {
        self.record.clear();
        self.record.extend_from_slice(record);
        self.record.push(b'\n');
        self.at = 0;
    }
}

impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (&self.record[self.at..]).read(out)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every record with its line, or the error.
    fn read(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>, String> {
        let all = || -> Result<Vec<_>> {
            let mut records = Records::new(Path::new("f.csv"), text, b',')?;
            let mut found = vec![(records.line(), records.header().to_vec())];
            while records.advance()? {
                let count = records.header().len();
                found.push((records.line(), (0..count).map(|at| records.field(at).to_owned()).collect()));
            }
            Ok(found)
        };
        all().map_err(|error| error.to_string())
    }

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        read(text.as_bytes()).unwrap()
    }

    fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn lines_and_quotes_are_those_of_the_standard() {
        let wanted = [row(1, &["a", "b"]), row(2, &["1", "x, \"y\"\r\n\r\nz"]), row(6, &["2", ""])];
        let text = "\u{feff}a, b \r\n1,\"x, \"\"y\"\"\r\n\r\nz\"\r\n  \r\n2,\r\n\r\n";
        assert_eq!(rows(text), wanted);
        // Without a line break at the end; a quote inside of a field means itself.
        assert_eq!(rows("a,b\n5\" x,\"q\"")[1], row(2, &["5\" x", "q"]));
        assert_eq!(rows("a\n\"\"\nb\n"), [row(1, &["a"]), row(2, &[""]), row(3, &["b"])]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let refused = |text: &[u8]| read(text).unwrap_err();
        assert_eq!(refused(b""), "f.csv: is empty");
        assert_eq!(refused(b"\n \r\n"), "f.csv: is empty");
        assert!(refused(b"a,,c\n").contains("line 1: column 2 of the header has no name"));
        assert!(refused(b"a,b,a\n").contains("line 1: columns 1 and 3 of the header are both named \"a\""));
        assert_eq!(refused(b"a,b\n1,2\n\n1\n"), "f.csv: line 4 has 1 field, the header names 2 columns");
        assert_eq!(refused(b"a,b\n1,2,3\n"), "f.csv: line 2 has 3 fields, the header names 2 columns");
        assert_eq!(refused(b"a,b\n1,\"2\n3,4\n"), "f.csv: line 2 opens a quote that is never closed");
        assert!(refused(b"a,b\n1,\xff\n").contains("line 2 is not UTF-8 in column 2"));
        assert!(refused(b"\xff\xfea\0,\0b\0").contains("line 1 is not UTF-8 in column 1"));
        assert!(refused(b"a,b\r1,2\r").contains("a carriage return alone"));
        assert_eq!(rows("\"a\r\nb\",c\r\n1,2\r\n")[1], row(3, &["1", "2"]));
    }

    #[test]
    fn fields_are_there_as_they_are_and_columns_without_names_may_be() {
        let file = |bytes| Peeked::from_bytes("f.csv", bytes);
        let mut records = FileRecords::of_some_columns(file(b",a,,\n0, x  \"y\" ,\" z\n\",\n")).unwrap();
        assert_eq!((records.find("a"), records.find("b")), (Some(1), None));
        assert!(records.advance().unwrap());
        assert_eq!((records.raw(1), records.field(1)), (" x  \"y\" ", "x  \"y\""));
        assert_eq!((records.raw(2), records.raw(3), records.raw(4)), (" z\n", "", ""));
        assert!(records.known("text").ends_with("there are: a"));
        let error = FileRecords::of_some_columns(file(b",a,a\n")).err().unwrap().to_string();
        assert!(error.ends_with("columns 2 and 3 of the header are both named \"a\""), "{error}");
    }

    #[test]
    fn lines_of_a_text_know_no_quotes() {
        let mut lines = Lines::plain("\u{feff}\"a\r\n \n\nb,\"\"\nc".as_bytes(), 8);
        let mut found = Vec::new();
        while lines.advance().unwrap() {
            found.push((lines.start, String::from_utf8(lines.record.clone()).unwrap()));
        }
        assert_eq!(found, [(1, "\"a".to_owned()), (4, "b,\"\"".to_owned()), (5, "c".to_owned())]);
        let mut lines = Lines::plain("a\n123456789\n".as_bytes(), 8);
        assert_eq!(lines.advance(), Ok(true));
        assert_eq!((lines.advance(), lines.start), (Err("is longer than 8 bytes".to_owned()), 2));
    }

    #[test]
    fn a_record_without_end_does_not_fill_the_memory() {
        let mut text = b"a,b\n1,2\n".to_vec();
        text.resize(LONGEST + 100, b'1');
        assert!(read(&text).unwrap_err().starts_with("f.csv: line 3 is longer than"));
        let mut text = b"a,b\n1,\"".to_vec();
        for _ in 0..=LONGEST / 8 {
            text.extend_from_slice(b"abcdefg\n");
        }
        assert!(read(&text).unwrap_err().starts_with("f.csv: line 2 opens a quote and is longer than"));
    }

    #[test]
    fn columns_that_are_not_there_get_advice() {
        let refused = |text: &str, name: &str| {
            let records = Records::new(Path::new("f.csv"), text.as_bytes(), b',').unwrap();
            records.column("target", name).unwrap_err().to_string()
        };
        assert_eq!(
            refused("a,species\n", "specis"),
            "f.csv: has no column \"specis\", which `target` names; did you mean \"species\"?"
        );
        assert!(refused("a,b\n", "species").ends_with("there are: a, b"));
        assert!(refused("a;b\n", "b").ends_with("`delimiter` says what separates fields"));
    }

    proptest! {
        /// The crate reads whole texts; here every record is read for itself.
        #[test]
        fn records_are_those_of_the_crate(text in "[ab,\"\n\r ]{0,40}") {
            let text = format!("x,y\n{text}");
            let mut reader = ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(Terminator::Any(b'\n'))
                .from_reader(text.as_bytes());
            let clean = |field: &str| field.trim().to_owned();
            let all: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(clean).collect()).collect();
            if let Ok(found) = read(text.as_bytes()) {
                let blank = |fields: &Vec<String>| fields.len() == 1 && fields[0].is_empty();
                let found: Vec<Vec<String>> = found.into_iter().map(|(_, fields)| fields).collect();
                let wanted: Vec<Vec<String>> = all.into_iter().filter(|fields| !blank(fields)).collect();
                prop_assert_eq!(found, wanted);
            }
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
