//! In what two runs differ.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::compare::Subject;
use super::setting::{canonical, flatten};

/// The settings and metrics in which two runs differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `experiment/name` of the first.
    pub left: String,
    /// `experiment/name` of the second.
    pub right: String,
    /// In the order of the first's configuration, then what only the second has.
    pub settings: Vec<SettingDifference>,
    /// `best_epoch`, then metrics of the best epoch, then those of the test part as `test_…`.
    pub metrics: Vec<MetricDifference>,
}

/// A setting; `None` where a run does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingDifference {
    /// Its dotted key.
    pub key: String,
    /// The first's value.
    pub left: Option<Value>,
    /// The second's value.
    pub right: Option<Value>,
}

/// A metric; `None` where a run does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricDifference {
    /// Its column.
    pub name: String,
    /// The first's value.
    pub left: Option<f64>,
    /// The second's value.
    pub right: Option<f64>,
}

/// Compares two runs; without a configuration a run's settings are its swept ones.
pub fn diff(left: &Subject<'_>, right: &Subject<'_>) -> Difference {
    let name = |subject: &Subject<'_>| format!("{}/{}", subject.entry.experiment, subject.entry.name);
    let (ours, theirs) = (settings(left), settings(right));
    let same = |a: Option<&Value>, b: Option<&Value>| a.map(canonical) == b.map(canonical);
    let settings = union(&ours, &theirs)
        .filter(|key| !same(ours.get(*key), theirs.get(*key)))
        .map(|key| SettingDifference {
            key: key.clone(),
            left: ours.get(key).cloned(),
            right: theirs.get(key).cloned(),
        })
        .collect();
    let (ours, theirs) = (metrics(left), metrics(right));
    // Bits, not values: a difference in the last place is one, NaN and NaN is none.
    let same = |a: Option<&f64>, b: Option<&f64>| a.map(|a| a.to_bits()) == b.map(|b| b.to_bits());
    let metrics = union(&ours, &theirs)
        .filter(|key| !same(ours.get(*key), theirs.get(*key)))
        .map(|key| MetricDifference {
            name: key.clone(),
            left: ours.get(key).copied(),
            right: theirs.get(key).copied(),
        })
        .collect();
    Difference { left: name(left), right: name(right), settings, metrics }
}

fn settings(subject: &Subject<'_>) -> IndexMap<String, Value> {
    match &subject.config {
        Some(config) => flatten(config),
        None => subject.entry.record.assignment.clone(),
    }
}

fn metrics(subject: &Subject<'_>) -> IndexMap<String, f64> {
    let record = &subject.entry.record;
    let best = record.best.iter().flat_map(|row| {
        let epoch = ("best_epoch".to_owned(), row.epoch as f64);
        std::iter::once(epoch).chain(row.values.iter().cloned())
    });
    best.chain(record.test.iter().map(|(name, value)| (format!("test_{name}"), *value))).collect()
}

fn union<'a, T>(a: &'a IndexMap<String, T>, b: &'a IndexMap<String, T>) -> impl Iterator<Item = &'a String> {
    a.keys().chain(b.keys()).collect::<IndexSet<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RunEntry, RunRecord};
    use crate::train::event::Row;

    fn entry(name: &str, loss: f64, test: &[(&str, f64)]) -> RunEntry {
        let mut record = RunRecord::new(name, name, "exp", jiff::Timestamp::default());
        let values = vec![("train_loss".to_owned(), 0.5), ("valid_loss".to_owned(), loss)];
        record.best = Some(Row { epoch: 3, step: 30, lr: 0.1, values });
        record.test = test.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        RunEntry { dir: name.into(), experiment: "exp".into(), name: name.to_owned(), record }
    }

    #[test]
    fn only_what_differs_is_named() {
        let (a, b) = (entry("a", 0.3, &[("loss", 0.1)]), entry("b", 0.1 + 0.2, &[]));
        let config = |text: &str| Some(text.parse::<toml::Table>().unwrap());
        let left =
            Subject { entry: &a, config: config("seed = 1\n[optimizer]\nkind = 'sgd'\nmomentum = 0.9") };
        let right =
            Subject { entry: &b, config: config("seed = 1.0\n[optimizer]\nkind = 'adam'\neps = 1e-8") };
        let found = diff(&left, &right);
        assert_eq!((found.left.as_str(), found.right.as_str()), ("exp/a", "exp/b"));
        let keys: Vec<&str> = found.settings.iter().map(|setting| setting.key.as_str()).collect();
        assert_eq!(keys, ["optimizer.kind", "optimizer.momentum", "optimizer.eps"]);
        assert_eq!(found.settings[1].right, None);
        let metrics: Vec<(&str, Option<f64>)> =
            found.metrics.iter().map(|metric| (metric.name.as_str(), metric.right)).collect();
        assert_eq!(metrics, [("valid_loss", Some(0.1 + 0.2)), ("test_loss", None)]);
    }

    #[test]
    fn a_run_does_not_differ_from_itself_even_with_nan() {
        let run = entry("a", f64::NAN, &[]);
        let subject = Subject { entry: &run, config: None };
        let found = diff(&subject, &subject);
        assert!(found.settings.is_empty() && found.metrics.is_empty());
    }
}
