//! What can be typed behind the commands that keep house: `gc`, `logs`.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::{FormatArgs, RunsArgs, WithinArgs};
use crate::store::Status;

/// Where a run stands that nobody trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EndStatus {
    /// All epochs are done, or early stopping ended it
    Completed,
    /// An error ended it
    Failed,
    /// Its loss or a weight was no longer finite
    Diverged,
    /// It was ended from outside
    Interrupted,
    /// It was pruned
    Stopped,
}

impl From<EndStatus> for Status {
    fn from(status: EndStatus) -> Self {
        match status {
            EndStatus::Completed => Self::Completed,
            EndStatus::Failed => Self::Failed,
            EndStatus::Diverged => Self::Diverged,
            EndStatus::Interrupted => Self::Interrupted,
            EndStatus::Stopped => Self::Stopped,
        }
    }
}

/// `runner gc`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is removed without --yes: first the list of what would go. Runs that are trained now are left alone.
  runner gc --keep-best 3                   checkpoints of all but the 3 best of each experiment
  runner gc --last --older-than 7d          what only rerun --continue would read, after a week
  runner gc sweep --status failed,diverged  folders of runs that came to nothing")]
pub struct GcArgs {
    /// Experiments [default: all]
    #[arg(value_name = "EXPERIMENT")]
    pub experiments: Vec<String>,
    /// Remove the checkpoints of all completed runs but the N best of each experiment, by the validation metric
    /// that they monitor; those N keep their folder whatever --status says
    #[arg(long, value_name = "N")]
    pub keep_best: Option<usize>,
    /// Remove the whole folders of runs that stand so: completed, failed, diverged, interrupted, stopped
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', hide_possible_values = true)]
    pub status: Vec<EndStatus>,
    /// Remove last.safetensors of completed runs: only `rerun --continue` would go on from it
    #[arg(long)]
    pub last: bool,
    /// Only of runs that ended longer ago than this, as in 7d, 12h or 30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<SignedDuration>,
    /// Remove what is listed
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A run: its folder, its name, the start of its id, `best` (the single run
    /// with the best monitored value) or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Go on with lines as they come, until the run ends
    #[arg(short, long)]
    pub follow: bool,
    /// Begin with the last N lines [default: all]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Write one JSON object a line, with the keys time and text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub within: WithinArgs,
}

/// A length of time with its unit: `7d`, `1h 30m`. Days have 24 hours; months and years have no fixed length.
fn duration(text: &str) -> Result<SignedDuration, String> {
    const EXPECTED: &str = "expected a length of time with its unit, as in 7d, 12h or 30m";
    let span: Span = text.trim().parse().map_err(|_| EXPECTED.to_owned())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("{EXPECTED}; months and years have no fixed length"))?;
    if length.is_negative() { Err(EXPECTED.to_owned()) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        let hours = |text: &str| duration(text).map(|length| length.as_secs_f64() / 3600.0);
        for (text, expected) in [
            ("7d", 168.0),
            ("12h", 12.0),
            ("30m", 0.5),
            ("2w", 336.0),
            ("1h 30m", 1.5),
            ("0s", 0.0),
            ("36s", 0.01),
        ] {
            assert_eq!(hours(text), Ok(expected), "{text}");
        }
        for text in ["", "7", "d", "-7d", "7d ago", "soon", "9999999999999999999d"] {
            assert!(hours(text).unwrap_err().starts_with("expected a length of time"), "{text}");
        }
        assert!(hours("1 month").unwrap_err().contains("no fixed length"));
    }
}
