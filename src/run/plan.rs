//! What there is to do: every run of an experiment beside what its folder says of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::library::Library;
use super::spec::RunSpec;
use crate::config::{Experiment, RunConfig, schema};
use crate::data::Prepared;
use crate::model::LayerConfig;
use crate::store::{self, RunEntry, RunsDir, Status};
use crate::sweep::run_name;
use crate::{Error, Result};

/// Digits of the id in a folder's name, unless two runs would share it.
const TAG: usize = 8;

/// What `runner run` does with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Train it from the start.
    Train,
    /// Go on from its last checkpoint.
    Resume,
    /// It is completed.
    Skip,
    /// It diverged, and would again; only `--force` trains it.
    Leave,
}

impl Action {
    /// Whether there is something to train.
    pub fn is_work(self) -> bool {
        matches!(self, Self::Train | Self::Resume)
    }

    /// The word in the table of `runner plan`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Resume => "resume",
            Self::Skip => "skip",
            Self::Leave => "leave",
        }
    }
}

/// A run and what is to be done with it.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// The run, with its folder's name.
    pub spec: RunSpec,
    /// Its folder.
    pub dir: PathBuf,
    /// Where it stands; `None` for a run that has no folder yet.
    pub status: Option<Status>,
    /// What to do.
    pub action: Action,
}

/// All runs of an experiment in the order of its sweep.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The experiment's name.
    pub experiment: String,
    /// The folder of its runs.
    pub dir: PathBuf,
    /// Each run once.
    pub runs: Vec<PlannedRun>,
}

impl Plan {
    /// Expands and checks the experiment, and looks every run up in the runs folder.
    pub fn new(experiment: &Experiment, runs: &RunsDir, library: &Library, force: bool) -> Result<Self> {
        let expansion = experiment.expand()?;
        let drafts = expansion.drafts;
        let name = experiment.name().to_owned();
        let dir = runs.experiment(&name);
        let entries = store::scan(runs, Some(&name))?;
        let known = store::index_by_id(&entries);
        let keys = schema::keys();
        let mut taken: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let mut seen = BTreeSet::new();
        let mut planned = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let mut spec = RunSpec::new(draft, library)?;
            if !seen.insert(spec.id.clone()) {
                continue;
            }
            let entry = known.get(spec.id.as_str()).copied();
            spec.name = match entry {
                Some(entry) => entry.name.clone(),
                None => free_name(&spec, &keys, &taken),
            };
            taken.insert(spec.name.clone());
            let status = entry.map(|entry| entry.record.status);
            let action = action(entry, force);
            planned.push(PlannedRun { dir: dir.join(&spec.name), spec, status, action });
        }
        Ok(Self { experiment: name, dir, runs: planned })
    }

    /// Reads the data of every run that is to be trained and refuses what does not fit it.
    ///
    /// The data of each run in the order of [`runs`](Self::runs); `None` where nothing is to be trained.
    pub fn prepare(&self, library: &Library) -> Result<Vec<Option<Arc<Prepared>>>> {
        let mut prepared = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            if !run.action.is_work() {
                prepared.push(None);
                continue;
            }
            let data = library.prepared(&run.spec.config.data)?;
            check_against(&run.spec, &data)?;
            prepared.push(Some(data));
        }
        Ok(prepared)
    }

    /// The runs that there is something to train of.
    pub fn work(&self) -> impl Iterator<Item = &PlannedRun> {
        self.runs.iter().filter(|run| run.action.is_work())
    }
}

fn action(entry: Option<&RunEntry>, force: bool) -> Action {
    let Some(entry) = entry else { return Action::Train };
    let can_go_on = entry.last_checkpoint().is_file();
    match entry.record.status {
        Status::Completed | Status::Diverged if force => Action::Train,
        Status::Completed => Action::Skip,
        Status::Diverged => Action::Leave,
        _ if can_go_on => Action::Resume,
        _ => Action::Train,
    }
}

fn free_name(spec: &RunSpec, keys: &[String], taken: &BTreeSet<String>) -> String {
    let named = |digits: usize| run_name(&spec.assignment, keys, &spec.id[..digits.min(spec.id.len())]);
    let mut digits = TAG;
    while taken.contains(&named(digits)) && digits < spec.id.len() {
        digits += 4;
    }
    named(digits)
}

/// What can be known only with the data at hand.
fn check_against(spec: &RunSpec, data: &Prepared) -> Result<()> {
    let config = &spec.config;
    let refuse = |reason: &str| Error::Request(format!("run {}: {reason}", spec.name));
    let classes = data.classes().len();
    config.model.parameter_count(data.shape(), classes).map_err(|error| refuse(&error.to_string()))?;
    let (samples, batch) = (data.split.train.len(), config.train.batch_size);
    if config.train.drop_last && samples < batch {
        return Err(refuse(&format!(
            "train.drop_last leaves no batch: {samples} training samples, batches of {batch}"
        )));
    }
    let last = if config.train.drop_last { batch } else { samples % batch };
    if (last == 1 || batch == 1) && normalizes_batches(config, data) {
        return Err(refuse(&format!(
            "batch norm cannot train on a single sample, and the last of the batches of {batch} from {samples} \
             samples has one; change train.batch_size or set train.drop_last = true"
        )));
    }
    Ok(())
}

fn normalizes_batches(config: &RunConfig, data: &Prepared) -> bool {
    let layers = config.model.kind.layers(data.shape(), data.classes().len());
    layers.iter().any(|layer| matches!(layer, LayerConfig::BatchNorm(_)))
}
