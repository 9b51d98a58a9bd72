//! `runner run`: expand, train what is not done, compare.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{compare, is_closed_pipe, overrides, print, say, training, width};
use crate::Result;
use crate::cli::RunArgs;
use crate::config::Experiment;
use crate::run::{self, Action, Library, Plan, Task};
use crate::store::{self, RunsDir, Status};

/// Everything is checked before the first run starts.
pub fn execute(args: &RunArgs) -> Result<u8> {
    let library = Arc::new(Library::default());
    let runs = RunsDir::new(&args.runs.runs);
    let overrides = overrides(&args.training.set, &args.grid)?;
    let mut plans = Vec::new();
    for file in &args.files {
        let experiment = Experiment::load(file, &overrides)?;
        let plan = Plan::new(&experiment, &runs, &library, args.force)?;
        for note in plan.notes.iter().filter(|_| !args.verbosity.quiet) {
            say(&format!("note: {note}"));
        }
        let is_run = file.with_file_name(store::layout::RECORD).is_file();
        let text = if is_run { None } else { Some(experiment.render()?) };
        plans.push((plan, text));
    }
    let devices = plans.iter().flat_map(|(plan, _)| plan.work().map(|run| run.spec.config.device));
    let device = training::device(args.training.device, devices)?;
    let mut tasks: Vec<Task> = Vec::new();
    for (plan, _) in &plans {
        tasks.extend(tasks_of(plan, &library, args.force)?);
    }
    if !args.verbosity.quiet {
        for note in run::notes(tasks.iter().map(|task| (&task.spec.config, task.data.as_ref())))? {
            say(&format!("note: {note}"));
        }
    }
    // Two files may describe the same run of one experiment.
    let mut seen = BTreeSet::new();
    tasks.retain(|task| seen.insert((task.experiment.clone(), task.spec.id.clone())));
    for (plan, text) in &plans {
        if let Some(text) = text {
            store::save_experiment(&plan.dir, text)?;
        }
    }
    let total: usize = plans.iter().map(|(plan, _)| plan.runs.len()).sum();
    let done_before = total - tasks.len();
    if !args.verbosity.quiet {
        say(&opening(&plans.iter().map(|(plan, _)| plan).collect::<Vec<_>>(), &device.to_string()));
    }
    let mut standing: Vec<Status> =
        plans.iter().flat_map(|(plan, _)| &plan.runs).filter_map(left_alone).collect();
    let (ended, signal) = if tasks.is_empty() {
        (Vec::new(), None)
    } else {
        training::train(args.slots.into(), args.verbosity, device, library, tasks, done_before)?
    };
    if signal.is_some() {
        say(&format!("interrupted; continue with: {}", training::command_line()));
    }
    standing.extend(ended.iter().map(|run| run.status));
    // A table of half a sweep would be taken for the result.
    for (plan, _) in plans.iter().filter(|_| signal.is_none()) {
        let entries = store::scan(&runs, Some(&plan.experiment))?;
        for table in compare::tables(&entries, false) {
            match print(&table.1.text(width())) {
                // Nobody reads the table; how the runs stand is still to be told.
                Err(error) if is_closed_pipe(&error) => {}
                other => other?,
            }
        }
    }
    Ok(signal.unwrap_or_else(|| training::exit_code(standing)))
}

fn tasks_of(plan: &Plan, library: &Library, force: bool) -> Result<Vec<Task>> {
    let prepared = plan.prepare(library)?;
    let tasks = plan.runs.iter().zip(prepared).filter_map(|(run, data)| {
        Some(Task {
            spec: run.spec.clone(),
            dir: plan.dir_of(run),
            experiment: plan.experiment.clone(),
            data: data?,
            force,
        })
    });
    Ok(tasks.collect())
}

/// The status of a run that is not trained now, if it counts against the exit code.
fn left_alone(run: &crate::run::PlannedRun) -> Option<Status> {
    (run.action == Action::Leave).then_some(Status::Diverged)
}

/// One line an experiment: how much there is to do.
fn opening(plans: &[&Plan], device: &str) -> String {
    let line = |plan: &Plan| {
        let count = |action| plan.runs.iter().filter(|run| run.action == action).count();
        let mut parts = vec![format!("{} to train", count(Action::Train))];
        for (action, words) in [
            (Action::Resume, "to resume"),
            (Action::Wait, "trained by another process"),
            (Action::Skip, "completed before"),
            (Action::Leave, "diverged before (--force trains them again)"),
        ] {
            let count = count(action);
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        let runs = if plan.runs.len() == 1 { "run" } else { "runs" };
        format!("{}: {} {runs} on {device}: {}", plan.experiment, plan.runs.len(), parts.join(", "))
    };
    plans.iter().map(|plan| line(plan)).collect::<Vec<_>>().join("\n")
}
