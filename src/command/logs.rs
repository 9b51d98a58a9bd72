//! `runner logs`: a run's log, to its end or as it grows.

use std::time::Duration;

use jiff::Timestamp;

use super::{print, say};
use crate::Result;
use crate::cli::LogsArgs;
use crate::error::EXIT_OK;
use crate::store::{self, LogReader, RunsDir};

/// How often a log that grows is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Whole lines only. Ctrl-C ends the process at once, as it does by default: there is nothing to save.
pub fn execute(args: &LogsArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.within.runs.runs);
    let entry = store::resolve(&runs, args.within.experiment.as_deref(), &args.run)?;
    let mut reader = LogReader::new(&entry.dir);
    // Whether there is more to come is asked before reading: the last lines are written before the run has ended.
    let mut is_live = args.follow && entry.is_live();
    let lines = reader.lines()?;
    if lines.is_empty() && !is_live {
        say(&format!("{} has no log yet", entry.name));
    }
    show(args, last(&lines, args.lines.unwrap_or(usize::MAX)))?;
    while is_live {
        std::thread::sleep(PAUSE);
        is_live = entry.is_live();
        show(args, &reader.lines()?)?;
    }
    Ok(EXIT_OK)
}

fn show(args: &LogsArgs, lines: &str) -> Result<()> {
    if !args.json {
        return print(lines);
    }
    let mut objects = String::new();
    for line in lines.lines() {
        objects.push_str(&object(line).to_string());
        objects.push('\n');
    }
    print(&objects)
}

/// A line that goes on with the text of the one above has no time.
fn object(line: &str) -> serde_json::Value {
    let timed = line.split_once(' ').filter(|(time, _)| time.parse::<Timestamp>().is_ok());
    match timed {
        Some((time, text)) => serde_json::json!({ "time": time, "text": text }),
        None => serde_json::json!({ "time": null, "text": line }),
    }
}

/// The last `count` lines of a text that ends in a newline.
fn last(text: &str, count: usize) -> &str {
    let starts = text.match_indices('\n').map(|(end, _)| end + 1).rev().skip(1);
    match count {
        0 => "",
        _ => starts.chain([0]).nth(count - 1).map_or(text, |start| &text[start..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        let text = "one\n\nthree\n";
        for (count, expected) in
            [(0, ""), (1, "three\n"), (2, "\nthree\n"), (3, text), (4, text), (usize::MAX, text)]
        {
            assert_eq!(last(text, count), expected, "{count}");
        }
        assert_eq!(last("", 2), "");
    }

    #[test]
    fn a_line_is_told_with_its_time() {
        let line = object("2026-03-01T12:00:00.250Z epoch 1: train_loss 0.5");
        assert_eq!(
            line.to_string(),
            r#"{"text":"epoch 1: train_loss 0.5","time":"2026-03-01T12:00:00.250Z"}"#
        );
        assert_eq!(object("  took a → b").to_string(), r#"{"text":"  took a → b","time":null}"#);
    }
}
