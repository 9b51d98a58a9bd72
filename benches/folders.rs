//! What reading 10,000 runs takes: `list`, `compare`, and `run` before it trains the one run that is new.
//!
//! `cargo bench --bench folders`. The folders are those of a real sweep, with the files of a run that was really
//! trained; the times are the best and the median of several, with everything in the system's cache.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use runner::config::{Experiment, Overrides};
use runner::output::view;
use runner::report::{self, Monitor, Subject};
use runner::run::{Library, Plan};
use runner::store::file::Durability;
use runner::store::{self, RunRecord, RunsDir, layout};
use runner::train::event::Row;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_runner");
const EPOCHS: usize = 20;
const REPEATS: usize = 7;
const SETTINGS: &str = r#"
[data]
source = "digits"

[model]
kind = "mlp"
hidden = [8]
regularizer = { kind = "dropout", p = 0.1 }

[optimizer]
kind = "adam"

[train]
epochs = 20
early_stopping = { monitor = "valid_loss", patience = 20 }
"#;
/// 25 × 20 × 20 runs, and those of one more learning rate.
const SWEEP: &str = r#"
[sweep]
seeds = 20

[[sweep.union]]
grid = { "model.regularizer.p" = { linspace = [0.0, 0.6], count = 25 }, "optimizer.lr" = { logspace = [1e-4, 1e-1], count = 20 } }

[[sweep.union]]
grid = { "optimizer.lr" = [0.5] }
"#;
const NAME: &str = "sweep";

fn main() -> Outcome<()> {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    runner::device::limit_candle_threads();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("sweep.toml");
    fs::write(&file, format!("name = \"{NAME}\"\n{SETTINGS}{SWEEP}"))?;
    let runs = RunsDir::new(folder.path().join("runs"));
    let template = Template::train(folder.path())?;
    let new = generate(&file, &runs, &template)?;
    let place = Place { folder: folder.path(), file, runs, new };
    println!("{:<32} {:>8} {:>8}", "seconds", "best", "median");
    place.list()?;
    place.compare()?;
    place.start()?;
    place.programs()
}

/// The files of a run that was trained.
struct Template {
    record: RunRecord,
    /// Every other file that all runs can have alike, by its path in the folder.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Template {
    fn train(folder: &Path) -> Outcome<Self> {
        let file = folder.join("template.toml");
        fs::write(&file, SETTINGS)?;
        let runs = folder.join("template");
        let status = Command::new(PROGRAM).args(["run", "-q", "--runs"]).args([&runs, &file]).status()?;
        if !status.success() {
            return Err("the run that the others are made of failed".into());
        }
        let runs = store::scan(&RunsDir::new(runs), None)?;
        let run = runs.into_iter().next().ok_or("there is no run to make others of")?;
        let names =
            [layout::METRICS, layout::TIMING, layout::PREDICTIONS, layout::LOG, layout::BEST, layout::LAST];
        let read = |name: &'static str| Ok((name, fs::read(run.dir.join(name))?));
        let files = names.into_iter().map(read).collect::<std::io::Result<_>>()?;
        Ok(Self { record: run.record, files })
    }

    /// The record with other numbers for every run.
    fn record(&self, spec: &runner::run::RunSpec, number: usize) -> RunRecord {
        let factor = 1.0 + (number % 997) as f64 / 997.0;
        let scaled = |row: &Option<Row>| {
            let mut row = row.clone()?;
            row.values.iter_mut().for_each(|(_, value)| *value *= factor);
            Some(row)
        };
        let mut record = self.record.clone();
        record.id.clone_from(&spec.id);
        record.name.clone_from(&spec.name);
        NAME.clone_into(&mut record.experiment);
        record.started += Duration::from_millis(number as u64);
        record.assignment = spec.assignment_json().collect();
        (record.best, record.last) = (scaled(&self.record.best), scaled(&self.record.last));
        record.test.values_mut().for_each(|value| *value *= factor);
        record
    }
}

/// Writes the folders of all runs but the last, which is the new one; its folder.
fn generate(file: &Path, runs: &RunsDir, template: &Template) -> Outcome<PathBuf> {
    let experiment = Experiment::load(file, &Overrides::default())?;
    let plan = Plan::new(&experiment, runs, &Library::default(), false)?;
    store::save_experiment(&plan.dir, &experiment.render()?)?;
    let (new, done) = plan.runs.split_last().ok_or("the sweep has no runs")?;
    for (number, run) in done.iter().enumerate() {
        let dir = plan.dir_of(run);
        fs::create_dir_all(dir.join(layout::CHECKPOINTS))?;
        for (name, content) in &template.files {
            fs::write(dir.join(name), content)?;
        }
        fs::write(dir.join(layout::CONFIG), run.spec.config.render()?)?;
        template.record(&run.spec, number).save(&dir, Durability::Later)?;
        fs::write(plan.dir.join(layout::LOCKS).join(&run.spec.id), &run.spec.name)?;
    }
    println!("{} runs in {}\n", done.len(), plan.dir.display());
    Ok(plan.dir_of(new))
}

struct Place<'a> {
    folder: &'a Path,
    file: PathBuf,
    runs: RunsDir,
    new: PathBuf,
}

impl Place<'_> {
    fn list(&self) -> Outcome<()> {
        let entries = time("list: scan", || Ok(store::scan(&self.runs, None)?))?;
        let rows = time("list: rows", || Ok(report::list(&entries)))?;
        let table = time("list: table", || Ok(view::list(&rows, true)))?;
        time("list: text", || Ok(table.text(None)))?;
        Ok(())
    }

    fn compare(&self) -> Outcome<()> {
        let entries = store::scan(&self.runs, None)?;
        let members: Vec<_> = entries.iter().collect();
        let configs = time("compare: configurations", || Ok(store::configs(&members)))?;
        let configs = configs.into_iter().map(Result::ok);
        let subjects: Vec<Subject<'_>> =
            members.into_iter().zip(configs).map(|(entry, config)| Subject { entry, config }).collect();
        let monitor = Monitor { column: "valid_loss".to_owned(), lower_is_better: true };
        let compared = || Ok(report::compare(NAME, &subjects, &monitor, false));
        let comparison = time("compare: groups", compared)?;
        time("compare: text", || Ok(view::comparison(&comparison).text(None)))?;
        Ok(())
    }

    /// What `run` does before it trains.
    fn start(&self) -> Outcome<()> {
        let load = || Ok(Experiment::load(&self.file, &Overrides::default())?);
        let experiment = time("run: experiment", load)?;
        time("run: expansion", || Ok(experiment.expand()?))?;
        time("run: index", || {
            let entries = store::scan(&self.runs, Some(NAME))?;
            Ok(store::index_by_id(&entries).len())
        })?;
        let library = Library::default();
        let plan = time("run: plan", || Ok(Plan::new(&experiment, &self.runs, &library, false)?))?;
        time("run: data", || Ok(plan.prepare(&library)?))?;
        time("run: experiment file", || Ok(store::save_experiment(&plan.dir, &experiment.render()?)?))?;
        Ok(())
    }

    /// The same as whole processes.
    fn programs(&self) -> Outcome<()> {
        for arguments in
            [&["list"][..], &["list", "--json"], &["compare"], &["compare", "--json"], &["show", "best"]]
        {
            time(&format!("runner {}", arguments.join(" ")), || {
                let output = Command::new(PROGRAM).args(arguments).current_dir(self.folder).output()?;
                if output.status.success() { Ok(output.stdout.len()) } else { Err("it failed".into()) }
            })?;
        }
        let mut starts = Vec::new();
        let whole = measured(|| {
            starts.push(self.run()?);
            Ok(())
        })?;
        row("runner run, to the first epoch", starts);
        row("runner run, to its end", whole.1);
        Ok(())
    }

    /// Trains the new run, until its first epoch has ended, and removes it again.
    fn run(&self) -> Outcome<Duration> {
        let start = Instant::now();
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(&self.file).current_dir(self.folder);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let errors = child.stderr.take().ok_or("there is no standard error")?;
        let mut first = None;
        for line in BufReader::new(errors).lines() {
            // The number is padded to the width of the last one.
            if line?.contains(&format!(" 1/{EPOCHS} ")) {
                first.get_or_insert_with(|| start.elapsed());
            }
        }
        if !child.wait()?.success() {
            return Err("the new run failed".into());
        }
        fs::remove_dir_all(&self.new)?;
        first.ok_or_else(|| "nothing was trained".into())
    }
}

fn time<T>(what: &str, work: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let (made, times) = measured(work)?;
    row(what, times);
    Ok(made)
}

fn measured<T>(mut work: impl FnMut() -> Outcome<T>) -> Outcome<(T, Vec<Duration>)> {
    let mut times = Vec::with_capacity(REPEATS);
    loop {
        let start = Instant::now();
        let made = black_box(work()?);
        times.push(start.elapsed());
        if times.len() == REPEATS {
            return Ok((made, times));
        }
    }
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (best, median) = (times[0].as_secs_f64(), times[times.len() / 2].as_secs_f64());
    println!("{what:<32} {best:>8.3} {median:>8.3}");
}
