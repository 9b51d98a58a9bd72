//! `steps.csv`: one row every so many steps of the optimizer.

use std::path::Path;

use super::table;
use crate::Result;
use crate::train::event::StepRow;

const COLUMNS: [&str; 4] = ["step", "lr", "loss", "gradient_norm"];

fn line(row: &StepRow) -> Result<Vec<u8>> {
    let number = |value: f64| table::number(value);
    table::line([row.step.to_string(), number(row.lr), number(row.loss), number(row.gradient_norm)])
}

/// What is to be appended for `row`: the first line too, if there is no file yet.
pub(super) fn lines(path: &Path, row: &StepRow) -> Result<Vec<u8>> {
    let mut lines = if path.exists() { Vec::new() } else { table::line(COLUMNS)? };
    lines.extend(line(row)?);
    Ok(lines)
}

/// The table without what comes behind `last_step`; none if there is no file.
pub(super) fn cut(path: &Path, last_step: u64) -> Result<Option<Vec<u8>>> {
    if !path.exists() {
        return Ok(None);
    }
    // The rows are for people: those that cannot be read are not worth a failed run.
    let rows = read_steps(path).unwrap_or_default();
    let mut text = table::line(COLUMNS)?;
    for row in rows.iter().filter(|row| row.step <= last_step) {
        text.extend(line(row)?);
    }
    Ok(Some(text))
}

/// The rows of a `steps.csv`, none if there is no file; a torn last line is left out.
pub fn read_steps(path: &Path) -> Result<Vec<StepRow>> {
    let lines = table::read(path)?;
    let Some((header, lines)) = lines.split_first() else { return Ok(Vec::new()) };
    if !header.iter().eq(COLUMNS) {
        return Err(table::misfit(path, 0));
    }
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| parse(line).ok_or_else(|| table::misfit(path, index + 1)))
        .collect()
}

fn parse(line: &csv::StringRecord) -> Option<StepRow> {
    let number = |index: usize| line.get(index)?.parse::<f64>().ok();
    Some(StepRow {
        step: line.get(0)?.parse().ok()?,
        lr: number(1)?,
        loss: number(2)?,
        gradient_norm: number(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file;

    fn row(step: u64) -> StepRow {
        StepRow { step, lr: 0.1, loss: 1.0 / step as f64, gradient_norm: f64::NAN }
    }

    #[test]
    fn rows_are_appended_and_cut_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.csv");
        assert_eq!(cut(&path, 9).unwrap(), None);
        for step in [2, 4, 6] {
            file::append(&path, &lines(&path, &row(step)).unwrap()).unwrap();
        }
        file::append(&path, b"8,0.").unwrap();
        assert_eq!(read_steps(&path).unwrap().len(), 3);
        let text = cut(&path, 5).unwrap().unwrap();
        insta::assert_snapshot!(String::from_utf8(text.clone()).unwrap(), @"
        step,lr,loss,gradient_norm
        2,0.1,0.5,NaN
        4,0.1,0.25,NaN
        ");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(cut(&path, 5).unwrap().unwrap(), text);
        std::fs::write(&path, "something else\n").unwrap();
        assert!(read_steps(&path).is_err());
        assert_eq!(cut(&path, 5).unwrap().unwrap(), b"step,lr,loss,gradient_norm\n");
    }
}
