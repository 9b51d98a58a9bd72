//! `runner data`: what can be typed behind it.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::FormatArgs;
use crate::data::fetch::REMOTES;

/// `runner data`.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The commands of `runner data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// List the sources that `data.source` can name
    List(DataListArgs),
    /// Show what a data set consists of: shapes, types, balance of the classes, missing values, examples
    Show(DataShowArgs),
    /// Download a data set from a public mirror to where its source looks for it
    ///
    /// Every file is checked against its published MD5 sum. Files that are there already are left alone, and
    /// an interrupted download goes on where it stopped.
    #[command(
        after_help = "HTTP proxies are taken from ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, exceptions from NO_PROXY."
    )]
    Fetch(FetchArgs),
}

/// `runner data list`.
#[derive(Debug, Args)]
pub struct DataListArgs {
    #[command(flatten)]
    pub format: FormatArgs,
}

/// `runner data show`.
#[derive(Debug, Args)]
pub struct DataShowArgs {
    /// An experiment file, or a source that needs no more settings than -s brings, as in `digits`
    #[arg(value_name = "FILE or SOURCE")]
    pub what: String,
    /// Change a setting, as in `-s data.path=rows.csv`; the value is TOML, or else a string
    #[arg(short, long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Examples to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub examples: usize,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// `runner data fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The data set, called as in `data.source`
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(REMOTES.map(|remote| remote.name)))]
    pub name: String,
    /// Ask this address, with the names of the files behind it, instead of the public mirrors; may be
    /// given several times
    #[arg(long = "mirror", value_name = "URL")]
    pub mirrors: Vec<String>,
    /// Where to put the files, for `data.path` [default: runner/NAME in `$XDG_CACHE_HOME`, or else in
    /// ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}
