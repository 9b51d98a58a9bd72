//! What the files of a run come to, and whether they still do.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Checkpoint, RunEntry, RunRecord, checkpoint, file, layout, metrics};
use crate::train::event::Row;
use crate::{Error, Result};

/// BLAKE3 of the deterministic files that there are.
pub(super) fn checksums(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for name in layout::DETERMINISTIC {
        let path = dir.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(Error::io("read", &path))?;
        sums.insert(name.to_owned(), hasher.finalize().to_hex().to_string());
    }
    Ok(sums)
}

impl RunRecord {
    /// Whether the file `name` was changed since the run wrote it: its BLAKE3, in hexadecimal, is not the recorded
    /// one. A run that has not ended and a run of an older program have none recorded, and are believed.
    pub fn contradicts(&self, name: &str, sum: &str) -> bool {
        self.checksums.get(name).is_some_and(|recorded| recorded != sum)
    }

    /// As [`contradicts`](Self::contradicts), for the content of the file.
    pub fn contradicts_content(&self, name: &str, content: &[u8]) -> bool {
        // Hashed only where there is something to compare with.
        self.checksums.contains_key(name) && self.contradicts(name, &blake3::hash(content).to_hex())
    }

    /// Whether `runner gc` has taken the file's checksum out of the record, as it does before it removes the file.
    pub fn has_dropped(&self, name: &str) -> bool {
        !self.checksums.is_empty() && !self.checksums.contains_key(name)
    }
}

/// Reads a checkpoint. One that lies in the folder of a run that has ended must be what the run wrote: anything else
/// is an [`Error::Unreadable`] that says how to make it again.
pub fn load_checkpoint(path: &Path) -> Result<Checkpoint> {
    let content = checkpoint::read(path)?;
    let Some((dir, name)) = place(path) else { return checkpoint::from_bytes(path, &content) };
    // A record that cannot be read says nothing against the file.
    let record = || RunRecord::load(&dir).ok().flatten();
    if !record().is_some_and(|record| record.contradicts_content(&name, &content)) {
        return checkpoint::from_bytes(path, &content);
    }
    // The run may have begun again, or ended, between the two readings.
    let content = checkpoint::read(path)?;
    if record().is_some_and(|record| record.contradicts_content(&name, &content)) {
        return Err(changed(path, &dir));
    }
    checkpoint::from_bytes(path, &content)
}

/// That a checkpoint is not what the run in `dir` wrote.
pub fn changed(path: &Path, dir: &Path) -> Error {
    let run = crate::error::shown(dir);
    Error::unreadable(
        path,
        format!(
            "was damaged or changed since the run wrote it: its checksum is not the one in run.json; `runner rerun {run}` \
             trains the run again into a folder of its own, `runner run` with --force in its place"
        ),
    )
}

/// The folder of the run whose `checkpoints/` has the file, and the file's name in `checksums`.
fn place(path: &Path) -> Option<(PathBuf, String)> {
    let path = std::path::absolute(path).ok()?;
    let folder = path.parent().filter(|folder| folder.ends_with(layout::CHECKPOINTS))?;
    let name = path.file_name()?.to_str()?;
    Some((folder.parent()?.to_path_buf(), format!("{}/{name}", layout::CHECKPOINTS)))
}

impl RunEntry {
    /// The rows of `metrics.csv`, and whether the file was changed since the run wrote it.
    pub fn checked_metrics(&self) -> Result<(Vec<Row>, bool)> {
        let path = self.dir.join(layout::METRICS);
        let Some(content) = file::read(&path)? else {
            return Ok((Vec::new(), self.record.checksums.contains_key(layout::METRICS)));
        };
        let is_changed = self.record.contradicts_content(layout::METRICS, &content);
        match metrics::parse_metrics(&path, &content) {
            Err(_) if is_changed => Ok((Vec::new(), true)),
            rows => Ok((rows?, is_changed)),
        }
    }

    /// [`best_checkpoint`](Self::best_checkpoint), or why there is none.
    pub fn require_checkpoint(&self) -> Result<PathBuf> {
        let checkpoint = self.best_checkpoint();
        if checkpoint.is_file() {
            return Ok(checkpoint);
        }
        let (name, status) = (&self.name, self.record.status);
        let run = crate::error::shown(&self.dir);
        let again = format!("`runner rerun {run}` trains it again, into a folder of its own");
        Err(Error::Request(if status != super::Status::Completed {
            format!("run {name} has no checkpoint yet: it is {status}")
        } else if self.record.has_dropped(layout::BEST) {
            format!("run {name} has no checkpoints any more: `runner gc` removed them; {again}")
        } else {
            format!("run {name} has lost its checkpoint, {}; {again}", layout::BEST)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::Durability;
    use crate::store::{Status, checkpoint};

    /// A completed run with one tensor, and a table.
    fn run() -> (tempfile::TempDir, RunEntry) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("exp/run-1f3a");
        std::fs::create_dir_all(dir.join(layout::CHECKPOINTS)).unwrap();
        let tensor = candle_core::Tensor::new(&[1f32, 2.0], &candle_core::Device::Cpu).unwrap();
        checkpoint::save_model(&dir.join(layout::BEST), &[("w".to_owned(), tensor)], "{}", Durability::Later)
            .unwrap();
        std::fs::write(dir.join(layout::METRICS), "epoch,step,lr,valid_loss\n1,5,0.1,0.5\n").unwrap();
        let mut record = RunRecord::new("1f3a", "run-1f3a", "exp", jiff::Timestamp::default());
        record.status = Status::Completed;
        record.checksums = checksums(&dir).unwrap();
        record.save(&dir, Durability::Later).unwrap();
        let entry = RunEntry::load(&dir).unwrap().unwrap();
        (folder, entry)
    }

    #[test]
    fn every_flipped_byte_and_truncation_of_a_checkpoint_is_noticed() {
        let (_folder, entry) = run();
        let best = entry.best_checkpoint();
        let whole = std::fs::read(&best).unwrap();
        assert_eq!(load_checkpoint(&best).unwrap().tensors.len(), 1);
        let refused = |content: &[u8]| {
            std::fs::write(&best, content).unwrap();
            let error = load_checkpoint(&best).unwrap_err();
            assert!(matches!(error, Error::Unreadable { .. }), "{error}");
            error.to_string()
        };
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1 << (position % 8);
            let said = refused(&damaged);
            assert!(said.contains("was damaged or changed") && said.contains("`runner rerun "), "{said}");
            refused(&whole[..position]);
        }
    }

    #[test]
    fn without_a_checksum_a_file_is_believed() {
        let (folder, mut entry) = run();
        let best = entry.best_checkpoint();
        let mut content = std::fs::read(&best).unwrap();
        *content.last_mut().unwrap() ^= 1;
        std::fs::write(&best, &content).unwrap();
        assert!(load_checkpoint(&best).is_err());
        // A copy elsewhere is of no run, whatever lies beside it.
        for place in ["copy.safetensors", "exp/run-1f3a/copy.safetensors", "exp/run-1f3a/checkpoints/copy"] {
            let copy = folder.path().join(place);
            std::fs::copy(&best, &copy).unwrap();
            load_checkpoint(&copy).unwrap();
        }
        // Damage to the record is told elsewhere.
        std::fs::write(entry.dir.join(layout::RECORD), "{").unwrap();
        load_checkpoint(&best).unwrap();
        entry.record.checksums.clear();
        entry.record.save(&entry.dir, Durability::Later).unwrap();
        load_checkpoint(&best).unwrap();
    }

    #[test]
    fn changed_metrics_are_told_and_read_as_far_as_they_can_be() {
        let (_folder, entry) = run();
        let path = entry.dir.join(layout::METRICS);
        let checked = |content: Option<&str>| {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let (rows, is_changed) = entry.checked_metrics().unwrap();
            (rows.len(), is_changed)
        };
        assert_eq!(checked(Some("epoch,step,lr,valid_loss\n1,5,0.1,0.5\n")), (1, false));
        assert_eq!(checked(Some("epoch,step,lr,valid_loss\n1,5,0.1,0.4\n")), (1, true));
        assert_eq!(checked(Some("epoch,step,lr,valid_loss\n1,5,0.1,0.5")), (0, true));
        assert_eq!(checked(Some("no table")), (0, true));
        assert_eq!(checked(None), (0, true));
    }

    #[test]
    fn an_absent_checkpoint_is_told_with_what_became_of_it() {
        let (_folder, mut entry) = run();
        let said = |entry: &RunEntry| {
            entry.require_checkpoint().map_err(|error| {
                let run = entry.dir.display().to_string();
                error.to_string().replace(&run, "DIR")
            })
        };
        said(&entry).unwrap();
        std::fs::remove_file(entry.best_checkpoint()).unwrap();
        insta::assert_snapshot!(said(&entry).unwrap_err(), @"run run-1f3a has lost its checkpoint, checkpoints/best.safetensors; `runner rerun DIR` trains it again, into a folder of its own");
        entry.record.checksums.remove(layout::BEST);
        insta::assert_snapshot!(said(&entry).unwrap_err(), @"run run-1f3a has no checkpoints any more: `runner gc` removed them; `runner rerun DIR` trains it again, into a folder of its own");
        entry.record.status = Status::Interrupted;
        insta::assert_snapshot!(said(&entry).unwrap_err(), @"run run-1f3a has no checkpoint yet: it is interrupted");
    }
}
