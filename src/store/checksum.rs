//! What the files of a run come to.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::layout;
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
