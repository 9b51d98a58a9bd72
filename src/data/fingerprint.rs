//! Hashes over content, never over names or places.

use std::io::Read;
use std::path::Path;

use blake3::Hasher;

use super::file::{Peeked, plain};
use crate::{Error, Result};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;

/// 64 hex digits over files as they are stored, each in its role.
pub(super) fn of_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Result<String> {
    let mut whole = Hasher::new();
    for (role, path) in files {
        let mut stored = Peeked::open(path)?.into_stored();
        let mut hasher = Hasher::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match stored.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => hasher.update(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::unreadable(path, plain(&error))),
            };
        }
        add(&mut whole, role, &hasher);
    }
    Ok(whole.finalize().to_hex().to_string())
}

/// 64 hex digits over parts in memory, each in its role; equal to that of files with these bytes.
pub(super) fn of_parts<'a>(parts: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut whole = Hasher::new();
    for (role, bytes) in parts {
        add(&mut whole, role, Hasher::new().update(bytes));
    }
    whole.finalize().to_hex().to_string()
}

/// The role ends with a zero and the hash has a fixed length, so that no two lists of parts run together.
fn add(whole: &mut Hasher, role: &str, part: &Hasher) {
    whole.update(role.as_bytes()).update(&[0]).update(part.finalize().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_roles_count_and_names_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut large = vec![7u8; 3 * CHUNK + 5];
        let first = file("first", &large);
        let second = file("second", &large);
        large[2 * CHUNK + 1] ^= 1;
        let changed = file("changed", &large);
        let hash = |path| of_files([("images", path)]).unwrap();
        assert_eq!(hash(first.as_path()), hash(&second));
        assert_ne!(hash(first.as_path()), hash(&changed));
        assert_eq!(hash(&changed), of_parts([("images", large.as_slice())]));
        let labels = of_files([("labels", first.as_path())]).unwrap();
        assert_ne!(labels, hash(&first));
        assert_eq!(labels.len(), 64);
        let error = of_files([("images", folder.path().join("absent").as_path())]).unwrap_err();
        assert!(error.to_string().ends_with("absent: there is no such file"), "{error}");
    }
}
