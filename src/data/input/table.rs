//! Rows for a model of tables, from CSV files whose columns are found by their names.

use super::super::csv::unknown;
use super::super::file::Peeked;
use super::super::labels::{LabelIndex, Labels, Meaning, finite};
use super::super::records::{FileRecords, shortened};
use super::super::table::{TablePreprocessing, is_missing};
use super::{RawRow, RawSample};
use crate::target::Target;
use crate::{Error, Result};

/// The rows of a file, encoded as those of the train part were.
pub(super) struct Rows {
    records: FileRecords,
    /// Where the model's columns are, in the order in which it wants them.
    columns: Vec<usize>,
    table: TablePreprocessing,
    next: usize,
}

impl Rows {
    /// Fails if the header does not name every column that the model was trained on.
    pub fn new(file: Peeked, table: &TablePreprocessing) -> Result<Self> {
        if matches!(file.unpacked_head().as_slice(), [0, 0, ..] | [0x89, b'P', b'N', b'G', ..]) {
            return Err(Error::unreadable(
                &file.path,
                "holds images, but the model was trained on rows of a table; give a CSV file",
            ));
        }
        let names: Vec<&str> = table.columns().collect();
        let records = FileRecords::of_columns(file, &names)?;
        let place = |name: &&str| records.find(name);
        let absent: Vec<String> =
            names.iter().filter(|name| place(name).is_none()).map(|name| shortened(name)).collect();
        if !absent.is_empty() {
            let columns = if absent.len() == 1 { "column" } else { "columns" };
            let first = names.iter().find(|name| place(name).is_none()).copied().unwrap_or_default();
            return Err(records.refuse(format!(
                "is without the {columns} {}, which the model was trained on; its first line must name the \
                 columns{}",
                absent.join(", "),
                records.advice(first)
            )));
        }
        let columns = names.iter().filter_map(place).collect();
        Ok(Self { records, columns, table: table.clone(), next: 0 })
    }

    /// The next row; none behind the last.
    pub fn read(&mut self) -> Result<Option<RawRow>> {
        if !self.records.advance()? {
            return Ok(None);
        }
        let fields: Vec<Option<&str>> =
            self.columns.iter().map(|column| Some(self.records.field(*column))).collect();
        let values = self.table.encode_fields(&fields).map_err(|reason| self.records.at_line(reason))?;
        let row = RawRow { index: self.next, sample: RawSample::Table(values) };
        self.next += 1;
        Ok(Some(row))
    }
}

/// The rows of a file with the column that there is to predict.
pub(super) struct LabelledRows {
    rows: Rows,
    column: usize,
    labels: Labels,
    index: LabelIndex,
}

impl LabelledRows {
    /// Fails without a column of the target's name, too.
    pub fn new(file: Peeked, table: &TablePreprocessing, labels: &Labels, index: LabelIndex) -> Result<Self> {
        let rows = Rows::new(file, table)?;
        let Some(column) = rows.records.find(table.target()) else {
            let target = shortened(table.target());
            let advice = rows.records.advice(table.target());
            return Err(rows.records.refuse(format!("has no column \"{target}\", the target{advice}")));
        };
        Ok(Self { rows, column, labels: labels.clone(), index })
    }

    /// The next row with its target, if that is of a class that the model tells; none behind the last.
    pub fn read(&mut self) -> Result<Option<(RawRow, Option<Target>)>> {
        let Some(row) = self.rows.read()? else { return Ok(None) };
        Ok(Some((row, self.target()?)))
    }

    /// The target of the record that was read last.
    fn target(&self) -> Result<Option<Target>> {
        let records = &self.rows.records;
        let field = records.field(self.column);
        let found = match &self.labels {
            Labels::Classes(_) => {
                let meaning = self.index.find_name(field).map(Meaning::target);
                meaning.ok_or_else(|| unknown(field, self.index.names()))
            }
            Labels::Target(_) => {
                let value = finite(field).map(|value| value as f32).filter(|value| value.is_finite());
                let reason = || {
                    if is_missing(field) {
                        return "has no value".to_owned();
                    }
                    format!("has \"{}\", which is not a finite number", shortened(field))
                };
                value.map(|value| Some(Target::Value(value))).ok_or_else(reason)
            }
        };
        let name = self.rows.table.target();
        found.map_err(|reason| records.at_line(format!("{reason} (in column \"{name}\", the target)")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::Normalize;
    use super::super::super::csv::CsvConfig;
    use super::super::super::preprocessing::Preprocessing;
    use super::super::{open, open_labelled};
    use super::*;

    /// Fitted on all rows of a text.
    fn preprocessing(missing: &str, text: &str) -> Preprocessing {
        let config = format!("path = 'a.csv'\ntarget = 'y'\nmissing = '{missing}'");
        let config: CsvConfig =
            crate::setting::read(&toml::Value::Table(toml::from_str(&config).unwrap())).unwrap();
        let data = config.parse(text.as_bytes()).unwrap();
        let (content, rows) = (data.main.content(), data.main.usable());
        Preprocessing::fit(content, &rows, data.labels.clone(), Normalize::None).unwrap()
    }

    fn classes() -> Preprocessing {
        preprocessing("mean", "a,c,y\n1,u,no\n3,v,yes\n")
    }

    /// What is read from a file, or the error without its path.
    fn read<T>(text: &[u8], read: impl Fn(&Path) -> Result<T>) -> Result<T, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "F"))
    }

    fn rows(preprocessing: &Preprocessing, text: &str) -> Result<Vec<Vec<f32>>, String> {
        read(text.as_bytes(), |path| {
            open(path, preprocessing)?.map(|row| Ok(row?.vector()?.to_vec())).collect()
        })
    }

    fn targets(preprocessing: &Preprocessing, text: &str) -> Result<Vec<Target>, String> {
        read(text.as_bytes(), |path| {
            open_labelled(path, preprocessing)?.map(|row| row.map(|(_, target)| target.unwrap())).collect()
        })
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let wanted = vec![vec![1.0, 1.0, 0.0, 0.0], vec![2.0, 0.0, 0.0, 1.0]];
        let found = |text: &str| rows(&classes(), text).unwrap();
        assert_eq!(found("a,c\n1,u\n,w\n"), wanted);
        assert_eq!(found("id,c,y,a\n7,u,no,1\n8,w,maybe,NA\n"), wanted);
        assert_eq!(found("\u{feff}c;a\r\nu;1\r\nw;?\r\n"), wanted);
        assert_eq!(found("\"c\"\t\"a\"\nu\t1\nw\t\n"), wanted);
        assert!(found("a,c\n").is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_line() {
        let refused = |text: &str| rows(&classes(), text).unwrap_err();
        assert!(
            refused("1,u\n3,v\n")
                .starts_with("F: is without the columns a, c, which the model was trained on")
        );
        assert!(refused("a,cc\n1,u\n").contains("is without the column c, which"));
        assert_eq!(
            refused("a,c\n1,u\nx,v\n"),
            "F: line 3 has \"x\" in column \"a\", which is not a finite number"
        );
        assert_eq!(refused("a,c\n1\n"), "F: line 2 has 1 field, the header names 2 columns");
        assert_eq!(refused(""), "F: is empty");
        let strict = preprocessing("error", "a,y\n1,no\n3,yes\n");
        assert!(
            rows(&strict, "a\n1\n\n?\n").unwrap_err().starts_with("F: line 4 has no value in column \"a\"")
        );
        let image = read(&[0, 0, 8, 3, 0, 0, 0, 0], |path| open(path, &classes()).map(|_| ()));
        assert!(image.unwrap_err().contains("holds images"));
    }

    #[test]
    fn targets_are_found_by_the_name_of_their_column() {
        let found = targets(&classes(), "y,c,a\nyes,u,1\nno,v,2\n").unwrap();
        assert_eq!(found, [Target::Class(1), Target::Class(0)]);
        let refused = |text: &str| targets(&classes(), text).unwrap_err();
        assert!(refused("a,c\n1,u\n").starts_with("F: has no column \"y\", the target"));
        assert!(
            refused("a,c,y\n1,u,maybe\n")
                .starts_with("F: line 2 has \"maybe\", which is not one of the classes: no, yes")
        );
        let numbered = preprocessing("error", "a,y\n1,1\n3,2\n");
        assert_eq!(targets(&numbered, "a,y\n1,2.0\n").unwrap(), [Target::Class(1)]);
        let numbers = preprocessing("error", "a,y\n1,1.5\n3,2\n");
        assert_eq!(targets(&numbers, "y,a\n7,2\n").unwrap(), [Target::Value(7.0)]);
        assert!(
            targets(&numbers, "y,a\n?,2\n").unwrap_err().starts_with("F: line 2 has no value (in column")
        );
    }

    #[test]
    fn a_checkpoint_knows_all_that_it_takes() {
        let fitted = classes();
        let read: Preprocessing = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
        assert_eq!(read, fitted);
        assert_eq!(rows(&read, "a,c\n5,v\n").unwrap(), rows(&fitted, "a,c\n5,v\n").unwrap());
    }
}
