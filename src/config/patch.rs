//! Setting one key of a tree: what an axis or a flag does.

use toml::{Table, Value};

use super::section::{Section, section_at};
use crate::setting::{KeyPath, Segment};

/// What a patch did.
#[derive(Debug, Default)]
pub struct Patched {
    /// Every place that was written, beside the way to it inside the patch's own value.
    pub written: Vec<(KeyPath, KeyPath)>,
    /// Keys that went because their section is now of a kind without them.
    pub dropped: Vec<Dropped>,
    /// The sections whose kind, or whose list, the patch decided.
    pub decided: Vec<&'static str>,
}

/// A key that has no place in the kind in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The key.
    pub path: KeyPath,
    /// The kind, in words.
    pub reason: String,
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is dropped where {}", self.path.without_indices(), self.reason)
    }
}

/// Sets the value at `path`, the tree's own way of understanding `model.regularizer.p`.
///
/// A table goes into a table key by key, and a name counts as the table of that kind; anything else
/// replaces what was there. A section whose kind changes loses the keys that only other kinds have. In a
/// list, the key belongs to the one entry that has it; without such an entry the error says so.
pub fn patch(
    root: &mut Table,
    path: &KeyPath,
    value: Value,
    sections: &[Section],
) -> Result<Patched, String> {
    for section in sections.iter().filter(|section| section.at().covers(path) && section.at() != path) {
        section.write_out(root);
    }
    let Some((Segment::Key(last), way)) = path.0.split_last() else { return Err("the key is empty".into()) };
    let (at, table) = descend(root, way, last, sections)?;
    let mut patcher = Patcher { sections, done: Patched::default() };
    patcher.put(table, &at, &KeyPath::default(), last, value);
    Ok(patcher.done)
}

/// The table in which the last key of a path stands, made if it is absent, and its path.
fn descend<'a>(
    root: &'a mut Table,
    way: &[Segment],
    last: &str,
    sections: &[Section],
) -> Result<(KeyPath, &'a mut Table), String> {
    let mut path = KeyPath::default();
    let mut at = root;
    for (position, segment) in way.iter().enumerate() {
        let Segment::Key(key) = segment else { return Err("a list has no keys".into()) };
        let next = match way.get(position + 1) {
            Some(Segment::Key(next)) => next,
            _ => last,
        };
        path = path.join(key);
        let value = at.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = match value {
            Value::Table(table) => table,
            Value::Array(list) => {
                let index = entry_with(list, &path, next, sections)?;
                path.0.push(Segment::Index(index));
                match &mut list[index] {
                    Value::Table(table) => table,
                    _ => return Err(format!("`{path}` is not a table")),
                }
            }
            _ => return Err(format!("`{path}` is not a table, so it has no `{next}`")),
        };
    }
    Ok((path, at))
}

/// The entry of a list that has `key`, written out to a table if it was a string.
fn entry_with(list: &mut [Value], path: &KeyPath, key: &str, sections: &[Section]) -> Result<usize, String> {
    let Some(section) = section_at(sections, path) else { return Err(format!("`{path}` is a list")) };
    let has = |entry: &Value| match entry {
        Value::String(kind) => section.has(kind, key),
        Value::Table(table) => section.kind_of(table).is_some_and(|kind| section.has(kind, key)),
        _ => false,
    };
    let with: Vec<usize> = (0..list.len()).filter(|index| has(&list[*index])).collect();
    match with.as_slice() {
        [] => Err(format!("no entry of `{path}` has a `{key}`")),
        [index] => {
            section.write_out_value(&mut list[*index]);
            Ok(*index)
        }
        _ => Err(format!("more than one entry of `{path}` has a `{key}`")),
    }
}

struct Patcher<'a> {
    sections: &'a [Section],
    done: Patched,
}

impl Patcher<'_> {
    /// Sets `key` of the `table` at `at`; `from` is where the value lay in the patch's own value.
    fn put(&mut self, table: &mut Table, at: &KeyPath, from: &KeyPath, key: &str, mut value: Value) {
        let path = at.join(key);
        let section = section_at(self.sections, &path);
        if let Some(section) = section {
            section.write_out_value(&mut value);
        }
        if let Value::Table(new) = value {
            let old = table.entry(key.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            return self.merge(old, section, &path, from, new);
        }
        if let (Some(section), Value::Array(_)) = (section, &value) {
            self.done.decided.push(section.path);
        }
        table.insert(key.to_owned(), value);
        self.done.written.push((path, from.clone()));
        if let Some(own) = section_at(self.sections, at)
            && own.tag == key
        {
            self.decide(own, table, at);
        }
    }

    fn merge(
        &mut self,
        old: &mut Value,
        section: Option<&Section>,
        path: &KeyPath,
        from: &KeyPath,
        mut new: Table,
    ) {
        if let Some(section) = section {
            section.write_out_value(old);
        }
        if !old.is_table() || new.is_empty() {
            self.done.written.push((path.clone(), from.clone()));
            self.done.decided.extend(section.map(|section| section.path));
        }
        if !old.is_table() {
            *old = Value::Table(Table::new());
        }
        let Value::Table(old) = old else { return };
        // The kind comes first: what stands beside it in the patch is then not taken for a leftover.
        if let Some(tag) = section.map(|section| section.tag)
            && let Some(kind) = new.remove(tag)
        {
            self.put(old, path, &from.join(tag), tag, kind);
        }
        for (key, value) in new {
            self.put(old, path, &from.join(&key), &key, value);
        }
    }

    fn decide(&mut self, section: &Section, table: &mut Table, at: &KeyPath) {
        self.done.decided.push(section.path);
        let Some(kind) = section.kind_of(table).map(str::to_owned) else { return };
        let is_left_over = |key: &String| !section.has(&kind, key) && section.knows(key);
        let keys: Vec<String> = table.keys().filter(|key| is_left_over(key)).cloned().collect();
        for key in keys {
            table.remove(&key);
            let reason = format!("{}.{} = \"{kind}\"", section.path, section.tag);
            self.done.dropped.push(Dropped { path: at.join(&key), reason });
        }
    }
}

/// Why `path` has no place in the tree: a section above it is of a kind without the key. Beside it, the
/// path of the section.
pub(super) fn misplaced(
    root: &Table,
    path: &KeyPath,
    sections: &[Section],
) -> Option<(&'static str, Dropped)> {
    sections.iter().find_map(|section| {
        let Some(Segment::Key(key)) = path.0.get(section.at().0.len()) else { return None };
        let value = section.at().find_in(root);
        (section.at().covers(path) && section.lacks(value, key))
            .then(|| (section.path, Dropped { path: path.clone(), reason: section.describe(value) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;

    fn patched(text: &str, path: &str, value: &str) -> (Table, Result<Patched, String>) {
        let mut tree: Table = toml::from_str(text).unwrap();
        let value = toml::from_str::<Table>(&format!("v = {value}")).unwrap().remove("v").unwrap();
        let done = patch(&mut tree, &KeyPath::parse(path), value, &schema::sections());
        (tree, done)
    }

    #[test]
    fn a_patch_reaches_the_one_entry_of_a_list_that_has_the_key() {
        let list = "model.regularizer = ['batch_norm', 'dropout', 'none']";
        let (tree, done) = patched(list, "model.regularizer.p", "0.5");
        assert_eq!(done.unwrap().written[0].0.to_string(), "model.regularizer[1].p");
        assert_eq!(tree["model"]["regularizer"][1]["p"], Value::Float(0.5));
        let (_, none) = patched("model.regularizer = ['none']", "model.regularizer.p", "0.5");
        assert_eq!(none.unwrap_err(), "no entry of `model.regularizer` has a `p`");
        let (_, both) = patched(list, "model.regularizer.kind", "'none'");
        assert_eq!(both.unwrap_err(), "more than one entry of `model.regularizer` has a `kind`");
        let one = "model.regularizer = [{ kind = 'dropout', p = 0.1 }]";
        let (tree, done) = patched(one, "model.regularizer.kind", "'batch_norm'");
        assert_eq!(done.unwrap().dropped.len(), 1);
        assert!(tree["model"]["regularizer"][0].get("p").is_none());
    }

    #[test]
    fn a_table_goes_into_a_table_and_a_new_kind_drops_what_only_others_have() {
        let base = "optimizer = { kind = 'sgd', lr = 0.5, momentum = 0.9, lrr = 1 }";
        let (tree, done) = patched(base, "optimizer", "{ betas = [0.5, 0.9], kind = 'adam' }");
        let done = done.unwrap();
        let expected = "kind = 'adam'\nlr = 0.5\nlrr = 1\nbetas = [0.5, 0.9]";
        assert_eq!(tree["optimizer"], Value::Table(toml::from_str(expected).unwrap()));
        let dropped: Vec<String> = done.dropped.iter().map(ToString::to_string).collect();
        assert_eq!(dropped, ["`optimizer.momentum` is dropped where optimizer.kind = \"adam\""]);
        let written: Vec<String> = done.written.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(written, ["optimizer.kind", "optimizer.betas"]);
        // What the patch itself says for another kind stays to be reported.
        let (tree, _) = patched(base, "optimizer", "{ kind = 'adam', momentum = 0.5 }");
        assert_eq!(tree["optimizer"]["momentum"], Value::Float(0.5));
    }

    #[test]
    fn a_name_is_the_table_of_its_kind_and_a_list_replaces() {
        let base = "model.regularizer = { kind = 'dropout', p = 0.3 }";
        let (tree, _) = patched(base, "model.regularizer", "'dropout'");
        assert_eq!(tree["model"]["regularizer"]["p"], Value::Float(0.3));
        let (tree, _) = patched(base, "model.regularizer", "'none'");
        assert!(tree["model"]["regularizer"].get("p").is_none());
        let (tree, done) = patched(base, "model.regularizer", "['dropout']");
        assert_eq!(tree["model"]["regularizer"], Value::Array(vec!["dropout".into()]));
        assert_eq!(done.unwrap().decided, ["model.regularizer"]);
        let (tree, _) = patched("train = { epochs = 3 }", "train", "{ batch_size = 8 }");
        assert_eq!(tree["train"]["epochs"], Value::Integer(3));
    }
}
