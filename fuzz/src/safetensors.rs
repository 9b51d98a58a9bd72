//! What is done with bytes as weights and as a checkpoint.

use std::path::Path;

use runner::model::read_tensors_from;
use runner::store::checkpoint;

/// Reads the bytes both ways; what is read is no larger than they are.
pub fn check(data: &[u8]) {
    let path = Path::new("a.safetensors");
    match read_tensors_from(path, data, data.len() as u64) {
        Ok(tensors) => {
            assert!(tensors.is_sorted_by(|a, b| a.0 < b.0), "names out of order or twice");
            within(data, tensors.iter().map(|(_, tensor)| tensor));
        }
        Err(error) => drop(error.to_string()),
    }
    match checkpoint::from_bytes(path, data) {
        Ok(checkpoint) => within(data, checkpoint.tensors.values()),
        Err(error) => drop(error.to_string()),
    }
}

fn within<'a>(data: &[u8], tensors: impl Iterator<Item = &'a candle_core::Tensor>) {
    let bytes: usize = tensors.map(|tensor| tensor.elem_count() * tensor.dtype().size_in_bytes()).sum();
    assert!(bytes <= data.len(), "{bytes} bytes out of {}", data.len());
}
