//! `runner list`: runs and their status.

use super::{print, render, say};
use crate::cli::ListArgs;
use crate::error::EXIT_OK;
use crate::output::view;
use crate::store::{self, RunsDir};
use crate::{Error, Result, report};

/// A row a run; none is no error.
pub fn execute(args: &ListArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.runs.runs);
    let experiment = args.experiment.as_deref();
    let entries = store::scan(&runs, experiment)?;
    if entries.is_empty() {
        let folder = runs.path().display();
        if let Some(name) = experiment {
            let known = store::experiments(&runs)?;
            let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::Request(format!(
                "there is no experiment \"{name}\" in {folder}; there are: {list}"
            )));
        }
        say(&format!("there are no runs in {folder}"));
    }
    let format = args.format;
    let for_people = !(format.json || format.csv || format.markdown);
    let table = view::list(&report::list(&entries), for_people);
    print(&render(&table, args.format)?)?;
    Ok(EXIT_OK)
}
