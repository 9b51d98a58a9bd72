//! The experiment file beside its runs.

use std::fs::File;
use std::path::Path;

use super::{file, layout};
use crate::{Error, Result};

/// So many files may be kept that nobody reads any more.
const MOST: usize = 9_999;

/// Keeps `text` as the experiment's file. One with another text is kept too, under the next free number.
pub fn save_experiment(experiment_dir: &Path, text: &str) -> Result<()> {
    let locks = experiment_dir.join(layout::LOCKS);
    file::create_folder(&locks)?;
    // Two programs may start the same experiment at once; where there are no locks, each still writes a
    // whole file.
    let lock_path = locks.join(layout::EXPERIMENT);
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&lock_path)
        .map_err(Error::io("open the lock", &lock_path))?;
    let _ = lock.lock();

    let path = experiment_dir.join(layout::EXPERIMENT);
    if let Some(present) = file::read(&path)? {
        if present == text.as_bytes() {
            return Ok(());
        }
        let mut older = (1..=MOST).map(|number| experiment_dir.join(layout::older_experiment(number)));
        let free = older.find(|path| !path.exists()).ok_or_else(|| {
            let place = experiment_dir.display();
            Error::Environment(format!("{place} holds {MOST} older experiment files; remove some"))
        })?;
        file::write(&free, &present, file::Durability::Now)?;
    }
    file::write(&path, text.as_bytes(), file::Durability::Now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_texts_are_kept_and_equal_ones_are_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("sweep");
        for text in ["a = 1", "a = 1", "a = 2", "a = 3", "a = 3"] {
            save_experiment(&dir, text).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(read("experiment.toml"), "a = 3");
        assert_eq!(read("experiment.1.toml"), "a = 1");
        assert_eq!(read("experiment.2.toml"), "a = 2");
        assert!(!dir.join("experiment.3.toml").exists());
    }
}
