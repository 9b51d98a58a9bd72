//! Who owns a run where the file system has no locks: a file beside the lock's that its owner writes anew every few
//! seconds. An owner that has been silent for a minute is gone.
//!
//! Weaker than a lock: a crash is noticed a minute late, and clocks of machines that share the folder must agree to
//! within that.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::{Error, Result};

/// How often an owner says that it is there.
const BEAT: Duration = Duration::from_secs(15);
/// How long a silent owner is believed.
const STALE: Duration = Duration::from_mins(1);

/// Says that a run is owned until it is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    path: PathBuf,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Becomes the owner; `None` if there is another one.
    pub fn start(path: &Path, now: SystemTime) -> Result<Option<Self>> {
        if is_fresh(path, now) {
            return Ok(None);
        }
        // Whoever creates the file is the owner; of a stale one only one of two that remove it can create it again.
        let _ = fs::remove_file(path);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            opened => opened.map_err(Error::io("create", path))?,
        };
        beat(&mut file);
        let (stop, stopped) = channel();
        let beats = move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                beat(&mut file);
            }
        };
        let thread = std::thread::Builder::new()
            .spawn(beats)
            .map_err(|error| Error::Environment(format!("failed to start a thread: {error}")))?;
        Ok(Some(Self { path: path.to_path_buf(), stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// The host is for people. A beat that fails is made up for by the next one.
fn beat(file: &mut File) {
    let host = gethostname::gethostname();
    let text = format!("{} {}\n", host.to_string_lossy(), std::process::id());
    let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    let _ = file.set_modified(SystemTime::now());
}

/// Whether an owner has been heard of lately. A time that is yet to come is one of a clock that was set back.
pub(super) fn is_fresh(path: &Path, now: SystemTime) -> bool {
    let modified = fs::metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|modified| match now.duration_since(modified) {
        Ok(silence) => silence < STALE,
        Err(ahead) => ahead.duration() < STALE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_believed_as_long_as_it_is_heard_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1f3a.owner");
        let now = SystemTime::now();
        assert!(!is_fresh(&path, now));
        let owner = Heartbeat::start(&path, now).unwrap().unwrap();
        assert!(Heartbeat::start(&path, now).unwrap().is_none());
        assert!(is_fresh(&path, now + STALE / 2) && !is_fresh(&path, now + STALE * 2));
        // After a crash the file is still there, but silent.
        let heir = Heartbeat::start(&path, now + STALE * 2).unwrap().unwrap();
        assert!(path.exists());
        drop(heir);
        assert!(!path.exists());
        drop(owner);
        assert!(Heartbeat::start(&path, now).unwrap().is_some());
    }

    #[test]
    fn a_time_far_ahead_is_not_believed_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1f3a.owner");
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() + STALE * 60).unwrap();
        assert!(!is_fresh(&path, SystemTime::now()));
    }
}
