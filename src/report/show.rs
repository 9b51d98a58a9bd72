//! One run on a page.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::compare::Subject;
use super::setting::flatten;
use crate::store::RunRecord;

/// What there is to say about a run, but for its model summary and its curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sheet {
    /// `experiment/name`.
    pub title: String,
    /// The folder.
    pub folder: String,
    /// The whole record.
    pub record: RunRecord,
    /// The settings under their dotted keys; the swept ones where the configuration cannot be read.
    pub settings: IndexMap<String, Value>,
    /// Every metric on every part.
    pub metrics: Vec<MetricLine>,
}

/// One metric without the name of its part: the line `valid_loss` and the test part's `loss` are one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricLine {
    /// `loss`, `accuracy`, …
    pub name: String,
    /// On the training part at the best epoch.
    pub train: Option<f64>,
    /// On the validation part at the best epoch.
    pub valid: Option<f64>,
    /// On the test part with the best weights.
    pub test: Option<f64>,
}

/// Gathers it.
pub fn show(subject: &Subject<'_>) -> Sheet {
    let entry = subject.entry;
    let record = &entry.record;
    let best = |part: &str, name: &str| record.best.as_ref()?.value(&format!("{part}_{name}"));
    let columns = record.best.iter().flat_map(|row| row.values.iter().map(|(column, _)| column.as_str()));
    let bare = columns
        .filter_map(|column| column.strip_prefix("train_").or_else(|| column.strip_prefix("valid_")))
        .chain(record.test.keys().map(String::as_str));
    let names: IndexSet<&str> = bare.collect();
    let metrics = names
        .into_iter()
        .map(|name| MetricLine {
            name: name.to_owned(),
            train: best("train", name),
            valid: best("valid", name),
            test: record.test.get(name).copied(),
        })
        .collect();
    Sheet {
        title: format!("{}/{}", entry.experiment, entry.name),
        folder: entry.dir.display().to_string(),
        record: record.clone(),
        settings: subject.config.as_ref().map_or_else(|| record.assignment.clone(), flatten),
        metrics,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunEntry;
    use crate::train::event::Row;

    #[test]
    fn a_metric_has_one_line_for_all_parts() {
        let mut record = RunRecord::new("ab", "x", "exp", jiff::Timestamp::default());
        let value = |name: &str, value| (name.to_owned(), value);
        let values = vec![value("train_loss", 0.5), value("valid_loss", 0.6), value("valid_accuracy", 0.9)];
        record.best = Some(Row { epoch: 3, step: 30, lr: 0.1, values });
        record.test.extend([value("loss", 0.7), value("accuracy", 0.8)]);
        let entry = RunEntry { dir: "runs/exp/x".into(), experiment: "exp".into(), name: "x".into(), record };
        let config = Some("[train]\nepochs = 3".parse().unwrap());
        let sheet = show(&Subject { entry: &entry, config });
        let line = |name: &str, train, valid, test| MetricLine { name: name.into(), train, valid, test };
        assert_eq!(
            sheet.metrics,
            [line("loss", Some(0.5), Some(0.6), Some(0.7)), line("accuracy", None, Some(0.9), Some(0.8))]
        );
        assert_eq!(sheet.settings["train.epochs"], 3);
        assert_eq!(sheet.title, "exp/x");
    }
}
