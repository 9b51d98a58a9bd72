//! What can be typed: commands, flags and their help. Nothing here does anything.

#![expect(missing_docs, reason = "flattened arguments have the help of their own struct")]

mod data;
mod execution;
mod experiment;
mod keeping;
mod results;
mod training;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::color::ColorChoice;

pub use self::data::{DataArgs, DataCommand, DataListArgs, DataShowArgs, FetchArgs};
pub use self::execution::{EndingArgs, ExecutionArgs, Isolation, SelectionArgs, Shard, SlotArgs, StatusName};
pub use self::experiment::{CompletionsArgs, ExplainArgs, InitArgs, SchemaArgs, SchemaSubject};
pub use self::keeping::{EndStatus, GcArgs, LogsArgs};
pub use self::results::{CompareArgs, DiffArgs, EvaluateArgs, ListArgs, PredictArgs, ShowArgs, SplitName};
pub use self::training::{GridArgs, PlanArgs, RerunArgs, ResumeArgs, RunArgs, TrainingArgs, VerbosityArgs};

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
    /// Go on with what was begun and did not come to its end, from what its folder says
    Resume(ResumeArgs),
    /// Show the runs of an experiment and what is done already; train nothing
    Plan(PlanArgs),
    /// List runs and their status
    List(ListArgs),
    /// Compare the settings of an experiment: mean ± std over its seeds and folds
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
    /// Print the log of a run
    Logs(LogsArgs),
    /// Remove checkpoints and folders that need not be kept
    Gc(GcArgs),
    /// Show where the value of a setting comes from
    Explain(ExplainArgs),
    /// List, look at and download data sets
    Data(DataArgs),
    /// List the devices that runs can train on
    Devices(FormatArgs),
    /// Write a commented experiment file to start from
    Init(InitArgs),
    /// Print the JSON Schema of the experiment file, for editors
    Schema(SchemaArgs),
    /// Print what makes a shell complete commands and flags
    Completions(CompletionsArgs),
    /// Train one run for another process of this program, which says so on standard input
    #[command(hide = true)]
    Worker,
}

/// Where runs are kept.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// The folder that holds all runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
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

/// How a run is named on the command line.
#[derive(Debug, Clone, Args)]
pub struct WithinArgs {
    /// The experiment that `best`, `last` or a name is meant in
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    #[command(flatten)]
    pub runs: RunsArgs,
}
