//! `runner resume`: what was begun goes on, without its file and flags being named again.

use std::path::PathBuf;

use super::request::{Request, carry_out};
use crate::cli::ResumeArgs;
use crate::config::{Experiment, Overrides};
use crate::run::Selection;
use crate::store::{self, RunsDir, layout};
use crate::{Error, Result};

/// Reads what is kept beside the runs: the experiment as it was run, flags and variables included.
pub fn execute(args: &ResumeArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.runs.runs);
    let files = if args.targets.is_empty() {
        vec![newest(&runs)?]
    } else {
        args.targets.iter().map(|target| file_of(&runs, target)).collect::<Result<_>>()?
    };
    let mut experiments = Vec::new();
    for file in files {
        experiments.push((Experiment::load(&file, &Overrides::default())?, None));
    }
    carry_out(&Request {
        experiments,
        runs,
        selection: Selection::from(&args.selection),
        device: &args.device,
        slots: args.slots,
        execution: args.execution,
        force: false,
        fail_fast: args.ending.fail_fast,
        on_end: args.ending.on_end.as_deref(),
        verbosity: args.verbosity,
    })
}

fn newest(runs: &RunsDir) -> Result<PathBuf> {
    let run = store::resolve(runs, None, "last")?;
    kept(runs, &run.experiment)
}

/// The experiment's own file, or that of a single run.
fn file_of(runs: &RunsDir, target: &str) -> Result<PathBuf> {
    if store::experiments(runs)?.iter().any(|name| name == target) {
        return kept(runs, target);
    }
    let run = store::resolve(runs, None, target)?;
    if run.is_copy() {
        let text = format!("{} is a copy, and a copy is not gone on with: rerun its original", run.name);
        return Err(Error::Request(text));
    }
    Ok(run.dir.join(layout::CONFIG))
}

fn kept(runs: &RunsDir, experiment: &str) -> Result<PathBuf> {
    let file = runs.experiment(experiment).join(layout::EXPERIMENT);
    if file.is_file() {
        return Ok(file);
    }
    let text = format!(
        "{} is not there, so it is not known what \"{experiment}\" consists of: name its runs, or `runner run` its file",
        file.display()
    );
    Err(Error::Request(text))
}
