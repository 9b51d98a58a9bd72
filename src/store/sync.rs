//! When what was written has to reach the disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::file;
use crate::Result;

/// A power cut loses no more than this.
const LIMIT: Duration = Duration::from_secs(5);

/// The files that were written and are not known to be on the disk yet.
#[derive(Debug)]
pub(super) struct Unsynced {
    files: BTreeSet<PathBuf>,
    synced: Instant,
    looked: Instant,
}

impl Unsynced {
    pub fn new(now: Instant) -> Self {
        Self { files: BTreeSet::new(), synced: now, looked: now }
    }

    pub fn touch(&mut self, path: PathBuf) {
        self.files.insert(path);
    }

    /// Syncs if the limit would be passed before the next call, should that take as long to come as this one.
    pub fn settle(&mut self, now: Instant) -> Result<()> {
        let pace = now.duration_since(self.looked);
        self.looked = now;
        if is_due(now.duration_since(self.synced), pace) { self.sync(now) } else { Ok(()) }
    }

    /// Waits until every touched file and its name are on the disk.
    pub fn sync(&mut self, now: Instant) -> Result<()> {
        let mut folders = BTreeSet::new();
        for path in &self.files {
            file::sync_file(path)?;
            folders.extend(path.parent());
        }
        for folder in folders {
            file::sync_folder(folder)?;
        }
        self.files.clear();
        self.synced = now;
        Ok(())
    }
}

/// `since` the last sync and the `pace` of calls.
fn is_due(since: Duration, pace: Duration) -> bool {
    since + pace >= LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_epochs_share_a_sync_and_slow_ones_have_their_own() {
        let seconds = Duration::from_secs;
        assert!(!is_due(seconds(1), seconds(1)));
        assert!(!is_due(seconds(3), seconds(1)));
        assert!(is_due(seconds(4), seconds(1)));
        assert!(is_due(seconds(60), seconds(60)));
        assert!(is_due(seconds(3), seconds(3)), "the next call would come after 6 seconds");
    }

    #[test]
    fn a_file_that_was_removed_since_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut unsynced = Unsynced::new(start);
        unsynced.touch(folder.path().join("gone"));
        unsynced.settle(start + Duration::from_secs(1)).unwrap();
        assert_eq!(unsynced.files.len(), 1);
        unsynced.settle(start + Duration::from_secs(6)).unwrap();
        assert!(unsynced.files.is_empty());
    }
}
