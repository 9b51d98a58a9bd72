//! One process at a time fetches into a folder.
//!
//! The file is never unlinked, since a lock on an unlinked file excludes nobody. The system gives a lock back when
//! its process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{Error, Result};

const NAME: &str = ".fetch.lock";

/// Creates the folder if need be and takes its lock, which is held until the file is dropped; calls `waiting` once if
/// another process has it.
pub fn acquire(folder: &Path, waiting: impl FnOnce()) -> Result<File> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let path = folder.join(NAME);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Error::io("open the lock", &path))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        waiting();
        file.lock().map_err(Error::io("wait for the lock", &path))?;
    }
    // Any other failure means that the file system has no locks. Then two fetches at once may spoil each other's
    // part, which the sum reveals.
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder");
        let first = acquire(&path, || panic!("nobody has it")).unwrap();
        let (waits, waiting) = mpsc::channel();
        let second = std::thread::spawn({
            let path = path.clone();
            move || acquire(&path, || waits.send(()).unwrap()).map(drop)
        });
        waiting.recv().unwrap();
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
    }
}
