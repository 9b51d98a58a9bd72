//! What there is to do: every run of an experiment beside what its folder says of it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::action::{Action, action};
use super::cost::{Shape, epoch_seconds, median, shape};
use super::estimate::run_bytes;
use super::fit::{Blame, Refusal, blamed, fit};
use super::library::Library;
use super::name::Names;
use super::race;
use super::selection::Selection;
use super::spec::{RunSpec, Specifier};
use super::task::Task;
use super::weights::locate;
use crate::config::{Experiment, NAMED, RunConfig, Written, hit, words};
use crate::data::Prepared;
use crate::setting::{Diagnostic, Shared};
use crate::store::{self, RunsDir, Status};
use crate::sweep::prune::PruneConfig;
use crate::{Error, Result};

/// A run and what is to be done with it.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// The run, with its folder's name.
    pub spec: RunSpec,
    /// Where it stands; `None` for a run that has no folder yet.
    pub status: Option<Status>,
    /// What to do.
    pub action: Action,
    /// Its place in the sweep, from 0.
    pub position: usize,
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
    /// Runs of the sweep that this request is not about.
    others: Vec<PlannedRun>,
    /// The rule by which runs stop before their last epoch.
    pub prune: Option<Arc<PruneConfig>>,
    /// What the user should know of how the runs came about, a line each.
    pub notes: Vec<String>,
    /// What an epoch took in the runs of this experiment that are completed: the median.
    pub seconds_per_epoch: Option<f64>,
    /// The same for each shape of runs of which one is completed.
    pub(super) paces: HashMap<Shape, f64>,
    /// The settings that a refusal may be due to, and where they were written.
    written: Vec<Written>,
}

impl Plan {
    /// Expands and checks the experiment, and looks every run up in the runs folder.
    pub fn new(experiment: &Experiment, runs: &RunsDir, library: &Library, force: bool) -> Result<Self> {
        let mut expansion = experiment.expand()?;
        let mut notes = experiment.notes().to_vec();
        notes.extend(expansion.notes);
        let name = experiment.name().to_owned();
        let dir = runs.experiment(&name);
        let entries = store::scan(runs, Some(&name))?;
        let known = store::index_by_id(&entries);
        let written = experiment.written(blamed());
        if let Some((path, error)) = locate(&mut expansion.drafts, runs, library).into_iter().next() {
            let hit = expansion
                .drafts
                .iter()
                .filter(|draft| draft.config.model.common.weights.as_ref() == Some(&path));
            let hit = hit.map(|draft| words(&draft.assignment)).collect();
            let refusal = Refusal { reason: error.to_string(), blame: Some(Blame::File(path)) };
            return Err(refused(IndexMap::from([(refusal, hit)]), &written, expansion.drafts.len()));
        }
        // A folder whose record is damaged is that of the run that its name speaks of.
        let named = entries.iter().filter(|entry| !entry.record.id.is_empty());
        let mut names = Names::new(named.map(|entry| entry.name.clone()));
        let mut specifier = Specifier::new(library);
        let mut absent: IndexMap<Refusal, Vec<String>> = IndexMap::new();
        let mut seen = HashSet::new();
        let mut planned = Vec::with_capacity(expansion.drafts.len());
        let mut measured: HashMap<Shape, Vec<f64>> = HashMap::new();
        for draft in &expansion.drafts {
            let mut spec = match specifier.specify(draft) {
                Ok(spec) => spec,
                // The other runs may have absent files as well.
                Err(error @ Error::Unreadable { .. }) => {
                    absent.entry(error.into()).or_default().push(words(&draft.assignment));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !seen.insert(spec.id.clone()) {
                continue;
            }
            let entry = known.get(spec.id.as_str()).copied();
            spec.name = match entry {
                Some(entry) => entry.name.clone(),
                None => names.free(&spec),
            };
            if let Some(seconds) = entry.and_then(epoch_seconds) {
                measured.entry(shape(&spec.config)).or_default().push(seconds);
            }
            let status = entry.map(|entry| entry.record.status);
            let action = action(entry, force);
            let position = planned.len();
            planned.push(PlannedRun { spec, status, action, position });
        }
        if !absent.is_empty() {
            return Err(refused(absent, &written, expansion.drafts.len()));
        }
        let seconds_per_epoch = median(entries.iter().filter_map(epoch_seconds).collect());
        let paces = measured.into_iter().filter_map(|(shape, seconds)| Some((shape, median(seconds)?)));
        let paces = paces.collect();
        match expansion.equal + expansion.drafts.len() - planned.len() {
            0 => {}
            1 => notes.push("1 combination equals another one and is no run of its own".to_owned()),
            equal => notes.push(format!("{equal} combinations equal others and are no runs of their own")),
        }
        let (runs, others, prune) = (planned, Vec::new(), experiment.prune().cloned().map(Arc::new));
        let mut plan =
            Self { experiment: name, dir, runs, others, prune, notes, seconds_per_epoch, paces, written };
        if !force {
            plan.leave_stopped()?;
        }
        Ok(plan)
    }

    /// Reads the data of every run that is to be trained and refuses what does not fit it.
    ///
    /// The data of each run in the order of [`runs`](Self::runs); `None` where nothing is to be trained.
    pub fn prepare(&self, library: &Library) -> Result<Vec<Option<Arc<Prepared>>>> {
        let mut prepared = Vec::with_capacity(self.runs.len());
        // Looked at once for all runs that share everything that is held against the data.
        let mut fits: HashMap<[usize; 6], Result<Arc<Prepared>, Refusal>> = HashMap::new();
        // One message a cause, with the runs that it hits.
        let mut failed: IndexMap<Refusal, Vec<String>> = IndexMap::new();
        for run in &self.runs {
            if !run.action.may_train() {
                prepared.push(None);
                continue;
            }
            let key = decisive(&run.spec.config);
            match fits.entry(key).or_insert_with(|| fit(&run.spec, library)) {
                Ok(data) => prepared.push(Some(Arc::clone(data))),
                Err(reason) => failed.entry(reason.clone()).or_default().push(run.spec.name.clone()),
            }
        }
        if failed.is_empty() { Ok(prepared) } else { Err(refused(failed, &self.written, self.runs.len())) }
    }

    /// Under a rule, runs that it has stopped are left as they are if it would again.
    fn leave_stopped(&mut self) -> Result<()> {
        for index in race::stopped(self)? {
            if self.runs[index].status == Some(Status::Stopped) {
                self.runs[index].action = Action::Stop;
            }
        }
        Ok(())
    }

    /// Leaves the runs that are meant.
    pub fn select(&mut self, selection: &Selection) {
        let is_other = |run: &mut PlannedRun| !selection.takes(run.position, run.status);
        self.others.extend(self.runs.extract_if(.., is_other));
    }

    /// Every run of the sweep in its order, those that the request is not about too.
    pub(super) fn all(&self) -> Vec<&PlannedRun> {
        let mut all: Vec<&PlannedRun> = self.runs.iter().chain(&self.others).collect();
        all.sort_by_key(|run| run.position);
        all
    }

    /// The runs that are to be trained, with their data.
    pub fn tasks(&self, library: &Library, force: bool) -> Result<Vec<Task>> {
        let prepared = self.prepare(library)?;
        let costs = self.costs(&prepared)?;
        let mut needs: HashMap<[usize; 6], u64> = HashMap::new();
        let mut tasks = Vec::new();
        for ((run, data), cost) in self.runs.iter().zip(prepared).zip(costs) {
            let Some(data) = data else { continue };
            let bytes = match needs.entry(decisive(&run.spec.config)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(free) => *free.insert(run_bytes(&run.spec, &data)?),
            };
            tasks.push(Task {
                spec: run.spec.clone(),
                dir: self.dir_of(run),
                experiment: self.experiment.clone(),
                data,
                force,
                until: None,
                prune: None,
                cost,
                bytes,
            });
        }
        Ok(tasks)
    }

    /// The folder of a run of this plan.
    pub fn dir_of(&self, run: &PlannedRun) -> PathBuf {
        self.dir.join(&run.spec.name)
    }

    /// The numbers to train of each run, in the order of [`runs`](Self::runs). Reads the data of all of them.
    pub fn parameters(&self, library: &Library) -> Result<Vec<u64>> {
        let mut counts: HashMap<[usize; 2], u64> = HashMap::new();
        let mut all = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            let RunConfig { data, model, .. } = &run.spec.config;
            let key = [data.address(), model.address()];
            let count = if let Some(count) = counts.get(&key) {
                *count
            } else {
                let data = library.prepared(data)?;
                let outputs = run.spec.config.loss().outputs(data.task())?;
                model.parameter_count(&data.shape(), outputs)?
            };
            counts.insert(key, count);
            all.push(count);
        }
        Ok(all)
    }

    /// The runs that there is something to train of.
    pub fn work(&self) -> impl Iterator<Item = &PlannedRun> {
        self.runs.iter().filter(|run| run.action.is_work())
    }
}

/// The tables that decide whether a run fits its data and what it needs, by their addresses.
fn decisive(config: &RunConfig) -> [usize; 6] {
    let RunConfig { data, model, loss, optimizer, metrics, train, .. } = config;
    let loss = loss.as_ref().map_or(0, Shared::address);
    [data.address(), model.address(), loss, optimizer.address(), metrics.address(), train.address()]
}

/// One message a cause, with the runs that it hits.
fn refused(causes: IndexMap<Refusal, Vec<String>>, written: &[Written], total: usize) -> Error {
    let diagnostic = |(refusal, runs): (Refusal, Vec<String>)| Diagnostic {
        message: refusal.reason,
        excerpt: refusal.blame.and_then(|blame| blame.place(written)),
        label: String::new(),
        notes: hit(&runs[..runs.len().min(NAMED)], runs.len(), total),
        help: None,
    };
    Error::Settings(causes.into_iter().map(diagnostic).collect())
}
