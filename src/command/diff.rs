//! `runner diff`: settings and metrics in which two runs differ.

use super::{print, render};
use crate::Result;
use crate::cli::DiffArgs;
use crate::error::EXIT_OK;
use crate::output::view;
use crate::report::{self, Subject};
use crate::store::{self, RunsDir};

/// Two tables; nothing where nothing differs.
pub fn execute(args: &DiffArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.within.runs.runs);
    let experiment = args.within.experiment.as_deref();
    let find = |name: &str| store::resolve(&runs, experiment, name);
    let (left, right) = (find(&args.left)?, find(&args.right)?);
    let subject = |entry| -> Result<Subject<'_>> { Ok(Subject { entry, config: Some(entry.config()?) }) };
    let difference = report::diff(&subject(&left)?, &subject(&right)?);
    let (settings, metrics) = view::difference(&difference);
    if args.format.json {
        let both = serde_json::json!({ "settings": settings.value(), "metrics": metrics.value() });
        print(&format!("{both:#}"))?;
        return Ok(EXIT_OK);
    }
    for (number, table) in [settings, metrics].into_iter().enumerate() {
        if number > 0 {
            print("\n")?;
        }
        print(&render(&table, args.format)?)?;
    }
    Ok(EXIT_OK)
}
