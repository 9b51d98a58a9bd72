//! What is done with bytes as the folders of runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use runner::config::{Experiment, Overrides};
use runner::output::{classes, curve, view};
use runner::report::{self, Monitor, Subject};
use runner::run::Predictor;
use runner::store::{self, RunEntry, RunRecord, RunsDir, Status, checkpoint, layout};
use runner::{Error, Result};

/// What a file's name stands behind, on a line of its own; its content reaches to the next such line.
const HEADING: &[u8] = b"==> ";
const EXPERIMENT: &str = "e";
/// The two runs whose files come from the input.
const DAMAGED: [&str; 2] = ["a", "b"];
/// The run beside them, which nothing may hide.
const WHOLE: &str = "whole";
const RECORD: &str = r#"{"format": 1, "id": "5eed5eed5eed5eed", "name": "whole", "experiment": "e",
    "status": "completed", "attempts": 1, "started": "2026-03-01T12:00:00Z", "seconds": 1.5,
    "assignment": {"optimizer.lr": 0.001, "seed": 42}, "best": {"epoch": 1, "step": 2, "lr": 0.001,
    "train_loss": 0.75, "valid_loss": 0.5}, "last": {"epoch": 1, "step": 2, "lr": 0.001,
    "train_loss": 0.75, "valid_loss": 0.5}, "test": {"loss": 0.25}}"#;
const CONFIG: &str = "seed = 42\n[optimizer]\nkind = 'adam'\nlr = 0.001\n";
/// The files of a run that are read by anything.
const FILES: [&str; 7] = [
    layout::RECORD,
    layout::CONFIG,
    layout::METRICS,
    layout::TIMING,
    layout::STEPS,
    layout::BEST,
    layout::LAST,
];
/// Where files are quickly made and removed.
const MEMORY: &str = "/dev/shm";
/// Larger sweeps are not expanded: a fuzzer's time is better spent.
const MOST_RUNS: usize = 100;
/// Digits of an id that a run is asked for by.
const PREFIX: usize = 8;
/// The terminal that is drawn for.
const WIDTH: usize = 80;
const HEIGHT: usize = 12;

/// Runs on the disk, whose files change from input to input.
pub struct Place {
    runs: RunsDir,
    whole: RunEntry,
    /// What the last input has left.
    present: BTreeSet<PathBuf>,
    _folder: tempfile::TempDir,
}

impl Place {
    /// A new folder with the whole run.
    pub fn new() -> Self {
        let memory = Path::new(MEMORY);
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = made.unwrap_or_else(|error| panic!("{error}"));
        let runs = RunsDir::new(folder.path());
        for name in DAMAGED {
            create(&runs.run(EXPERIMENT, name).join(layout::CHECKPOINTS));
        }
        create(&runs.experiment(EXPERIMENT).join(layout::LOCKS));
        let dir = runs.run(EXPERIMENT, WHOLE);
        create(&dir);
        write(&dir.join(layout::RECORD), RECORD.as_bytes());
        write(&dir.join(layout::CONFIG), CONFIG.as_bytes());
        let whole = must(RunEntry::load(&dir)).unwrap_or_else(|| panic!("there is no whole run"));
        assert_eq!(whole.record.status, Status::Completed, "{:?}", whole.record.error);
        Self { runs, whole, present: BTreeSet::new(), _folder: folder }
    }

    /// Cuts the input into the files of two runs and reads these in every way.
    ///
    /// Nothing may panic, and the whole run beside them is found whatever they are.
    pub fn check(&mut self, data: &[u8]) {
        self.put(data);
        let entries = must(store::scan(&self.runs, Some(EXPERIMENT)));
        let has_record = |name: &&&str| self.runs.run(EXPERIMENT, name).join(layout::RECORD).is_file();
        assert_eq!(entries.len(), 1 + DAMAGED.iter().filter(has_record).count());
        let whole = entries.iter().find(|entry| entry.name == WHOLE);
        assert_eq!(whole, Some(&self.whole));
        self.resolve(&entries);
        let subject = |entry| Subject { entry, config: RunEntry::config(entry).ok() };
        let subjects: Vec<Subject<'_>> = entries.iter().map(subject).collect();
        subjects.iter().filter(|subject| subject.entry.name != WHOLE).for_each(read);
        list(&entries);
        compare(&subjects);
        differ(&subjects);
    }

    fn put(&mut self, data: &[u8]) {
        let before = std::mem::take(&mut self.present);
        for (name, content) in parts(data) {
            if let Some(path) = self.path_of(name) {
                write(&path, content);
                self.present.insert(path);
            }
        }
        for path in before.difference(&self.present) {
            fs::remove_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    /// `a/run.json`, `b/checkpoints/best.safetensors`, `.locks/1f3a`, …; `None` for anything else.
    fn path_of(&self, name: &[u8]) -> Option<PathBuf> {
        let (folder, file) = str::from_utf8(name).ok()?.split_once('/')?;
        let is_key =
            !file.is_empty() && file.len() < 80 && file.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_ours = DAMAGED.contains(&folder) && FILES.contains(&file) || folder == layout::LOCKS && is_key;
        is_ours.then(|| self.runs.run(EXPERIMENT, folder).join(file))
    }

    fn resolve(&self, entries: &[RunEntry]) {
        assert_eq!(must(store::resolve(&self.runs, None, WHOLE)), self.whole);
        told(store::resolve(&self.runs, Some(EXPERIMENT), "best"));
        let index = store::index_by_id(entries);
        if let Some((id, entry)) = index.iter().find(|(_, entry)| entry.name != WHOLE) {
            let prefix: String = id.chars().take(PREFIX).collect();
            told(store::resolve(&self.runs, None, &prefix));
            let dir = self.runs.experiment(EXPERIMENT);
            let _ = store::is_held(&dir, &store::lock_key(id, &entry.name));
        }
    }
}

/// Names and contents.
fn parts(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut starts: Vec<usize> = Vec::new();
    for (start, window) in data.windows(HEADING.len()).enumerate() {
        if window == HEADING && (start == 0 || data[start - 1] == b'\n') {
            starts.push(start);
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([data.len()]);
    let part = |(start, end): (&usize, usize)| {
        let part = &data[start + HEADING.len()..end];
        let line = part.iter().position(|byte| *byte == b'\n')?;
        Some((&part[..line], &part[line + 1..]))
    };
    starts.iter().zip(ends).filter_map(part).collect()
}

/// The files of one run by themselves.
fn read(subject: &Subject<'_>) {
    let entry = subject.entry;
    let (_, _, _) = (entry.reason(), entry.is_copy(), entry.require_checkpoint().is_ok());
    told(entry.monitor());
    told(entry.timing());
    told(entry.checked_metrics());
    told(store::read_steps(&entry.dir.join(layout::STEPS)));
    let text = must(entry.record.render());
    let again: serde_json::Result<RunRecord> = serde_json::from_str(&text);
    again.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let sheet = report::show(subject);
    serde_json::to_string(&sheet).unwrap_or_else(|error| panic!("{error}"));
    for table in [view::facts(&sheet), view::metrics(&sheet), view::settings(&sheet)] {
        table.text(Some(WIDTH));
    }
    classes::sheet(&entry.record.per_class, entry.record.confusion_matrix.as_ref(), Some(WIDTH));
    if let Some(rows) = told(entry.metrics()) {
        curve(&rows, &["train_loss", "valid_loss"], WIDTH, HEIGHT);
    }
    told(checkpoint::load(&entry.last_checkpoint()));
    if told(checkpoint::load(&entry.best_checkpoint())).is_some()
        && let Some(predictor) = told(Predictor::load(&entry.best_checkpoint(), &Device::Cpu))
    {
        let _ = predictor.model.summary().to_string();
    }
    if let Some(experiment) = told(Experiment::load(&entry.dir.join(layout::CONFIG), &Overrides::default())) {
        let count = told(experiment.count());
        told(experiment.render());
        if count.is_some_and(|count| count <= MOST_RUNS) {
            told(experiment.expand());
        }
    }
}

fn list(entries: &[RunEntry]) {
    let rows = report::list(entries);
    assert_eq!(rows.len(), entries.len());
    view::list(&rows, true).text(Some(WIDTH));
    must(view::list(&rows, false).json());
}

fn compare(subjects: &[Subject<'_>]) {
    // A run with the id of another is taken for its copy.
    let ids: BTreeSet<&str> = subjects.iter().map(|subject| subject.entry.record.id.as_str()).collect();
    let monitor = Monitor { column: "valid_loss".to_owned(), lower_is_better: true };
    let found = report::compare(EXPERIMENT, subjects, &monitor, true);
    let is_told = |group: &report::Group| group.runs.iter().any(|name| name == WHOLE);
    assert!(ids.len() < subjects.len() || found.groups.iter().any(is_told), "the whole run is hidden");
    let table = view::comparison(&found);
    table.text(None);
    must(table.csv());
}

fn differ(subjects: &[Subject<'_>]) {
    if let [first, .., last] = subjects {
        let (settings, metrics) = view::difference(&report::diff(first, last));
        settings.text(None);
        must(metrics.json());
    }
}

/// What is right; a message that is made of damaged files must not panic either.
fn told<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error @ Error::Bug(_)) => panic!("{error}"),
        Err(error) => {
            drop(error.to_string());
            None
        }
    }
}

fn must<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn create(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
