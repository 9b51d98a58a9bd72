//! Texts in CSV files and in files of one text a line, one at a time.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::file::Peeked;
use super::super::labels::LabelIndex;
use super::super::records::{FileRecords, LONGEST, Lines, shortened};
use super::super::text::TextPreprocessing;
use super::{RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// Columns that hold the class where none has the name that the model's source had.
const TARGETS: [&str; 2] = ["target", "label"];

/// The texts of a file.
pub(super) struct Rows {
    source: Source,
    next: usize,
}

enum Source {
    /// In the column at this position.
    Records(Box<FileRecords>, usize),
    Lines(Lines<Box<dyn Read + Send>>, PathBuf),
}

impl Rows {
    /// A CSV by its name (`.csv`, `.csv.gz`), any other file line by line, blank lines left out.
    ///
    /// Fails if a CSV has no column of the name that the model's texts had.
    pub fn new(file: Peeked, transform: &TextPreprocessing) -> Result<Self> {
        let source = if is_csv(&file.path) {
            let records = FileRecords::of_some_columns(file)?;
            let name = transform.text_column();
            let column = records.find(name).ok_or_else(|| {
                let (column, known) = (shortened(name), records.known(name));
                records.refuse(format!(
                    "is without the column {column}, in which the texts stood that the model was trained on{known}"
                ))
            })?;
            Source::Records(Box::new(records), column)
        } else {
            let path = file.path.clone();
            Source::Lines(Lines::plain(file.into_unpacked(), LONGEST), path)
        };
        Ok(Self { source, next: 0 })
    }

    /// The next row; none behind the last.
    pub fn read(&mut self) -> Result<Option<RawRow>> {
        let text = match &mut self.source {
            Source::Records(records, column) => records.advance()?.then(|| records.raw(*column).to_owned()),
            Source::Lines(lines, path) => next_line(lines, path)?,
        };
        Ok(text.map(|text| {
            let index = self.next;
            self.next += 1;
            RawRow { index, sample: RawSample::Text(text) }
        }))
    }
}

/// The next line that is not blank.
fn next_line(lines: &mut Lines<impl Read>, path: &Path) -> Result<Option<String>> {
    let refuse = |line: u64, reason: &str| Error::unreadable(path, format!("line {line} {reason}"));
    while lines.advance().map_err(|reason| refuse(lines.start, &reason))? {
        let text = std::str::from_utf8(&lines.record)
            .map_err(|_| refuse(lines.start, "is not UTF-8; save the file as UTF-8"))?;
        if !text.trim().is_empty() {
            return Ok(Some(text.to_owned()));
        }
    }
    Ok(None)
}

/// The texts of a CSV file with the classes in one of its columns: that of the name that the classes of the model's
/// source stood in, else `target`, else `label`.
pub(super) struct LabelledRows {
    rows: Rows,
    target: usize,
    labels: LabelIndex,
}

impl LabelledRows {
    /// Fails for what is no CSV and without a column for the class, too.
    pub fn new(file: Peeked, transform: &TextPreprocessing, labels: LabelIndex) -> Result<Self> {
        let path = file.path.clone();
        let rows = Rows::new(file, transform)?;
        let Source::Records(records, _) = &rows.source else {
            return Err(Error::unreadable(
                &path,
                "is no CSV, so it tells no classes; give a file named .csv",
            ));
        };
        let own = transform.target_column();
        let target = records.find(own).or_else(|| TARGETS.into_iter().find_map(|name| records.find(name)));
        let target = target.ok_or_else(|| {
            let (column, known) = (shortened(own), records.known(own));
            records.refuse(format!("has no column \"{column}\", the target{known}"))
        })?;
        Ok(Self { rows, target, labels })
    }

    /// The next row with its target, if that is of a class that the model tells; none behind the last.
    pub fn read(&mut self) -> Result<Option<(RawRow, Option<Target>)>> {
        let Some(row) = self.rows.read()? else { return Ok(None) };
        Ok(Some((row, self.target()?)))
    }

    /// What there is to predict of the record that was read last.
    fn target(&self) -> Result<Option<Target>> {
        let Source::Records(records, _) = &self.rows.source else {
            return Err(Error::Bug("a class was looked for in lines of text".into()));
        };
        let field = records.field(self.target);
        let meaning = self.labels.find(field).ok_or_else(|| {
            if field.is_empty() {
                return records.at_line("has no class");
            }
            records.at_line(format!("has \"{}\", which {}", shortened(field), self.labels.refusal(field)))
        })?;
        Ok(meaning.target())
    }
}

fn is_csv(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ending = Path::new(name.strip_suffix(".gz").unwrap_or(&name)).extension();
    ending.is_some_and(|ending| ending == "csv")
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::gzip;
    use super::super::super::text::{Interner, TextSettings};
    use super::super::super::{Content, Labels, Normalize, Preprocessing};
    use super::super::{open, open_labelled};
    use super::*;

    fn preprocessing() -> Preprocessing {
        let settings = TextSettings { target_column: "mood".into(), ..TextSettings::default() };
        let mut interner = Interner::new(settings.tokenizer, settings.lowercase);
        interner.push("good film bad").unwrap();
        let content = Content::Texts { texts: interner.finish(), settings };
        let labels = Labels::Classes(["neg", "pos"].map(str::to_owned).to_vec());
        Preprocessing::fit(&content, &[0], labels, Normalize::None).unwrap()
    }

    type Read<T> = std::result::Result<Vec<T>, String>;

    fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> Result<Vec<T>>) -> Read<T> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read(&path).map_err(|error| {
            assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
            error.to_string().replace(&path.display().to_string(), "F")
        })
    }

    fn text(row: RawRow) -> (usize, String) {
        let RawSample::Text(text) = row.sample else { panic!("{row:?}") };
        (row.index, text)
    }

    fn plain(name: &str, bytes: &[u8]) -> Read<(usize, String)> {
        with_file(name, bytes, |path| open(path, &preprocessing())?.map(|row| Ok(text(row?))).collect())
    }

    fn classes(name: &str, bytes: &[u8]) -> Read<(String, Target)> {
        with_file(name, bytes, |path| {
            let rows = open_labelled(path, &preprocessing())?;
            rows.map(|row| row.map(|(row, target)| (text(row).1, target.unwrap()))).collect()
        })
    }

    #[test]
    fn texts_are_read_from_a_column_or_line_by_line() {
        let expected = [(0, "Good, film".to_owned()), (1, "나쁜 영화".to_owned())];
        let csv = "id,text\n7,\"Good, film\"\n\n8,나쁜 영화\n".as_bytes();
        assert_eq!(plain("a.csv", csv).unwrap(), expected);
        assert_eq!(plain("a.CSV.gz", &gzip(csv)).unwrap(), expected);
        assert_eq!(plain("a.txt", "\u{feff}Good, film\r\n \n나쁜 영화".as_bytes()).unwrap(), expected);
        assert_eq!(plain("a.txt", b"").unwrap(), []);
        // A field that is empty is a sample; a line that is empty is none.
        assert_eq!(plain("a.csv", b"text,id\n,1\n").unwrap(), [(0, String::new())]);
    }

    #[test]
    fn classes_are_read_by_name_and_number() {
        let rows = classes("a.csv", b"mood,text\npos,good\n 0 ,bad\n").unwrap();
        assert_eq!(rows, [("good".into(), Target::Class(1)), ("bad".into(), Target::Class(0))]);
        assert_eq!(classes("a.csv", b"text,label\ngood,neg\n").unwrap()[0].1, Target::Class(0));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        assert_eq!(
            plain("a.csv", b"id,comment\n1,good\n").unwrap_err(),
            "F: is without the column text, in which the texts stood that the model was trained on; there are: id, \
             comment"
        );
        assert_eq!(plain("a.csv", b"").unwrap_err(), "F: is empty");
        assert_eq!(
            plain("a.txt", b"good\n\xe9\n").unwrap_err(),
            "F: line 2 is not UTF-8; save the file as UTF-8"
        );
        assert!(classes("a.txt", b"good\n").unwrap_err().contains("so it tells no classes"));
        assert!(
            classes("a.csv", b"text\ngood\n").unwrap_err().contains("has no column \"mood\", the target")
        );
        assert_eq!(
            classes("a.csv", b"text,mood\ngood,pos\nbad,2\n").unwrap_err(),
            "F: line 3 has \"2\", which is not one of the model's classes: neg, pos"
        );
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path(), &preprocessing()).err().unwrap().to_string();
        assert!(error.ends_with("is a folder; name the files in it"), "{error}");
    }

    #[test]
    fn a_batch_of_texts_is_padded_and_unknown_words_are_told_apart() {
        let rows: Vec<RawRow> = ["Bad FILM!", "good good bad good"]
            .iter()
            .enumerate()
            .map(|(index, text)| RawRow { index, sample: RawSample::Text((*text).to_owned()) })
            .collect();
        let batch = preprocessing().batch(&rows, &candle_core::Device::Cpu).unwrap();
        // The words bad, film and good are the tokens 2, 3 and 4; no text has more than the three of training.
        assert_eq!(batch.values.to_vec3::<u32>().unwrap(), [[[2, 3, 1], [4, 4, 2]]]);
        assert_eq!(batch.lengths.unwrap(), [3, 3]);
        let image = RawRow { index: 0, sample: RawSample::Image(vec![0.0]) };
        assert!(preprocessing().batch(&[image], &candle_core::Device::Cpu).is_err());
    }
}
