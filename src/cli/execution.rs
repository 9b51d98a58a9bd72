//! What can be typed about how runs are carried out: slots, time, failures; shared by `run` and `rerun`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::run::Selection;
use crate::store::Status;

/// How many runs share the machine; shared by `run` and `plan`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SlotArgs {
    /// Runs in flight at once, over all devices [default: cores divided by --threads; 1 on each GPU]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Threads for each run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
}

/// Which runs get a process of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Isolation {
    /// Those on a GPU, where one failure can end everything in a process
    #[default]
    Auto,
    /// All
    Always,
    /// None
    Never,
}

/// What is done about runs that fail or take long.
#[derive(Debug, Clone, Copy, Args)]
pub struct ExecutionArgs {
    /// Train each run in a process of its own, so that a crash or a lack of memory ends one run only; auto does so on
    /// GPUs
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        default_missing_value = "always",
        num_args = 0..=1,
        require_equals = true,
        hide_default_value = true
    )]
    pub isolate: Isolation,
    /// Try a run that fails so many times again; one that was killed or lacked memory with nothing beside it, one
    /// that diverged not at all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// End after so long, as in 90m or 1h30m: the epochs in progress are finished and saved
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_time: Option<Duration>,
}

/// What ends a request, and what follows; shared by `run` and `resume`.
#[derive(Debug, Clone, Args)]
pub struct EndingArgs {
    /// End when the first run has failed or diverged; those in flight finish their epoch and are saved
    #[arg(long)]
    pub fail_fast: bool,
    /// A command for the shell when everything has ended, however: it finds `RUNNER_EXIT_CODE`,
    /// `RUNNER_EXPERIMENTS`, `RUNNER_RUNS` (the folder), `RUNNER_COMPLETED`, `RUNNER_FAILED` and `RUNNER_LEFT`
    /// (numbers of runs) in its environment
    #[arg(long, value_name = "COMMAND")]
    pub on_end: Option<String>,
}

/// How a run is selected by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusName {
    /// It has no folder yet
    Queued,
    /// It is done; with --force it is trained again
    Completed,
    /// An error ended it
    Failed,
    /// A loss or a weight was not finite; with --force it is trained again
    Diverged,
    /// Something from outside ended it
    Interrupted,
    /// A rule of `sweep.prune` ended it
    Stopped,
}

impl StatusName {
    fn status(self) -> Option<Status> {
        match self {
            Self::Queued => None,
            Self::Completed => Some(Status::Completed),
            Self::Failed => Some(Status::Failed),
            Self::Diverged => Some(Status::Diverged),
            Self::Interrupted => Some(Status::Interrupted),
            Self::Stopped => Some(Status::Stopped),
        }
    }
}

/// Every so-manieth run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// How many shards there are.
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.trim().parse().ok()?, count: count.trim().parse().ok()? })
        });
        numbers.filter(|shard| (1..=shard.count).contains(&shard.index)).ok_or_else(|| {
            "expected I/N with I from 1 to N, as in 2/4 for the second of four machines".to_owned()
        })
    }
}

/// Which of an experiment's runs are meant; shared by `run` and `plan`.
#[derive(Debug, Clone, Args)]
pub struct SelectionArgs {
    /// Only the runs that stand so; several with commas
    #[arg(long, value_name = "STATUS", value_enum, value_delimiter = ',')]
    pub only: Vec<StatusName>,
    /// Only every Nth run, from the Ith on: one part of N for each of N machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

impl From<&SelectionArgs> for Selection {
    fn from(args: &SelectionArgs) -> Self {
        Self {
            statuses: args.only.iter().map(|name| name.status()).collect(),
            shard: args.shard.map(|shard| (shard.index - 1, shard.count)),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.filter(|read| !read.is_zero())
        .ok_or_else(|| "expected a duration above 0, as in 90s, 45m, 1h30m or 2d12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_one() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, count: 4 }));
        for wrong in ["0/4", "5/4", "4", "a/b", "1/0", "", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        for wrong in ["", "0s", "-5m", "soon", "5"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
