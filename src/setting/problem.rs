//! What is wrong with a setting, and where.

use std::fmt;

/// One step down a tree of settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// Into a table.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// The way from the root of a tree of settings to one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(pub Vec<Segment>);

impl KeyPath {
    /// Splits a dotted key, as in `model.regularizer.p`.
    pub fn parse(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Segment::Key(key.trim().to_owned())).collect())
    }

    /// This path and one key more.
    #[must_use]
    pub fn join(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.to_owned()));
        path
    }

    /// This path and a step into a list.
    #[must_use]
    pub fn entry(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }

    /// The last step, if it is a key.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Whether `other` is this path or lies below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The way from this path down to `other`, if it lies below or is the same.
    pub fn way_to(&self, other: &Self) -> Option<Self> {
        other.0.strip_prefix(self.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }

    /// This path without the steps into lists: what the setting is called.
    #[must_use]
    pub fn without_indices(&self) -> Self {
        Self(self.0.iter().filter(|segment| matches!(segment, Segment::Key(_))).cloned().collect())
    }

    /// The value at this path.
    pub fn find<'a>(&self, root: &'a toml::Value) -> Option<&'a toml::Value> {
        self.0.iter().try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get(key.as_str()),
            Segment::Index(index) => value.get(*index),
        })
    }

    /// The value at this path below a table.
    pub fn find_in<'a>(&self, root: &'a toml::Table) -> Option<&'a toml::Value> {
        let (Segment::Key(first), rest) = self.0.split_first()? else { return None };
        Self(rest.to_vec()).find(root.get(first)?)
    }

    /// The table or list that this path lies in.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.split_last().map(|(_, way)| way.to_vec()).unwrap_or_default())
    }

    /// Takes the value at this path out of `root`; whether there was one.
    pub fn remove_from(&self, root: &mut toml::Value) -> bool {
        let Some((last, way)) = self.0.split_last() else { return false };
        let parent = way.iter().try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get_mut(key.as_str()),
            Segment::Index(index) => value.get_mut(*index),
        });
        match (parent, last) {
            (Some(toml::Value::Table(table)), Segment::Key(key)) => table.remove(key).is_some(),
            (Some(toml::Value::Array(list)), Segment::Index(index)) if *index < list.len() => {
                list.remove(*index);
                true
            }
            _ => false,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which part of `key = value` a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The key: it is unknown.
    Key,
    /// The value.
    Value,
    /// The table in which a key is missing.
    Table,
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The setting.
    pub path: KeyPath,
    /// The part of it that is wrong.
    pub place: Place,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What was expected, to stand beside the caret; may be empty.
    pub expected: String,
    /// What to do, if there is a good guess.
    pub help: Option<String>,
}

impl Problem {
    /// The same problem where what it was found in lies at `path`.
    #[must_use]
    pub fn below(mut self, path: &KeyPath) -> Self {
        self.path.0.splice(0..0, path.0.iter().cloned());
        self
    }
}

/// Collects the problems of typed settings while their `check`s walk down the tree.
#[derive(Debug, Default)]
pub struct Problems {
    at: KeyPath,
    found: Vec<Problem>,
}

impl Problems {
    /// Notes that the value of `key` in the current table (or, for `""`, the table itself) is wrong.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>, expected: impl Into<String>) {
        let path = if key.is_empty() { self.at.clone() } else { self.at.join(key) };
        let problem = Problem {
            path,
            place: Place::Value,
            message: message.into(),
            expected: expected.into(),
            help: None,
        };
        self.found.push(problem);
    }

    /// As [`refuse`](Self::refuse) unless `holds`; the message reads "`key` is `value`".
    pub fn require(&mut self, holds: bool, key: &str, value: impl fmt::Display, expected: &str) {
        if !holds {
            self.refuse(key, format!("`{key}` is {value}"), format!("expected {expected}"));
        }
    }

    /// Gives the last problem a word of help.
    pub fn advise(&mut self, help: impl Into<String>) {
        if let Some(last) = self.found.last_mut() {
            last.help = Some(help.into());
        }
    }

    /// Runs `check` inside the table at `key`.
    pub fn within<R>(&mut self, key: &str, check: impl FnOnce(&mut Self) -> R) -> R {
        self.step(Segment::Key(key.to_owned()), check)
    }

    /// Runs `check` inside the entry `index` of the current list.
    pub fn within_entry<R>(&mut self, index: usize, check: impl FnOnce(&mut Self) -> R) -> R {
        self.step(Segment::Index(index), check)
    }

    fn step<R>(&mut self, segment: Segment, check: impl FnOnce(&mut Self) -> R) -> R {
        self.at.0.push(segment);
        let result = check(self);
        self.at.0.pop();
        result
    }

    /// What was found.
    pub fn into_found(self) -> Vec<Problem> {
        self.found
    }
}

/// The candidate that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        // Nothing is near a word of which no letter would stay.
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4 && *distance < letters)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
