//! `runner resume`: what was begun goes on, without its file and flags being named again.

use std::path::PathBuf;
use std::sync::Arc;

use super::copy::{Copy, Ended};
use super::request::{Request, carry_out};
use super::session::{self, Options};
use super::{say, training};
use crate::cli::ResumeArgs;
use crate::config::{Experiment, Overrides};
use crate::error::{EXIT_OK, EXIT_RUNS};
use crate::run::{Library, Selection};
use crate::store::{self, RunEntry, RunsDir, Status, layout};
use crate::{Error, Result};

/// Reads what is kept beside the runs: the experiment as it was run, flags and variables included.
pub fn execute(args: &ResumeArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.runs.runs);
    let mut experiments = Vec::new();
    let mut copies = Vec::new();
    let default = args.targets.is_empty().then(|| newest(&runs));
    let named = args.targets.iter().map(|target| begun(&runs, target));
    for begun in default.into_iter().chain(named) {
        match begun? {
            Begun::File(file) => {
                experiments.push((Experiment::load(&file, &Overrides::default())?, None));
            }
            Begun::Copy(entry) => copies.push(entry),
        }
    }
    let mut codes = Vec::new();
    if !experiments.is_empty() {
        codes.push(carry_out(&Request {
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
        })?);
    }
    for entry in copies {
        if codes.iter().any(|code| *code > EXIT_RUNS) {
            break;
        }
        codes.push(go_on(args, &entry)?);
    }
    Ok(codes.into_iter().max().unwrap_or(EXIT_OK))
}

/// Copies have folders of their own, and no other run depends on them: one after the other.
fn go_on(args: &ResumeArgs, entry: &RunEntry) -> Result<u8> {
    if entry.record.status == Status::Completed {
        say(&format!("{} is completed", entry.name));
        return Ok(EXIT_OK);
    }
    let library = Arc::new(Library::default());
    let copy = Copy::of(entry, &library)?;
    let options = Options {
        slots: session::devices(&args.device, [copy.spec.config.device])?,
        threads: args.slots.threads,
        execution: args.execution,
        fail_fast: args.ending.fail_fast,
        verbosity: args.verbosity,
    };
    Ok(match copy.train(options, library, false)? {
        Ended::With(status) => training::exit_code([status]),
        Ended::Early(code) => code,
    })
}

/// What is gone on with.
enum Begun {
    /// Everything that a file describes.
    File(PathBuf),
    /// A run that no file describes.
    Copy(Box<RunEntry>),
}

fn newest(runs: &RunsDir) -> Result<Begun> {
    let run = store::resolve(runs, None, "last")?;
    if run.is_copy() { Ok(Begun::Copy(Box::new(run))) } else { kept(runs, &run.experiment) }
}

/// The experiment's own file, or that of a single run.
fn begun(runs: &RunsDir, target: &str) -> Result<Begun> {
    if store::experiments(runs)?.iter().any(|name| name == target) {
        return kept(runs, target);
    }
    let run = store::resolve(runs, None, target)?;
    Ok(if run.is_copy() { Begun::Copy(Box::new(run)) } else { Begun::File(run.dir.join(layout::CONFIG)) })
}

fn kept(runs: &RunsDir, experiment: &str) -> Result<Begun> {
    let file = runs.experiment(experiment).join(layout::EXPERIMENT);
    if file.is_file() {
        return Ok(Begun::File(file));
    }
    let text = format!(
        "{} is not there, so it is not known what \"{experiment}\" consists of: name its runs, or `runner run` its file",
        file.display()
    );
    Err(Error::Request(text))
}
