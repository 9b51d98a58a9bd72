//! What can be typed behind the commands that expand an experiment or train: `run`, `plan`, `rerun`.

use std::path::PathBuf;

use clap::Args;

use super::{EndingArgs, ExecutionArgs, FormatArgs, RunsArgs, SelectionArgs, SlotArgs, WithinArgs};
use crate::device::DeviceConfig;

/// What is trained where; shared by `run`, `plan` and `rerun`.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// Change a setting, as in `-s optimizer.lr=3e-4`; the value is TOML, or else a string
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to train: auto, cpu, cuda or cuda:N, several with commas [default: the experiment's `device`]
    #[arg(long, value_name = "DEVICE", value_delimiter = ',', value_parser = clap::value_parser!(DeviceConfig))]
    pub device: Vec<DeviceConfig>,
}

/// What is swept; shared by the commands that take an experiment.
#[derive(Debug, Clone, Args)]
pub struct GridArgs {
    /// Sweep a setting, as in `--grid optimizer.lr=1e-3,3e-4`; or its values as in a file:
    /// `model.hidden=[64],[32]` are two lists, `model.hidden=[64, 32]` is the list of the values 64 and 32
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub grid: Vec<String>,
    /// Take the runs from a table instead of the sweep, as `runner plan --save` writes it: a row a run, a
    /// column a key; an empty cell leaves the setting as it is
    #[arg(long, value_name = "CSV", conflicts_with = "grid")]
    pub rows: Option<PathBuf>,
}

/// How much is said while training.
#[derive(Debug, Clone, Copy, Args)]
pub struct VerbosityArgs {
    /// Say nothing but errors while training
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print the model, the optimizer, the loss and weights taken over first
    #[arg(short, long)]
    pub verbose: bool,
}

/// `runner run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Experiment files, or a run's config.toml
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub training: TrainingArgs,
    #[command(flatten)]
    pub grid: GridArgs,
    #[command(flatten)]
    pub slots: SlotArgs,
    #[command(flatten)]
    pub execution: ExecutionArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Train every run from the start, whatever earlier attempts have left
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub ending: EndingArgs,
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Experiments by their names, or single runs [default: the experiment whose run was begun last]
    #[arg(value_name = "EXPERIMENT or RUN")]
    pub targets: Vec<String>,
    /// Where to train: auto, cpu, cuda or cuda:N, several with commas [default: the experiment's `device`]
    #[arg(long, value_name = "DEVICE", value_delimiter = ',', value_parser = clap::value_parser!(DeviceConfig))]
    pub device: Vec<DeviceConfig>,
    #[command(flatten)]
    pub slots: SlotArgs,
    #[command(flatten)]
    pub execution: ExecutionArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub ending: EndingArgs,
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// An experiment file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub training: TrainingArgs,
    #[command(flatten)]
    pub grid: GridArgs,
    #[command(flatten)]
    pub slots: SlotArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Count every run as still to be trained
    #[arg(long)]
    pub force: bool,
    /// Take a few steps with every shape of model and batch, and estimate time and memory of each run; writes
    /// nothing
    #[arg(long)]
    pub probe: bool,
    /// Write the runs to a new CSV file, a row a run and a column a swept key; edited, `runner run
    /// EXPERIMENT --rows CSV` trains them
    #[arg(long, value_name = "CSV")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// A run: its folder, its name, the start of its id, `best` (the single run
    /// with the best monitored value) or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Compare metrics, predictions and weights with the original byte for byte, and keep the copy only
    /// if they differ
    #[arg(long, conflicts_with = "set")]
    pub verify: bool,
    /// Go on from the last checkpoint with more epochs or other settings, as in
    /// `--continue -s train.epochs=40`
    #[arg(long = "continue", conflicts_with = "verify", requires = "set")]
    pub go_on: bool,
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Threads for the run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    #[command(flatten)]
    pub execution: ExecutionArgs,
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
    #[command(flatten)]
    pub within: WithinArgs,
}
