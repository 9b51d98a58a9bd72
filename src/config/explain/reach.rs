//! Where a table speaks of a key.

use indexmap::IndexSet;
use toml::{Table, Value};

use crate::config::layer::{Layer, nested};
use crate::config::schema;
use crate::config::section::Section;
use crate::setting::{KeyPath, Segment};

/// The settings of a layer: of a flag that reaches into a list, what was typed and not the whole list.
pub(super) fn as_written(layer: &Layer, sections: &[Section]) -> Table {
    let typed = layer.assigned().map(|(path, value)| nested(path, value.clone()));
    let mut table = match typed {
        Some(Value::Table(table)) => table,
        _ => layer.table.clone(),
    };
    for section in sections {
        section.write_out(&mut table);
    }
    table
}

/// The place at which the table speaks of `key`: its own, in a list the one entry that has it, or that of a
/// value which stands where the key would lie.
pub(super) fn reach(table: &Table, key: &KeyPath) -> Option<KeyPath> {
    let mut at = KeyPath::default();
    let mut rest = key.0.as_slice();
    let (Segment::Key(first), _) = rest.split_first()? else { return None };
    let mut value = table.get(first)?;
    loop {
        at.0.push(rest[0].clone());
        rest = &rest[1..];
        let [Segment::Key(next), ..] = rest else { return Some(at) };
        if let Value::Array(list) = value {
            let mut with = list.iter().enumerate().filter(|(_, entry)| entry.get(next.as_str()).is_some());
            let (Some((index, entry)), None) = (with.next(), with.next()) else { return Some(at) };
            at.0.push(Segment::Index(index));
            value = entry;
        }
        let Value::Table(inner) = value else { return Some(at) };
        value = inner.get(next)?;
    }
}

/// What holds of a key that a configuration leaves out where nobody sets it; none for keys of some kinds only.
pub(super) fn unwritten(key: &KeyPath, config: &Table) -> Option<Value> {
    let is_left_out = key.parent().find_in(config)?.is_table() && key.find_in(config).is_none();
    let doc = schema::describe(key).filter(|doc| is_left_out && doc.kinds.is_empty())?;
    Value::try_from(doc.default?).ok()
}

/// Adds every setting in `value`, which lies at `at`, to `leaves`.
pub(super) fn collect_leaves(at: &KeyPath, value: Option<&Value>, leaves: &mut IndexSet<KeyPath>) {
    match value {
        Some(Value::Table(table)) => {
            for (key, value) in table {
                collect_leaves(&at.join(key), Some(value), leaves);
            }
        }
        Some(_) => {
            leaves.insert(at.clone());
        }
        None => {}
    }
}
