//! Tables of numbers and categories in CSV files.

mod fields;
mod read;
mod task;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use read::Loaded;
pub(super) use read::unknown;
pub use task::TableTask;
pub(super) use task::{ClassIndex, finite};

use super::dataset::Dataset;
use super::idx::absolute;
use super::table::Missing;
use super::{Normalize, Source, fingerprint};
use crate::setting::Problems;
use crate::target::TaskKind;
use crate::{Error, Result};

/// A table with a header, a row a sample; every column but one is a feature of it.
///
/// A column holds numbers if all its values are finite numbers, and categories otherwise. Space around a value
/// does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CsvConfig {
    /// A CSV file (RFC 4180, UTF-8, packed with gzip or not) whose first line names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A file with the same columns, in any order, as a test set of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_path: Option<PathBuf>,
    /// The column that there is to predict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The columns that a model is given, in this order; unless set, all but the target and those to ignore.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub features: Option<Vec<String>>,
    /// Columns that a model is not given, as names and numbers of rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether the target is a class or a number.
    pub task: TableTask,
    /// What is done where a feature has no value: an empty field, `NA`, `N/A`, `nan`, `NaN`, `null`, `?` or
    /// `None`. Only `drop` lets a target be missing.
    pub missing: Missing,
    /// What separates fields: one character of ASCII, `"\t"` for a tab.
    pub delimiter: char,
}

impl Default for CsvConfig {
    fn default() -> Self {
        Self {
            path: None,
            test_path: None,
            target: None,
            features: None,
            ignore: Vec::new(),
            task: TableTask::default(),
            missing: Missing::default(),
            delimiter: ',',
        }
    }
}

impl CsvConfig {
    /// The file, the target and the delimiter.
    fn essentials(&self) -> Result<(&Path, &str, u8)> {
        let missing = |key| Error::Request(format!("`data.{key}` is not set"));
        let path = self.path.as_deref().ok_or_else(|| missing("path"))?;
        let target = self.target.as_deref().ok_or_else(|| missing("target"))?;
        let delimiter = delimiter(self.delimiter).ok_or_else(|| {
            Error::Request(format!("`data.delimiter` is {:?}; expected {DELIMITER}", self.delimiter))
        })?;
        Ok((path, target, delimiter))
    }

    fn check_columns(&self, target: &str, problems: &mut Problems) {
        let features = self.features.as_deref().unwrap_or_default();
        if self.features.is_some() && !self.ignore.is_empty() {
            problems.refuse("ignore", "`ignore` stands beside `features`", "expected one or the other");
        }
        if self.features.as_ref().is_some_and(Vec::is_empty) {
            problems.refuse("features", "`features` is empty", "expected one column or more");
        }
        for (key, names) in [("features", features), ("ignore", self.ignore.as_slice())] {
            problems.within(key, |problems| {
                for (index, name) in names.iter().enumerate() {
                    let expected = "expected other columns, each once";
                    let message = if name == target {
                        format!("\"{name}\" is the target")
                    } else if names[..index].contains(name) {
                        format!("\"{name}\" stands there twice")
                    } else {
                        continue;
                    };
                    problems.within_entry(index, |problems| problems.refuse("", message, expected));
                }
            });
        }
    }
}

/// What a delimiter may be.
const DELIMITER: &str = "one character of ASCII that is no letter, digit, quote or line break";

fn delimiter(delimiter: char) -> Option<u8> {
    let byte = u8::try_from(delimiter).ok().filter(u8::is_ascii)?;
    let meant_otherwise = byte.is_ascii_alphanumeric() || b"\"\r\n.-+_".contains(&byte);
    (!meant_otherwise).then_some(byte)
}

impl Source for CsvConfig {
    fn check(&self, problems: &mut Problems) {
        if self.path.is_none() {
            problems.refuse("path", "`path` is not set", "expected a CSV file");
        }
        let Some(target) = &self.target else {
            problems.refuse("target", "`target` is not set", "expected the column that there is to predict");
            return;
        };
        self.check_columns(target, problems);
        if delimiter(self.delimiter).is_none() {
            let message = format!("`delimiter` is {:?}", self.delimiter);
            problems.refuse("delimiter", message, format!("expected {DELIMITER}"));
        }
    }

    fn resolve(&mut self) -> Result<()> {
        for path in [&mut self.path, &mut self.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        // What is wrong with the file is said when it is read for its content.
        if self.task == TableTask::Auto
            && let Ok((path, target, delimiter)) = self.essentials()
            && let Ok(task) = task::of_file(path, target, delimiter)
        {
            self.task = task.into();
        }
        Ok(())
    }

    fn task(&self) -> Option<TaskKind> {
        self.task.kind()
    }

    fn default_normalize(&self) -> Normalize {
        Normalize::Standardize
    }

    fn has_maximum(&self) -> bool {
        false
    }

    fn has_test(&self) -> bool {
        self.test_path.is_some()
    }

    fn fingerprint(&self) -> Result<String> {
        let (path, target, delimiter) = self.essentials()?;
        if self.task == TableTask::Auto {
            // Nothing can be planned without a task; reading says why there is none.
            task::of_file(path, target, delimiter)?;
        }
        let test = self.test_path.as_deref().map(|test| ("test", test));
        fingerprint::of_files(std::iter::once(("csv", path)).chain(test))
    }

    fn load(&self) -> Result<Dataset> {
        let (path, ..) = self.essentials()?;
        let main = self.read(path)?;
        let test = self.test_path.as_deref().map(|test| self.read_test(test, &main)).transpose()?;
        Loaded::into_dataset(main, test)
    }
}
