//! `metrics.csv`: one row an epoch.

use std::path::Path;

use super::table;
use crate::train::event::Row;
use crate::{Error, Result};

const FIXED: [&str; 3] = ["epoch", "step", "lr"];

/// The header for rows with values of these names.
pub(super) fn header(columns: &[String]) -> Result<Vec<u8>> {
    table::line(FIXED.into_iter().chain(columns.iter().map(String::as_str)))
}

/// The line of `row`, whose columns must be those of the header.
pub(super) fn line(row: &Row, columns: &[String]) -> Result<Vec<u8>> {
    if !row.values.iter().map(|(name, _)| name).eq(columns) {
        return Err(Error::Bug(format!(
            "the metrics of epoch {} are not those that were announced",
            row.epoch
        )));
    }
    let fixed = [row.epoch.to_string(), row.step.to_string(), table::number(row.lr)];
    table::line(fixed.into_iter().chain(row.values.iter().map(|(_, value)| table::number(*value))))
}

/// The rows of a `metrics.csv`, none if there is no file; a torn last line is left out.
pub fn read_metrics(path: &Path) -> Result<Vec<Row>> {
    rows(path, &table::read(path)?)
}

/// As [`read_metrics`], for a table in memory; `path` is what errors call it.
pub(super) fn parse_metrics(path: &Path, content: &[u8]) -> Result<Vec<Row>> {
    rows(path, &table::parse(path, content)?)
}

fn rows(path: &Path, lines: &[csv::StringRecord]) -> Result<Vec<Row>> {
    let Some((header, lines)) = lines.split_first() else { return Ok(Vec::new()) };
    let names: Vec<&str> = header.iter().collect();
    let Some(names) = names.strip_prefix(&FIXED) else {
        return Err(table::misfit(path, 0));
    };
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| parse(line, names).ok_or_else(|| table::misfit(path, index + 1)))
        .collect()
}

fn parse(line: &csv::StringRecord, names: &[&str]) -> Option<Row> {
    if line.len() != FIXED.len() + names.len() {
        return None;
    }
    let values = names
        .iter()
        .zip(line.iter().skip(FIXED.len()))
        .map(|(name, cell)| Some(((*name).to_owned(), cell.parse().ok()?)))
        .collect::<Option<_>>()?;
    Some(Row {
        epoch: line.get(0)?.parse().ok()?,
        step: line.get(1)?.parse().ok()?,
        lr: line.get(2)?.parse().ok()?,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a row's values.
    fn columns(row: &Row) -> Vec<String> {
        row.values.iter().map(|(name, _)| name.clone()).collect()
    }

    fn row(epoch: usize, loss: f64) -> Row {
        let values = vec![("train_loss".to_owned(), loss), ("valid_accuracy".to_owned(), 0.1 + 0.2)];
        Row { epoch, step: 5 * epoch as u64, lr: 1e-6, values }
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let rows = [row(1, 0.7), row(2, f64::NAN), row(3, f64::INFINITY)];
        let mut text = header(&columns(&rows[0])).unwrap();
        for row in &rows {
            text.extend(line(row, &columns(&rows[0])).unwrap());
        }
        insta::assert_snapshot!(String::from_utf8(text.clone()).unwrap(), @"
        epoch,step,lr,train_loss,valid_accuracy
        1,5,1e-6,0.7,0.30000000000000004
        2,10,1e-6,NaN,0.30000000000000004
        3,15,1e-6,inf,0.30000000000000004
        ");
        std::fs::write(&path, &text).unwrap();
        let read = read_metrics(&path).unwrap();
        assert_eq!((&read[0], read.len()), (&rows[0], 3));
        assert!(read[1].values[0].1.is_nan());
        assert_eq!(read[2], rows[2]);
    }

    #[test]
    fn every_torn_end_gives_the_whole_lines_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut text = header(&columns(&row(1, 0.5))).unwrap();
        let mut ends = vec![text.len()];
        for epoch in 1..=3 {
            text.extend(line(&row(epoch, 0.5), &columns(&row(1, 0.5))).unwrap());
            ends.push(text.len());
        }
        for end in 0..=text.len() {
            std::fs::write(&path, &text[..end]).unwrap();
            let whole = ends.iter().filter(|whole| **whole <= end).count().saturating_sub(1);
            assert_eq!(read_metrics(&path).unwrap().len(), whole, "cut at {end}");
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        for (text, line) in [
            ("a,b\n", "line 1"),
            ("epoch,step,lr,loss\n1,2,3\n", "line 2"),
            ("epoch,step,lr\n1,2,3\n2,x,3\n", "line 3"),
            ("epoch,step,lr\n99999999999999999999999,2,3\n", "line 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_metrics(&path).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn columns_cannot_change_half_way() {
        assert!(line(&row(1, 0.5), &["other".to_owned()]).is_err());
    }
}
