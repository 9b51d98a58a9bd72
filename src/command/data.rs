//! `runner data`: data sets, apart from any experiment.

use crate::cli::{DataArgs, DataCommand, FetchArgs};
use crate::data::fetch::{Limits, Remote};
use crate::error::EXIT_OK;
use crate::output::FetchProgress;
use crate::{Error, Result};

/// Carries out what stands behind `data`.
pub fn execute(args: &DataArgs) -> Result<u8> {
    match &args.command {
        DataCommand::Fetch(args) => fetch(args),
    }
}

/// Ctrl-C ends the process at once, as it does by default: a part of a file stays, and the next call goes on with it.
fn fetch(args: &FetchArgs) -> Result<u8> {
    let remote = Remote::named(&args.name)
        .ok_or_else(|| Error::Bug(format!("{} can be typed, but is no data set", args.name)))?;
    let folder = match &args.to {
        Some(folder) => std::path::absolute(folder).map_err(Error::io("find", folder))?,
        None => remote.folder()?,
    };
    let mut progress = FetchProgress::stderr(args.quiet);
    remote.fetch(&folder, &args.mirrors, Limits::default(), &mut |event| progress.on(event))?;
    progress.finish(&format!("{} is in {}", remote.name, folder.display()));
    Ok(EXIT_OK)
}
