//! One file in the folder: what is there of it, and how it gets its name.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::RemoteFile;
use crate::{Error, Result};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;

/// What lies in the folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Neither form of the file.
    Nothing,
    /// The file without `.gz`, which a source reads as well.
    Unpacked,
    /// The file with the published sum.
    Packed,
    /// The file with this sum, which is not the published one.
    Damaged { md5: String },
}

impl Found {
    /// Whether nothing is to be fetched.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Unpacked | Self::Packed)
    }
}

/// The paths of one file.
#[derive(Debug)]
pub struct Target {
    folder: PathBuf,
    packed: PathBuf,
    unpacked: Option<PathBuf>,
    part: PathBuf,
    md5: String,
}

impl Target {
    pub fn new(folder: &Path, file: &RemoteFile<'_>) -> Self {
        Self {
            folder: folder.to_path_buf(),
            packed: folder.join(file.name),
            unpacked: file.name.strip_suffix(".gz").map(|name| folder.join(name)),
            part: folder.join(format!("{}.part", file.name)),
            md5: file.md5.to_owned(),
        }
    }

    /// Where what has arrived so far lies.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Bytes that have arrived so far.
    pub fn begun(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// Reads the packed file whole, if it is there.
    pub fn look(&self) -> Result<Found> {
        if self.unpacked.as_ref().is_some_and(|path| path.is_file()) {
            return Ok(Found::Unpacked);
        }
        Ok(match sum(&self.packed)? {
            None => Found::Nothing,
            Some((md5, _)) if md5 == self.md5 => Found::Packed,
            Some((md5, _)) => Found::Damaged { md5 },
        })
    }

    /// Gives the complete part its name and returns its size, if it has the published sum; else removes it and returns the
    /// sum that it has. The part is on the disk already; its name is when this returns.
    pub fn settle(&self) -> Result<std::result::Result<u64, String>> {
        let (md5, bytes) = sum(&self.part)?.ok_or_else(|| {
            Error::Environment(format!("{} is gone: does another program clean up?", self.part.display()))
        })?;
        if md5 != self.md5 {
            fs::remove_file(&self.part).map_err(Error::io("remove", &self.part))?;
            return Ok(Err(md5));
        }
        fs::rename(&self.part, &self.packed).map_err(Error::io("rename", &self.part))?;
        sync_folder(&self.folder)?;
        Ok(Ok(bytes))
    }
}

/// The MD5 sum of a file, 32 lower-case hex digits, and its size; `None` if it is not there.
fn sum(path: &Path) -> Result<Option<(String, u64)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let (mut hasher, mut bytes, mut chunk) = (Md5::new(), 0, vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&chunk[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(Some((digits, bytes)))
}

/// Waits until a new name in the folder is on the disk, where the system can do that.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems refuse to sync a folder; there is nothing that could be done instead.
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(Error::io("sync", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | md5sum`
    const ABC: RemoteFile<'static> = RemoteFile { name: "a.gz", md5: "900150983cd24fb0d6963f7d28e17f72" };

    #[test]
    fn what_is_there_decides_what_is_to_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(folder.path(), &ABC);
        assert_eq!(target.look().unwrap(), Found::Nothing);
        fs::write(folder.path().join("a.gz"), "abd").unwrap();
        assert!(!target.look().unwrap().is_usable());
        fs::write(folder.path().join("a.gz"), "abc").unwrap();
        assert_eq!(target.look().unwrap(), Found::Packed);
        fs::write(folder.path().join("a"), "whatever").unwrap();
        assert_eq!(target.look().unwrap(), Found::Unpacked);
    }

    #[test]
    fn only_the_published_content_gets_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(folder.path(), &ABC);
        assert!(target.settle().is_err(), "there is no part");
        fs::write(target.part(), "").unwrap();
        // `printf '' | md5sum`
        assert_eq!(target.settle().unwrap(), Err("d41d8cd98f00b204e9800998ecf8427e".into()));
        assert!(!target.part().exists());
        fs::write(target.part(), "abc").unwrap();
        assert_eq!((target.begun(), target.settle().unwrap(), target.begun()), (3, Ok(3), 0));
        assert_eq!(fs::read(folder.path().join("a.gz")).unwrap(), b"abc");
    }
}
