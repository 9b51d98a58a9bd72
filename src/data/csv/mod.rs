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

use super::dataset::Dataset;
use super::idx::absolute;
use super::table::Missing;
use super::{Normalize, Source, SourceConfig, fingerprint};
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
    /// `None`. Only `drop` lets a target be missing. A column without any value has to stand in `ignore`.
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

    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let mut resolved = self.clone();
        for path in [&mut resolved.path, &mut resolved.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        // What is wrong with the file is said when it is read for its content.
        if resolved.task == TableTask::Auto
            && let Ok((path, target, delimiter)) = resolved.essentials()
            && let Ok(task) = task::of_file(path, target, delimiter)
        {
            resolved.task = task.into();
        }
        Ok(Some(SourceConfig::Csv(resolved)))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dataset::Content;
    use super::super::labels::Labels;
    use super::super::table::{ColumnValues, Table};
    use super::*;
    use crate::setting;
    use crate::target::Targets;

    fn config(more: &str) -> CsvConfig {
        let text = format!("path = '/d/a.csv'\ntarget = 'y'\n{more}");
        setting::read(&toml::Value::Table(toml::from_str(&text).unwrap())).unwrap()
    }

    fn parse(more: &str, text: &str) -> Dataset {
        config(more).parse(text.as_bytes()).unwrap()
    }

    fn refused(more: &str, text: &str) -> String {
        config(more).parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn table(data: &Dataset) -> &Table {
        match data.main.content() {
            Content::Table(table) => table,
            Content::Images(_) | Content::Texts { .. } => panic!("no table"),
        }
    }

    fn names(data: &Dataset) -> Vec<&str> {
        table(data).columns().iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn columns_are_numbers_or_categories() {
        let text = "a,y,b,c\n1,no,x,1\n-2.5e3,yes,2,?\n +4 ,no,\"x, y\",3\n";
        let data = parse("missing = 'mean'", text);
        let columns = table(&data).columns();
        assert_eq!(columns[0].values, ColumnValues::Numbers(vec![1.0, -2500.0, 4.0]));
        let b = ["2", "x", "x, y"].map(str::to_owned).to_vec();
        assert_eq!(columns[1].values, ColumnValues::Categories { names: b, codes: vec![1, 0, 2] });
        assert_eq!((columns[2].name.as_str(), columns[2].values.missing()), ("c", 1));
        assert_eq!(data.labels, Labels::Classes(vec!["no".into(), "yes".into()]));
        assert_eq!(data.main.targets(), &Targets::Classes(vec![0, 1, 0]));
    }

    #[test]
    fn columns_are_chosen_and_left_out() {
        let text = "a,y,b,c\n1,0,2,3\n4,1,5,6\n";
        assert_eq!(names(&parse("", text)), ["a", "b", "c"]);
        assert_eq!(names(&parse("ignore = ['b']", text)), ["a", "c"]);
        assert_eq!(names(&parse("features = ['c', 'a']", text)), ["c", "a"]);
        assert!(refused("features = ['d']", text).contains("no column \"d\", which `features` names"));
        assert!(refused("ignore = ['bb']", text).ends_with("did you mean \"b\"?"));
        assert!(refused("ignore = ['a', 'b', 'c']", text).contains("no column left"));
        assert_eq!(names(&parse("delimiter = ';'", &text.replace(',', ";"))), ["a", "b", "c"]);
        assert_eq!(names(&parse("delimiter = \"\\t\"", &text.replace(',', "\t"))), ["a", "b", "c"]);
        assert!(refused("", &text.replace(',', ";")).contains("`delimiter` says"));
    }

    #[test]
    fn the_target_says_what_there_is_to_predict() {
        let labels = |more: &str, values: &[&str]| {
            let rows: Vec<String> = values.iter().map(|value| format!("1,{value}\n")).collect();
            parse(more, &format!("a,y\n{}", rows.concat())).labels
        };
        let classes = |names: &[&str]| Labels::Classes(names.iter().map(|name| (*name).to_owned()).collect());
        let number = Labels::Target("y".into());
        assert_eq!(labels("", &["10", "9", "9.0", "1e1"]), classes(&["9", "10"]));
        assert_eq!(labels("", &["0.5", "1"]), number);
        assert_eq!(labels("", &["b", "10", "9"]), classes(&["10", "9", "b"]));
        let many: Vec<String> = (0..21).map(|value| value.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(labels("", &many), number);
        assert_eq!(labels("", &many[..20]).classes().len(), 20);
        assert_eq!(labels("task = 'regression'", &["0", "1"]), number);
        assert_eq!(labels("task = 'classification'", &["2.5", "1.5"]), classes(&["1.5", "2.5"]));
        let data = parse("", "a,y\n1,0.5\n2,-3\n");
        assert_eq!(data.main.targets(), &Targets::Values(vec![0.5, -3.0]));
    }

    #[test]
    fn rows_without_a_value_are_dropped_but_counted() {
        let data = parse("missing = 'drop'", "a,b,y\n1,x,0\nNA,x,1\n2,,0\n3,y,\n4,y,1\n");
        assert_eq!((data.main.len(), data.main.usable()), (5, vec![0, 4]));
        assert!(refused("missing = 'drop'", "a,y\n?,0\n,1\n1,\n").contains("no row without a missing value"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let missing = refused("", "a,b,y\n1,2,0\n\n2,,1\n3,?,1\n");
        assert!(
            missing.starts_with(
                "/d/a.csv: line 4: column \"b\" has no value, the first of 2 that are missing in it"
            ),
            "{missing}"
        );
        assert!(
            refused("", "a,y\n1,0\n2,1\n2,\n")
                .contains("line 4: column \"y\" has no value, and it is the target")
        );
        let mean = "missing = 'mean'";
        assert!(refused(mean, "a,y\n1,0\n2,1\n2,null\n").contains("line 4: column \"y\" has no value"));
        assert!(
            refused(mean, "a,b,y\n,1,0\n,2,1\n").contains("no value in column \"a\": name it in `ignore`")
        );
        assert!(refused("", "a,y\n1,x\n2,x\n").contains("has \"x\" in every row of column \"y\""));
        assert!(refused("", "a,y\n1,\n").contains("has no value in column \"y\""));
        assert!(refused("", "a,b\n1,2\n").contains("no column \"y\", which `target` names"));
        assert!(refused("", "y\n1\n2\n").contains("no column left"));
        assert!(refused("", "a,y\n").contains("a header but no rows"));
        assert!(
            refused("", "a,y\n1,0\ninf,1\n")
                .contains("line 3: column \"a\" has \"inf\", which is not a finite")
        );
        let regression = "task = 'regression'";
        assert!(
            refused(regression, "a,y\n1,2\n1,b\n").contains("line 3: column \"y\" has \"b\", which is not")
        );
        assert!(refused(regression, "a,y\n1,2\n1,1e99\n").contains("line 3: column \"y\" has \"1e99\""));
        let names = (0..10_001).map(|row| format!("1,name{row}\n")).collect::<Vec<_>>().concat();
        assert!(refused("", &format!("a,y\n{names}")).contains("10001 different values in column \"y\""));
    }

    #[test]
    fn a_test_file_is_read_as_the_main_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let path = write("a.csv", "a,c,y\n1,u,no\n2,v,yes\n");
        let load = |text: &str| {
            let test_path = Some(write("t.csv", text));
            CsvConfig { path: Some(path.clone()), test_path, target: Some("y".into()), ..config("") }.load()
        };
        let data = load("y,more,c,a\nyes,1,w,7\n").unwrap();
        let test = data.test.as_ref().unwrap();
        assert_eq!(test.targets(), &Targets::Classes(vec![1]));
        let Content::Table(table) = test.content() else { panic!("no table") };
        assert_eq!(table.columns()[0].values, ColumnValues::Numbers(vec![7.0]));
        let refused = |text: &str| load(text).unwrap_err().to_string();
        assert!(refused("y,a\nyes,1\n").contains("t.csv: has no column \"c\", which `path` has"));
        assert!(
            refused("a,c,y\n1,u,maybe\n").contains("line 2: column \"y\" has \"maybe\", which is not one of")
        );
        assert!(refused("a,c,y\nmany,u,no\n").contains("line 2: column \"a\" has \"many\", but in `path`"));
        assert!(refused("a,c,y\n,u,no\n").contains("line 2: column \"a\" has no value"));
    }

    #[test]
    fn the_task_is_written_out_and_looked_up_again_when_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let resolved = || {
            let config = CsvConfig { path: Some(path.clone()), ..config("") };
            let Some(SourceConfig::Csv(resolved)) = config.resolved().unwrap() else {
                panic!("a table stays a table");
            };
            resolved
        };
        assert_eq!(resolved().task, TableTask::Auto);
        assert!(resolved().fingerprint().unwrap_err().to_string().contains("no such file"));
        std::fs::write(&path, "a,y\n1,0\n2,1\n").unwrap();
        let first = resolved();
        assert_eq!((first.task, first.task()), (TableTask::Classification, Some(TaskKind::Classification)));
        std::fs::write(&path, "a,y\n1,0.25\n2,1\n").unwrap();
        assert_eq!(resolved().task, TableTask::Regression);
        assert_ne!(first.fingerprint().unwrap().len(), 0);
        std::fs::write(&path, "a,z\n1,0.25\n2,1\n").unwrap();
        assert_eq!(resolved().task, TableTask::Auto);
        assert!(resolved().fingerprint().unwrap_err().to_string().contains("no column \"y\""));
    }

    #[test]
    fn the_fingerprint_is_of_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, other) = (write("1", "a,y\n1,0\n2,1\n"), write("2", "a,y\n1,0\n2,1\n"));
        let of = |path: &PathBuf, test_path: Option<&PathBuf>| {
            let config = CsvConfig { path: Some(path.clone()), test_path: test_path.cloned(), ..config("") };
            config.fingerprint().unwrap()
        };
        assert_eq!(of(&one, None), of(&other, None));
        assert_ne!(of(&one, None), of(&one, Some(&other)));
    }

    proptest! {
        #[test]
        fn no_text_brings_it_down(
            text in "([ay0-9.,\"?x\n\r-]|NA|inf){0,60}",
            missing in prop::sample::select(vec!["error", "drop", "mean", "mode"]),
        ) {
            let config = config(&format!("missing = '{missing}'"));
            if let Ok(data) = config.parse(format!("a,b,y\n{text}").as_bytes()) {
                prop_assert!(!data.main.usable().is_empty());
            }
            let _ = config.parse(text.as_bytes());
        }
    }
}
