//! `runner data`: what can be typed behind it.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

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
    /// Download a data set from a public mirror to where its source looks for it
    ///
    /// Every file is checked against its published MD5 sum. Files that are there already are left alone, and
    /// an interrupted download goes on where it stopped.
    #[command(
        after_help = "HTTP proxies are taken from ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, exceptions from NO_PROXY."
    )]
    Fetch(FetchArgs),
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
