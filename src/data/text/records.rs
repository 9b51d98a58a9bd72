//! The records of a CSV file (RFC 4180), whose quoted fields may go over several lines.
//!
//! The crate `csv` counts a line too few where lines end with CR and LF and does not bound a record, so a quote
//! that is never closed would be a field of the rest of the file.

use super::super::file::Peeked;
use super::lines::Lines;
use crate::setting::nearest;
use crate::{Error, Result};

/// Names that people give to the column of the class.
const TARGETS: [&str; 6] = ["target", "label", "class", "category", "sentiment", "y"];
/// As many names of columns are shown in a message.
const MOST_NAMES: usize = 20;

/// Records below a line with the names of the columns.
pub(in super::super) struct Records {
    lines: Lines,
    names: Vec<String>,
    /// The line in which they stand.
    names_line: u64,
    /// The fields of the record, one behind the other, without their quotes.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line in which the record begins.
    first: u64,
}

/// Where a byte of a record lies.
#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote that closes the field, unless another one follows.
    Closed,
}

impl Records {
    /// Fails if there is no first line or it is not UTF-8.
    pub fn new(file: Peeked) -> Result<Self> {
        let lines = Lines::new(file);
        let mut records =
            Self { lines, names: Vec::new(), names_line: 1, bytes: Vec::new(), ends: Vec::new(), first: 0 };
        if !records.advance()? {
            return Err(Error::unreadable(records.lines.path(), "is empty"));
        }
        records.names_line = records.first;
        let name = |column| records.field(column).map(|name| name.trim().to_owned());
        records.names = (0..records.ends.len()).map(name).collect::<Result<_>>()?;
        Ok(records)
    }

    /// Where the column `name` stands; `key` is the setting that names it, for advice.
    pub fn column(&self, name: &str, key: &str) -> Result<usize> {
        self.find(name)?.ok_or_else(|| {
            let known = || self.names.iter().map(String::as_str);
            let mut usual = TARGETS.into_iter().filter(|_| key == "target");
            let likely = usual.find(|usual| known().any(|name| name == *usual));
            let advice = match likely.or_else(|| nearest(name, known())) {
                Some(likely) => format!("did you mean `data.{key} = \"{likely}\"`?"),
                None => format!("name the right one with `data.{key}`"),
            };
            self.without(name, &advice)
        })
    }

    /// Where the column `name` stands, if there is one; two of them are an error.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        let mut found = self.names.iter().enumerate().filter(|(_, known)| *known == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(self.lines.refuse(self.names_line, &format!(" names two columns `{name}`")))
            }
            (column, _) => Ok(column.map(|(position, _)| position)),
        }
    }

    /// That there is no column `name`, and what to do.
    pub fn without(&self, name: &str, advice: &str) -> Error {
        let mut known: Vec<String> =
            self.names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
        if known.len() < self.names.len() {
            known.push("…".to_owned());
        }
        self.lines.refuse(
            self.names_line,
            &format!(" names no column `{name}`, only {}; {advice}", known.join(", ")),
        )
    }

    /// Goes to the next record that is not a blank line; whether there was one.
    pub fn advance(&mut self) -> Result<bool> {
        while self.read()? {
            if self.ends.len() > 1 || !self.bytes.trim_ascii().is_empty() {
                let (found, wanted) = (self.ends.len(), self.names.len());
                if wanted > 0 && found != wanted {
                    let fields = if found == 1 { "field" } else { "fields" };
                    let reason = format!(" has {found} {fields}, the first line names {wanted} columns");
                    return Err(self.lines.refuse(self.first, &reason));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A field of the record.
    pub fn field(&self, column: usize) -> Result<&str> {
        let end = self.ends.get(column).copied().unwrap_or_default();
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.lines.text(self.first, &self.bytes, start..end)
    }

    /// What is wrong with the record.
    pub fn refuse(&self, reason: &str) -> Error {
        self.lines.refuse(self.first, reason)
    }

    /// What is wrong with the file.
    pub fn refuse_file(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(self.lines.path(), reason)
    }

    /// Reads a record, a blank one too; whether there was one.
    fn read(&mut self) -> Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        self.first = self.lines.number() + 1;
        let mut state = State::FieldStart;
        loop {
            let Some((line, end)) = self.lines.advance()? else {
                if state == State::Quoted {
                    return Err(self.lines.refuse(self.first, " opens a quote that is never closed"));
                }
                return Ok(false);
            };
            state = unquote(state, line, &mut self.bytes, &mut self.ends);
            if state != State::Quoted {
                self.ends.push(self.bytes.len());
                return Ok(true);
            }
            self.bytes.extend_from_slice(end);
            self.lines.expect_room(self.first, self.bytes.len())?;
        }
    }
}

/// Puts the content of a line behind `bytes`, and the ends of the fields that end in it behind `ends`.
fn unquote(mut state: State, line: &[u8], bytes: &mut Vec<u8>, ends: &mut Vec<usize>) -> State {
    for byte in line {
        state = match (state, byte) {
            (State::FieldStart, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::Closed,
            (State::Closed, b'"') => {
                bytes.push(b'"');
                State::Quoted
            }
            (State::Quoted, byte) => {
                bytes.push(*byte);
                State::Quoted
            }
            (_, b',') => {
                ends.push(bytes.len());
                State::FieldStart
            }
            (_, byte) => {
                bytes.push(*byte);
                State::Plain
            }
        };
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8]) -> Result<Records, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, bytes).unwrap();
        let found = Records::new(Peeked::open(&path).unwrap());
        found.map_err(|error| error.to_string().split_once("a.csv: ").unwrap().1.to_owned())
    }

    fn all(bytes: &[u8]) -> Result<Vec<Vec<String>>, String> {
        let mut records = open(bytes)?;
        let mut read = || {
            let mut found = Vec::new();
            while records.advance()? {
                let fields = (0..records.ends.len()).map(|column| records.field(column).map(str::to_owned));
                found.push(fields.collect::<Result<_>>()?);
            }
            Ok(found)
        };
        read().map_err(|error: Error| error.to_string().split_once("a.csv: ").unwrap().1.to_owned())
    }

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        let expected = [["a, \"b\"\r\nc", "1"], ["5\" disc", ""], ["", "x\"y"]];
        let text = "\u{feff}text,label\r\n\"a, \"\"b\"\"\r\nc\",1\r\n\r\n  \r\n5\" disc,\r\n\"\",\"x\"\"y\"";
        assert_eq!(all(text.as_bytes()).unwrap(), expected);
        assert_eq!(all(b"a\nb\n\nc").unwrap(), [["b"], ["c"]]);
        assert_eq!(all(b"a\n").unwrap(), Vec::<Vec<String>>::new());
    }

    #[test]
    fn records_agree_with_the_crate_csv() {
        let text = "a,b,c\n1,\"2,\"\"3\"\"\n4\",5\n \"6\" ,\"7\"8,9\n,,\n\"\",'x',\"é\"\"\"\n";
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let wanted: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(all(text.as_bytes()).unwrap(), wanted);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(all(b"").unwrap_err(), "is empty");
        assert_eq!(all(b"\n \n").unwrap_err(), "is empty");
        let refused = |text: &str| all(text.as_bytes()).unwrap_err();
        assert_eq!(
            refused("a,b\r\n\r\n\"x\r\ny\",1\r\n1\r\n"),
            "line 5 has 1 field, the first line names 2 columns"
        );
        assert_eq!(refused("a,b\n1,2\n\"3,4\n5,6\n"), "line 3 opens a quote that is never closed");
        let bytes = b"a,b\n\"x\ny\",\"1\n\xff\"\n";
        assert_eq!(all(bytes).unwrap_err(), "line 4 is not UTF-8; save the file as UTF-8");
        assert_eq!(all(b"\xff\xfea,b\n").unwrap_err(), "line 1 is not UTF-8; save the file as UTF-8");
    }

    #[test]
    fn columns_are_found_by_name() {
        let records = open(b"id, text ,label,text2,text2\n").unwrap();
        assert_eq!(records.column("text", "text").unwrap(), 1);
        let refused = |name, key| {
            let error = records.column(name, key).unwrap_err().to_string();
            error.split_once("a.csv: ").unwrap().1.to_owned()
        };
        assert_eq!(refused("text2", "text"), "line 1 names two columns `text2`");
        assert_eq!(
            refused("target", "target"),
            "line 1 names no column `target`, only `id`, `text`, `label`, `text2`, `text2`; did you mean \
             `data.target = \"label\"`?"
        );
        assert!(refused("texts", "text").ends_with("did you mean `data.text = \"text\"`?"));
        assert!(refused("comment", "text").ends_with("name the right one with `data.text`"));
    }
}
