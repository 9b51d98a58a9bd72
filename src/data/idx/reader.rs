//! The IDX format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian `u32`,
//! then the values in row-major order. Described at <http://yann.lecun.com/exdb/mnist/>.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::super::file::{Peeked, plain};
use crate::{Error, Result};

/// Bytes that memory grows by while a packed file is read, so that a header cannot ask for more than comes.
const STEP: u64 = 1 << 20;
/// Pixels of the largest image that a model could take.
const LARGEST_IMAGE: u64 = 1 << 31;
/// Deflate packs no better than this.
const BEST_RATIO: u64 = 1032;

/// The values of an IDX file of unsigned bytes, to be read from front to back.
pub(in super::super) struct IdxReader {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    dims: Vec<usize>,
    /// Bytes that are still to come.
    left: u64,
}

impl IdxReader {
    /// Reads the header and holds it against the size of the file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(Peeked::open(path)?)
    }

    /// As [`open`](Self::open), for a file in memory.
    pub fn from_bytes(name: &str, bytes: &'static [u8]) -> Result<Self> {
        Self::new(Peeked::from_bytes(name, bytes))
    }

    /// As [`open`](Self::open), for a file that is open already.
    pub fn new(file: Peeked) -> Result<Self> {
        let (packed, size, path) = (file.is_gzip(), file.size, file.path.clone());
        let mut reader = Self { path, reader: file.into_unpacked(), dims: Vec::new(), left: u64::MAX };
        reader.read_header()?;
        reader.check_size(packed, size)?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<()> {
        let mut magic = [0; 4];
        self.reader.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.refuse("is not an IDX file: it ends within four bytes"),
            _ => self.broken(&error),
        })?;
        let [0, 0, kind, count] = magic else {
            let [a, b, ..] = magic;
            return Err(
                self.refuse(format!("is not an IDX file: it begins with {a:02x} {b:02x}, not with 00 00"))
            );
        };
        let found = match kind {
            0x08 => None,
            0x09 => Some("signed bytes"),
            0x0b => Some("16-bit integers"),
            0x0c => Some("32-bit integers"),
            0x0d => Some("32-bit floats"),
            0x0e => Some("64-bit floats"),
            _ => return Err(self.refuse(format!("is not an IDX file: {kind:02x} is not a type of values"))),
        };
        if let Some(found) = found {
            return Err(self.refuse(format!("holds {found}; only unsigned bytes can be read")));
        }
        if count == 0 {
            return Err(self.refuse("is an IDX file without dimensions"));
        }
        for _ in 0..count {
            let mut dim = [0; 4];
            self.fill(&mut dim)?;
            self.dims.push(u32::from_be_bytes(dim) as usize);
        }
        Ok(())
    }

    fn check_size(&mut self, packed: bool, size: Option<u64>) -> Result<()> {
        let dims = &self.dims;
        if dims.contains(&0) {
            return Err(self.refuse(format!("is empty: its header announces {}", times(dims))));
        }
        let payload = dims.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim as u64));
        let Some(payload) = payload.filter(|payload| isize::try_from(*payload).is_ok()) else {
            return Err(self.refuse(format!("announces {} bytes, more than any memory holds", times(dims))));
        };
        let header = 4 + 4 * dims.len() as u64;
        match size {
            Some(size) if !packed && size < header + payload => {
                let there = size.saturating_sub(header);
                return Err(self.refuse(format!(
                    "is cut off: its header announces {} = {payload} bytes, {there} are there",
                    times(dims)
                )));
            }
            Some(size) if !packed && size > header + payload => {
                return Err(self.refuse(self.too_long(size - header - payload)));
            }
            Some(size) if packed && size.saturating_mul(BEST_RATIO) < payload => {
                return Err(self.refuse(format!(
                    "announces {} = {payload} bytes, more than gzip can pack into {size}",
                    times(dims)
                )));
            }
            _ => {}
        }
        self.left = payload;
        Ok(())
    }

    fn too_long(&self, extra: u64) -> String {
        format!("is longer than its header says: {} and then {extra} bytes more", times(&self.dims))
    }

    /// The sizes in the order of the file.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Height and width, of a file of images.
    pub fn image_size(&self) -> Result<[usize; 2]> {
        match self.dims[..] {
            [_, height, width] if height as u64 * width as u64 <= LARGEST_IMAGE => Ok([height, width]),
            [_, height, width] => {
                Err(self.refuse(format!("holds images of {height}×{width}, which is too large")))
            }
            [_] => Err(self.refuse("holds labels (one dimension) where images belong")),
            _ => Err(self.refuse(format!(
                "has {} dimensions; images have three: count, height and width",
                self.dims.len()
            ))),
        }
    }

    /// Refuses a file that does not hold one number for each of `images`.
    pub fn expect_labels(&self, images: &Self) -> Result<()> {
        match self.dims[..] {
            [count] if count == images.dims[0] => Ok(()),
            [count] => {
                let there = images.dims[0];
                Err(self.refuse(format!(
                    "holds {count} labels for the {there} images of {}",
                    images.path.display()
                )))
            }
            _ => Err(self.refuse(format!(
                "has {} dimensions where labels have one; are images and labels swapped?",
                self.dims.len()
            ))),
        }
    }

    /// Reads the next `values.len()` bytes.
    pub fn fill(&mut self, values: &mut [u8]) -> Result<()> {
        self.reader.read_exact(values).map_err(|error| self.broken(&error))?;
        self.left = self.left.saturating_sub(values.len() as u64);
        Ok(())
    }

    /// Makes sure that the file ends where it should and, if it is packed, that its checksum holds.
    pub fn finish(&mut self) -> Result<()> {
        let mut beyond = [0];
        loop {
            match self.reader.read(&mut beyond) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    return Err(self.refuse(format!("is longer than its header says: {}", times(&self.dims))));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    /// Everything from here to the end.
    pub fn read_all(mut self) -> Result<Vec<u8>> {
        let mut values = Vec::new();
        while self.left > 0 {
            let step = self.left.min(STEP) as usize;
            let start = values.len();
            values.try_reserve(step).map_err(|_| {
                Error::Environment(format!("there is not enough memory for {}", self.path.display()))
            })?;
            values.resize(start + step, 0);
            self.fill(&mut values[start..])?;
        }
        self.finish()?;
        values.shrink_to_fit();
        Ok(values)
    }

    fn broken(&self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.refuse("is cut off: it ends before its data does"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                self.refuse(format!("is damaged: its gzip stream cannot be unpacked ({error})"))
            }
            _ => self.refuse(plain(error)),
        }
    }

    /// An error about this file.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::unreadable(&self.path, reason)
    }
}

fn times(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{gzip, idx};
    use super::*;

    fn read(bytes: Vec<u8>) -> std::result::Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let result = IdxReader::open(&path).and_then(IdxReader::read_all);
        result.map_err(|error| {
            assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
            error.to_string().replace(&path.display().to_string(), "F")
        })
    }

    fn refused(bytes: Vec<u8>, expected: &str) {
        let error = read(bytes).unwrap_err();
        assert!(error.starts_with("F: ") && error.contains(expected), "{error}");
    }

    #[test]
    fn reads_plain_and_packed_files() {
        let file = idx(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        assert_eq!(read(file.clone()).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        assert_eq!(read(gzip(&file)).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        // Longer than one step, and than what is peeked at.
        let long: Vec<u8> = (0..3_000_000u32).map(|value| (value % 251) as u8).collect();
        assert_eq!(read(idx(&[3_000_000], &long)).unwrap(), long);
        assert_eq!(read(gzip(&idx(&[3_000_000], &long))).unwrap(), long);
    }

    #[test]
    fn refuses_what_is_not_an_idx_file_of_bytes() {
        refused(vec![], "ends within four bytes");
        refused(vec![0, 0, 8], "ends within four bytes");
        refused(b"index,label\n1,2\n".to_vec(), "begins with 69 6e");
        refused(gzip(b"index,label\n1,2\n"), "begins with 69 6e");
        refused(vec![0, 0, 7, 1, 0, 0, 0, 1, 5], "07 is not a type");
        refused(vec![0, 0, 8, 0], "without dimensions");
        refused(vec![0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0], "32-bit floats");
        refused(vec![0, 0, 8, 3, 0, 0, 0, 1], "is cut off");
        refused(vec![0, 0, 8, 255], "is cut off");
        refused(idx(&[0, 28, 28], &[]), "is empty: its header announces 0 × 28 × 28");
        refused(gzip(&idx(&[5, 0, 28], &[])), "is empty");
    }

    #[test]
    fn refuses_wrong_lengths() {
        refused(idx(&[2, 2], &[1, 2, 3]), "announces 2 × 2 = 4 bytes, 3 are there");
        refused(idx(&[2, 2], &[1, 2, 3, 4, 5]), "2 × 2 and then 1 bytes more");
        refused(gzip(&idx(&[2, 2], &[1, 2, 3])), "is cut off");
        refused(gzip(&idx(&[2, 2], &[1, 2, 3, 4, 5])), "is longer than its header says");
    }

    #[test]
    fn a_header_cannot_make_it_allocate() {
        // 2^40 bytes, and more than 2^64.
        refused(idx(&[1 << 20, 1 << 10, 1 << 10], &[0; 9]), "is cut off");
        refused(gzip(&idx(&[1 << 20, 1 << 10, 1 << 10], &[0; 9])), "more than gzip can pack into");
        refused(idx(&[u32::MAX; 3], &[0; 9]), "more than any memory holds");
        refused(gzip(&idx(&[u32::MAX; 3], &[0; 9])), "more than any memory holds");
        refused(idx(&[u32::MAX; 255], &[]), "more than any memory holds");
        // A packed file that unpacks to far more than it announces is left after one byte too many.
        refused(gzip(&idx(&[10], &vec![0; 50_000_000])), "is longer than its header says: 10");
    }

    #[test]
    fn refuses_damaged_gzip_wherever_it_is_cut_or_changed() {
        let values: Vec<u8> = (0..20_000u32).map(|value| (value * value % 255) as u8).collect();
        let packed = gzip(&idx(&[200, 100], &values));
        for cut in [3, 12, 40, packed.len() / 2, packed.len() - 8, packed.len() - 1] {
            let error = read(packed[..cut].to_vec()).unwrap_err();
            assert!(error.contains("is cut off") || error.contains("ends within"), "{cut}: {error}");
        }
        let mut checksum = packed.clone();
        let at = packed.len() - 6;
        checksum[at] ^= 1;
        refused(checksum, "is damaged");
        for at in (10..packed.len()).step_by(97) {
            let mut changed = packed.clone();
            changed[at] ^= 0x10;
            assert!(read(changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn absent_files_and_folders_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path| IdxReader::open(path).err().unwrap().to_string();
        assert!(open(&folder.path().join("x")).ends_with("x: there is no such file"));
        assert!(open(folder.path()).ends_with("is a folder where a file was expected"));
    }
}
