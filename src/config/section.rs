//! The tables of an experiment whose keys depend on a tag (`kind`, or `source` for data).

use toml::{Table, Value};

use crate::setting::{KeyPath, Kind};

/// One such table.
pub struct Section {
    /// Its dotted path, as in `model.activation`.
    pub path: &'static str,
    /// The key of the tag.
    pub tag: &'static str,
    /// All values of the tag.
    pub kinds: &'static [&'static str],
    at: KeyPath,
    default: Option<&'static str>,
    keys: fn(&str) -> &'static [&'static str],
    common: &'static [&'static str],
}

impl Section {
    /// The section at `path` whose kinds are those of `K`, with `common` keys beside.
    pub fn of<K: Kind>(path: &'static str, common: &'static [&'static str]) -> Self {
        let at = KeyPath::parse(path);
        Self { path, tag: K::TAG, kinds: K::kinds(), at, default: K::DEFAULT, keys: K::keys, common }
    }

    /// Its path.
    pub fn at(&self) -> &KeyPath {
        &self.at
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

    /// Whether a table of some kind has the key.
    pub fn knows(&self, key: &str) -> bool {
        key == self.tag
            || self.common.contains(&key)
            || self.kinds.iter().any(|kind| (self.keys)(kind).contains(&key))
    }

    /// The keys of a table of this kind, the tag first.
    pub fn keys_of(&self, kind: &str) -> Vec<&'static str> {
        let own = if self.kinds.contains(&kind) { (self.keys)(kind) } else { &[] };
        std::iter::once(self.tag).chain(self.common.iter().chain(own).copied()).collect()
    }

    /// The kinds that have the key as one of their own.
    pub fn kinds_with<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'static str> + 'a {
        self.kinds.iter().copied().filter(move |kind| (self.keys)(kind).contains(&key))
    }

    /// Whether the section, as it stands in `value`, has no `key` though another kind would have it.
    pub fn lacks(&self, value: Option<&Value>, key: &str) -> bool {
        self.knows(key)
            && match value {
                Some(Value::Array(list)) => list.iter().all(|entry| self.is_foreign(Some(entry), key)),
                value => self.is_foreign(value, key),
            }
    }

    fn is_foreign(&self, value: Option<&Value>, key: &str) -> bool {
        let kind = match value {
            None => self.default,
            Some(Value::String(kind)) => Some(kind.as_str()),
            Some(Value::Table(table)) => self.kind_of(table),
            Some(_) => None,
        };
        kind.is_some_and(|kind| !self.has(kind, key))
    }

    /// The kind that the section is of, in words, as in `optimizer.kind = "adam"`.
    pub fn describe(&self, value: Option<&Value>) -> String {
        let Self { path, tag, .. } = self;
        let kind = match value {
            None => self.default,
            Some(Value::String(kind)) => Some(kind.as_str()),
            Some(Value::Table(table)) => self.kind_of(table),
            Some(Value::Array(_)) => return format!("no entry of {path} has it"),
            Some(_) => None,
        };
        format!("{path}.{tag} = \"{}\"", kind.unwrap_or_default())
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
        if let Some(value) = parent.and_then(|table| table.get_mut(last)) {
            self.write_out_value(value);
        }
    }

    /// As [`write_out`](Self::write_out), for the value of the section or of an entry in its list.
    pub fn write_out_value(&self, value: &mut Value) {
        if let Value::String(kind) = value {
            let tag = (self.tag.to_owned(), Value::String(std::mem::take(kind)));
            *value = Value::Table(std::iter::once(tag).collect());
        }
    }
}

/// The section whose table or list `path` is.
pub(super) fn section_at<'a>(sections: &'a [Section], path: &KeyPath) -> Option<&'a Section> {
    let path = path.without_indices();
    sections.iter().find(|section| section.at == path)
}

fn split(path: &'static str) -> Option<(&'static str, Vec<&'static str>)> {
    let mut keys: Vec<&str> = path.split('.').collect();
    keys.pop().map(|last| (last, keys))
}
