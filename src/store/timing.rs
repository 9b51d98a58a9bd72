//! `timing.csv`: wall times, one row an epoch.

use std::path::Path;

use super::table;
use crate::Result;
use crate::train::event::Timing;

const COLUMNS: [&str; 5] =
    ["epoch", "train_seconds", "valid_seconds", "checkpoint_seconds", "samples_per_second"];

/// The first line.
pub(super) fn header() -> Result<Vec<u8>> {
    table::line(COLUMNS)
}

/// The line of `timing`, rounded to microseconds and tenths of a sample.
pub(super) fn line(timing: &Timing) -> Result<Vec<u8>> {
    let seconds = |value: f64| table::number((value * 1e6).round() / 1e6);
    table::line([
        timing.epoch.to_string(),
        seconds(timing.train_seconds),
        seconds(timing.valid_seconds),
        seconds(timing.checkpoint_seconds),
        table::number((timing.samples_per_second * 10.0).round() / 10.0),
    ])
}

/// The rows of a `timing.csv`, none if there is no file; a torn last line is left out.
pub fn read_timing(path: &Path) -> Result<Vec<Timing>> {
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

fn parse(line: &csv::StringRecord) -> Option<Timing> {
    let number = |index: usize| line.get(index)?.parse::<f64>().ok();
    Some(Timing {
        epoch: line.get(0)?.parse().ok()?,
        train_seconds: number(1)?,
        valid_seconds: number(2)?,
        checkpoint_seconds: number(3)?,
        samples_per_second: number(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_rounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timing.csv");
        let timing = Timing {
            epoch: 1,
            train_seconds: 0.123_456_78,
            valid_seconds: 0.02,
            checkpoint_seconds: 0.0,
            samples_per_second: 8733.333,
        };
        let mut text = header().unwrap();
        text.extend(line(&timing).unwrap());
        text.extend(b"2,0.1");
        insta::assert_snapshot!(String::from_utf8(text.clone()).unwrap(), @"
        epoch,train_seconds,valid_seconds,checkpoint_seconds,samples_per_second
        1,0.123457,0.02,0,8733.3
        2,0.1
        ");
        std::fs::write(&path, text).unwrap();
        let rounded = Timing { train_seconds: 0.123_457, samples_per_second: 8733.3, ..timing };
        assert_eq!(read_timing(&path).unwrap(), [rounded]);
        std::fs::write(&path, "epoch\n1\n").unwrap();
        assert!(read_timing(&path).is_err());
    }
}
