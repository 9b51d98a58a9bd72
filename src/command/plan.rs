//! `runner plan`: the table of runs and what is done already.

use super::training::Slots;
use super::{overrides, print, render, say, training};
use crate::Result;
use crate::cli::PlanArgs;
use crate::config::{Experiment, schema};
use crate::device::DeviceConfig;
use crate::error::EXIT_OK;
use crate::output::number::duration;
use crate::output::{Cell, Column, Table};
use crate::run::{Action, Library, Plan, PlannedRun};
use crate::store::{RunsDir, Status, json_value};
use crate::sweep::{Axis, short_key};

/// Trains nothing and writes nothing.
pub fn execute(args: &PlanArgs) -> Result<u8> {
    let library = Library::default();
    let runs = RunsDir::new(&args.runs.runs);
    let experiment = Experiment::load(&args.file, &overrides(&args.training.set, &args.grid))?;
    let plan = Plan::new(&experiment, &runs, &library, args.force)?;
    for note in &plan.notes {
        say(&format!("note: {note}"));
    }
    plan.prepare(&library)?;
    let wanted: Vec<DeviceConfig> = plan.work().map(|run| run.spec.config.device).collect();
    let device = training::device(args.training.device, wanted)?;
    let mut columns = vec![Column::text("run")];
    let schema = schema::keys();
    let swept = experiment.axes().iter().map(|axis| axis.key.to_string());
    columns.extend(swept.map(|key| Column::number(short_key(&key, schema))));
    columns.extend([Column::number("parameters"), Column::number("epochs")]);
    columns.extend([Column::text("status"), Column::text("action")]);
    let mut table = Table::new(columns);
    for run in &plan.runs {
        table.push(row(run, experiment.axes(), &library)?);
    }
    print(&render(&table, args.format)?)?;
    let count = |action| plan.runs.iter().filter(|run| run.action == action).count();
    say(&format!(
        "{}: {} {}: {} to train, {} to resume, {} completed, {} diverged",
        plan.experiment,
        plan.runs.len(),
        if plan.runs.len() == 1 { "run" } else { "runs" },
        count(Action::Train),
        count(Action::Resume),
        count(Action::Skip),
        count(Action::Leave),
    ));
    let jobs = Slots::from(args.slots).jobs(device);
    if plan.work().next().is_some() {
        say(&match plan.estimate_seconds(jobs) {
            Some(seconds) => {
                format!("about {} with {jobs} at a time, as the completed runs went", duration(seconds))
            }
            None => "no estimate: no run of it is completed yet".to_owned(),
        });
    }
    Ok(EXIT_OK)
}

fn row(run: &PlannedRun, axes: &[Axis], library: &Library) -> Result<Vec<Cell>> {
    let config = &run.spec.config;
    let data = library.prepared(&config.data)?;
    let parameters = config.model.parameter_count(data.shape(), data.classes().len())?;
    let mut cells = vec![Cell::Text(run.spec.name.clone())];
    // An axis has no say in a run whose kind lacks its key.
    let chosen = |axis: &Axis| run.spec.assignment.iter().find(|(key, _)| *key == axis.key);
    cells.extend(
        axes.iter().map(|axis| Cell::of(chosen(axis), |(_, value)| Cell::Setting(json_value(value)))),
    );
    cells.push(Cell::Count(parameters as usize));
    cells.push(Cell::Count(config.train.epochs));
    cells.push(Cell::Text(run.status.map_or("queued", Status::word).to_owned()));
    cells.push(Cell::Text(run.action.word().to_owned()));
    Ok(cells)
}
