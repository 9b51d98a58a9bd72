//! The archive that `torch.save` writes: a zip file whose entries lie in one folder and are not packed.

use std::io::{Read, Seek, SeekFrom};

use zip::{CompressionMethod, ZipArchive};

use super::{ARCHIVE, PICKLE, shown};

/// The start of a zip file's last record, which is as long as that where no comment follows.
const END: ([u8; 4], u64) = (*b"PK\x05\x06", 22);
/// The record in front of it in files of more than 4 GiB, and in all of `PyTorch`.
const LOCATOR: ([u8; 4], u64) = (*b"PK\x06\x07", 20);
const END_64: ([u8; 4], u64) = (*b"PK\x06\x06", 56);
/// Bytes of the shortest description of an entry.
const SHORTEST_ENTRY: u64 = 46;
/// Bytes of the longest pickle. A tensor takes about two hundred.
const LONGEST_PICKLE: u64 = 1 << 26;

/// The entries of a file of `torch.save`.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// The folder, with its slash.
    folder: String,
    /// Bytes of the whole file.
    pub length: u64,
    /// Bytes of it that no entry has had yet.
    left: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Refuses what `torch.save` does not write, as far as the names of the entries tell.
    pub fn open(mut reader: R) -> Result<Self, String> {
        let length = reader.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        recognise(&mut reader)?;
        check_end(&mut reader, length).ok_or("is cut off or damaged: it does not end as a zip file does")?;
        let zip = ZipArchive::new(reader).map_err(|error| format!("is damaged: {error}"))?;
        if zip.has_duplicate_names() {
            return Err("is damaged: it has two entries of one name".into());
        }
        let mut folders = Vec::new();
        for name in zip.file_names() {
            let name = name.map_err(|error| format!("is damaged: {error}"))?;
            if name.ends_with("/constants.pkl") {
                return Err(
                    "is an archive of TorchScript: save `model.state_dict()` with `torch.save`".into()
                );
            }
            folders.extend(
                name.strip_suffix("data.pkl").filter(|folder| folder.ends_with('/')).map(String::from),
            );
        }
        match <[String; 1]>::try_from(folders) {
            Ok([folder]) => Ok(Self { zip, folder, length, left: length }),
            Err(found) if found.is_empty() => {
                Err("is a zip file, but not of torch.save: it has no data.pkl".into())
            }
            Err(_) => Err("is not of torch.save: it has several data.pkl".into()),
        }
    }

    /// The description of all tensors.
    pub fn pickle(&mut self) -> Result<Vec<u8>, String> {
        self.check_order()?;
        let place = self.place("data.pkl").ok_or("has no data.pkl")?;
        self.entry(place, LONGEST_PICKLE)
    }

    /// The numbers of a storage.
    pub fn storage(&mut self, key: &str) -> Result<Vec<u8>, String> {
        let place = self.place(&format!("data/{key}"));
        let place = place.ok_or_else(|| format!("is damaged: the numbers `{}` are missing", shown(key)))?;
        self.entry(place, self.length)
    }

    /// Files of before `PyTorch` 2.1 do not say in which order the bytes of a number are: they are little-endian.
    fn check_order(&mut self) -> Result<(), String> {
        let Some(place) = self.place("byteorder") else { return Ok(()) };
        match self.entry(place, self.length)?.as_slice() {
            b"little" => Ok(()),
            b"big" => {
                Err("was written by a big-endian machine: load it there and save it as safetensors".into())
            }
            _ => Err("is damaged: its byte order is neither little nor big".into()),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.zip.index_for_name(&format!("{}{name}", self.folder))
    }

    /// The content of an entry; its checksum is held against it.
    fn entry(&mut self, place: usize, most: u64) -> Result<Vec<u8>, String> {
        let damaged = |error: zip::result::ZipError| format!("is damaged: {error}");
        // Before the content is asked for: packed content is an error that says less.
        let entry = self.zip.by_index_raw(place).map_err(damaged)?;
        let name = shown(&String::from_utf8_lossy(entry.name_raw()));
        if entry.compression() != CompressionMethod::Stored {
            return Err(format!(
                "has the entry `{name}` packed: save it again with `torch.save`, which packs nothing"
            ));
        }
        drop(entry);
        let mut entry = self.zip.by_index(place).map_err(damaged)?;
        let size = entry.size();
        if size != entry.compressed_size() || size > self.length {
            return Err(format!("is damaged: the entry `{name}` is larger than the file"));
        }
        if size > most {
            return Err(format!("has the entry `{name}` of more than {} MiB", most >> 20));
        }
        // Entries that share their bytes would let a small file take as long as a large one.
        self.left = self.left.checked_sub(size).ok_or("is damaged: its entries overlap")?;
        let mut content = Vec::with_capacity(size as usize);
        entry
            .read_to_end(&mut content)
            .map_err(|error| format!("is damaged: the entry `{name}`: {error}"))?;
        if content.len() as u64 != size {
            return Err(format!("is cut off within the entry `{name}`"));
        }
        Ok(content)
    }
}

/// Says what a file is that is no zip file.
fn recognise<R: Read + Seek>(reader: &mut R) -> Result<(), String> {
    let mut start = Vec::new();
    let read = reader.rewind().and_then(|()| reader.by_ref().take(4).read_to_end(&mut start));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    match start.as_slice() {
        start if start == ARCHIVE => Ok(()),
        [PICKLE, ..] => {
            Err("is a bare pickle, as PyTorch before 1.6 saved; loading one can run whatever code is in \
                           it, so it is not read here: if you trust it, load it in PyTorch with \
                           `torch.load(…, weights_only=True)` and save `model.state_dict()` again"
                .into())
        }
        [] => Err("is empty".into()),
        _ => Err("is not a file of torch.save".into()),
    }
}

/// Whether the file ends with a directory that lies within it.
///
/// The archive reader would find one elsewhere in the file, too, and makes room for as many entries as it
/// announces.
fn check_end<R: Read + Seek>(reader: &mut R, length: u64) -> Option<()> {
    let end_at = length.checked_sub(END.1)?;
    let end: [u8; 22] = record(reader, end_at, END.0)?;
    let within = |count: u64, size: u64, start: u64, limit: u64| {
        let whole = start.checked_add(size)? == limit && count.checked_mul(SHORTEST_ENTRY)? <= size;
        whole.then_some(())
    };
    if let Some(at) = end_at.checked_sub(LOCATOR.1)
        && let Some(locator) = record::<20, _>(reader, at, LOCATOR.0)
    {
        let end_at = number(&locator, 8)?;
        let end: [u8; 56] = record(reader, end_at, END_64.0)?;
        let limit = at.checked_sub(END_64.1).filter(|limit| *limit == end_at)?;
        return within(number(&end, 32)?, number(&end, 40)?, number(&end, 48)?, limit);
    }
    let short = |at| Some(u64::from(u32::from_le_bytes(*end.get(at..)?.first_chunk()?)));
    let count = u16::from_le_bytes(*end.get(10..)?.first_chunk()?);
    within(u64::from(count), short(12)?, short(16)?, end_at)
}

fn record<const N: usize, R: Read + Seek>(reader: &mut R, at: u64, start: [u8; 4]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(at)).ok()?;
    reader.read_exact(&mut bytes).ok()?;
    bytes.starts_with(&start).then_some(bytes)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
