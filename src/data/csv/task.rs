//! What there is to predict of a column: classes or numbers, and which ones.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::labels::{finite, number_key};
use super::super::records::{FileRecords, shortened};
use super::super::table::is_missing;
use super::fields::Fields;
use crate::Result;
use crate::target::TaskKind;

/// Different whole numbers up to which a target of numbers is taken for classes.
const MOST_NUMBERED_CLASSES: usize = 20;
/// Classes beyond which a target is rather a name: every one is an output of the model.
const MOST_CLASSES: usize = 10_000;

/// Whether there are classes or numbers to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableTask {
    /// Numbers if the target has a fraction or more than 20 different numbers, else classes.
    #[default]
    Auto,
    /// Classes: the different values of the target, numbers in their order, other texts in that of Unicode.
    Classification,
    /// Numbers.
    Regression,
}

impl TableTask {
    /// What sort of thing there is to predict; none as long as the file has not said.
    pub fn kind(self) -> Option<TaskKind> {
        match self {
            Self::Auto => None,
            Self::Classification => Some(TaskKind::Classification),
            Self::Regression => Some(TaskKind::Regression),
        }
    }
}

impl From<TaskKind> for TableTask {
    fn from(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Classification => Self::Classification,
            TaskKind::Regression => Self::Regression,
        }
    }
}

/// A file as it was looked at: where it is, its size and time, the target and the delimiter.
type Seen = (PathBuf, u64, Option<SystemTime>, String, u8);

/// What the target of a file is; the answer is remembered until the file changes.
pub(super) fn of_file(path: &Path, target: &str, delimiter: u8) -> Result<TaskKind> {
    static KNOWN: LazyLock<Mutex<HashMap<Seen, TaskKind>>> = LazyLock::new(Mutex::default);
    let seen = fs::metadata(path)
        .ok()
        .map(|file| (path.to_path_buf(), file.len(), file.modified().ok(), target.to_owned(), delimiter));
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(task) = seen.as_ref().and_then(|seen| known().get(seen).copied()) {
        return Ok(task);
    }
    let mut records = FileRecords::open(path, delimiter)?;
    let column = records.column("target", target)?;
    let mut guess = Guess::default();
    while records.advance()? {
        guess.look_at(records.field(column));
    }
    let task = guess.task();
    if let Some(seen) = seen {
        known().insert(seen, task);
    }
    Ok(task)
}

/// What the values of a target have been like so far.
struct Guess {
    numbers: bool,
    fractions: bool,
    different: HashSet<u64>,
}

impl Default for Guess {
    fn default() -> Self {
        Self { numbers: true, fractions: false, different: HashSet::new() }
    }
}

impl Guess {
    fn look_at(&mut self, field: &str) {
        if !self.numbers || is_missing(field) {
            return;
        }
        match finite(field) {
            None => self.numbers = false,
            Some(number) => {
                self.fractions |= number.fract() != 0.0;
                if self.different.len() <= MOST_NUMBERED_CLASSES {
                    self.different.insert(number_key(number));
                }
            }
        }
    }

    fn task(&self) -> TaskKind {
        let many = self.different.len() > MOST_NUMBERED_CLASSES;
        if self.numbers && (self.fractions || many) { TaskKind::Regression } else { TaskKind::Classification }
    }
}

/// What the values of the column are, of a file that is read already.
pub(super) fn of_column(fields: &Fields, column: usize) -> TaskKind {
    let mut guess = Guess::default();
    fields.column(column).for_each(|field| guess.look_at(field));
    guess.task()
}

/// The names of the classes in a column: its different values as they are first written, in order.
///
/// # Errors
/// [`Error::Unreadable`](crate::Error::Unreadable) if there are not two, or too many to be classes.
pub(super) fn classes(fields: &Fields, column: usize) -> Result<Vec<String>> {
    let values = || fields.column(column).filter(|field| !is_missing(field));
    let numbers: Option<Vec<(f64, &str)>> =
        values().map(|field| finite(field).map(|number| (number, field))).collect();
    let names: Vec<&str> = if let Some(mut numbers) = numbers {
        let mut seen = HashSet::new();
        numbers.retain(|(number, _)| seen.insert(number_key(*number)));
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        numbers.into_iter().map(|(_, name)| name).collect()
    } else {
        let mut seen = HashSet::new();
        let mut names: Vec<&str> = values().filter(|field| seen.insert(*field)).collect();
        names.sort_unstable();
        names
    };
    let name = fields.name(column);
    match names.len() {
        0 => Err(fields.refuse(format!("has no value in column \"{name}\", the target"))),
        1 => {
            let only = shortened(names[0]);
            Err(fields.refuse(format!(
                "has \"{only}\" in every row of column \"{name}\", the target: there is nothing to tell apart"
            )))
        }
        count if count > MOST_CLASSES => Err(fields.refuse(format!(
            "has {count} different values in column \"{name}\", the target, more than the {MOST_CLASSES} classes \
             that there may be"
        ))),
        _ => Ok(names.into_iter().map(str::to_owned).collect()),
    }
}
