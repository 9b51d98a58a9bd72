//! Whether two folders of the same run hold the same results, byte for byte.

use std::path::Path;

use crate::Result;
use crate::store::{RunRecord, checkpoint, file, layout};

/// What comparing two folders of the same run has shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// The first difference between their deterministic files, in words.
    pub difference: Option<String>,
    /// Files that are not what their own run wrote, each with whose it is.
    pub damaged: Vec<String>,
    /// Files that `runner gc` has removed from the original, which cannot be compared.
    pub removed: Vec<&'static str>,
}

/// Compares the deterministic files of two runs with each other, and each with the checksum in its own record.
pub fn verify(original: &Path, copy: &Path) -> Result<Verification> {
    let mut found = Verification::default();
    // A record that cannot be read says nothing against its files.
    let record = |dir: &Path| RunRecord::load(dir).ok().flatten().unwrap_or_default();
    let (left_record, right_record) = (record(original), record(copy));
    for name in layout::DETERMINISTIC {
        let (left, right) = (file::read(&original.join(name))?, file::read(&copy.join(name))?);
        for (side, record, content) in [("original", &left_record, &left), ("copy", &right_record, &right)] {
            if content.as_ref().is_some_and(|content| record.contradicts_content(name, content)) {
                found.damaged.push(format!("{name} of the {side}"));
            }
        }
        let place = match (left, right) {
            (None, Some(_)) if left_record.has_dropped(name) => {
                found.removed.push(name);
                continue;
            }
            (None, None) => continue,
            (Some(left), Some(right)) if left == right => continue,
            (Some(_), None) => "the copy has none".to_owned(),
            (None, Some(_)) => "the original has none".to_owned(),
            (Some(left), Some(right)) if matches!(name, layout::BEST | layout::LAST) => {
                in_checkpoint((&original.join(name), &left), (&copy.join(name), &right))?
            }
            (Some(left), Some(right)) => in_table(&left, &right),
        };
        found.difference.get_or_insert_with(|| format!("{name}: {place}"));
    }
    Ok(found)
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

fn in_checkpoint(original: (&Path, &[u8]), copy: (&Path, &[u8])) -> Result<String> {
    let read = |(path, content)| checkpoint::from_bytes(path, content);
    let (left, right) = match (read(original), read(copy)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(error), _) | (_, Err(error)) => return Ok(format!("cannot be compared, {error}")),
    };
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
