//! A table of runs that stands for the sweep: `runner plan --save rows.csv`, edited, and `runner run --rows`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::anchor::anchor_value;
use super::experiment::Assignment;
use super::schema;
use crate::setting::{Diagnostic, Excerpt, KeyPath, nearest};
use crate::sweep::{self, Axis, MOST_RUNS, Origin, Places, Space, When};
use crate::{Error, Result};

/// The column that names the runs' folders, for the reader only: names follow from the settings.
const NAME: &str = "run";
/// The longest file that is read: 256 MiB, a million rows with room to spare.
const LONGEST: u64 = 256 << 20;

/// A row a run, a column a swept key.
#[derive(Debug, Clone)]
pub struct Rows {
    origin: String,
    text: Arc<str>,
    columns: Vec<Column>,
    count: usize,
}

#[derive(Debug, Clone)]
struct Column {
    key: KeyPath,
    header: Range<usize>,
    /// A value and its place, a row; a cell that is empty leaves the setting as it is.
    cells: Vec<(Option<Arc<Value>>, Range<usize>)>,
}

impl Rows {
    /// Reads a CSV file whose header has swept keys in full, as in `optimizer.lr`. A cell is TOML or else a
    /// string, as in a flag; an empty one leaves the setting as the experiment has it.
    pub fn load(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Request(format!("there is no file {}", path.display())),
            _ => Error::unreadable(path, error.to_string()),
        };
        let mut text = String::new();
        // A device has no size that could be asked for.
        let file = File::open(path).map_err(unreadable)?;
        let length = file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
        if length as u64 > LONGEST {
            return Err(Error::unreadable(path, "a table of runs has at most 256 MiB"));
        }
        Self::parse(path.display().to_string(), &text)
    }

    /// As [`load`](Self::load), from a text that is shown as `origin`.
    pub fn parse(origin: String, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader { origin, text: text.into(), at: 0 };
        let mut columns = Vec::new();
        let header = reader.record()?.unwrap_or_default();
        for (name, place) in &header {
            columns.push(reader.column(name, place, &columns)?);
        }
        let mut rows = 0;
        while let Some(record) = reader.record()? {
            if record.len() != header.len() {
                let whole = record.first().map_or(0, |(_, place)| place.start)
                    ..record.last().map_or(0, |(_, place)| place.end);
                let message = format!("this row has {} of {} cells", record.len(), header.len());
                return Err(reader.refuse(message, whole, "expected a cell a column"));
            }
            rows += 1;
            if rows as u128 > MOST_RUNS {
                return Err(Error::Request(format!("{} has more than {MOST_RUNS} rows", reader.origin)));
            }
            for ((cell, place), column) in record.into_iter().zip(&mut columns) {
                if let Some(column) = column {
                    column.cells.push((value(&cell), place));
                }
            }
        }
        if rows == 0 {
            return Err(reader.refuse("there is no row".into(), 0..0, "expected a header and a row a run"));
        }
        let columns = columns.into_iter().flatten().collect();
        Ok(Self { origin: reader.origin, text: reader.text, columns, count: rows })
    }

    /// Where the rows were read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// One dimension along which all columns move.
    pub(super) fn space(&self) -> Space {
        let axis = |column: &Column| Axis {
            key: Arc::new(column.key.clone()),
            values: column
                .cells
                .iter()
                .map(|(value, _)| Some(meant(value.as_deref()?, &column.key)))
                .collect(),
            dimension: 0,
            written: KeyPath::default(),
            places: Places::Whole,
            when: When::Always,
            described: None,
        };
        let mut space = Space::default();
        space.push(self.columns.iter().map(axis), self.count, Origin::Rows);
        space
    }

    /// The place of a key's cell in a row, from 0; without a row, of its header.
    pub(super) fn excerpt(&self, key: &KeyPath, row: Option<usize>) -> Option<Excerpt> {
        let column = self.columns.iter().find(|column| column.key == *key)?;
        let span = match row {
            Some(row) => column.cells.get(row)?.1.clone(),
            None => column.header.clone(),
        };
        Some(Excerpt { origin: self.origin.clone(), text: Arc::clone(&self.text), span, via: None })
    }

    /// The text of the table for runs with these names and assignments.
    pub fn render<'a>(
        keys: &[Arc<KeyPath>],
        runs: impl Iterator<Item = (&'a str, &'a Assignment)>,
    ) -> String {
        let mut text = NAME.to_owned();
        for key in keys {
            text.push(',');
            push_cell(&mut text, &key.to_string());
        }
        text.push('\n');
        for (name, assignment) in runs {
            push_cell(&mut text, name);
            for key in keys {
                text.push(',');
                if let Some((_, value)) = assignment.iter().find(|(own, _)| own == key) {
                    push_cell(&mut text, &written(value));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// A cell's value as any swept value is taken: rounded, and paths meant from the current folder.
fn meant(value: &Value, key: &KeyPath) -> Arc<Value> {
    let mut value = sweep::rounded(value);
    anchor_value(&mut value, key, Path::new(""));
    Arc::new(value)
}

/// A cell that reads back as the same value: a string is bare unless it would be read as something else.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if self::value(text).as_deref() == Some(value) => text.clone(),
        other => other.to_string(),
    }
}

fn push_cell(text: &mut String, cell: &str) {
    if cell.contains(['"', ',', '\n', '\r']) {
        let _ = write!(text, "\"{}\"", cell.replace('"', "\"\""));
    } else {
        text.push_str(cell);
    }
}

fn value(cell: &str) -> Option<Arc<Value>> {
    let cell = cell.trim();
    if cell.is_empty() {
        return None;
    }
    let parsed = toml::from_str::<Table>(&format!("value = {cell}")).ok();
    let parsed = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    Some(Arc::new(parsed.unwrap_or_else(|| Value::String(cell.to_owned()))))
}

/// A cell's text without its quotes, and where it stands.
type Cell = (String, Range<usize>);

/// Reads records with the places of their cells, which the csv crate does not give.
struct Reader {
    origin: String,
    text: Arc<str>,
    at: usize,
}

impl Reader {
    fn column(&self, name: &str, place: &Range<usize>, before: &[Option<Column>]) -> Result<Option<Column>> {
        if name == NAME {
            return Ok(None);
        }
        if name == "name" {
            return Err(self.refuse(
                "`name` cannot change from run to run".into(),
                place.clone(),
                "expected one name for all runs",
            ));
        }
        let key = KeyPath::parse(name);
        let keys = schema::keys();
        if !keys.iter().any(|known| known == name) {
            let near = nearest(name, keys.iter().map(String::as_str));
            let mut error = self.diagnostic(
                format!("unknown key `{name}`"),
                place.clone(),
                "expected a setting, as in optimizer.lr",
            );
            error.help = near.map(|near| format!("did you mean \"{near}\"?"));
            return Err(Error::Settings(vec![error]));
        }
        if before.iter().flatten().any(|column| column.key == key) {
            return Err(self.refuse(format!("`{name}` has two columns"), place.clone(), "expected one"));
        }
        Ok(Some(Column { key, header: place.clone(), cells: Vec::new() }))
    }

    /// The next line that is not empty.
    fn record(&mut self) -> Result<Option<Vec<Cell>>> {
        let text = Arc::clone(&self.text);
        while text[self.at..].starts_with(['\n', '\r']) {
            self.at += 1;
        }
        if self.at == text.len() {
            return Ok(None);
        }
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell(&text)?);
            match text[self.at..].chars().next() {
                Some(',') => self.at += 1,
                _ => return Ok(Some(cells)),
            }
        }
    }

    fn cell(&mut self, text: &str) -> Result<Cell> {
        let start = self.at;
        let Some(inner) = text[start..].strip_prefix('"') else {
            let length = text[start..].find([',', '\n', '\r']).unwrap_or(text.len() - start);
            self.at += length;
            return Ok((text[start..self.at].trim().to_owned(), start..self.at));
        };
        let mut content = String::new();
        let mut rest = inner;
        loop {
            let Some(quote) = rest.find('"') else {
                let line = text[start..].find('\n').map_or(text.len(), |end| start + end);
                return Err(self.refuse(
                    "this quote is never closed".into(),
                    start..line,
                    "expected a \" at its end",
                ));
            };
            content.push_str(&rest[..quote]);
            rest = &rest[quote + 1..];
            let Some(more) = rest.strip_prefix('"') else { break };
            content.push('"');
            rest = more;
        }
        self.at = text.len() - rest.len();
        if !(rest.is_empty() || rest.starts_with([',', '\n', '\r'])) {
            let place = self.at..self.at + rest.chars().next().map_or(0, char::len_utf8);
            return Err(self.refuse(
                "text behind a closing quote".into(),
                place,
                "expected a comma or the end of the line",
            ));
        }
        Ok((content, start..self.at))
    }

    fn diagnostic(&self, message: String, span: Range<usize>, expected: &str) -> Diagnostic {
        let excerpt =
            Some(Excerpt { origin: self.origin.clone(), text: Arc::clone(&self.text), span, via: None });
        Diagnostic { message, excerpt, label: expected.to_owned(), notes: Vec::new(), help: None }
    }

    fn refuse(&self, message: String, span: Range<usize>, expected: &str) -> Error {
        Error::Settings(vec![self.diagnostic(message, span, expected)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        Rows::parse("rows.csv".into(), text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_was_written_reads_back() {
        let keys: Vec<Arc<KeyPath>> =
            ["optimizer", "optimizer.lr", "device"].map(|key| Arc::new(KeyPath::parse(key))).to_vec();
        let table = toml::from_str("kind = 'sgd'\nmomentum = 0.9").unwrap();
        let runs: Vec<(&str, Assignment)> = vec![
            ("a,b", vec![(Arc::clone(&keys[0]), Arc::new(Value::Table(table)))]),
            (
                "c",
                vec![
                    (Arc::clone(&keys[1]), Arc::new(Value::Float(1e-3))),
                    (Arc::clone(&keys[2]), Arc::new(Value::String("true".into()))),
                ],
            ),
        ];
        let text = Rows::render(&keys, runs.iter().map(|(name, assignment)| (*name, assignment)));
        let expected = [
            "run,optimizer,optimizer.lr,device",
            "\"a,b\",\"{ kind = \"\"sgd\"\", momentum = 0.9 }\",,",
            "c,,0.001,\"\"\"true\"\"\"",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let space = rows(&text).space();
        for (row, (_, assignment)) in runs.iter().enumerate() {
            for axis in &space.axes {
                let expected = assignment.iter().find(|(key, _)| *key == axis.key).map(|(_, value)| value);
                assert_eq!(axis.value(row), expected);
            }
        }
    }

    #[test]
    fn cells_are_toml_or_strings_and_know_their_place() {
        let read =
            rows("\u{feff}run,optimizer.kind,\"optimizer.lr\"\r\n\r\nx,sgd, 0.1\r\n\"y\"\"\",,\"3e-4\"");
        let space = read.space();
        assert_eq!(space.count(), 2);
        assert_eq!(space.axes[0].values, [Some(Arc::new("sgd".into())), None]);
        assert_eq!(space.axes[1].values, [Some(Arc::new(0.1.into())), Some(Arc::new(3e-4.into()))]);
        let place = read.excerpt(&KeyPath::parse("optimizer.lr"), Some(1)).unwrap();
        assert_eq!((&place.text[place.span.clone()], place.position()), ("\"3e-4\"", (4, 8)));
        assert_eq!(read.excerpt(&KeyPath::parse("optimizer.kind"), None).unwrap().position(), (1, 5));
    }

    #[test]
    fn wrong_tables_are_refused_where_they_are_wrong() {
        for (text, expected) in [
            ("", "rows.csv:1:1: there is no row"),
            ("optimizer.lr\n", "rows.csv:1:1: there is no row"),
            ("run,optimizer.lrr\nx,1\n", "rows.csv:1:5: unknown key `optimizer.lrr`"),
            ("seed,seed\n1,2\n", "rows.csv:1:6: `seed` has two columns"),
            ("seed\n1,2\n", "rows.csv:2:1: this row has 2 of 1 cells"),
            ("seed\n\"1\n", "rows.csv:2:1: this quote is never closed"),
            ("seed\n\"1\"2\n", "rows.csv:2:4: text behind a closing quote"),
        ] {
            assert_eq!(Rows::parse("rows.csv".into(), text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }
}
