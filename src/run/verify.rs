//! Whether two folders of the same run hold the same results, byte for byte.

use std::path::Path;

use crate::store::{checkpoint, layout};
use crate::{Error, Result};

/// The first difference between the deterministic files of two runs, in words; `None` if there is none.
pub fn first_difference(original: &Path, copy: &Path) -> Result<Option<String>> {
    for name in layout::DETERMINISTIC {
        let (left, right) = (read(&original.join(name))?, read(&copy.join(name))?);
        match (left, right) {
            (None, None) => {}
            (Some(left), Some(right)) if left == right => {}
            (Some(_), None) => return Ok(Some(format!("{name}: the copy has none"))),
            (None, Some(_)) => return Ok(Some(format!("{name}: the original has none"))),
            (Some(left), Some(right)) => {
                let place = if matches!(name, layout::BEST | layout::LAST) {
                    in_checkpoint(&original.join(name), &copy.join(name))?
                } else {
                    in_table(&left, &right)
                };
                return Ok(Some(format!("{name}: {place}")));
            }
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn in_table(left: &[u8], right: &[u8]) -> String {
    let (left, right) = (String::from_utf8_lossy(left), String::from_utf8_lossy(right));
    let header: Vec<&str> = left.lines().next().unwrap_or_default().split(',').collect();
    for (number, (one, other)) in left.lines().zip(right.lines()).enumerate() {
        let cells = one.split(',').zip(other.split(',')).enumerate();
        for (column, (a, b)) in cells {
            if a != b {
                let name = header.get(column).copied().unwrap_or_default();
                return format!("line {}, column {name}: {a} became {b}", number + 1);
            }
        }
        if one != other {
            return format!("line {}: another number of columns", number + 1);
        }
    }
    format!("{} lines became {}", left.lines().count(), right.lines().count())
}

fn in_checkpoint(original: &Path, copy: &Path) -> Result<String> {
    let (left, right) = (checkpoint::load(original)?, checkpoint::load(copy)?);
    for (name, tensor) in &left.tensors {
        let Some((_, other)) = right.tensors.iter().find(|(known, _)| known == &name) else {
            return Ok(format!("the copy has no tensor {name}"));
        };
        if tensor.dims() != other.dims() || tensor.dtype() != other.dtype() {
            return Ok(format!("tensor {name} has another shape or type"));
        }
        let numbers = |tensor: &candle_core::Tensor| -> Result<Vec<f64>> {
            Ok(tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()?)
        };
        let (a, b) = (numbers(tensor)?, numbers(other)?);
        if let Some(index) = (0..a.len()).find(|index| a[*index].to_bits() != b[*index].to_bits()) {
            return Ok(format!("tensor {name}, element {index}: {} became {}", a[index], b[index]));
        }
    }
    if left.metadata != right.metadata {
        return Ok("the metadata differs".into());
    }
    Ok("the files differ, but no tensor does".into())
}
