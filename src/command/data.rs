//! `runner data`: data sets, apart from any experiment.

mod show;

use super::{print, render};
use crate::cli::{DataArgs, DataCommand, DataListArgs, FetchArgs};
use crate::config::schema;
use crate::data::SourceConfig;
use crate::data::fetch::{Limits, Remote};
use crate::error::EXIT_OK;
use crate::output::{Cell, Column, FetchProgress, Table};
use crate::setting::{KeyPath, Kind};
use crate::{Error, Result};

/// Carries out what stands behind `data`.
pub fn execute(args: &DataArgs) -> Result<u8> {
    match &args.command {
        DataCommand::List(args) => list(args),
        DataCommand::Show(args) => show::execute(args),
        DataCommand::Fetch(args) => fetch(args),
    }
}

/// Every source with what it is.
fn list(args: &DataListArgs) -> Result<u8> {
    let mut table = Table::new(vec![Column::text("source"), Column::text("what")]);
    let path = KeyPath::parse("data");
    for kind in SourceConfig::kinds() {
        let what = schema::describe_kind(&path, kind).unwrap_or_default();
        table.push(vec![Cell::Text((*kind).to_owned()), Cell::Text(what)]);
    }
    print(&render(&table, args.format)?)?;
    Ok(EXIT_OK)
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
