//! What an experiment's settings did to its metrics, over seeds and folds.
//!
//! Runs are one group if they agree in every swept key but the seed and the fold. Where configurations are
//! given they decide: a run from before an axis was added has the axis' default, and runs that agree in all
//! swept keys but not in the rest (the file was edited between two sweeps) are not thrown together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::Spread;
use super::setting::{canonical, find, leaves, path_of, quoted};
use crate::config::schema::AVERAGED_OVER;
use crate::setting::KeyPath;
use crate::store::{RunEntry, Status, json_value};

/// A run to compare.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The run.
    pub entry: &'a RunEntry,
    /// Its `config.toml`, where it can be read.
    pub config: Option<toml::Table>,
}

/// What best means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// A column of `metrics.csv`.
    pub column: String,
    /// Its direction.
    pub lower_is_better: bool,
}

/// One experiment's groups, the best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The experiment.
    pub experiment: String,
    /// What the groups are sorted by: the monitored metric, or `test_…`.
    pub sorted_by: String,
    /// The keys that differ between groups: swept ones in the order of their axes, then others by name.
    pub keys: Vec<String>,
    /// The groups; those without a number to sort by come last.
    pub groups: Vec<Group>,
}

/// Runs that differ in nothing but seed and fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Values of the keys that differ; a run may lack one.
    pub settings: IndexMap<String, Value>,
    /// Completed runs: those that the numbers are made of.
    pub n: usize,
    /// Failed and diverged runs.
    pub failed: usize,
    /// Runs that a rule of `sweep.prune` stopped.
    pub stopped: usize,
    /// Running and interrupted runs.
    pub unfinished: usize,
    /// The metrics of the best epoch, by column.
    pub metrics: IndexMap<String, Spread>,
    /// The best epoch.
    pub epoch: Option<Spread>,
    /// Wall time of a run.
    pub seconds: Option<Spread>,
    /// Metrics on the test part; empty unless asked for.
    pub test: IndexMap<String, Spread>,
    /// The names of all runs of the group.
    pub runs: Vec<String>,
}

/// The runs of each experiment, in the order in which the experiments come first.
pub fn by_experiment(entries: &[RunEntry]) -> IndexMap<&str, Vec<&RunEntry>> {
    let mut experiments: IndexMap<&str, Vec<&RunEntry>> = IndexMap::new();
    for entry in entries {
        experiments.entry(&entry.experiment).or_default().push(entry);
    }
    experiments
}

/// Compares the runs of one experiment. With `test` the metrics of the test part are shown and sorted by.
///
/// Copies of a run (equal ids) count once: they would make the deviation look smaller than it is. Linear in
/// the number of runs, but for sorting the groups.
pub fn compare(experiment: &str, subjects: &[Subject<'_>], monitor: &Monitor, test: bool) -> Comparison {
    let subjects = originals(subjects);
    let mut keys: IndexSet<String> = IndexSet::new();
    for subject in &subjects {
        let swept = subject.entry.record.assignment.keys().filter(|key| !is_averaged_over(key));
        for key in swept {
            if !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
    }
    let mut members = group(&subjects, &keys);
    let hidden = hidden_differences(&members);
    if !hidden.is_empty() {
        keys.extend(hidden);
        members = group(&subjects, &keys);
    }
    let mut keys = written_out(&members, keys);
    keys.retain(|key| differs(&members, key));

    let mut groups: Vec<Group> = members.values().map(|members| summary(members, &keys, test)).collect();
    let by_test = test.then(|| metric_name(&monitor.column));
    let rank = |group: &Group| {
        let spread = match by_test {
            Some(name) => group.test.get(name),
            None => group.metrics.get(&monitor.column),
        };
        let mean = spread.map_or(f64::NAN, |spread| spread.mean);
        if monitor.lower_is_better { mean } else { -mean }
    };
    // A NaN may carry a sign, so it is told apart before numbers are compared; the sort keeps the order of ties.
    groups.sort_by(|a, b| {
        let (a, b) = (rank(a), rank(b));
        a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b))
    });
    let sorted_by = by_test.map_or_else(|| monitor.column.clone(), |name| format!("test_{name}"));
    Comparison { experiment: experiment.to_owned(), sorted_by, keys: keys.into_iter().collect(), groups }
}

/// `loss` of `valid_loss`.
fn metric_name(column: &str) -> &str {
    column.strip_prefix("valid_").or_else(|| column.strip_prefix("train_")).unwrap_or(column)
}

fn is_averaged_over(key: &str) -> bool {
    AVERAGED_OVER.contains(&key)
}

/// Takes out of a whole table at `key` what is averaged over: the fold of a swept `data.split`.
fn without_averaged(mut value: Value, key: &str) -> Value {
    for averaged in AVERAGED_OVER {
        let Some(below) = averaged.strip_prefix(key).and_then(|below| below.strip_prefix('.')) else {
            continue;
        };
        let (way, last) = below.rsplit_once('.').unwrap_or(("", below));
        let mut way = way.split('.').filter(|key| !key.is_empty());
        if let Some(Value::Object(table)) = way.try_fold(&mut value, |value, key| value.get_mut(key)) {
            table.remove(last);
        }
    }
    value
}

/// Whether a key has no part in the result, as it has none in the id.
fn is_label(key: &str) -> bool {
    matches!(key, "name" | "description" | "device") || key.starts_with("train.checkpoint")
}

fn originals<'s, 'a>(subjects: &'s [Subject<'a>]) -> Vec<&'s Subject<'a>> {
    let mut chosen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, subject) in subjects.iter().enumerate() {
        let known = chosen.entry(&subject.entry.record.id).or_insert(index);
        if subjects[*known].entry.is_copy() && !subject.entry.is_copy() {
            *known = index;
        }
    }
    let is_chosen = |index: usize, id: &str| id.is_empty() || chosen.get(id) == Some(&index);
    let all = subjects.iter().enumerate();
    all.filter(|(index, subject)| is_chosen(*index, &subject.entry.record.id)).map(|(_, s)| s).collect()
}

type Members<'s, 'a> = IndexMap<Vec<Option<String>>, Vec<&'s Subject<'a>>>;

fn group<'s, 'a>(subjects: &[&'s Subject<'a>], keys: &IndexSet<String>) -> Members<'s, 'a> {
    let paths: Vec<(&String, KeyPath)> = keys.iter().map(|key| (key, path_of(key))).collect();
    let mut members: Members<'s, 'a> = IndexMap::new();
    for subject in subjects {
        let values = paths.iter().map(|(key, path)| decisive(subject, key, path)).collect();
        members.entry(values).or_default().push(subject);
    }
    members
}

/// The text that decides whether two runs agree in `key`.
fn decisive(subject: &Subject<'_>, key: &str, path: &KeyPath) -> Option<String> {
    let found = subject.config.as_ref().and_then(|config| find(config, path));
    let configured = found.map(|value| comparable(&without_averaged(json_value(value), key), subject));
    configured.or_else(|| assigned(subject, key).map(|value| canonical(&without_averaged(value, key))))
}

/// What the run's axes write at `key`, alone or within a table.
fn assigned(subject: &Subject<'_>, key: &str) -> Option<Value> {
    let assignment = &subject.entry.record.assignment;
    let within = || {
        assignment.iter().find_map(|(axis, value)| {
            let below = key.strip_prefix(axis.as_str())?.strip_prefix('.')?;
            value.as_object()?.iter().find(|(name, _)| quoted(name) == below).map(|(_, value)| value)
        })
    };
    assignment.get(key).or_else(within).cloned()
}

/// Machines keep the same data at different places: a path counts by its last part and the data's content.
fn comparable(value: &Value, subject: &Subject<'_>) -> String {
    match value.as_str().map(Path::new) {
        Some(path) if path.is_absolute() => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name} of {}", subject.entry.record.data.fingerprint)
        }
        _ => canonical(value),
    }
}

/// Settings in which runs differ that agree in all swept keys; all runs need a configuration for that.
fn hidden_differences(members: &Members<'_, '_>) -> BTreeSet<String> {
    let mut hidden = BTreeSet::new();
    for members in members.values() {
        let mut configured = members.iter().filter_map(|one| Some((*one, one.config.as_ref()?)));
        let Some(first) = configured.next() else { continue };
        for other in configured {
            hidden.extend(differences(first, other));
        }
    }
    hidden
}

/// A run with its configuration.
type Configured<'s, 'a> = (&'s Subject<'a>, &'s toml::Table);

/// The settings in which two runs differ, less those that are averaged over and those without a part in the result.
fn differences(ours: Configured<'_, '_>, theirs: Configured<'_, '_>) -> BTreeSet<String> {
    let same_data = ours.0.entry.record.data.fingerprint == theirs.0.entry.record.data.fingerprint;
    let keys: BTreeSet<&String> = ours.1.keys().chain(theirs.1.keys()).collect();
    // Most tables are equal to the last bit and need not be written out to be compared.
    let may_differ = |key: &&String| !same_data || ours.1.get(key.as_str()) != theirs.1.get(key.as_str());
    let mut found = BTreeSet::new();
    for key in keys.into_iter().filter(may_differ) {
        let settings = |(subject, config): Configured<'_, '_>| -> BTreeMap<String, String> {
            let leaves = config.get(key).map(|value| leaves(key, value)).unwrap_or_default().into_iter();
            let decisive = leaves.filter(|(key, _)| !is_averaged_over(key) && !is_label(key));
            decisive.map(|(key, value)| (key, comparable(&value, subject))).collect()
        };
        let (ours, theirs) = (settings(ours), settings(theirs));
        let all = ours.keys().chain(theirs.keys());
        found.extend(all.filter(|key| ours.get(*key) != theirs.get(*key)).cloned());
    }
    found
}

/// The keys with those of swept tables in the place of the tables: what an axis writes of a table is seldom the
/// whole of it. Where that does not tell the groups apart, every key in which the tables differ.
fn written_out(members: &Members<'_, '_>, keys: IndexSet<String>) -> IndexSet<String> {
    let representatives = representatives(members);
    let mut all: IndexSet<String> = IndexSet::new();
    for key in keys {
        let assigned = members.values().flatten().filter_map(|one| one.entry.record.assignment.get(&key));
        let names = assigned.filter_map(Value::as_object).flat_map(|table| table.keys());
        let mut below: IndexSet<String> = names.map(|name| format!("{key}.{}", quoted(name))).collect();
        let apart = |keys: &IndexSet<String>| group(&representatives, keys).len();
        let whole = IndexSet::from([key]);
        if !below.is_empty() && apart(&below) < apart(&whole) {
            let path = path_of(&whole[0]);
            let tables =
                representatives.iter().filter_map(|one| find(one.config.as_ref()?, &path)?.as_table());
            below.extend(
                tables.flat_map(|table| table.keys()).map(|name| format!("{}.{}", whole[0], quoted(name))),
            );
        }
        let is_enough = !below.is_empty() && apart(&below) == apart(&whole);
        all.extend(if is_enough { below } else { whole });
    }
    all.into_iter().filter(|key| !is_averaged_over(key)).collect()
}

/// A run of each group.
fn representatives<'s, 'a>(members: &Members<'s, 'a>) -> Vec<&'s Subject<'a>> {
    members.values().filter_map(|members| members.first().copied()).collect()
}

fn differs(members: &Members<'_, '_>, key: &str) -> bool {
    let path = path_of(key);
    let mut values = members.values().filter_map(|members| members.first()).map(|s| decisive(s, key, &path));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

fn summary(members: &[&Subject<'_>], keys: &IndexSet<String>, test: bool) -> Group {
    let records = || members.iter().map(|subject| &subject.entry.record);
    let count = |statuses: &[Status]| records().filter(|record| statuses.contains(&record.status)).count();
    let completed = || records().filter(|record| record.status == Status::Completed);
    let best = || completed().filter_map(|record| record.best.as_ref());
    let settings = keys.iter().filter_map(|key| Some((key.clone(), shown(members, key)?))).collect();
    Group {
        settings,
        n: count(&[Status::Completed]),
        failed: count(&[Status::Failed, Status::Diverged]),
        stopped: count(&[Status::Stopped]),
        unfinished: count(&[Status::Running, Status::Interrupted]),
        metrics: spreads(best().flat_map(|row| row.values.iter().map(|(name, value)| (name, *value)))),
        epoch: Spread::of(best().map(|row| row.epoch as f64)),
        seconds: Spread::of(completed().map(|record| record.seconds)),
        test: spreads(
            completed()
                .filter(|_| test)
                .flat_map(|record| record.test.iter().map(|(name, value)| (name, *value))),
        ),
        runs: members.iter().map(|subject| subject.entry.name.clone()).collect(),
    }
}

/// The value as the user wrote it, else as the configuration has it.
fn shown(members: &[&Subject<'_>], key: &str) -> Option<Value> {
    let written = members.iter().find_map(|subject| assigned(subject, key));
    let path = path_of(key);
    let configured =
        || members.iter().find_map(|subject| find(subject.config.as_ref()?, &path).map(json_value));
    written.or_else(configured).map(|value| without_averaged(value, key))
}

fn spreads<'a>(values: impl Iterator<Item = (&'a String, f64)>) -> IndexMap<String, Spread> {
    let mut columns: IndexMap<&String, Vec<f64>> = IndexMap::new();
    for (name, value) in values {
        columns.entry(name).or_default().push(value);
    }
    columns.into_iter().filter_map(|(name, values)| Some((name.clone(), Spread::of(values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunRecord;
    use crate::train::event::Row;

    struct Made {
        entry: RunEntry,
        config: Option<toml::Table>,
    }

    /// A run with the swept `settings` (TOML) and its best row's `loss`.
    fn run(name: &str, settings: &str, loss: f64) -> Made {
        let mut record =
            RunRecord::new(&blake3::hash(name.as_bytes()).to_hex(), name, "exp", jiff::Timestamp::default());
        let table: toml::Table = settings.parse().unwrap();
        record.assignment = table.iter().map(|(key, value)| (key.clone(), json_value(value))).collect();
        record.status = Status::Completed;
        record.seconds = 2.0;
        let values = vec![("train_loss".to_owned(), loss / 2.0), ("valid_loss".to_owned(), loss)];
        record.best = Some(Row { epoch: 3, step: 30, lr: 0.1, values });
        record.test.insert("loss".to_owned(), 1.0 - loss);
        let entry = RunEntry { dir: name.into(), experiment: "exp".into(), name: name.to_owned(), record };
        Made { entry, config: None }
    }

    impl Made {
        fn status(mut self, status: Status) -> Self {
            self.entry.record.status = status;
            self
        }

        fn config(mut self, text: &str) -> Self {
            self.config = Some(text.parse().unwrap());
            self
        }
    }

    fn compared(runs: &[Made], test: bool) -> Comparison {
        let subjects: Vec<Subject<'_>> =
            runs.iter().map(|run| Subject { entry: &run.entry, config: run.config.clone() }).collect();
        let monitor = Monitor { column: "valid_loss".into(), lower_is_better: true };
        compare("exp", &subjects, &monitor, test)
    }

    /// `settings | n failed unfinished | mean std` of every group.
    fn lines(comparison: &Comparison) -> Vec<String> {
        let line = |group: &Group| {
            let settings: Vec<String> = group
                .settings
                .iter()
                .map(|(key, value)| format!("{key}={}", super::super::plain(value)))
                .collect();
            let loss = group.metrics.get("valid_loss");
            let loss = loss.map_or("-".to_owned(), |loss| {
                format!("{:.4} {}", loss.mean, loss.std.map_or("-".to_owned(), |std| format!("{std:.4}")))
            });
            format!("{} | {} {} {} | {loss}", settings.join(" "), group.n, group.failed, group.unfinished)
        };
        comparison.groups.iter().map(line).collect()
    }

    /// `NumPy` 2.4: `np.mean([.5, .6, .7]), np.std([.5, .6, .7], ddof=1)` is 0.6, 0.1;
    /// `np.mean([.3, .4]), np.std([.3, .4], ddof=1)` is 0.35, 0.0707.
    #[test]
    fn seeds_and_folds_are_averaged_and_the_best_group_is_first() {
        let runs = [
            run("a1", "p = 0.1\nlr = 0.01\nseed = 1", 0.5),
            run("a2", "p = 0.1\nlr = 0.01\nseed = 2", 0.6),
            run("a3", "p = 0.1\nlr = 0.01\nseed = 3", 0.7),
            run("b1", "p = 0.3\nlr = 0.01\nseed = 1\n'data.split.fold' = 1", 0.3),
            run("b2", "p = 0.3\nlr = 0.01\nseed = 1\n'data.split.fold' = 2", 0.4),
            run("b3", "p = 0.3\nlr = 0.01\nseed = 2", 0.9).status(Status::Diverged),
            run("c1", "p = 0.5\nlr = 0.01\nseed = 1", 0.1).status(Status::Failed),
            run("c2", "p = 0.5\nlr = 0.01\nseed = 2", 0.1).status(Status::Interrupted),
        ];
        let comparison = compared(&runs, false);
        assert_eq!(comparison.keys, ["p"], "lr is the same everywhere");
        assert_eq!(
            lines(&comparison),
            ["p=0.3 | 2 1 0 | 0.3500 0.0707", "p=0.1 | 3 0 0 | 0.6000 0.1000", "p=0.5 | 0 1 1 | -"]
        );
        let first = &comparison.groups[0];
        assert_eq!(first.runs, ["b1", "b2", "b3"]);
        assert_eq!(first.epoch, Some(Spread { mean: 3.0, std: Some(0.0), n: 2 }));
        assert_eq!(first.seconds, Some(Spread { mean: 2.0, std: Some(0.0), n: 2 }));
        assert!(first.test.is_empty(), "the test part stays closed unless asked for");
    }

    #[test]
    fn test_metrics_are_shown_and_sorted_by_only_when_asked_for() {
        let runs = [run("a", "p = 1", 0.25), run("b", "p = 2", 0.75)];
        let comparison = compared(&runs, false);
        assert_eq!(
            (comparison.sorted_by.as_str(), lines(&comparison)[0].as_str()),
            ("valid_loss", "p=1 | 1 0 0 | 0.2500 -")
        );
        let comparison = compared(&runs, true);
        assert_eq!(comparison.sorted_by, "test_loss");
        assert_eq!(lines(&comparison)[0], "p=2 | 1 0 0 | 0.7500 -");
        assert_eq!(comparison.groups[0].test.get("loss"), Some(&Spread { mean: 0.25, std: None, n: 1 }));
    }

    #[test]
    fn a_metric_that_grows_puts_the_largest_first_and_nan_last() {
        let runs = [run("a", "p = 1", f64::NAN), run("b", "p = 2", 0.5), run("c", "p = 3", 0.75)];
        let subjects: Vec<Subject<'_>> =
            runs.iter().map(|run| Subject { entry: &run.entry, config: None }).collect();
        let monitor = Monitor { column: "valid_loss".into(), lower_is_better: false };
        let comparison = compare("exp", &subjects, &monitor, false);
        let order: Vec<&str> = comparison.groups.iter().map(|group| group.runs[0].as_str()).collect();
        assert_eq!(order, ["c", "b", "a"]);
    }

    #[test]
    fn copies_of_a_run_count_once() {
        let original = run("a", "p = 1\nseed = 1", 0.5);
        let mut copy = run("a", "p = 1\nseed = 1", 0.5);
        copy.entry.name = "a~2".into();
        let comparison = compared(&[copy, original, run("b", "p = 1\nseed = 2", 0.7)], false);
        assert_eq!(lines(&comparison), [" | 2 0 0 | 0.6000 0.1414"]);
        assert_eq!(comparison.groups[0].runs, ["a", "b"]);
    }

    #[test]
    fn a_run_from_before_an_axis_was_added_has_its_default() {
        let config = |p: f64, seed: u32| format!("seed = {seed}\n[optimizer]\nlr = 1e-3\n[model]\np = {p:?}");
        let runs = [
            run("old", "'optimizer.lr' = 1e-3\nseed = 1", 0.4).config(&config(0.3, 1)),
            run("n1", "'optimizer.lr' = 1e-3\n'model.p' = 0.3\nseed = 2", 0.6).config(&config(0.3, 2)),
            run("n2", "'optimizer.lr' = 1e-3\n'model.p' = 0.0\nseed = 1", 0.9).config(&config(0.0, 1)),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            ["model.p=0.3 | 2 0 0 | 0.5000 0.1414", "model.p=0 | 1 0 0 | 0.9000 -"]
        );
    }

    #[test]
    fn an_edited_file_does_not_mix_its_runs() {
        let config = |epochs: u32, device: &str, path: &str| {
            format!("device = '{device}'\n[train]\nepochs = {epochs}\n[data]\npath = '{path}'")
        };
        let runs = [
            run("a", "p = 1\nseed = 1", 0.5).config(&config(20, "cpu", "/one/iris.csv")),
            run("b", "p = 1\nseed = 2", 0.7).config(&config(20, "cuda", "/other/iris.csv")),
            run("c", "p = 1\nseed = 1", 0.3).config(&config(30, "cpu", "/one/iris.csv")),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            ["train.epochs=30 | 1 0 0 | 0.3000 -", "train.epochs=20 | 2 0 0 | 0.6000 0.1414"]
        );
    }

    #[test]
    fn folds_are_averaged_wherever_they_were_set() {
        let config = |folds: u32, fold: u32| {
            format!("seed = 1\n[data]\nsource = 'digits'\nsplit = {{ folds = {folds}, fold = {fold} }}")
        };
        // By a flag of two commands, which no axis names.
        let runs = [
            run("a", "", 0.5).config(&config(5, 1)),
            run("b", "", 0.7).config(&config(5, 2)),
            run("c", "", 0.3).config(&config(2, 1)),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            ["data.split.folds=2 | 1 0 0 | 0.3000 -", "data.split.folds=5 | 2 0 0 | 0.6000 0.1414"]
        );
        // By an axis over whole tables, with the fold in them or beside them.
        let swept =
            |name: &str, axis: &str, folds, fold, loss| run(name, axis, loss).config(&config(folds, fold));
        let runs = [
            swept("a", "'data.split' = { folds = 5 }\n'data.split.fold' = 1", 5, 1, 0.5),
            swept("b", "'data.split' = { folds = 5, fold = 2 }", 5, 2, 0.7),
            swept("c", "'data.split' = { folds = 2, fold = 1 }", 2, 1, 0.3),
        ];
        let expected =
            ["data.split.folds=2 | 1 0 0 | 0.3000 -", "data.split.folds=5 | 2 0 0 | 0.6000 0.1414"];
        assert_eq!(lines(&compared(&runs, false)), expected);
        let unread = runs.map(|run| Made { config: None, ..run });
        assert_eq!(lines(&compared(&unread, false)), expected);
    }

    #[test]
    fn of_whole_tables_the_keys_are_shown_that_were_written_and_differ() {
        let runs = [
            run("a", "optimizer = { kind = 'sgd', lr = 1 }", 0.5)
                .config("[optimizer]\nkind = 'sgd'\nlr = 1.0\nmomentum = 0.0"),
            run("b", "optimizer = 'adam'", 0.7).config("[optimizer]\nkind = 'adam'\nlr = 1e-3"),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            [
                "optimizer.kind=sgd optimizer.lr=1 | 1 0 0 | 0.5000 -",
                "optimizer.kind=adam optimizer.lr=0.001 | 1 0 0 | 0.7000 -"
            ]
        );
        // Also beside a run from before the axis, whose table is whole; what stands in a table stays together.
        let text = |order: &str| format!("[model]\nkind = 'cnn'\n{order}");
        let runs = [
            run("a", "model = { kind = 'cnn', match = 'order' }", 0.5).config(&text("match = 'order'")),
            run("b", "model = { kind = 'cnn', rename = { \"a.0\" = 'b', c = 'd' } }", 0.6)
                .config(&text("rename = { \"a.0\" = 'b', c = 'd' }")),
            run("c", "", 0.7).config(&text("")),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            [
                "model.match=order | 1 0 0 | 0.5000 -",
                "model.rename={a.0 = b, c = d} | 1 0 0 | 0.6000 -",
                " | 1 0 0 | 0.7000 -"
            ]
        );
        // Two tables that differ in what neither wrote there are not thrown together.
        let runs = [
            run("a", "model = { kind = 'mlp' }", 0.5).config("[model]\nkind = 'mlp'\nlayers = 5"),
            run("b", "model = { kind = 'mlp' }", 0.6).config("[model]\nkind = 'mlp'\nlayers = 7"),
        ];
        assert_eq!(
            lines(&compared(&runs, false)),
            ["model.layers=5 | 1 0 0 | 0.5000 -", "model.layers=7 | 1 0 0 | 0.6000 -"]
        );
    }

    #[test]
    fn nothing_to_compare_is_no_panic() {
        assert!(compared(&[], true).groups.is_empty());
        let mut damaged = run("x", "", 0.5).status(Status::Failed);
        damaged.entry.record = RunRecord { status: Status::Failed, ..RunRecord::default() };
        assert_eq!(lines(&compared(&[damaged], false)), [" | 0 1 0 | -"]);
    }
}
