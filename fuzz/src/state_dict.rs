//! What is done with bytes as a file of `torch.save`.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::path::Path;

use runner::model::state_dict;
use zip::write::SimpleFileOptions;

/// Bytes of the storages beside a pickle: those that the tensors of the seeds lie in.
const STORAGES: [usize; 19] = [72, 8, 8, 8, 8, 8, 8, 96, 12, 96, 8, 12, 4, 16, 48, 16, 4, 0, 8];
/// How many times a file's size its tensors may take.
const MOST_COPIES: usize = 8;

/// Reads the bytes as a file, or, where they do not begin as one, as the pickle of one: damage to it would
/// stop at the checksum.
pub fn check(data: &[u8]) {
    if data.starts_with(b"PK") {
        read(data);
    } else {
        read(&archive(data));
    }
}

fn read(file: &[u8]) {
    let tensors = match state_dict::read_from(Path::new("a.pt"), Cursor::new(file)) {
        Ok(tensors) => tensors,
        Err(error) => return drop(error.to_string()),
    };
    let mut names = BTreeSet::new();
    for (name, tensor) in &tensors {
        assert!(names.insert(name), "{name} twice");
        assert!(tensor.is_contiguous(), "{name}");
        let bytes = tensor.elem_count() * tensor.dtype().size_in_bytes();
        assert!(bytes <= MOST_COPIES * file.len(), "{name} of {bytes} bytes in {}", file.len());
        tensor.flatten_all().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn archive(pickle: &[u8]) -> Vec<u8> {
    let write = || -> zip::result::ZipResult<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("a/data.pkl", SimpleFileOptions::default())?;
        zip.write_all(pickle)?;
        for (key, bytes) in STORAGES.iter().enumerate() {
            zip.start_file(format!("a/data/{key}"), SimpleFileOptions::default())?;
            zip.write_all(&[1; 96][..*bytes])?;
        }
        Ok(zip.finish()?.into_inner())
    };
    write().unwrap_or_else(|error| panic!("{error}"))
}
