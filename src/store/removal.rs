//! Taking things out of the runs folder, so that a kill at any moment leaves nothing that looks like something else.
//!
//! A whole folder is renamed first, to a name that no reader looks at, and deleted then. Of checkpoints `run.json`
//! forgets the checksums first: a file without a checksum is a good one.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::retention::{Candidate, Holdings, Portion, Removal, Score};
use super::{RunEntry, RunLock, RunRecord, Status, file, layout, lock_key, log};
use crate::{Error, Result};

/// The runs with all that a policy asks for; `ranked` has those that are completed scored.
pub fn candidates(entries: &[RunEntry], ranked: bool) -> Result<Vec<Candidate<'_>>> {
    let candidate = |entry| {
        let score = if ranked { score(entry) } else { None };
        Ok(Candidate { entry, score, holdings: holdings(&entry.dir)? })
    };
    entries.iter().map(candidate).collect()
}

/// The monitored value of the best epoch, where there is one.
fn score(entry: &RunEntry) -> Option<Score> {
    let best = entry.record.best.as_ref().filter(|_| entry.record.status == Status::Completed)?;
    // Which metric it is that counts is not guessed.
    let column = entry.monitor().ok()?;
    best.value(&column).map(|value| Score { column, value })
}

/// Looks at every file in a folder and those in it; links are not followed.
fn holdings(dir: &Path) -> Result<Holdings> {
    let size = |name: &str| std::fs::symlink_metadata(dir.join(name)).ok().map(|about| about.len());
    let mut found = Holdings { best: size(layout::BEST), last: size(layout::LAST), ..Holdings::default() };
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Some(listing) = list(&folder)? else { continue };
        for path in listing {
            // A file may be gone since the folder was listed.
            let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
            if about.is_dir() {
                folders.push(path);
                continue;
            }
            found.total += about.len();
            let written = about.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
            found.written = found.written.max(written);
        }
    }
    Ok(found)
}

/// What is in a folder; `None` if it is gone.
fn list(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let failed = |error| Error::io("read", folder)(error);
    let listing = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    listing.map(|item| item.map(|item| item.path()).map_err(failed)).collect::<Result<_>>().map(Some)
}

/// Carries out a removal under the run's lock; `Some` says why it was left after all.
///
/// A whole folder is only put aside: see [`empty_trash`].
pub fn remove(removal: &Removal<'_>, now: Timestamp) -> Result<Option<&'static str>> {
    let entry = removal.entry;
    let experiment_dir = entry.dir.parent().unwrap_or(&entry.dir);
    let key = lock_key(&entry.record.id, &entry.name);
    let Some(_lock) = RunLock::try_acquire(experiment_dir, &key)? else {
        return Ok(Some("another process has it"));
    };
    // Since it was looked at, another process may have gone on with it.
    let Some(record) = RunRecord::load(&entry.dir)? else { return Ok(Some("it is gone already")) };
    let stamp = |record: &RunRecord| (record.id.clone(), record.attempts, record.ended);
    if stamp(&record) != stamp(&entry.record) {
        return Ok(Some("it has changed since"));
    }
    match removal.portion {
        Portion::Folder if entry.dir.is_symlink() => return Ok(Some("its folder is a link")),
        Portion::Folder => put_aside(&entry.dir, experiment_dir, &entry.name)?,
        Portion::Checkpoints => drop_files(&entry.dir, &[layout::BEST, layout::LAST], now)?,
        Portion::Last => drop_files(&entry.dir, &[layout::LAST], now)?,
    }
    Ok(None)
}

fn put_aside(dir: &Path, experiment_dir: &Path, name: &str) -> Result<()> {
    let trash = experiment_dir.join(layout::trash(name));
    delete(&trash)?;
    std::fs::rename(dir, &trash).map_err(Error::io("remove", dir))
}

fn drop_files(dir: &Path, names: &[&str], now: Timestamp) -> Result<()> {
    let present: Vec<&str> =
        names.iter().copied().filter(|name| dir.join(name).is_symlink() || dir.join(name).exists()).collect();
    RunRecord::forget_checksums(dir, names)?;
    let path = dir.join(layout::LOG);
    log::mend(&path)?;
    file::append(&path, &log::line(now, &format!("gc removed {}", present.join(" and "))))?;
    names.iter().try_for_each(|name| file::remove(&dir.join(name)))
}

/// A folder that was put aside and not deleted yet: the program was ended in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remnant {
    /// What the run was called.
    pub name: String,
    /// How much is left of it.
    pub bytes: u64,
}

/// What lies in the trash of an experiment, by name.
pub fn remnants(experiment_dir: &Path) -> Result<Vec<Remnant>> {
    let mut found = Vec::new();
    for path in trash(experiment_dir)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.trim_start_matches(layout::TRASH).to_owned();
        found.push(Remnant { name, bytes: holdings(&path)?.total });
    }
    Ok(found)
}

/// Deletes what was put aside in an experiment's folder.
pub fn empty_trash(experiment_dir: &Path) -> Result<()> {
    let folders = trash(experiment_dir)?;
    if folders.is_empty() {
        return Ok(());
    }
    // After a power cut no half of a folder may stand under its old name.
    file::sync_folder(experiment_dir)?;
    folders.iter().try_for_each(|folder| delete(folder))
}

fn trash(experiment_dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let is_trash = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(layout::TRASH))
    };
    Ok(list(experiment_dir)?.unwrap_or_default().into_iter().filter(is_trash).collect())
}

fn delete(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        // Another one may be deleting it too.
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::Durability;
    use crate::store::{RunsDir, scan};

    struct Runs(tempfile::TempDir);

    impl Runs {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, name: &str, id: &str, status: Status) -> PathBuf {
            let dir = self.0.path().join("exp").join(name);
            std::fs::create_dir_all(dir.join(layout::CHECKPOINTS)).unwrap();
            let mut record = RunRecord::new(id, name, "exp", Timestamp::UNIX_EPOCH);
            record.status = status;
            for name in [layout::BEST, layout::LAST, layout::METRICS] {
                std::fs::write(dir.join(name), "0123456789").unwrap();
                record.checksums.insert(name.to_owned(), "00".to_owned());
            }
            std::fs::write(dir.join("note.md"), "mine").unwrap();
            std::fs::write(dir.join(layout::LOG), "torn").unwrap();
            record.save(&dir, Durability::Later).unwrap();
            dir
        }

        fn experiment(&self) -> PathBuf {
            self.0.path().join("exp")
        }

        fn entries(&self) -> Vec<RunEntry> {
            scan(&RunsDir::new(self.0.path()), None).unwrap()
        }
    }

    fn carry_out(entry: &RunEntry, portion: Portion) -> Option<&'static str> {
        let removal = Removal { entry, portion, bytes: 0, reason: String::new() };
        remove(&removal, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn checkpoints_go_with_their_checksums_and_nothing_else_does() {
        let runs = Runs::new();
        let dir = runs.put("run-ab", "ab", Status::Completed);
        // A field of a later version, which must survive.
        let text = std::fs::read_to_string(dir.join(layout::RECORD)).unwrap();
        let text = text.replacen("{\n", "{\n  \"colour\": {\n    \"r\": [1, 2.5]\n  },\n", 1);
        std::fs::write(dir.join(layout::RECORD), &text).unwrap();
        let entry = runs.entries().remove(0);
        let held = candidates(std::slice::from_ref(&entry), false).unwrap()[0].holdings;
        assert_eq!((held.best, held.last), (Some(10), Some(10)));
        assert_eq!(held.total, 38 + std::fs::metadata(dir.join(layout::RECORD)).unwrap().len());
        assert!(held.written.is_some());

        assert_eq!(carry_out(&entry, Portion::Last), None);
        let record = RunRecord::load(&dir).unwrap().unwrap();
        assert!(!dir.join(layout::LAST).exists() && dir.join(layout::BEST).exists());
        assert!(record.has_dropped(layout::LAST) && !record.has_dropped(layout::BEST));
        assert_eq!(carry_out(&entry, Portion::Checkpoints), None);
        let record = RunRecord::load(&dir).unwrap().unwrap();
        assert!(!dir.join(layout::BEST).exists() && record.has_dropped(layout::BEST));
        assert_eq!((record.status, record.checksums.len()), (Status::Completed, 1));
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.join(layout::RECORD)).unwrap()).unwrap();
        assert_eq!(json["colour"]["r"], serde_json::json!([1, 2.5]));
        assert_eq!(std::fs::read_to_string(dir.join("note.md")).unwrap(), "mine");
        insta::assert_snapshot!(std::fs::read_to_string(dir.join(layout::LOG)).unwrap(), @"
        torn
        1970-01-01T00:00:00.000Z gc removed checkpoints/last.safetensors
        1970-01-01T00:00:00.000Z gc removed checkpoints/best.safetensors
        ");
    }

    #[test]
    fn a_folder_is_out_of_sight_before_anything_in_it_goes() {
        let runs = Runs::new();
        let dir = runs.put("run-ab", "ab", Status::Failed);
        let entry = runs.entries().remove(0);
        assert_eq!(carry_out(&entry, Portion::Folder), None);
        assert!(!dir.exists() && runs.entries().is_empty());
        let left = remnants(&runs.experiment()).unwrap();
        assert_eq!((left.len(), left[0].name.as_str()), (1, "run-ab"));
        assert!(left[0].bytes > 30);
        // The same run again, before the trash of a killed gc is emptied.
        runs.put("run-ab", "ab", Status::Failed);
        assert_eq!(carry_out(&entry, Portion::Folder), None);
        assert_eq!(remnants(&runs.experiment()).unwrap().len(), 1);
        empty_trash(&runs.experiment()).unwrap();
        empty_trash(&runs.experiment()).unwrap();
        assert!(remnants(&runs.experiment()).unwrap().is_empty());
        assert!(runs.experiment().join(".locks/ab").exists());
    }

    #[test]
    fn a_run_that_is_owned_or_went_on_is_left() {
        let runs = Runs::new();
        let dir = runs.put("run-ab", "ab", Status::Failed);
        let entry = runs.entries().remove(0);
        let lock = RunLock::try_acquire(&runs.experiment(), "ab").unwrap();
        assert_eq!(carry_out(&entry, Portion::Folder), Some("another process has it"));
        drop(lock);
        let mut record = entry.record.clone();
        record.attempts += 1;
        record.save(&dir, Durability::Later).unwrap();
        assert_eq!(carry_out(&entry, Portion::Folder), Some("it has changed since"));
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(carry_out(&entry, Portion::Folder), Some("it is gone already"));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_points_to_is_left() {
        let runs = Runs::new();
        let dir = runs.put("run-ab", "ab", Status::Failed);
        let elsewhere = runs.0.path().join("elsewhere");
        std::fs::rename(&dir, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &dir).unwrap();
        let entry = runs.entries().remove(0);
        assert_eq!(carry_out(&entry, Portion::Folder), Some("its folder is a link"));
        assert_eq!(carry_out(&entry, Portion::Last), None);
        assert!(!elsewhere.join(layout::LAST).exists() && elsewhere.join(layout::BEST).exists());
    }
}
