//! The tables of an experiment whose keys depend on a tag (`kind`, or `source` for data).

use toml::{Table, Value};

use crate::setting::{KeyPath, Kind, Segment};

/// One such table.
pub struct Section {
    /// Its dotted path, as in `model.activation`.
    pub path: &'static str,
    /// The key of the tag.
    pub tag: &'static str,
    /// All values of the tag.
    pub kinds: &'static [&'static str],
    default: Option<&'static str>,
    keys: fn(&str) -> &'static [&'static str],
    common: &'static [&'static str],
}

impl Section {
    /// The section at `path` whose kinds are those of `K`, with `common` keys beside.
    pub fn of<K: Kind>(path: &'static str, common: &'static [&'static str]) -> Self {
        Self { path, tag: K::TAG, kinds: K::KINDS, default: K::DEFAULT, keys: K::keys, common }
    }

    /// Every key that the table may have, whatever its kind; no key twice.
    pub fn all_keys(&self) -> Vec<&'static str> {
        let mut keys: Vec<&str> = vec![self.tag];
        let own = self.kinds.iter().flat_map(|kind| (self.keys)(kind));
        for key in self.common.iter().chain(own) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether a table of this kind has the key; of an unknown kind, any.
    pub fn has(&self, kind: &str, key: &str) -> bool {
        key == self.tag
            || !self.kinds.contains(&kind)
            || self.common.contains(&key)
            || (self.keys)(kind).contains(&key)
    }

    /// The kind that the table is of.
    pub fn kind_of<'a>(&self, table: &'a Table) -> Option<&'a str> {
        match table.get(self.tag) {
            Some(value) => value.as_str(),
            None => self.default,
        }
    }

    /// Writes `optimizer = "adam"` out to `optimizer = { kind = "adam" }`, so that it merges like a table.
    pub fn write_out(&self, root: &mut Table) {
        let Some((last, way)) = split(self.path) else { return };
        let parent = way.into_iter().try_fold(root, |table, key| table.get_mut(key)?.as_table_mut());
        if let Some(value) = parent.and_then(|table| table.get_mut(last))
            && let Value::String(kind) = value
        {
            let tag = (self.tag.to_owned(), Value::String(std::mem::take(kind)));
            *value = Value::Table(std::iter::once(tag).collect());
        }
    }
}

fn split(path: &'static str) -> Option<(&'static str, Vec<&'static str>)> {
    let mut keys: Vec<&str> = path.split('.').collect();
    keys.pop().map(|last| (last, keys))
}

/// Sets the value at `path`, an axis or a flag: the tree's own way of understanding `model.regularizer.p`.
///
/// Returns the path that was really written, and the keys that a change of kind dropped. In a list, the key
/// belongs to the one entry that has it; without such an entry the error says so.
pub fn patch(
    root: &mut Table,
    path: &KeyPath,
    value: Value,
    sections: &[Section],
) -> Result<(KeyPath, Vec<KeyPath>), String> {
    for section in sections {
        if KeyPath::parse(section.path).covers(path) && section.path != path.to_string() {
            section.write_out(root);
        }
    }
    let Some((Segment::Key(last), way)) = path.0.split_last() else { return Err("the key is empty".into()) };
    let mut written = KeyPath::default();
    let mut at = root;
    for segment in way {
        let Segment::Key(key) = segment else { return Err("a list has no keys".into()) };
        written = written.join(key);
        let next = at.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = match next {
            Value::Table(table) => table,
            Value::Array(list) => {
                let index = entry_with(list, &written, last, sections)?;
                written.0.push(Segment::Index(index));
                match &mut list[index] {
                    Value::Table(table) => table,
                    _ => return Err(format!("`{written}` is not a table")),
                }
            }
            _ => return Err(format!("`{written}` is not a table, so it has no `{last}`")),
        };
    }
    let table_path = written.clone();
    written = written.join(last);
    at.insert(last.clone(), value);
    let mut dropped = Vec::new();
    let own = sections.iter().find(|section| section.path == table_path.to_string() && section.tag == last);
    if let Some(section) = own
        && let Some(kind) = section.kind_of(at).map(str::to_owned)
    {
        let foreign: Vec<String> = at.keys().filter(|key| !section.has(&kind, key)).cloned().collect();
        for key in foreign {
            at.remove(&key);
            dropped.push(table_path.join(&key));
        }
    }
    Ok((written, dropped))
}

/// The entry of a list that has `key`, written out to a table if it was a string.
fn entry_with(list: &mut [Value], path: &KeyPath, key: &str, sections: &[Section]) -> Result<usize, String> {
    let section = sections.iter().find(|section| section.path == path.to_string());
    let Some(section) = section else { return Err(format!("`{path}` is a list")) };
    let has = |entry: &Value| match entry {
        Value::String(kind) => section.has(kind, key),
        Value::Table(table) => section.kind_of(table).is_some_and(|kind| section.has(kind, key)),
        _ => false,
    };
    let with: Vec<usize> = (0..list.len()).filter(|index| has(&list[*index])).collect();
    match with.as_slice() {
        [] => Err(format!("no entry of `{path}` has a `{key}`")),
        [index] => {
            if let Value::String(kind) = &list[*index] {
                let tag = (section.tag.to_owned(), Value::String(kind.clone()));
                list[*index] = Value::Table(std::iter::once(tag).collect());
            }
            Ok(*index)
        }
        _ => Err(format!("more than one entry of `{path}` has a `{key}`")),
    }
}
