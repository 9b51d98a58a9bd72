//! What can be typed behind the commands that help to write an experiment.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::GridArgs;

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
