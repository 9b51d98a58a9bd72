//! What can be typed behind the commands that look at runs or use them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FormatArgs, RunsArgs, WithinArgs};
use crate::device::DeviceConfig;

/// `runner list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only the runs of this experiment
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: Option<String>,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Experiments or single runs [default: everything]
    #[arg(value_name = "EXPERIMENT or RUN")]
    pub targets: Vec<String>,
    /// Show the metrics of the test part and sort by them; decide on settings without
    #[arg(long)]
    pub test: bool,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run: its folder, its name, the start of its id, `best` (the single run
    /// with the best monitored value) or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Print the path of the best checkpoint and nothing else
    #[arg(long, conflicts_with = "json")]
    pub path: bool,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub within: WithinArgs,
}

/// `runner diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A run: its folder, its name, the start of its id, `best` (the single run
    /// with the best monitored value) or `last`
    #[arg(value_name = "RUN")]
    pub left: String,
    /// Another run
    #[arg(value_name = "RUN")]
    pub right: String,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub within: WithinArgs,
}

/// A part of a run's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// What it was trained on
    Train,
    /// What its best weights were chosen by
    Valid,
    /// What it never saw
    Test,
}

/// `runner evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A run: its folder, its name, the start of its id, `best` (the single run
    /// with the best monitored value) or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Labelled data: CSV with a target column, IDX images beside their labels, a folder of them, or
    /// one with a folder of images for each class
    /// [default: a part of the run's own data]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The part of the run's own data [default: test, or valid where there is none]
    #[arg(long, value_name = "PART", conflicts_with = "file")]
    pub split: Option<SplitName>,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = clap::value_parser!(DeviceConfig))]
    pub device: DeviceConfig,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub within: WithinArgs,
}

/// `runner predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A run (folder, name, start of its id, `best`, `last`) or a checkpoint file
    #[arg(value_name = "RUN")]
    pub run: String,
    /// CSV rows, IDX images (gzip or not), or PNG and JPEG images or folders of them, which are
    /// converted to the model's size and channels (bright pixels count as ink); texts: a CSV with the
    /// column that the model learned from, or a file of one text a line
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Stop after so many samples
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Write one JSON object a line instead of CSV
    #[arg(long)]
    pub json: bool,
    /// Where to compute
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = clap::value_parser!(DeviceConfig))]
    pub device: DeviceConfig,
    #[command(flatten)]
    pub within: WithinArgs,
}
