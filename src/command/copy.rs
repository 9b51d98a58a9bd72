//! The copies of runs, `<name>~2`: trained in a folder of their own, one at a time.

use std::path::PathBuf;
use std::sync::Arc;

use super::session::{Options, Session};
use super::{say, training};
use crate::cli::VerbosityArgs;
use crate::config::{Experiment, Overrides};
use crate::data::Prepared;
use crate::error::EXIT_RUNS;
use crate::run::{self, Library, RunSpec, Task};
use crate::store::{RunEntry, Status, layout};
use crate::{Error, Result};

/// A copy that is to be trained.
pub struct Copy {
    pub spec: RunSpec,
    pub dir: PathBuf,
    pub experiment: String,
    pub data: Arc<Prepared>,
}

/// How a training of a copy ended.
pub enum Ended {
    /// By itself, and the copy stands so.
    With(Status),
    /// From outside: the exit code.
    Early(u8),
}

impl Copy {
    /// The copy in a folder, as its own `config.toml` says.
    pub fn of(entry: &RunEntry, library: &Library) -> Result<Self> {
        let experiment = Experiment::load(&entry.dir.join(layout::CONFIG), &Overrides::default())?;
        let draft = experiment.expand()?.drafts.pop();
        let draft = draft.ok_or_else(|| Error::Bug("a configuration without a run".into()))?;
        let mut spec = run::as_begun(RunSpec::new(&draft, library)?, entry);
        if spec.id != entry.record.id {
            let text =
                format!("{} cannot be gone on with: its data or its settings have changed", entry.name);
            return Err(Error::Request(text));
        }
        spec.name.clone_from(&entry.name);
        let data = run::prepare(&spec, library)?;
        Ok(Self { spec, dir: entry.dir.clone(), experiment: entry.experiment.clone(), data })
    }

    /// Trains it, from the start or from what is in its folder.
    pub fn train(self, options: Options, library: Arc<Library>, from_start: bool) -> Result<Ended> {
        let Self { spec, dir, experiment, data } = self;
        let name = spec.name.clone();
        let task = Task {
            spec,
            dir: dir.clone(),
            experiment,
            data,
            force: from_start,
            until: None,
            prune: None,
            cost: 0.0,
            bytes: 0,
        };
        let VerbosityArgs { quiet, verbose } = options.verbosity;
        if !quiet {
            training::tell_transfers(&library, verbose);
        }
        if verbose {
            say(&training::preamble(&task)?);
        }
        let session = Session::open(options, library, 1)?;
        let ended = session.train(|scheduler| scheduler.run(vec![task]));
        let signal = session.close();
        // A folder that was claimed but never written to is no run.
        let _ = std::fs::remove_dir(&dir);
        let status = ended.first().map_or(Status::Interrupted, |run| run.status);
        if signal.is_some() || status == Status::Interrupted {
            say(&format!("the copy stops here; continue with: runner resume {name}"));
            return Ok(Ended::Early(signal.unwrap_or(EXIT_RUNS)));
        }
        Ok(Ended::With(status))
    }
}
