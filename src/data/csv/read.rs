//! From the text of a file to a table and its targets.

use std::io::Read;
use std::path::Path;

use super::super::dataset::{Content, Dataset, Samples};
use super::super::labels::{ClassIndex, Labels, finite};
use super::super::records::{FileRecords, Records, shortened};
use super::super::table::{Column, ColumnValues, Missing, Table, is_missing};
use super::fields::Fields;
use super::task::{classes, of_column};
use super::{CsvConfig, delimiter};
use crate::target::{Targets, TaskKind};
use crate::{Error, Result};

/// Classes that a message lists.
const LISTED: usize = 20;

/// A file, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Loaded {
    table: Table,
    targets: Targets,
    labels: Labels,
    /// The rows that may be used, where not all may.
    usable: Option<Vec<u32>>,
}

impl Loaded {
    /// The two files of a source.
    pub fn into_dataset(main: Self, test: Option<Self>) -> Result<Dataset> {
        let samples = |loaded: Self| {
            let samples = Samples::new(Content::Table(loaded.table), loaded.targets)?;
            Ok::<_, Error>(match loaded.usable {
                Some(rows) => samples.with_usable(rows),
                None => samples,
            })
        };
        let labels = main.labels.clone();
        Dataset::new(samples(main)?, test.map(samples).transpose()?, labels)
    }
}

impl CsvConfig {
    /// Reads the text of a file as its main file, whatever is set as `path`.
    ///
    /// # Errors
    /// As [`load`](super::super::Source::load): nothing that a text may hold is more than an error.
    pub fn parse(&self, text: &[u8]) -> Result<Dataset> {
        let (path, ..) = self.essentials()?;
        Loaded::into_dataset(self.read_records(Records::new(path, text, self.byte()?)?)?, None)
    }

    fn byte(&self) -> Result<u8> {
        delimiter(self.delimiter)
            .ok_or_else(|| Error::Request("`data.delimiter` separates nothing".to_owned()))
    }

    pub(super) fn read(&self, path: &Path) -> Result<Loaded> {
        self.read_records(FileRecords::open(path, self.byte()?)?)
    }

    fn read_records<R: Read>(&self, records: Records<R>) -> Result<Loaded> {
        let (_, target, _) = self.essentials()?;
        let mut columns = self.features_of(&records, target)?;
        columns.push(records.column("target", target)?);
        let count = columns.len() - 1;
        let fields = Fields::read(records, &columns)?;
        let features = (0..count).map(|column| infer(&fields, column)).collect::<Result<Vec<_>>>()?;
        let table = Table::new(features, target.to_owned(), self.missing)?;
        let task = self.task.kind().unwrap_or_else(|| of_column(&fields, count));
        let labels = match task {
            TaskKind::Classification => Labels::Classes(classes(&fields, count)?),
            TaskKind::Regression => Labels::Target(target.to_owned()),
        };
        finish(&fields, table, labels)
    }

    /// The columns that a model is given, in order.
    fn features_of<R: Read>(&self, records: &Records<R>, target: &str) -> Result<Vec<usize>> {
        if let Some(features) = &self.features {
            return features.iter().map(|name| records.column("features", name)).collect();
        }
        for name in &self.ignore {
            records.column("ignore", name)?;
        }
        let is_feature = |name: &String| name != target && !self.ignore.contains(name);
        let header = records.header();
        let features: Vec<usize> = (0..header.len()).filter(|at| is_feature(&header[*at])).collect();
        if features.is_empty() {
            // A wrong delimiter or target is the better reason.
            records.column("target", target)?;
            return Err(records.refuse("has no column left beside the target and those in `ignore`"));
        }
        Ok(features)
    }

    /// The test file of the data that `main` is, with the same columns and classes.
    pub(super) fn read_test(&self, path: &Path, main: &Loaded) -> Result<Loaded> {
        let records = FileRecords::open(path, self.byte()?)?;
        let names = main.table.columns().iter().map(|column| column.name.as_str());
        let find = |name: &str| {
            records.find(name).ok_or_else(|| {
                let (name, advice) = (shortened(name), records.advice(name));
                records.refuse(format!("has no column \"{name}\", which `path` has{advice}"))
            })
        };
        let columns: Vec<usize> = names.chain([main.table.target()]).map(find).collect::<Result<_>>()?;
        let fields = Fields::read(records, &columns)?;
        let like = |(column, like): (usize, &Column)| conform(&fields, column, like);
        let features = main.table.columns().iter().enumerate().map(|(at, column)| like((at, column)));
        let table =
            Table::new(features.collect::<Result<_>>()?, main.table.target().to_owned(), self.missing)?;
        finish(&fields, table, main.labels.clone())
    }
}

/// A column as its own values say.
fn infer(fields: &Fields, column: usize) -> Result<Column> {
    let name = fields.name(column).to_owned();
    match ColumnValues::infer(fields.column(column)) {
        Ok(Some(values)) => Ok(Column { name, values }),
        Ok(None) => Err(fields.refuse(format!("has no value in column \"{name}\": name it in `ignore`"))),
        Err(row) => {
            let field = shortened(fields.field(row, column));
            Err(fields.at(row, column, &format!("has \"{field}\", which is not a finite number")))
        }
    }
}

/// A column of a test file, which holds what the column of the main file does.
fn conform(fields: &Fields, column: usize, like: &Column) -> Result<Column> {
    let values = match &like.values {
        ColumnValues::Categories { .. } => ColumnValues::categories(fields.column(column)),
        ColumnValues::Numbers(_) => {
            let number = |(row, field): (usize, &str)| {
                if is_missing(field) {
                    return Ok(f64::NAN);
                }
                finite(field).ok_or_else(|| {
                    let reason =
                        format!("has \"{}\", but in `path` it holds finite numbers", shortened(field));
                    fields.at(row, column, &reason)
                })
            };
            ColumnValues::Numbers(fields.column(column).enumerate().map(number).collect::<Result<_>>()?)
        }
    };
    Ok(Column { name: like.name.clone(), values })
}

/// Reads the target, which is the column behind the features, and deals with missing values.
fn finish(fields: &Fields, table: Table, labels: Labels) -> Result<Loaded> {
    let target = table.columns().len();
    let missing = table.missing();
    if missing == Missing::Error {
        refuse_missing(fields, &table)?;
    }
    let targets = targets(fields, target, &labels, missing)?;
    let mut usable = None;
    if missing == Missing::Drop {
        let mut rows = table.complete_rows();
        rows.retain(|row| !is_missing(fields.field(*row as usize, target)));
        if rows.is_empty() {
            return Err(fields.refuse("has no row without a missing value"));
        }
        usable = Some(rows).filter(|rows| rows.len() < table.rows());
    }
    Ok(Loaded { table, targets, labels, usable })
}

fn refuse_missing(fields: &Fields, table: &Table) -> Result<()> {
    for (at, column) in table.columns().iter().enumerate() {
        if let Some(row) = (0..table.rows()).find(|row| column.values.misses(*row)) {
            let count = match column.values.missing() {
                1 => "the only one that is missing in it".to_owned(),
                count => format!("the first of {count} that are missing in it"),
            };
            let reason = format!(
                "has no value, {count}; `missing` = \"drop\" leaves such rows out, \"mean\", \"median\" and \
                 \"mode\" fill them in"
            );
            return Err(fields.at(row, at, &reason));
        }
    }
    Ok(())
}

/// The target of every row; of one that is left out anything.
fn targets(fields: &Fields, column: usize, labels: &Labels, missing: Missing) -> Result<Targets> {
    let absent = |row| {
        let reason = "has no value, and it is the target; `missing` = \"drop\" leaves such rows out";
        fields.at(row, column, reason)
    };
    let rows = || fields.column(column).enumerate();
    let skipped = |field: &str| missing == Missing::Drop && is_missing(field);
    match labels {
        Labels::Classes(names) => {
            let index = ClassIndex::new(names);
            let class = |(row, field): (usize, &str)| match index.named(field) {
                _ if skipped(field) => Ok(0),
                Some(class) => Ok(class),
                None if is_missing(field) => Err(absent(row)),
                None => Err(fields.at(row, column, &unknown(field, names))),
            };
            rows().map(class).collect::<Result<_>>().map(Targets::Classes)
        }
        Labels::Target(_) => {
            let value = |(row, field): (usize, &str)| match finite(field).map(|value| value as f32) {
                _ if skipped(field) => Ok(0.0),
                Some(value) if value.is_finite() => Ok(value),
                _ if is_missing(field) => Err(absent(row)),
                _ => {
                    let field = shortened(field);
                    let reason =
                        format!("has \"{field}\", which is not a finite number, and it is the target");
                    Err(fields.at(row, column, &reason))
                }
            };
            rows().map(value).collect::<Result<_>>().map(Targets::Values)
        }
    }
}

/// Says of a target that it is none of the classes.
pub(in crate::data) fn unknown(field: &str, classes: &[String]) -> String {
    if is_missing(field) {
        return "has no value".to_owned();
    }
    let known: Vec<String> = classes.iter().take(LISTED).map(|class| shortened(class)).collect();
    let more = if known.len() < classes.len() { ", …" } else { "" };
    format!("has \"{}\", which is not one of the classes: {}{more}", shortened(field), known.join(", "))
}
