//! The runs of an experiment under its rule of `sweep.prune`: trained from rung to rung, and stopped where the rule
//! says so.
//!
//! What the rule says follows from what is recorded in the folders alone, so it does not matter how many runs are
//! trained at once, in which order they end, or how often everything is killed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::plan::{Plan, PlannedRun};
use super::scheduler::Scheduler;
use super::task::{Ended, Task};
use crate::Result;
use crate::store::{Conclusion, RunEntry, RunLock, Status, lock_key};
use crate::sweep::prune::{Monitored, PruneConfig, Standing, State, Verdict};

/// Where a run stands in the race.
struct Runner<'a> {
    run: &'a PlannedRun,
    /// What is trained of it, if this request may.
    task: Option<Task>,
    /// Whether it can get on.
    is_open: bool,
    /// What was recorded before does not count: it is trained from the start.
    is_fresh: bool,
    /// It failed in this request, or does not get on.
    is_lost: bool,
    /// Where it was to go last, and how far it had been then.
    asked: Option<(usize, usize)>,
    /// The values of the monitored column.
    values: Vec<f64>,
    status: Option<Status>,
}

/// An experiment with a rule.
pub(super) struct Race<'a> {
    plan: &'a Plan,
    rule: Arc<PruneConfig>,
    runners: Vec<Runner<'a>>,
}

impl<'a> Race<'a> {
    /// The experiment of `plan`, if it has a rule: it takes its tasks out of `tasks`.
    pub fn new(plan: &'a Plan, tasks: &mut Vec<Task>) -> Option<Self> {
        let rule = Arc::clone(plan.prune.as_ref()?);
        let is_own = |task: &mut Task| task.experiment == plan.experiment;
        let mut own: HashMap<String, Task> =
            tasks.extract_if(.., is_own).map(|task| (task.spec.id.clone(), task)).collect();
        let runners = plan.all().into_iter().map(|run| {
            let task = own.remove(&run.spec.id).map(|task| Task { prune: Some(Arc::clone(&rule)), ..task });
            Runner::new(run, task)
        });
        Some(Self { plan, runners: runners.collect(), rule })
    }

    /// What the rule says of each runner as they stand; none of those that run elsewhere.
    fn verdicts(&mut self) -> Result<Vec<(&mut Runner<'a>, Verdict)>> {
        for runner in &mut self.runners {
            runner.look(self.plan, &self.rule)?;
        }
        // Who has nothing recorded and is not to be trained here runs elsewhere: nobody waits for it.
        let racing = |runner: &&mut Runner<'_>| runner.is_open || runner.status.is_some();
        let racing: Vec<&mut Runner<'a>> = self.runners.iter_mut().filter(racing).collect();
        let own = racing.first().map(|runner| runner.run.spec.config.train.monitor());
        let Some(monitored) = own.and_then(|own| Monitored::of(self.rule.column(own))) else {
            return Ok(Vec::new());
        };
        let standings: Vec<Standing<'_>> = racing.iter().map(|runner| runner.standing()).collect();
        let verdicts = self.rule.verdicts(monitored, &standings);
        Ok(racing.into_iter().zip(verdicts).collect())
    }

    /// The next leg of every run that goes on; those that the rule stops are stopped and added to `results`.
    ///
    /// None is left when the race is over.
    pub fn legs(&mut self, scheduler: &Scheduler<'_>, results: &mut Vec<Ended>) -> Result<Vec<Task>> {
        let plan = self.plan;
        let mut legs = Vec::new();
        for (runner, verdict) in self.verdicts()? {
            match verdict {
                Verdict::Train { until } => legs.extend(runner.leg(until, scheduler)),
                Verdict::Stop { reason, .. } => results.extend(runner.stop(&reason, plan, scheduler)?),
                Verdict::Wait | Verdict::Over => {}
            }
        }
        Ok(legs)
    }

    /// Takes notice of how a leg ended.
    pub fn note(&mut self, ended: &[Ended]) {
        let failed: HashSet<&str> = ended
            .iter()
            .filter(|run| run.experiment == self.plan.experiment)
            .filter(|run| matches!(run.status, Status::Failed | Status::Diverged))
            .map(|run| run.id.as_str())
            .collect();
        for runner in &mut self.runners {
            runner.is_lost |= failed.contains(runner.run.spec.id.as_str());
        }
    }
}

/// The runs of a plan, by their index, that its rule would stop as they stand.
pub(super) fn stopped(plan: &Plan) -> Result<Vec<usize>> {
    let Some(rule) = plan.prune.clone() else { return Ok(Vec::new()) };
    let mut runners: Vec<Runner<'_>> = plan.runs.iter().map(|run| Runner::new(run, None)).collect();
    for runner in &mut runners {
        runner.is_open = runner.run.action.may_train();
    }
    let mut race = Race { plan, rule, runners };
    let verdicts = race.verdicts()?;
    let stopped = verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Stop { .. }));
    Ok(stopped.map(|(runner, _)| runner.run.position).collect())
}

impl<'a> Runner<'a> {
    fn new(run: &'a PlannedRun, task: Option<Task>) -> Self {
        let (is_open, is_fresh) = (task.is_some(), task.as_ref().is_some_and(|task| task.force));
        let (values, asked, status) = (Vec::new(), None, None);
        Self { run, task, is_open, is_fresh, is_lost: false, asked, values, status }
    }

    /// Reads what is recorded.
    fn look(&mut self, plan: &Plan, rule: &PruneConfig) -> Result<()> {
        if self.is_fresh {
            return Ok(());
        }
        let dir = self.task.as_ref().map_or_else(|| plan.dir_of(self.run), |task| task.dir.clone());
        let entry = RunEntry::load(&dir)?.filter(|entry| entry.record.id == self.run.spec.id);
        let Some(entry) = entry else { return Ok(()) };
        let column = rule.column(self.run.spec.config.train.monitor());
        let rows = entry.metrics().unwrap_or_default();
        self.values = rows.iter().map(|row| row.value(column).unwrap_or(f64::NAN)).collect();
        self.status = Some(entry.record.status);
        Ok(())
    }

    fn standing(&self) -> Standing<'_> {
        let state = match self.status {
            _ if self.is_lost => State::Lost,
            Some(Status::Completed) if !self.is_fresh => State::Over,
            _ if self.is_open => State::Open,
            Some(Status::Failed | Status::Diverged) => State::Lost,
            _ => State::Over,
        };
        Standing { values: &self.values, epochs: self.run.spec.config.train.epochs, state }
    }

    fn leg(&mut self, until: usize, scheduler: &Scheduler<'_>) -> Option<Task> {
        let asked = Some((until, self.values.len()));
        if self.asked == asked && !self.is_fresh {
            // It came back as far as it was: whatever holds it up, the others do not wait for it again.
            self.is_lost = true;
            scheduler.audience.say(&format!("{}  does not get on", self.run.spec.name));
            return None;
        }
        self.asked = asked;
        let epochs = self.run.spec.config.train.epochs;
        let task = self.task.as_mut()?;
        let leg = Task { until: (until < epochs).then_some(until), ..task.clone() };
        // Only the first leg begins from the start.
        task.force = false;
        self.is_fresh = false;
        Some(leg)
    }

    /// Records that the rule stops the run, unless that stands there already or another process is at work on it.
    fn stop(&mut self, reason: &str, plan: &Plan, scheduler: &Scheduler<'_>) -> Result<Option<Ended>> {
        let Some(task) = self.task.take() else { return Ok(None) };
        let spec = &task.spec;
        let ended = Ended {
            experiment: plan.experiment.clone(),
            name: spec.name.clone(),
            id: spec.id.clone(),
            status: Status::Stopped,
            failure: None,
            trained: true,
            waits: false,
        };
        if let Some(_lock) = RunLock::try_acquire(&plan.dir, &lock_key(&spec.id, &spec.name))? {
            let entry = RunEntry::load(&task.dir)?;
            let is_told = entry.is_some_and(|entry| {
                entry.record.status == Status::Stopped && entry.record.stop_reason.as_deref() == Some(reason)
            });
            if !is_told {
                Conclusion::Stopped { reason }.write(&task.dir, &spec.id, jiff::Timestamp::now())?;
                scheduler.audience.say(&format!("{}  stopped: {reason}", spec.name));
            }
        }
        scheduler.audience.ended(&ended);
        Ok(Some(ended))
    }
}

impl Scheduler<'_> {
    /// Trains the tasks of the plans; under a rule of `sweep.prune` from rung to rung. What ended, each run once.
    pub fn carry_out(&self, plans: &[Plan], mut tasks: Vec<Task>) -> Result<Vec<Ended>> {
        let mut races: Vec<Race<'_>> = plans.iter().filter_map(|plan| Race::new(plan, &mut tasks)).collect();
        let mut results: Vec<Ended> = Vec::new();
        let mut last: HashMap<(String, String), Ended> = HashMap::new();
        let key = |run: &Ended| (run.experiment.clone(), run.id.clone());
        loop {
            for race in &mut races {
                tasks.extend(race.legs(self, &mut results)?);
            }
            if tasks.is_empty() || self.halt.asked() {
                break;
            }
            let asked = tasks.len();
            let ended = self.run(std::mem::take(&mut tasks));
            for race in &mut races {
                race.note(&ended);
            }
            // A disk that takes nothing more ends everything.
            let is_over = ended.len() < asked;
            for run in ended {
                last.insert(key(&run), run);
            }
            if is_over {
                break;
            }
        }
        for run in &results {
            last.remove(&key(run));
        }
        let mut last: Vec<Ended> = last.into_values().collect();
        last.sort_by(|a, b| (&a.experiment, &a.name).cmp(&(&b.experiment, &b.name)));
        results.extend(last);
        Ok(results)
    }
}
