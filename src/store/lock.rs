//! Who owns a run: one lock file an id, held by the process that trains it.
//!
//! The files are never unlinked, since a lock on an unlinked file excludes nobody. The system gives a lock
//! back when its process ends, however it ends, so that a stale one cannot exist.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::heartbeat::{Heartbeat, is_fresh};
use super::{file, layout};
use crate::{Error, Result};

/// How often, and how long apart, a held lock is asked for again: a reader that looks whether it is held
/// holds it for some microseconds itself.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// The right to write a run's folder, until dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    /// Where the file system has no locks.
    heartbeat: Option<Heartbeat>,
}

/// What the lock of a run is called: its id. A copy (`<name>~2`) has the original's id, and a lock of its own.
pub fn lock_key(id: &str, name: &str) -> String {
    match name.rsplit_once('~') {
        Some((_, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{id}x{number}"),
        _ => id.to_owned(),
    }
}

impl RunLock {
    /// Takes the lock of the run `id`; `None` if another owner has it.
    pub fn try_acquire(experiment_dir: &Path, id: &str) -> Result<Option<Self>> {
        let path = lock_path(experiment_dir, id)
            .ok_or_else(|| Error::Bug(format!("\"{id}\" is not the id of a run")))?;
        file::create_folder(&experiment_dir.join(layout::LOCKS))?;
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .map_err(Error::io("open the lock", &path))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { file, heartbeat: None })),
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => break,
                // `flock` on an open file fails for no other reason than that the file system has no locks.
                Err(TryLockError::Error(_)) => {
                    let heartbeat = Heartbeat::start(&owner_path(&path), SystemTime::now())?;
                    return Ok(heartbeat.map(|heartbeat| Self { file, heartbeat: Some(heartbeat) }));
                }
            }
        }
        Ok(None)
    }

    /// The name of the folder that an owner has [claimed](Self::claim) for the run: two sweeps with other axes
    /// call one run by two names, and it keeps its first.
    pub fn claimed(&mut self) -> Option<String> {
        let mut name = String::new();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut name).ok()?;
        // A damaged file must not lead out of the experiment's folder.
        let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        is_plain.then_some(name)
    }

    /// Notes the name of the run's folder for all later owners.
    pub fn claim(&mut self, name: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(name.as_bytes())
    }

    /// The locked file: whoever has a handle on it shares the lock.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the system keeps others out: some network file systems have no locks, and owners there are told by
    /// files that they write anew every few seconds.
    pub fn is_enforced(&self) -> bool {
        self.heartbeat.is_none()
    }
}

/// Where a run's owner says that it is there, for want of a lock.
fn owner_path(lock: &Path) -> PathBuf {
    lock.with_extension("owner")
}

/// Whether some process, this one included, holds the lock of the run `id`; `None` where that cannot be known.
pub fn is_held(experiment_dir: &Path, id: &str) -> Option<bool> {
    let Some(path) = lock_path(experiment_dir, id) else { return Some(false) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => Some(is_fresh(&owner_path(&path), SystemTime::now())),
    }
}

/// Ids are hexadecimal; anything else, from a damaged record, must not lead out of the folder.
fn lock_path(experiment_dir: &Path, id: &str) -> Option<PathBuf> {
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| experiment_dir.join(layout::LOCKS).join(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_owner_and_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(is_held(folder.path(), "1f3a"), Some(false));
        let lock = RunLock::try_acquire(folder.path(), "1f3a").unwrap().unwrap();
        assert!(lock.is_enforced());
        assert_eq!(is_held(folder.path(), "1f3a"), Some(true));
        assert!(RunLock::try_acquire(folder.path(), "1f3a").unwrap().is_none());
        assert!(RunLock::try_acquire(folder.path(), "99ff").unwrap().is_some());
        drop(lock);
        assert_eq!(is_held(folder.path(), "1f3a"), Some(false));
        assert!(folder.path().join(".locks/1f3a").exists(), "lock files are never unlinked");
        assert!(RunLock::try_acquire(folder.path(), "1f3a").unwrap().is_some());
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["", "../x", "a/b", "."] {
            assert!(RunLock::try_acquire(folder.path(), id).is_err(), "{id}");
            assert_eq!(is_held(folder.path(), id), Some(false), "{id}");
        }
    }

    #[test]
    fn a_claim_names_a_folder_beside_the_locks() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = RunLock::try_acquire(folder.path(), "1f3a").unwrap().unwrap();
        assert_eq!(lock.claimed(), None);
        for (name, read) in [("run-1f3a", Some("run-1f3a")), ("../run", None), ("..", None), ("a/b", None)] {
            lock.claim(name).unwrap();
            assert_eq!(lock.claimed().as_deref(), read, "{name}");
        }
    }

    #[test]
    fn readers_do_not_keep_an_owner_out() {
        let folder = tempfile::tempdir().unwrap();
        drop(RunLock::try_acquire(folder.path(), "1f3a").unwrap());
        let reader = File::open(folder.path().join(".locks/1f3a")).unwrap();
        reader.try_lock_shared().unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2));
            drop(reader);
        });
        assert!(RunLock::try_acquire(folder.path(), "1f3a").unwrap().is_some());
        release.join().unwrap();
    }
}
