//! `log.txt`: plain lines for people, each behind its time.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{RunEntry, RunRecord, Status, file, is_held, layout, lock_key};
use crate::{Error, Result};

/// What is appended for `text`.
pub(super) fn line(now: Timestamp, text: &str) -> Vec<u8> {
    format!("{now:.3} {text}\n").into_bytes()
}

/// Ends a line that a kill has torn, so that the next one does not hang on to it.
pub(super) fn mend(path: &Path) -> Result<()> {
    let ends_in_newline = || -> std::io::Result<bool> {
        let mut file = File::open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(last == [b'\n'])
    };
    match ends_in_newline() {
        Ok(false) => file::append(path, b"\n"),
        // Whatever keeps it from being read will be told when it is written.
        Ok(true) | Err(_) => Ok(()),
    }
}

/// Reads a run's log as it grows.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// How much of it was handed out.
    position: u64,
}

impl LogReader {
    /// Of the run whose folder is `dir`; the log need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join(layout::LOG), position: 0 }
    }

    /// The whole lines that came since the last call, with their newlines; a torn last line is left for later.
    pub fn lines(&mut self) -> Result<String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        };
        let mut read = || -> std::io::Result<Vec<u8>> {
            // One that is shorter than before is another one.
            if file.metadata()?.len() < self.position {
                self.position = 0;
            }
            file.seek(SeekFrom::Start(self.position))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut bytes = read().map_err(Error::io("read", &self.path))?;
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        self.position += bytes.len() as u64;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl RunEntry {
    /// Whether a process trains the run at this moment, asked of the disk anew.
    pub fn is_live(&self) -> bool {
        let Ok(Some(record)) = RunRecord::load(&self.dir) else { return false };
        if record.status != Status::Running {
            return false;
        }
        // A path such as `.` does not name the folder above. Where locks are unknown, the record is believed.
        let whole = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        let held = whole.parent().and_then(|above| is_held(above, &lock_key(&record.id, &self.name)));
        held != Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunLock;
    use crate::store::file::Durability;

    #[test]
    fn lines_come_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(layout::LOG);
        let mut reader = LogReader::new(folder.path());
        assert_eq!(reader.lines().unwrap(), "");
        file::append(&path, b"one\ntwo\nthr").unwrap();
        assert_eq!(reader.lines().unwrap(), "one\ntwo\n");
        assert_eq!(reader.lines().unwrap(), "");
        file::append(&path, "ee ä\n".as_bytes()).unwrap();
        assert_eq!(reader.lines().unwrap(), "three ä\n");
        std::fs::write(&path, b"anew\n\xff\n").unwrap();
        assert_eq!(reader.lines().unwrap(), "anew\n\u{fffd}\n");
    }

    #[test]
    fn a_torn_line_is_ended_and_a_whole_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(layout::LOG);
        mend(&path).unwrap();
        assert!(!path.exists());
        for (before, after) in [("", ""), ("one\n", "one\n"), ("one\ntw", "one\ntw\n")] {
            std::fs::write(&path, before).unwrap();
            mend(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_run_is_live_while_its_owner_is() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("exp/run-ab");
        std::fs::create_dir_all(&dir).unwrap();
        let mut record = RunRecord::new("ab", "run-ab", "exp", Timestamp::default());
        record.save(&dir, Durability::Later).unwrap();
        let entry = RunEntry::load(&dir).unwrap().unwrap();
        assert!(!entry.is_live());
        let _lock = RunLock::try_acquire(&folder.path().join("exp"), "ab").unwrap();
        assert!(entry.is_live());
        record.status = Status::Completed;
        record.save(&dir, Durability::Later).unwrap();
        assert!(!entry.is_live());
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(!entry.is_live());
    }
}
