//! All runs of a folder, in one pass.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::side_by_side::side_by_side;
use super::{RunEntry, RunsDir};
use crate::{Error, Result};

/// The names of the experiments, sorted; none if the folder is absent.
pub fn experiments(runs: &RunsDir) -> Result<Vec<String>> {
    folders(runs.path())
}

/// The runs of one experiment or of all, sorted by experiment, then start, then name.
///
/// An absent folder has no runs. A run whose record is damaged is one that failed.
pub fn scan(runs: &RunsDir, experiment: Option<&str>) -> Result<Vec<RunEntry>> {
    let experiments = match experiment {
        Some(name) => vec![name.to_owned()],
        None => experiments(runs)?,
    };
    let mut dirs = Vec::new();
    for experiment in experiments {
        let dir = runs.experiment(&experiment);
        dirs.extend(folders(&dir)?.into_iter().map(|name| dir.join(name)));
    }
    let loaded = side_by_side(&dirs, |dirs| dirs.iter().map(|dir| RunEntry::load(dir)).collect());
    let mut entries: Vec<RunEntry> =
        loaded.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
    entries.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(entries)
}

fn key(entry: &RunEntry) -> (&str, jiff::Timestamp, &str) {
    (&entry.experiment, entry.record.started, &entry.name)
}

/// The runs by their ids. Of several with one id, copies made by `rerun` (`<name>~2`) come last.
pub fn index_by_id(entries: &[RunEntry]) -> BTreeMap<&str, &RunEntry> {
    let mut index: BTreeMap<&str, &RunEntry> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.record.id.is_empty()) {
        index
            .entry(&entry.record.id)
            .and_modify(|known| {
                if known.is_copy() && !entry.is_copy() {
                    *known = entry;
                }
            })
            .or_insert(entry);
    }
    index
}

/// The folders inside a folder, sorted, without hidden ones.
fn folders(path: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io("read", path)(error);
    let listing = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for item in listing {
        let item = item.map_err(failed)?;
        // A name that is no text is none of ours; a link to a folder is as good as a folder.
        let Ok(name) = item.file_name().into_string() else { continue };
        let is_folder =
            item.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && item.path().is_dir());
        if is_folder && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::Durability;
    use crate::store::{RunLock, RunRecord, Status};

    fn put(runs: &RunsDir, experiment: &str, name: &str, id: &str, started: i64, status: Status) {
        let dir = runs.run(experiment, name);
        std::fs::create_dir_all(&dir).unwrap();
        let started = jiff::Timestamp::from_second(started).unwrap();
        let record = RunRecord { status, ..RunRecord::new(id, name, experiment, started) };
        record.save(&dir, Durability::Later).unwrap();
    }

    fn names(entries: &[RunEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn runs_are_sorted_by_experiment_start_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunsDir::new(folder.path());
        put(&runs, "b", "first", "01", 5, Status::Completed);
        put(&runs, "a", "late", "02", 9, Status::Completed);
        put(&runs, "a", "z", "03", 1, Status::Completed);
        put(&runs, "a", "y", "04", 1, Status::Completed);
        std::fs::create_dir_all(runs.run("a", "no run at all")).unwrap();
        std::fs::create_dir_all(runs.run("a", ".locks")).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert_eq!(names(&scan(&runs, None).unwrap()), ["y", "z", "late", "first"]);
        assert_eq!(names(&scan(&runs, Some("b")).unwrap()), ["first"]);
        assert!(scan(&runs, Some("c")).unwrap().is_empty());
        assert!(scan(&RunsDir::new(folder.path().join("none")), None).unwrap().is_empty());
        assert_eq!(experiments(&runs).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_damaged_record_is_a_failed_run() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunsDir::new(folder.path());
        put(&runs, "a", "good", "01", 1, Status::Completed);
        put(&runs, "a", "bad", "02", 1, Status::Completed);
        std::fs::write(runs.run("a", "bad").join("run.json"), "{\"format\":").unwrap();
        let entries = scan(&runs, None).unwrap();
        assert_eq!(names(&entries), ["bad", "good"]);
        assert_eq!(entries[0].record.status, Status::Failed);
        assert!(entries[0].reason().unwrap().contains("not a run's record"));
        assert_eq!(index_by_id(&entries).len(), 1);
    }

    #[test]
    fn running_without_an_owner_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunsDir::new(folder.path());
        put(&runs, "a", "x", "01", 1, Status::Running);
        let status = || scan(&runs, None).unwrap()[0].record.status;
        assert_eq!(status(), Status::Interrupted);
        let lock = RunLock::try_acquire(&runs.experiment("a"), "01").unwrap();
        assert_eq!(status(), Status::Running);
        drop(lock);
        assert_eq!(status(), Status::Interrupted);
    }

    #[test]
    fn an_id_means_the_original_and_not_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunsDir::new(folder.path());
        put(&runs, "a", "x~2", "01", 1, Status::Completed);
        put(&runs, "a", "x", "01", 2, Status::Completed);
        put(&runs, "a", "x~3", "01", 3, Status::Completed);
        let entries = scan(&runs, None).unwrap();
        assert_eq!(index_by_id(&entries)["01"].name, "x");
    }

    #[test]
    fn files_of_an_entry_are_read_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunsDir::new(folder.path());
        put(&runs, "a", "x", "01", 1, Status::Completed);
        let entry = scan(&runs, None).unwrap().remove(0);
        assert!(entry.metrics().unwrap().is_empty());
        assert!(entry.timing().unwrap().is_empty());
        assert!(entry.config_text().is_err());
        std::fs::write(entry.dir.join("config.toml"), "[train]\nmonitor = 'valid_accuracy'").unwrap();
        assert_eq!(entry.monitor().unwrap(), "valid_accuracy");
        std::fs::write(entry.dir.join("config.toml"), "seed = 1").unwrap();
        assert_eq!(entry.monitor().unwrap(), "valid_loss");
        std::fs::write(entry.dir.join("config.toml"), "seed = ").unwrap();
        assert!(entry.monitor().is_err());
        assert!(entry.best_checkpoint().ends_with("a/x/checkpoints/best.safetensors"));
    }
}
