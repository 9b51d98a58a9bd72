//! Opening files that may be anything.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

/// Bytes that are looked at to find out what a file is.
const HEAD: u64 = 4096;

/// A file whose first bytes are known; works on pipes, too.
pub(super) struct Peeked {
    pub path: PathBuf,
    /// The first bytes.
    pub head: Vec<u8>,
    /// All bytes as they are stored; unknown for what is not a regular file.
    pub size: Option<u64>,
    rest: Box<dyn Read + Send>,
}

impl Peeked {
    /// Opens a file; a folder is an error.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |error: io::Error| Error::unreadable(path, plain(&error));
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::unreadable(path, "is a folder where a file was expected"));
        }
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(unreadable)?;
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { path: path.to_path_buf(), head, size, rest: Box::new(file) })
    }

    /// Bytes in memory under the name `path`.
    pub fn from_bytes(path: &str, bytes: &'static [u8]) -> Self {
        let head = bytes[..bytes.len().min(HEAD as usize)].to_vec();
        let size = Some(bytes.len() as u64);
        Self { path: PathBuf::from(path), rest: Box::new(&bytes[head.len()..]), head, size }
    }

    /// As [`from_bytes`](Self::from_bytes), of bytes that may go again.
    pub fn from_vec(path: &Path, bytes: Vec<u8>) -> Self {
        let head = bytes[..bytes.len().min(HEAD as usize)].to_vec();
        let size = Some(bytes.len() as u64);
        let mut rest = Cursor::new(bytes);
        rest.set_position(head.len() as u64);
        Self { path: path.to_path_buf(), head, size, rest: Box::new(rest) }
    }

    /// Whether the content is packed with gzip.
    pub fn is_gzip(&self) -> bool {
        self.head.starts_with(&[0x1f, 0x8b])
    }

    /// The first bytes after unpacking, as many as the head gives.
    pub fn unpacked_head(&self) -> Vec<u8> {
        if !self.is_gzip() {
            return self.head.clone();
        }
        let mut unpacked = Vec::new();
        // The head ends in the middle of the stream: what came before the error is what there is.
        let _ = MultiGzDecoder::new(self.head.as_slice()).take(HEAD).read_to_end(&mut unpacked);
        unpacked
    }

    /// The stored bytes from the start.
    pub fn into_stored(self) -> impl Read + Send {
        Cursor::new(self.head).chain(self.rest)
    }

    /// The bytes from the start, unpacked where they are packed.
    pub fn into_unpacked(self) -> Box<dyn Read + Send> {
        let packed = self.is_gzip();
        let stored = BufReader::with_capacity(1 << 16, self.into_stored());
        if packed { Box::new(MultiGzDecoder::new(stored)) } else { Box::new(stored) }
    }
}

/// What the system said, in words that fit behind a path.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "may not be read: permission denied".into(),
        _ => format!("cannot be read: {error}"),
    }
}
