//! `runner compare`: one table an experiment.

use super::{print, say, width};
use crate::cli::CompareArgs;
use crate::error::EXIT_OK;
use crate::output::{Table, view};
use crate::report::{self, Monitor, Subject};
use crate::store::{self, RunEntry, RunsDir};
use crate::{Error, Result};

/// Means over seeds, best first.
pub fn execute(args: &CompareArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.runs.runs);
    let entries = chosen(&runs, &args.targets)?;
    if entries.is_empty() {
        return Err(Error::Request(format!("there are no runs in {}", runs.path().display())));
    }
    if args.test && entries.iter().all(|entry| entry.record.test.is_empty()) {
        say("note: none of these runs has a test part, so this is the table of the validation part");
    }
    let tables = tables(&entries, args.test);
    let several = tables.len() > 1;
    if args.format.json {
        let all = tables.into_iter().map(|(name, table)| (name, table.value())).collect();
        return print(&format!("{:#}", serde_json::Value::Object(all))).map(|()| EXIT_OK);
    }
    if args.format.csv {
        let named = tables.into_iter().map(|(name, table)| table.with_first_column("experiment", &name));
        return print(&Table::union(named).csv()?).map(|()| EXIT_OK);
    }
    for (number, (name, table)) in tables.into_iter().enumerate() {
        if several {
            let gap = if number == 0 { "" } else { "\n" };
            let heading = if args.format.markdown { "## " } else { "" };
            print(&format!("{gap}{heading}{name}\n"))?;
        }
        print(&if args.format.markdown { table.markdown() } else { table.text(width()) })?;
    }
    Ok(EXIT_OK)
}

/// The table of every experiment among the runs, by name.
pub fn tables(entries: &[RunEntry], test: bool) -> Vec<(String, Table)> {
    let mut tables = Vec::new();
    for (experiment, members) in report::by_experiment(entries) {
        let configs = store::configs(&members).into_iter().map(Result::ok);
        let subjects: Vec<Subject<'_>> =
            members.into_iter().zip(configs).map(|(entry, config)| Subject { entry, config }).collect();
        // The runs of an experiment monitor one metric; where they do not, the first one decides.
        let column = subjects.first().map(|subject| subject.entry.monitor()).transpose().ok().flatten();
        let column = column.unwrap_or_else(|| "valid_loss".to_owned());
        let monitor = Monitor { lower_is_better: store::lower_is_better(&column), column };
        // Runs of no epochs have nothing but what they measured on the test part.
        let is_trained = subjects.iter().any(|subject| subject.entry.record.last.is_some());
        let comparison = report::compare(experiment, &subjects, &monitor, test || !is_trained);
        tables.push((experiment.to_owned(), view::comparison(&comparison)));
    }
    tables
}

/// The runs of the named experiments, and the named runs; all runs without a name.
fn chosen(runs: &RunsDir, targets: &[String]) -> Result<Vec<RunEntry>> {
    if targets.is_empty() {
        return store::scan(runs, None);
    }
    let experiments = store::experiments(runs)?;
    let mut entries = Vec::new();
    for target in targets {
        if experiments.contains(target) {
            entries.extend(store::scan(runs, Some(target))?);
        } else {
            entries.push(store::resolve(runs, None, target)?);
        }
    }
    Ok(entries)
}
