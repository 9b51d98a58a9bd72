//! What can be typed: commands, flags and their help. Nothing here does anything.

#![expect(missing_docs, reason = "flattened arguments have the help of their own struct")]

mod data;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::device::DeviceConfig;
use crate::output::color::ColorChoice;

pub use self::data::{DataArgs, DataCommand, FetchArgs};

/// Runs machine-learning experiments that are described in TOML files.
///
/// An experiment describes data, a model, an optimizer and a sweep. `runner run` trains every run of it
/// and leaves a folder for each in runs/: settings, metrics, predictions and checkpoints, readable
/// with any tool. Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "Start with: runner init, then runner run quickstart.toml")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to use colours: auto, always or never; `NO_COLOR` is obeyed too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorChoice,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train every run of an experiment that is not completed yet
    Run(RunArgs),
    /// Show the runs of an experiment and what is done already; train nothing
    Plan(PlanArgs),
    /// List runs and their status
    List(ListArgs),
    /// Compare the settings of an experiment: mean ± std over its seeds
    Compare(CompareArgs),
    /// Show one run: settings, model, learning curve, metrics
    Show(ShowArgs),
    /// Show what differs between two runs
    Diff(DiffArgs),
    /// Train a run again into a folder of its own
    Rerun(RerunArgs),
    /// Measure a trained run on a part of its data or on another file
    Evaluate(EvaluateArgs),
    /// Predict with a trained run
    Predict(PredictArgs),
    /// Show where the value of a setting comes from
    Explain(ExplainArgs),
    /// Download data sets
    Data(DataArgs),
    /// List the devices that runs can train on
    Devices(FormatArgs),
    /// Write a commented experiment file to start from
    Init(InitArgs),
    /// Print the JSON Schema of the experiment file, for editors
    Schema(SchemaArgs),
    /// Print what makes a shell complete commands and flags
    Completions(CompletionsArgs),
}

/// Where runs are kept.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// The folder that holds all runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// What is trained where; shared by `run`, `plan` and `rerun`.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// Change a setting, as in `-s optimizer.lr=3e-4`; the value is TOML, or else a string
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to train: auto, cpu, cuda or cuda:N [default: the experiment's `device`]
    #[arg(long, value_name = "DEVICE", value_parser = clap::value_parser!(DeviceConfig))]
    pub device: Option<DeviceConfig>,
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

/// How many runs share the machine; shared by `run` and `plan`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SlotArgs {
    /// Runs in flight at once [default: cores divided by --threads; 1 on a GPU]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Threads for each run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
}

/// How much is said while training.
#[derive(Debug, Clone, Copy, Args)]
pub struct VerbosityArgs {
    /// Say nothing but errors while training
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print the model, the optimizer and the loss first
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
    /// Train every run from the start, whatever earlier attempts have left
    #[arg(long)]
    pub force: bool,
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
    /// Count every run as still to be trained
    #[arg(long)]
    pub force: bool,
    /// Write the runs to a new CSV file, a row a run and a column a swept key; edited, `runner run
    /// EXPERIMENT --rows CSV` trains them
    #[arg(long, value_name = "CSV")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub format: FormatArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
}

/// `runner explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An experiment file, or a run's config.toml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A setting, as in `optimizer.lr`, or a table of them, as in `optimizer`
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Change a setting, as in `-s optimizer.lr=3e-4`; the value is TOML, or else a string
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub grid: GridArgs,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// How a table is written; as aligned text without any of these.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct FormatArgs {
    /// Write JSON, with numbers in full
    #[arg(long)]
    pub json: bool,
    /// Write CSV
    #[arg(long)]
    pub csv: bool,
    /// Write a Markdown table
    #[arg(long)]
    pub markdown: bool,
}

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

/// How a run is named on the command line.
#[derive(Debug, Clone, Args)]
pub struct WithinArgs {
    /// The experiment that `best`, `last` or a name is meant in
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
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
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Threads for the run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
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
    /// Labelled data: CSV with a target column, IDX images beside their labels, or a folder of them
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
    /// CSV rows, IDX images (gzip or not) or PNG images, which are converted to the model's size and
    /// channels; bright pixels count as ink
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

/// `runner init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// A template; see --list
    #[arg(value_name = "TEMPLATE", default_value = "quickstart")]
    pub template: String,
    /// Where to write it [default: TEMPLATE.toml]; - for standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "list")]
    pub output: Option<PathBuf>,
    /// List the templates
    #[arg(long)]
    pub list: bool,
}

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SchemaSubject {
    /// The experiment file
    #[default]
    Experiment,
    /// run.json, which every run leaves in its folder
    Run,
}

/// `runner schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
For completion and checks while you type, in any editor that uses Taplo (in VS Code: Even Better TOML):
  runner schema > experiment.schema.json
and this as the first line of an experiment file:
  #:schema ./experiment.schema.json")]
pub struct SchemaArgs {
    /// What the schema is of
    #[arg(value_enum, value_name = "SUBJECT", default_value_t)]
    pub subject: SchemaSubject,
}

/// `runner completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Put it where your shell looks, and start a new one:
  bash        runner completions bash > ~/.local/share/bash-completion/completions/runner
  zsh         runner completions zsh > DIR/_runner, where DIR is in $fpath
  fish        runner completions fish > ~/.config/fish/completions/runner.fish
  elvish      runner completions elvish >> ~/.config/elvish/rc.elv
  powershell  runner completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}
