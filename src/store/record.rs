//! `run.json`: what happened to a run, for programs and people.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::{self, Durability};
use super::{FailureRecord, json, layout, row};
use crate::metric::{ClassScores, ConfusionMatrix};
use crate::setting::schema_of;
use crate::train::event::{Outcome, Row};
use crate::{Error, Result};

/// Where a run stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process trains it now.
    #[default]
    Running,
    /// All epochs are done, or early stopping ended it.
    Completed,
    /// An error ended it.
    Failed,
    /// A loss or a parameter was NaN or infinite at an epoch's end.
    Diverged,
    /// It was ended from outside, or its process is gone.
    Interrupted,
    /// A rule ended it: it was pruned.
    Stopped,
}

impl Status {
    /// The word in `run.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Diverged => "diverged",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// The content of `run.json`. Fields are only ever added, and unknown ones are ignored.
///
/// NaN and infinite numbers are `null` in JSON and read as NaN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// [`layout::FORMAT`] of the program that wrote it.
    pub format: u32,
    /// 256 bits in hexadecimal over what decides the result.
    pub id: String,
    /// The name of the run's folder when it was made.
    #[serde(default)]
    pub name: String,
    /// The experiment's name.
    #[serde(default)]
    pub experiment: String,
    /// Where the run stands.
    pub status: Status,
    /// Whether early stopping ended it.
    #[serde(default)]
    pub stopped_early: bool,
    /// How often it was begun or taken up again.
    #[serde(default)]
    pub attempts: u32,
    /// When the first of the attempts began whose epochs are in the result.
    #[serde(default)]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started: Timestamp,
    /// When the last attempt ended.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended: Option<Timestamp>,
    /// Wall time of those attempts together.
    #[serde(default, deserialize_with = "number")]
    #[schemars(with = "Option<f64>")]
    pub seconds: f64,
    /// `cpu`, `cuda:0`, …
    #[serde(default)]
    pub device: String,
    /// The machine's name.
    #[serde(default)]
    pub host: String,
    /// The CPU model.
    #[serde(default)]
    pub cpu: String,
    /// The instruction set that the kernels ran with.
    #[serde(default)]
    pub instruction_set: String,
    /// Threads of this run.
    #[serde(default)]
    pub threads: usize,
    /// The program, its numerics, and what else the result may depend on.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The repository around the folder that the program was started in.
    #[serde(default)]
    pub git: Option<GitRecord>,
    /// The data that the run saw.
    #[serde(default)]
    pub data: DataRecord,
    /// Trainable numbers.
    #[serde(default)]
    pub parameters: usize,
    /// Swept keys and this run's values, in the order of the axes.
    #[serde(default)]
    pub assignment: IndexMap<String, serde_json::Value>,
    /// The row of the epoch whose weights are the best.
    #[serde(default, with = "row")]
    #[schemars(with = "Option<Numbers>")]
    pub best: Option<Row>,
    /// The last epoch's row.
    #[serde(default, with = "row")]
    #[schemars(with = "Option<Numbers>")]
    pub last: Option<Row>,
    /// The best weights on the test part: `loss`, `accuracy`, …
    #[serde(default, deserialize_with = "numbers")]
    #[schemars(with = "Numbers")]
    pub test: IndexMap<String, f64>,
    /// How often samples of each class were taken for each other by the best weights, on the test part, without
    /// one on the validation part; absent with more than 256 classes and where the targets are numbers.
    #[serde(default)]
    pub confusion_matrix: Option<ConfusionMatrix>,
    /// How well each class was told from the others, on the same samples.
    #[serde(default)]
    pub per_class: Vec<ClassScores>,
    /// File name → BLAKE3 in hexadecimal, of the files in [`layout::DETERMINISTIC`].
    #[serde(default)]
    pub checksums: BTreeMap<String, String>,
    /// What ended a failed run.
    #[serde(default)]
    pub error: Option<String>,
    /// The attempts that failed, the last one too if the run stands failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureRecord>,
    /// Why a rule ended a stopped run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
}

/// Named numbers as they stand in JSON: NaN and infinities are null.
type Numbers = IndexMap<String, Option<f64>>;

/// A commit and whether the files differ from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GitRecord {
    /// The commit's hash.
    #[serde(default)]
    pub commit: String,
    /// Whether tracked files were changed since.
    #[serde(default)]
    pub dirty: bool,
}

/// The data and how it was split, in samples.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DataRecord {
    /// A hash of the content.
    pub fingerprint: String,
    /// Samples for training.
    pub train: usize,
    /// Samples for validation.
    pub valid: usize,
    /// Samples for the test.
    pub test: usize,
}

impl RunRecord {
    /// A run that begins now, with nothing known about its machine and data.
    pub fn new(id: &str, name: &str, experiment: &str, started: Timestamp) -> Self {
        Self {
            format: layout::FORMAT,
            id: id.to_owned(),
            name: name.to_owned(),
            experiment: experiment.to_owned(),
            attempts: 1,
            started,
            ..Self::default()
        }
    }

    /// Takes over from `earlier`, the record of an attempt at the same run, what a resume goes on from.
    pub(super) fn go_on_from(&mut self, earlier: &Self) {
        self.name.clone_from(&earlier.name);
        self.attempts = earlier.attempts.saturating_add(1);
        self.started = earlier.started;
        self.seconds = if earlier.seconds.is_finite() { earlier.seconds } else { 0.0 };
        // A run's own config.toml says nothing of the sweep that it is from.
        if self.assignment.is_empty() {
            self.assignment.clone_from(&earlier.assignment);
        }
        self.best.clone_from(&earlier.best);
        self.last.clone_from(&earlier.last);
        self.failures.clone_from(&earlier.failures);
    }

    /// Takes over what a training has come to.
    pub(super) fn conclude(&mut self, outcome: &Outcome) {
        self.best.clone_from(&outcome.best);
        self.last.clone_from(&outcome.last);
        self.test = outcome.test.iter().cloned().collect();
        if let Some(report) = outcome.classes.clone() {
            self.confusion_matrix = report.confusion;
            self.per_class = report.per_class;
        }
    }

    /// The JSON Schema (draft 7) of `run.json`, as this program writes and reads it.
    pub fn schema() -> serde_json::Value {
        let mut schema = schema_of::<Self>();
        schema["title"] = "The record of a run".into();
        // What stands in for an absent field is for this program alone: readers should see that it is absent.
        for field in schema["properties"].as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            if let Some(field) = field.as_object_mut() {
                field.remove("default");
            }
        }
        schema
    }

    /// As JSON, indented, with a newline at the end.
    pub fn render(&self) -> Result<String> {
        json::render(self).map_err(|error| Error::Bug(format!("a run's record is no JSON: {error}")))
    }

    /// Writes it into the run's folder.
    pub fn save(&self, dir: &Path, durability: Durability) -> Result<()> {
        file::write(&dir.join(layout::RECORD), self.render()?.as_bytes(), durability)
    }

    /// Takes the checksums of files that are about to be removed out of the record in a run's folder. Fields of a
    /// later version stay.
    pub(super) fn forget_checksums(dir: &Path, names: &[&str]) -> Result<()> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            record: &'a RunRecord,
            #[serde(flatten)]
            unknown: IndexMap<String, serde_json::Value>,
        }
        let path = dir.join(layout::RECORD);
        let Some(mut record) = Self::load(dir)? else { return Ok(()) };
        record.checksums.retain(|name, _| !names.contains(&name.as_str()));
        let bug = |error| Error::Bug(format!("a run's record is no JSON: {error}"));
        let known = serde_json::to_value(&record).map_err(bug)?;
        let text = file::read(&path)?.unwrap_or_default();
        let mut unknown: IndexMap<String, serde_json::Value> = serde_json::from_slice(&text)
            .map_err(|error| Error::unreadable(&path, format!("not a run's record: {error}")))?;
        unknown.retain(|name, _| known.get(name).is_none());
        let text = json::render(&Whole { record: &record, unknown }).map_err(bug)?;
        file::write(&path, text.as_bytes(), Durability::Now)
    }

    /// Reads it from the run's folder; `None` where there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(layout::RECORD);
        let Some(text) = file::read(&path)? else { return Ok(None) };
        let record: Self = serde_json::from_slice(&text)
            .map_err(|error| Error::unreadable(&path, format!("not a run's record: {error}")))?;
        if record.format > layout::FORMAT {
            let reason = format!(
                "written by a newer runner (format {}, this one reads {})",
                record.format,
                layout::FORMAT
            );
            return Err(Error::unreadable(&path, reason));
        }
        Ok(Some(record))
    }
}

/// The JSON for a setting: dates as their text, NaN and infinities as `null`.
pub fn json_value(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(list) => list.iter().map(json_value).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), json_value(value))).collect()
        }
    }
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Entries that are no numbers belong to a later version and are left out.
pub(super) fn numbers<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, f64>, D::Error> {
    let read = Option::<IndexMap<String, serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(read
        .into_iter()
        .filter_map(|(name, value)| match value {
            serde_json::Value::Null => Some((name, f64::NAN)),
            other => other.as_f64().map(|number| (name, number)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RunRecord {
        let started = "2026-03-01T12:00:00.25Z".parse().unwrap();
        let mut record = RunRecord::new("1f3a9c2e", "p=0.3-1f3a9c2e", "dropout_sweep", started);
        record.status = Status::Diverged;
        record.ended = Some("2026-03-01T12:00:09Z".parse().unwrap());
        record.seconds = 8.75;
        record.data = DataRecord { fingerprint: "ab".into(), train: 1078, valid: 359, test: 360 };
        record.assignment.insert("model.regularizer.p".into(), 0.3.into());
        record.assignment.insert("optimizer.lr".into(), 1e-3.into());
        record.assignment.insert("seed".into(), 42.into());
        record.best = Some(Row {
            epoch: 2,
            step: 10,
            lr: 1e-3,
            values: vec![("train_loss".into(), 0.1 + 0.2), ("valid_loss".into(), 0.5)],
        });
        record.test.insert("loss".into(), 0.25);
        record
    }

    #[test]
    fn comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let record = record();
        record.save(folder.path(), Durability::Later).unwrap();
        assert_eq!(RunRecord::load(folder.path()).unwrap(), Some(record));
        assert_eq!(RunRecord::load(&folder.path().join("none")).unwrap(), None);
    }

    #[test]
    fn not_a_number_is_null_in_json_and_nan_here() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = record();
        record.last = Some(Row {
            epoch: 3,
            step: 15,
            lr: f64::NAN,
            values: vec![("train_loss".into(), f64::NAN), ("valid_loss".into(), f64::INFINITY)],
        });
        record.test.insert("accuracy".into(), f64::NAN);
        record.save(folder.path(), Durability::Later).unwrap();
        let text = std::fs::read_to_string(folder.path().join(layout::RECORD)).unwrap();
        assert!(text.contains("\"valid_loss\": null"), "{text}");
        let last = RunRecord::load(folder.path()).unwrap().unwrap().last.unwrap();
        assert_eq!((last.epoch, last.step), (3, 15));
        assert!(last.lr.is_nan());
        let names: Vec<&str> = last.values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["train_loss", "valid_loss"]);
        assert!(last.values.iter().all(|(_, value)| value.is_nan()));
    }

    #[test]
    fn looks_as_the_contract_says() {
        insta::assert_snapshot!(record().render().unwrap(), @r#"
        {
          "format": 1,
          "id": "1f3a9c2e",
          "name": "p=0.3-1f3a9c2e",
          "experiment": "dropout_sweep",
          "status": "diverged",
          "stopped_early": false,
          "attempts": 1,
          "started": "2026-03-01T12:00:00.25Z",
          "ended": "2026-03-01T12:00:09Z",
          "seconds": 8.75,
          "device": "",
          "host": "",
          "cpu": "",
          "instruction_set": "",
          "threads": 0,
          "versions": {},
          "git": null,
          "data": {
            "fingerprint": "ab",
            "train": 1078,
            "valid": 359,
            "test": 360
          },
          "parameters": 0,
          "assignment": {
            "model.regularizer.p": 0.3,
            "optimizer.lr": 0.001,
            "seed": 42
          },
          "best": {
            "epoch": 2,
            "step": 10,
            "lr": 0.001,
            "train_loss": 0.30000000000000004,
            "valid_loss": 0.5
          },
          "last": null,
          "test": {
            "loss": 0.25
          },
          "confusion_matrix": null,
          "per_class": [],
          "checksums": {},
          "error": null
        }
        "#);
    }

    #[test]
    fn fields_of_a_later_version_are_ignored_and_absent_ones_have_a_default() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"format": 1, "id": "ab", "status": "completed", "colour": {"r": 1},
            "best": {"epoch": 4, "valid_loss": 0.5, "note": "late"}, "test": {"loss": 1, "matrix": [[1]]}}"#;
        std::fs::write(folder.path().join(layout::RECORD), text).unwrap();
        let record = RunRecord::load(folder.path()).unwrap().unwrap();
        assert_eq!(record.status, Status::Completed);
        assert_eq!(record.best.unwrap().values, [("valid_loss".to_owned(), 0.5)]);
        assert_eq!(record.test.len(), 1);
        assert_eq!(record.attempts, 0);
    }

    #[test]
    fn damage_is_an_error_with_the_file_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let whole = record().render().unwrap();
        for end in 0..whole.trim_end().len() {
            std::fs::write(folder.path().join(layout::RECORD), &whole.as_bytes()[..end]).unwrap();
            let error = RunRecord::load(folder.path()).unwrap_err();
            assert!(error.to_string().contains("run.json: not a run's record"), "{error}");
        }
        let newer = whole.replace("\"format\": 1", "\"format\": 2");
        std::fs::write(folder.path().join(layout::RECORD), newer).unwrap();
        assert!(RunRecord::load(folder.path()).unwrap_err().to_string().contains("newer runner"));
    }

    #[test]
    fn settings_keep_their_type_and_order_in_json() {
        let table: toml::Table =
            toml::from_str("b = [1, 2.5, true]\na = 'x'\nd = 2020-01-02\nn = nan").unwrap();
        let json = json_value(&toml::Value::Table(table));
        assert_eq!(json, serde_json::json!({"b": [1, 2.5, true], "a": "x", "d": "2020-01-02", "n": null}));
    }
}
