//! A safetensors file that can tell by itself whether it is whole.
//!
//! The tensor `training.checksum` is BLAKE3 over the metadata and every other tensor with its name, type and shape:
//! over what is in the file and not over how it is laid out, so that another program may write it anew.

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

/// The metadata key of our checkpoints; its text counts.
pub const KEY: &str = "runner";
/// The tensor with the checksum: [`LENGTH`] numbers of type U8.
pub const CHECKSUM: &str = "training.checksum";
/// The bytes of a checksum.
pub const LENGTH: usize = blake3::OUT_LEN;
/// What tensors of a training's state are called.
const TRAINING: &str = "training.";

/// Puts the checksum of the other tensors into the place that the file has for it.
///
/// `data` is what follows the header.
pub fn seal(header: &Metadata, data: &mut [u8]) -> Result<(), String> {
    let info = header.info(CHECKSUM).filter(|info| is_checksum(info)).ok_or("no place for the checksum")?;
    let sum = checksum(header, data)?;
    let place = data.get_mut(info.data_offsets.0..info.data_offsets.1).ok_or("it goes beyond the end")?;
    place.copy_from_slice(sum.as_bytes());
    Ok(())
}

/// Whether the file holds what it was sealed with. One without a checksum is believed: files of other programs
/// have none.
pub fn check(header: &Metadata, data: &[u8]) -> Result<(), String> {
    const DAMAGED: &str = "its content does not match the checksum in it, so it was damaged";
    let Some(info) = header.info(CHECKSUM) else {
        // Damage may have hit the very name; nothing else in a training's state looks like it.
        let is_misnamed = header.offset_keys().iter().any(|name| {
            name.len() == CHECKSUM.len()
                && header.info(name).is_some_and(is_checksum)
                && is_of_training(header)
        });
        return if is_misnamed { Err(DAMAGED.to_owned()) } else { Ok(()) };
    };
    let found = data.get(info.data_offsets.0..info.data_offsets.1).filter(|_| is_checksum(info));
    let is_whole = found == Some(checksum(header, data)?.as_bytes().as_slice());
    if is_whole { Ok(()) } else { Err(DAMAGED.to_owned()) }
}

fn is_checksum(info: &TensorInfo) -> bool {
    info.dtype == Dtype::U8 && info.shape == [LENGTH]
}

fn is_of_training(header: &Metadata) -> bool {
    header.offset_keys().iter().any(|name| name.starts_with(TRAINING))
}

fn checksum(header: &Metadata, data: &[u8]) -> Result<blake3::Hash, String> {
    let mut hasher = blake3::Hasher::new();
    // Every part has its length in front, so that no two contents come to the same bytes.
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    add(&[u8::from(text.is_some())]);
    add(text.map(String::as_bytes).unwrap_or_default());
    let mut names = header.offset_keys();
    names.sort_unstable();
    for name in names.iter().filter(|name| *name != CHECKSUM) {
        let info = header.info(name).ok_or("the header contradicts itself")?;
        let content = data.get(info.data_offsets.0..info.data_offsets.1).ok_or("it goes beyond the end")?;
        add(name.as_bytes());
        add(info.dtype.to_string().as_bytes());
        let shape: Vec<u8> = info.shape.iter().flat_map(|side| (*side as u64).to_le_bytes()).collect();
        add(&shape);
        add(content);
    }
    Ok(hasher.finalize())
}
