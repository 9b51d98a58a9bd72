//! Files that are whole at every moment.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// When a write has to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    Now,
    /// Whenever the system, or a later [`sync_file`] and [`sync_folder`], gets to it.
    Later,
}

/// Replaces the file at `path` by `content` as a whole: beside it first, then renamed, so that a reader or a
/// kill sees either the old content or the new.
///
/// The name beside it follows from `path`, so a crash leaves at most one file more, which the next write
/// removes. One writer a path at a time: runs hold a lock, see [`RunLock`](super::RunLock).
pub fn write(path: &Path, content: &[u8], durability: Durability) -> Result<()> {
    let beside = beside(path)?;
    remove(&beside)?;
    let written = fill(&beside, content, durability)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(Error::io("write", path));
    if written.is_err() {
        // The disk may be full: what was written so far is worth nothing, and the first error is told.
        let _ = fs::remove_file(&beside);
    }
    written?;
    match (durability, path.parent()) {
        (Durability::Now, Some(folder)) => sync_folder(folder),
        _ => Ok(()),
    }
}

/// Appends `line` with one write, so that a kill leaves at most one torn line.
pub fn append(path: &Path, line: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    readable_by_all(&mut options);
    options.open(path).and_then(|mut file| file.write_all(line)).map_err(Error::io("append to", path))
}

/// Removes a file; that there is none is as good.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Creates a folder with its parents where there is none.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))
}

/// The content of a file, `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Waits until the file's content is on the disk; that it was removed meanwhile is as good.
pub fn sync_file(path: &Path) -> Result<()> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("sync", path)(error)),
        _ => Ok(()),
    }
}

/// Waits until the names in the folder are on the disk, where the system can do that.
pub fn sync_folder(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(path).and_then(|folder| folder.sync_all()) {
        // Some network file systems refuse to sync a folder; there is nothing that could be done instead.
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(Error::io("sync", path)(error))
        }
        _ => Ok(()),
    }
}

fn fill(path: &Path, content: &[u8], durability: Durability) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    readable_by_all(&mut options);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    match durability {
        Durability::Now => file.sync_all(),
        Durability::Later => Ok(()),
    }
}

fn beside(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::Bug(format!("a write to {}, which names no file", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}

/// Mode 0644, less what the user's mask takes away.
#[cfg(unix)]
fn readable_by_all(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o644);
}

#[cfg(not(unix))]
fn readable_by_all(_: &mut OpenOptions) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write(&path, b"a long first version", Durability::Now).unwrap();
        write(&path, b"second", Durability::Later).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["run.json"]);
    }

    #[test]
    fn what_a_crash_left_is_replaced_by_the_next_write() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".run.json.tmp"), "half of an earlier, longer vers").unwrap();
        write(&folder.path().join("run.json"), b"whole", Durability::Later).unwrap();
        assert_eq!(names(folder.path()), ["run.json"]);
        assert_eq!(fs::read(folder.path().join("run.json")).unwrap(), b"whole");
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file.
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let error = write(&path, b"x", Durability::Later).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_ENVIRONMENT);
        assert!(error.to_string().starts_with("failed to write "), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_a_file_and_nobody_else_may_write_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        write(&path, b"x", Durability::Later).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o133, 0);
    }

    #[test]
    fn lines_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.txt");
        append(&path, b"one\n").unwrap();
        append(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
    }
}
