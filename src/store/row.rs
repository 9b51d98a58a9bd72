//! A row as a flat object: `epoch`, `step`, `lr`, then the values in their order.

use indexmap::IndexMap;
use serde::ser::SerializeMap;
use serde::{Deserializer, Serializer};

use super::record::numbers;
use crate::train::event::Row;

#[expect(clippy::ref_option, reason = "serde hands out the field as it is")]
pub(crate) fn serialize<S: Serializer>(row: &Option<Row>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(row) = row else { return serializer.serialize_none() };
    let mut map = serializer.serialize_map(Some(3 + row.values.len()))?;
    map.serialize_entry("epoch", &row.epoch)?;
    map.serialize_entry("step", &row.step)?;
    map.serialize_entry("lr", &row.lr)?;
    for (name, value) in &row.values {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Row>, D::Error> {
    let mut values: IndexMap<String, f64> = numbers(deserializer)?;
    // Epochs and steps stay far below 2^53, so they are exact.
    let Some(epoch) = values.shift_remove("epoch") else { return Ok(None) };
    let step = values.shift_remove("step").unwrap_or(0.0) as u64;
    let lr = values.shift_remove("lr").unwrap_or(f64::NAN);
    Ok(Some(Row { epoch: epoch as usize, step, lr, values: values.into_iter().collect() }))
}
