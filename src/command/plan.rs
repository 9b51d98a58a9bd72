//! `runner plan`: the table of runs and what is done already.

use std::path::Path;
use std::sync::Arc;

use super::{overrides, print, render, say, session, width};
use crate::cli::{FormatArgs, PlanArgs};
use crate::config::{Experiment, Rows, schema};
use crate::data::Prepared;
use crate::device::{DeviceConfig, free_bytes};
use crate::error::EXIT_OK;
use crate::output::number::duration;
use crate::output::{Cell, Column, Table, axes, pruning};
use crate::run::estimate::in_words;
use crate::run::{self, Action, Expectation, Library, PROBED_STEPS, Plan, PlannedRun, Selection};
use crate::setting::KeyPath;
use crate::store::{RunsDir, Status, json_value};
use crate::sweep::short_key;
use crate::{Error, Result};

/// Rows of a table that is shown whole on a terminal.
const WHOLE: usize = 60;
/// Rows of a longer one that are shown from its start, and from its end.
const HEAD: usize = 20;
const TAIL: usize = 10;

/// Trains nothing, and writes nothing but the file of `--save`.
pub fn execute(args: &PlanArgs) -> Result<u8> {
    let library = Library::default();
    let runs = RunsDir::new(&args.runs.runs);
    let experiment = Experiment::load(&args.file, &overrides(&args.training.set, &args.grid)?)?;
    let mut plan = Plan::new(&experiment, &runs, &library, args.force)?;
    plan.select(&Selection::from(&args.selection));
    for note in &plan.notes {
        say(&format!("note: {note}"));
    }
    let prepared = plan.prepare(&library)?;
    let known = plan.runs.iter().zip(&prepared);
    let known = known.filter_map(|(run, data)| Some((&run.spec.config, data.as_deref()?)));
    for note in run::notes(known)? {
        say(&format!("note: {note}"));
    }
    let devices = session::devices(&args.training.device, devices(&plan))?;
    let slots = run::slots(&devices, args.slots.jobs.map(usize::from), usize::from(args.slots.threads));
    let keys = experiment.swept_keys();
    if let Some(path) = &args.save {
        save(path, &keys, &plan)?;
    }
    let probed = if args.probe { Some(Probed::new(&plan, &prepared, &slots, args)?) } else { None };
    let table = table(&plan, &keys, &library, probed.as_ref(), args.format)?;
    if is_text(args.format) && !keys.is_empty() {
        say(&axes::render(&experiment.describe_axes(), width()));
    }
    print(&render(&table, args.format)?)?;
    say(&totals(&plan));
    if let Some(line) = prune(&experiment, &plan) {
        say(&line);
    }
    let jobs = slots.len();
    if plan.work().next().is_some() {
        say(&match (probed, plan.estimate_seconds(jobs)) {
            (Some(probed), _) => probed.words(jobs),
            (None, Some(seconds)) => {
                format!("about {} with {jobs} at a time, as the completed runs went", duration(seconds))
            }
            (None, None) => {
                "no estimate: no run of it is completed yet; --probe times a few steps".to_owned()
            }
        });
    }
    if let Some(path) = &args.save {
        say(&format!(
            "{} holds the runs; edit it, and train them with: runner run {} --rows {}",
            path.display(),
            args.file.display(),
            path.display()
        ));
    }
    Ok(EXIT_OK)
}

/// The rule by which runs stop early, if there is one.
fn prune(experiment: &Experiment, plan: &Plan) -> Option<String> {
    let rule = experiment.prune()?;
    let own = plan.runs.first()?.spec.config.train.monitor.as_deref().unwrap_or_default();
    let epochs: Vec<usize> = plan.runs.iter().map(|run| run.spec.config.train.epochs).collect();
    Some(pruning::render(rule, rule.column(own), &epochs))
}

/// What a few steps said of the runs.
struct Probed {
    /// Of each run that is to be trained.
    expected: Vec<Option<Expectation>>,
    shapes: usize,
    free: Option<u64>,
}

impl Probed {
    fn new(
        plan: &Plan,
        prepared: &[Option<Arc<Prepared>>],
        slots: &[DeviceConfig],
        args: &PlanArgs,
    ) -> Result<Self> {
        let device = slots.first().copied().unwrap_or_default();
        let threads = usize::from(args.slots.threads);
        let (expected, shapes) = run::probe(plan, prepared, device, threads)?;
        Ok(Self { expected, shapes, free: free_bytes(device) })
    }

    /// Two lines: how long all of it takes, and how much memory the largest runs need at once.
    fn words(&self, jobs: usize) -> String {
        let known: Vec<Expectation> = self.expected.iter().flatten().copied().collect();
        let seconds: Vec<f64> = known.iter().map(|run| run.seconds).collect();
        let mut bytes: Vec<u64> = known.iter().map(|run| run.bytes).collect();
        bytes.sort_unstable_by(|a, b| b.cmp(a));
        let at_once: u64 = bytes.iter().take(jobs).sum();
        let free = self.free.map(|free| format!(", {} are free", in_words(free))).unwrap_or_default();
        let shapes = if self.shapes == 1 { "1 shape".to_owned() } else { format!("{} shapes", self.shapes) };
        format!(
            "about {} with {jobs} at a time, from {PROBED_STEPS} steps of {shapes}, if none ends early\n\
             about {} of memory for the {} largest at once, data left out{free}; nothing was written",
            duration(run::makespan(&seconds, jobs)),
            in_words(at_once),
            jobs.min(known.len()),
        )
    }
}

fn devices(plan: &Plan) -> Vec<DeviceConfig> {
    let mut wanted: Vec<DeviceConfig> = plan.work().map(|run| run.spec.config.device).collect();
    wanted.dedup();
    wanted
}

fn is_text(format: FormatArgs) -> bool {
    !(format.json || format.csv || format.markdown)
}

/// A person may have edited the file: it is never overwritten.
fn save(path: &Path, keys: &[Arc<KeyPath>], plan: &Plan) -> Result<()> {
    use std::io::Write;
    let rows = plan.runs.iter().map(|run| (run.spec.name.as_str(), &run.spec.assignment));
    let text = Rows::render(keys, rows);
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Request(format!(
            "{} is there already: remove it, or choose another name for --save",
            path.display()
        )),
        _ => Error::io("create", path)(error),
    })?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))
}

/// Every run, or the first and the last ones where a person would have to scroll.
fn table(
    plan: &Plan,
    keys: &[Arc<KeyPath>],
    library: &Library,
    probed: Option<&Probed>,
    format: FormatArgs,
) -> Result<Table> {
    let mut columns = vec![Column::text("run")];
    let schema = schema::keys();
    columns.extend(keys.iter().map(|key| Column::number(short_key(&key.to_string(), schema))));
    columns.push(Column::number("parameters"));
    // Swept, they have a column already.
    if !sweeps_epochs(keys) {
        columns.push(Column::number("epochs"));
    }
    columns.extend([Column::text("status"), Column::text("action")]);
    if probed.is_some() {
        columns.extend([Column::number("time"), Column::number("memory")]);
    }
    let width = columns.len();
    let mut table = Table::new(columns);
    let parameters = plan.parameters(library)?;
    let rows: Vec<Vec<Cell>> = plan
        .runs
        .iter()
        .zip(parameters)
        .enumerate()
        .map(|(index, (run, parameters))| {
            let mut cells = row(run, parameters, keys);
            let expected = probed.and_then(|probed| probed.expected[index]);
            cells.push(Cell::of(expected, |expected| Cell::Seconds(expected.seconds)));
            cells.push(Cell::of(expected, |expected| Cell::Bytes(expected.bytes)));
            cells
        })
        .collect();
    let is_long = is_text(format) && rows.len() > WHOLE;
    let (head, tail) = if is_long { (HEAD, TAIL) } else { (rows.len(), 0) };
    for row in &rows[..head] {
        table.push(row.clone());
    }
    if is_long {
        let more = format!("… {} more: --csv and --json have all", rows.len() - head - tail);
        let empty = std::iter::repeat_with(|| Cell::Text("…".to_owned()));
        table.push(std::iter::once(Cell::Text(more)).chain(empty).take(width).collect());
    }
    for row in &rows[rows.len() - tail..] {
        table.push(row.clone());
    }
    Ok(table)
}

fn sweeps_epochs(keys: &[Arc<KeyPath>]) -> bool {
    keys.iter().any(|key| **key == KeyPath::parse("train.epochs"))
}

fn row(run: &PlannedRun, parameters: u64, keys: &[Arc<KeyPath>]) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(run.spec.name.clone())];
    // An axis has no say in a run whose kind lacks its key.
    let chosen = |key: &Arc<KeyPath>| run.spec.assignment.iter().find(|(own, _)| own == key);
    cells.extend(keys.iter().map(|key| Cell::of(chosen(key), |(_, value)| Cell::Setting(json_value(value)))));
    cells.push(Cell::Count(parameters as usize));
    if !sweeps_epochs(keys) {
        cells.push(Cell::Count(run.spec.config.train.epochs));
    }
    cells.push(Cell::Text(run.status.map_or("queued", Status::word).to_owned()));
    cells.push(Cell::Text(run.action.word().to_owned()));
    cells
}

/// One line: how many runs there are, and how they stand.
fn totals(plan: &Plan) -> String {
    let new = plan.runs.iter().filter(|run| run.status.is_none()).count();
    let mut parts = vec![format!("{new} new")];
    for status in [
        Status::Completed,
        Status::Interrupted,
        Status::Failed,
        Status::Diverged,
        Status::Stopped,
        Status::Running,
    ] {
        let count = plan.runs.iter().filter(|run| run.status == Some(status)).count();
        if count > 0 {
            parts.push(format!("{count} {}", status.word()));
        }
    }
    let count = |action| plan.runs.iter().filter(|run| run.action == action).count();
    let mut todo = vec![format!("{} to train", count(Action::Train))];
    if count(Action::Resume) > 0 {
        todo.push(format!("{} to resume", count(Action::Resume)));
    }
    let runs = if plan.runs.len() == 1 { "run" } else { "runs" };
    format!("{}: {} {runs} ({}): {}", plan.experiment, plan.runs.len(), parts.join(", "), todo.join(", "))
}
