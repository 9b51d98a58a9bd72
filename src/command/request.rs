//! Experiments are trained: what `run` and `resume` do once they know which.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::session::{self, Options, Session};
use super::{compare, is_closed_pipe, print, say, training, width};
use crate::Result;
use crate::cli::{ExecutionArgs, SlotArgs, VerbosityArgs};
use crate::config::Experiment;
use crate::device::DeviceConfig;
use crate::error::{EXIT_ENVIRONMENT, EXIT_RUNS};
use crate::run::{self, Action, Ended, Library, Plan, Selection, Task};
use crate::store::{self, Failure, RunsDir, Status};

/// What is asked for.
pub struct Request<'a> {
    /// The experiments, and the text that is kept beside their runs, if it is to be.
    pub experiments: Vec<(Experiment, Option<String>)>,
    pub runs: RunsDir,
    pub selection: Selection,
    pub device: &'a [DeviceConfig],
    pub slots: SlotArgs,
    pub execution: ExecutionArgs,
    pub force: bool,
    pub fail_fast: bool,
    pub on_end: Option<&'a str>,
    pub verbosity: VerbosityArgs,
}

/// How everything stands at the end.
struct Standing {
    completed: usize,
    failed: usize,
    left: usize,
    /// Whether the disk took nothing more.
    is_full: bool,
}

/// Everything is checked before the first run starts.
pub fn carry_out(request: &Request<'_>) -> Result<u8> {
    let library = Arc::new(Library::default());
    let note = |text: &str| {
        if !request.verbosity.quiet {
            say(&format!("note: {text}"));
        }
    };
    let mut plans = Vec::new();
    for (experiment, _) in &request.experiments {
        let mut plan = Plan::new(experiment, &request.runs, &library, request.force)?;
        plan.select(&request.selection);
        plan.notes.iter().for_each(|text| note(text));
        plans.push(plan);
    }
    let wanted = plans.iter().flat_map(|plan| plan.work().map(|run| run.spec.config.device));
    let devices = session::devices(request.device, wanted)?;
    let threads = request.slots.threads;
    let slots = run::slots(&devices, request.slots.jobs.map(usize::from), usize::from(threads));
    let tasks = tasks(&plans, &library, request.force)?;
    for text in run::notes(tasks.iter().map(|task| (&task.spec.config, task.data.as_ref())))? {
        note(&text);
    }
    for (plan, (_, text)) in plans.iter().zip(&request.experiments) {
        if let Some(text) = text {
            store::save_experiment(&plan.dir, text)?;
        }
    }
    if !request.verbosity.quiet {
        say(&opening(&plans, &session::device_names(&slots)));
    }
    let (execution, verbosity) = (request.execution, request.verbosity);
    let options = Options { slots, threads, execution, fail_fast: request.fail_fast, verbosity };
    let (ended, signal) = train(options, &library, &plans, tasks)?;
    let standing = stand(&plans, &ended);
    let code = conclude(request, &plans, &standing, signal)?;
    if let Some(command) = request.on_end {
        session::on_end(command, &variables(request, &plans, &standing, code));
    }
    Ok(code)
}

/// The runs that are to be trained, each once: two files may describe the same run of one experiment.
fn tasks(plans: &[Plan], library: &Library, force: bool) -> Result<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    for plan in plans {
        tasks.extend(plan.tasks(library, force)?);
    }
    let mut seen = BTreeSet::new();
    tasks.retain(|task| seen.insert((task.experiment.clone(), task.spec.id.clone())));
    Ok(tasks)
}

/// What ended, and the signal's code if one came.
fn train(
    options: Options,
    library: &Arc<Library>,
    plans: &[Plan],
    tasks: Vec<Task>,
) -> Result<(Vec<Ended>, Option<u8>)> {
    let Some(first) = tasks.first() else { return Ok((Vec::new(), None)) };
    let VerbosityArgs { quiet, verbose } = options.verbosity;
    if !quiet {
        training::tell_transfers(library, verbose);
    }
    if verbose {
        say(&training::preamble(first)?);
    }
    let total: usize = plans.iter().map(|plan| plan.runs.len()).sum();
    let session = Session::open(options, Arc::clone(library), total)?;
    session.skip(total.saturating_sub(tasks.len()));
    let ended = session.train(|scheduler| scheduler.carry_out(plans, tasks));
    let signal = session.close();
    Ok((ended?, signal))
}

/// Counts how the runs of the request stand, those that were not touched too.
fn stand(plans: &[Plan], ended: &[Ended]) -> Standing {
    let is_full = ended.iter().any(|run| matches!(run.failure, Some((Failure::Disk, _))));
    let mut standing = Standing { completed: 0, failed: 0, left: 0, is_full };
    let trained: BTreeSet<&str> = ended.iter().map(|run| run.id.as_str()).collect();
    let untouched = plans.iter().flat_map(|plan| &plan.runs);
    let untouched = untouched.filter(|run| !trained.contains(run.spec.id.as_str()));
    let untouched = untouched.map(|run| match run.action {
        Action::Skip => Status::Completed,
        Action::Leave => Status::Diverged,
        Action::Stop => Status::Stopped,
        Action::Train | Action::Resume | Action::Wait => Status::Interrupted,
    });
    for status in ended.iter().map(|run| run.status).chain(untouched) {
        match status {
            Status::Completed => standing.completed += 1,
            Status::Stopped => {}
            Status::Failed | Status::Diverged => standing.failed += 1,
            Status::Interrupted | Status::Running => standing.left += 1,
        }
    }
    standing
}

/// Says how it ended; the exit code.
fn conclude(request: &Request<'_>, plans: &[Plan], standing: &Standing, signal: Option<u8>) -> Result<u8> {
    let left = standing.left;
    if signal.is_some() {
        say(&format!("interrupted; continue with: {}", training::command_line()));
    } else if left > 0 {
        let runs = if left == 1 { "1 run is" } else { &format!("{left} runs are") };
        say(&format!("{runs} left; continue with: {}", training::command_line()));
    } else {
        // A table of half a sweep would be taken for the result.
        tell_results(request, plans)?;
    }
    Ok(match signal {
        Some(code) => code,
        None if standing.is_full => EXIT_ENVIRONMENT,
        None if standing.failed > 0 || left > 0 => EXIT_RUNS,
        None => crate::error::EXIT_OK,
    })
}

fn tell_results(request: &Request<'_>, plans: &[Plan]) -> Result<()> {
    for plan in plans {
        let entries = store::scan(&request.runs, Some(&plan.experiment))?;
        for table in compare::tables(&entries, false) {
            match print(&table.1.text(width())) {
                // Nobody reads the table; how the runs stand is still to be told.
                Err(error) if is_closed_pipe(&error) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn variables(
    request: &Request<'_>,
    plans: &[Plan],
    standing: &Standing,
    code: u8,
) -> [(&'static str, String); 6] {
    let names: Vec<&str> = plans.iter().map(|plan| plan.experiment.as_str()).collect();
    [
        ("RUNNER_EXIT_CODE", code.to_string()),
        ("RUNNER_EXPERIMENTS", names.join(" ")),
        ("RUNNER_RUNS", request.runs.path().display().to_string()),
        ("RUNNER_COMPLETED", standing.completed.to_string()),
        ("RUNNER_FAILED", standing.failed.to_string()),
        ("RUNNER_LEFT", standing.left.to_string()),
    ]
}

/// One line an experiment: how much there is to do.
fn opening(plans: &[Plan], device: &str) -> String {
    let line = |plan: &Plan| {
        let count = |action| plan.runs.iter().filter(|run| run.action == action).count();
        let mut parts = vec![format!("{} to train", count(Action::Train))];
        for (action, words) in [
            (Action::Resume, "to resume"),
            (Action::Wait, "trained by another process"),
            (Action::Skip, "completed before"),
            (Action::Stop, "stopped by sweep.prune before"),
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
    plans.iter().map(line).collect::<Vec<_>>().join("\n")
}
