//! `runner rerun`: the same run again, into a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::{self, Options, Session};
use super::{print, say, training};
use crate::cli::{RerunArgs, VerbosityArgs};
use crate::config::{Experiment, Overrides};
use crate::error::{EXIT_OK, EXIT_RUNS};
use crate::run::{self, Ended, Library, RunSpec, Task, locate_weights};
use crate::store::{self, RunEntry, RunsDir, Status, layout};
use crate::{Error, Result};

/// The original is only read.
pub fn execute(args: &RerunArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.within.runs.runs);
    let original = store::resolve(&runs, args.within.experiment.as_deref(), &args.run)?;
    if args.verify && original.record.status != Status::Completed {
        let status = original.record.status;
        return Err(Error::Request(format!(
            "only a completed run can be verified; {} is {status}",
            original.name
        )));
    }
    let library = Arc::new(Library::default());
    let mut spec = specify(args, &original, &library)?;
    let slots = session::devices(&args.training.device, [spec.config.device])?;
    let data = run::prepare(&spec, &library)?;
    let dir = claim_copy(&original.dir)?;
    spec.name = name_of(&dir);
    let experiment = original.experiment.clone();
    let task =
        Task { spec, dir: dir.clone(), experiment, data, force: true, until: None, prune: None, cost: 0.0 };
    let (execution, verbosity) = (args.execution, args.verbosity);
    let options = Options { slots, threads: args.threads, execution, fail_fast: false, verbosity };
    let trained = train(options, library, task);
    // A folder that was claimed but never written to is no run.
    let _ = std::fs::remove_dir(&dir);
    let (ended, signal) = trained?;
    let status = ended.first().map_or(Status::Interrupted, |run| run.status);
    if signal.is_some() || status == Status::Interrupted {
        say(&format!("the copy stops here, in {}; a rerun begins another", dir.display()));
        return Ok(signal.unwrap_or(EXIT_RUNS));
    }
    if args.verify && status == Status::Completed {
        return verdict(&original, &dir);
    }
    print(&dir.display().to_string())?;
    Ok(if args.verify { EXIT_RUNS } else { training::exit_code([status]) })
}

fn train(options: Options, library: Arc<Library>, task: Task) -> Result<(Vec<Ended>, Option<u8>)> {
    let VerbosityArgs { quiet, verbose } = options.verbosity;
    if !quiet {
        training::tell_transfers(&library, verbose);
    }
    if verbose {
        say(&training::preamble(&task)?);
    }
    let session = Session::open(options, library, 1)?;
    let ended = session.train(|scheduler| scheduler.run(vec![task]));
    Ok((ended, session.close()))
}

/// The run of the saved configuration with the changes that were typed.
fn specify(args: &RerunArgs, original: &RunEntry, library: &Library) -> Result<RunSpec> {
    let overrides = Overrides { sets: args.training.set.clone(), ..Overrides::default() };
    let experiment = Experiment::load(&original.dir.join(layout::CONFIG), &overrides)?;
    let mut drafts = experiment.expand()?.drafts;
    let Some(mut draft) = drafts.pop().filter(|_| drafts.is_empty()) else {
        return Err(Error::Request("a rerun is one run: the changes must not describe a sweep".into()));
    };
    // The copy says by which values the original was told apart, as far as they still hold.
    let config = toml::Value::try_from(&draft.config).ok();
    for (key, value) in &original.record.assignment {
        let key = crate::setting::KeyPath::parse(key);
        let now = config.as_ref().and_then(|config| key.find(config)).cloned();
        let then = toml::Value::try_from(value).ok();
        draft.assignment.extend(now.or(then).map(|value| (Arc::new(key), Arc::new(value))));
    }
    let runs = RunsDir::new(&args.within.runs.runs);
    locate_weights(std::slice::from_mut(&mut draft), &runs, library)?;
    let spec = RunSpec::new(&draft, library)?;
    if args.verify && spec.id != original.record.id {
        let reason = if *spec.fingerprint == *original.record.data.fingerprint {
            "another version of runner made it"
        } else {
            "its data has changed"
        };
        return Err(Error::Request(format!("{} cannot be verified: {reason}", original.name)));
    }
    Ok(spec)
}

/// Creates the original's folder with the next free number: `…~2`, `…~3`. Whoever creates it owns it.
fn claim_copy(original: &Path) -> Result<PathBuf> {
    let whole = original.canonicalize().map_err(Error::io("read", original))?;
    let name = name_of(&whole);
    let stem = name.rsplit_once('~').map_or(name.as_str(), |(stem, _)| stem);
    for number in 2u32.. {
        let copy = whole.with_file_name(format!("{stem}~{number}"));
        match std::fs::create_dir(&copy) {
            Ok(()) => return Ok(copy),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", &copy)(error)),
        }
    }
    Err(Error::Request(format!("{} has too many copies", original.display())))
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn verdict(original: &RunEntry, copy: &Path) -> Result<u8> {
    let found = run::verify(&original.dir, copy)?;
    for file in &found.damaged {
        say(&format!("{file} is not what the run wrote: its checksum is not the one in run.json"));
    }
    let Some(difference) = found.difference else {
        std::fs::remove_dir_all(copy).map_err(Error::io("remove", copy))?;
        if !found.removed.is_empty() {
            let files = found.removed.join(" and ");
            say(&format!("note: `runner gc` removed {files} of the original: not compared"));
        }
        let what = if found.removed.contains(&layout::BEST) {
            "metrics and predictions"
        } else {
            "metrics, predictions and weights"
        };
        print(&format!("{}: {what} are the same to the byte", original.name))?;
        return Ok(EXIT_OK);
    };
    print(&format!("{} differs: {difference}", original.name))?;
    let now = crate::device::Processor::detect();
    let then = &original.record;
    if then.cpu != now.model || then.instruction_set != now.instruction_set {
        say(&format!(
            "the original was made on another processor ({}, {}): bytes are equal on one CPU model only",
            then.cpu, then.instruction_set
        ));
    }
    say(&format!("the copy is kept in {}", copy.display()));
    Ok(EXIT_RUNS)
}
