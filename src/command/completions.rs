//! `runner completions`: shell completion.

use clap::CommandFactory;

use super::print;
use crate::cli::{Cli, CompletionsArgs};
use crate::error::EXIT_OK;
use crate::{Error, Result};

/// Prints the script that the shell reads.
pub fn execute(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "runner", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::Bug(format!("the script for {} is no text: {error}", args.shell)))?;
    print(&script)?;
    Ok(EXIT_OK)
}
