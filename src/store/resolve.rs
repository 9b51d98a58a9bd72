//! From what a user calls a run to the run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::checkpoint::FROM_PYTORCH;
use super::entry::monitor_of;
use super::{RunEntry, RunsDir, Status, configs, experiments, index_by_id, layout, scan};
use crate::model::state_dict::is_from_pytorch;
use crate::setting::nearest;
use crate::{Error, Result};

/// The shortest prefix of an id that is taken for one.
const SHORTEST_PREFIX: usize = 4;
/// The bytes of a file that tell whose it is.
const LOOKED_AT: u64 = 16;
/// How many candidates an error names.
const SHOWN: usize = 8;

/// Finds the run that `reference` stands for: a folder, a run's name, a unique prefix of an id (4 digits or
/// more), `best` (completed, by the metric that the runs monitor) or `last` (begun last).
///
/// What is absent or ambiguous is
/// an [`Error::Request`] that names the candidates.
pub fn resolve(runs: &RunsDir, experiment: Option<&str>, reference: &str) -> Result<RunEntry> {
    let path = Path::new(reference);
    if path.join(layout::RECORD).is_file()
        && let Some(entry) = RunEntry::load(path)?
    {
        return Ok(entry);
    }
    if path.is_file() && begins_as_of_pytorch(path) {
        return Err(Error::unreadable(path, FROM_PYTORCH));
    }
    let entries = scan(runs, experiment)?;
    if entries.is_empty() {
        return Err(no_runs(runs, experiment)?);
    }
    match reference {
        "best" => best(&entries),
        "last" => Ok(newest(&entries)),
        _ => by_name_or_id(&entries, reference),
    }
}

/// A file that cannot be read begins as no other.
fn begins_as_of_pytorch(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut start));
    read.is_ok() && is_from_pytorch(&start)
}

/// Whether smaller values of a metric are better: all losses and errors.
pub fn lower_is_better(column: &str) -> bool {
    crate::metric::direction_of(column) != Some(crate::metric::Direction::Maximise)
}

fn by_name_or_id(entries: &[RunEntry], reference: &str) -> Result<RunEntry> {
    let named: Vec<&RunEntry> = entries.iter().filter(|entry| entry.name == reference).collect();
    match named[..] {
        [] => {}
        [only] => return Ok(only.clone()),
        _ => return Err(ambiguous(reference, named.iter().map(|entry| full_name(entry)))),
    }
    let prefix = reference.to_ascii_lowercase();
    if prefix.len() >= SHORTEST_PREFIX {
        let index = index_by_id(entries);
        let matching: Vec<&&RunEntry> = index
            .range(&*prefix..)
            .take_while(|(id, _)| id.starts_with(&prefix))
            .map(|(_, run)| run)
            .collect();
        match matching[..] {
            [] => {}
            [only] => return Ok((*only).clone()),
            _ => {
                let candidates =
                    matching.iter().map(|entry| format!("{} ({})", entry.record.id, full_name(entry)));
                return Err(ambiguous(reference, candidates));
            }
        }
    }
    Err(absent(entries, reference))
}

fn newest(entries: &[RunEntry]) -> RunEntry {
    let newest = entries.iter().max_by_key(|entry| (entry.record.started, &entry.name));
    newest.unwrap_or(&entries[0]).clone()
}

fn best(entries: &[RunEntry]) -> Result<RunEntry> {
    let experiments: BTreeSet<&str> = entries.iter().map(|entry| entry.experiment.as_str()).collect();
    if experiments.len() > 1 {
        let names: Vec<&str> = experiments.into_iter().take(SHOWN).collect();
        return Err(Error::Request(format!(
            "`best` of which experiment? choose one with --experiment: {}",
            names.join(", ")
        )));
    }
    let completed: Vec<&RunEntry> =
        entries.iter().filter(|entry| entry.record.status == Status::Completed).collect();
    let configs = configs(&completed).into_iter();
    let monitors: BTreeSet<String> =
        configs.map(|config| config.map(|config| monitor_of(&config))).collect::<Result<_>>()?;
    let monitor = match monitors.len() {
        0 => return Err(Error::Request("there is no best run: none is completed".into())),
        1 => monitors.into_iter().next().unwrap_or_default(),
        _ => {
            let names: Vec<String> = monitors.into_iter().collect();
            return Err(Error::Request(format!(
                "there is no best run: the runs monitor different metrics ({})",
                names.join(", ")
            )));
        }
    };
    let value = |entry: &&RunEntry| {
        let value = entry.record.best.as_ref()?.value(&monitor).filter(|value| !value.is_nan())?;
        Some(if lower_is_better(&monitor) { value } else { -value })
    };
    let ranked = completed.iter().filter_map(|entry| Some((value(entry)?, *entry)));
    match ranked.min_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((_, entry)) => Ok(entry.clone()),
        None => Err(Error::Request(format!("there is no best run: none has the metric {monitor}"))),
    }
}

fn full_name(entry: &RunEntry) -> String {
    format!("{}/{}", entry.experiment, entry.name)
}

fn ambiguous(reference: &str, candidates: impl ExactSizeIterator<Item = String>) -> Error {
    let count = candidates.len();
    let mut names: Vec<String> = candidates.take(SHOWN).collect();
    if count > SHOWN {
        names.push("…".to_owned());
    }
    Error::Request(format!("\"{reference}\" could be any of {count} runs: {}", names.join(", ")))
}

fn absent(entries: &[RunEntry], reference: &str) -> Error {
    let names = entries.iter().map(|entry| entry.name.as_str());
    let containing = || names.clone().find(|name| name.contains(reference));
    let help = match nearest(reference, names.clone()).or_else(containing) {
        _ if entries.iter().any(|entry| entry.experiment == reference) => {
            format!("it is an experiment, whose best run is `best --experiment {reference}`")
        }
        Some(name) => format!("did you mean \"{name}\"?"),
        None if reference.len() < SHORTEST_PREFIX => {
            format!("an id needs {SHORTEST_PREFIX} digits or more")
        }
        None => "`runner list` shows all".to_owned(),
    };
    Error::Request(format!("there is no run \"{reference}\"; {help}"))
}

fn no_runs(runs: &RunsDir, experiment: Option<&str>) -> Result<Error> {
    let place = runs.path().display();
    let Some(wanted) = experiment else {
        return Ok(Error::Request(format!("there are no runs in {place}")));
    };
    let known = experiments(runs)?;
    let help = match nearest(wanted, known.iter().map(String::as_str)) {
        Some(name) if name != wanted => format!("; did you mean \"{name}\"?"),
        _ => String::new(),
    };
    Ok(Error::Request(format!("there are no runs of the experiment \"{wanted}\" in {place}{help}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunRecord;
    use crate::store::file::Durability;
    use crate::train::event::Row;

    struct Runs {
        folder: tempfile::TempDir,
    }

    impl Runs {
        fn put(&self, experiment: &str, name: &str, id: &str, started: i64, loss: Option<f64>) {
            let dir = self.dir().run(experiment, name);
            std::fs::create_dir_all(&dir).unwrap();
            let started = jiff::Timestamp::from_second(started).unwrap();
            let mut record = RunRecord::new(id, name, experiment, started);
            record.status = if loss.is_some() { Status::Completed } else { Status::Diverged };
            let values =
                |loss| vec![("valid_loss".to_owned(), loss), ("valid_accuracy".to_owned(), 1.0 - loss / 2.0)];
            record.best = Some(Row { epoch: 1, step: 1, lr: 1.0, values: values(loss.unwrap_or(0.0)) });
            record.save(&dir, Durability::Later).unwrap();
            std::fs::write(dir.join("config.toml"), "train.monitor = 'valid_loss'").unwrap();
        }

        fn dir(&self) -> RunsDir {
            RunsDir::new(self.folder.path())
        }

        fn find(&self, experiment: Option<&str>, reference: &str) -> Result<String, String> {
            resolve(&self.dir(), experiment, reference).map(|entry| full_name(&entry)).map_err(|error| {
                assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST, "{error}");
                error.to_string()
            })
        }
    }

    fn runs() -> Runs {
        let runs = Runs { folder: tempfile::tempdir().unwrap() };
        runs.put("a", "p=0.1-1f3a9c2e", "1f3a9c2eaa", 10, Some(0.5));
        runs.put("a", "p=0.3-1f3a0000", "1f3a0000bb", 20, Some(0.25));
        runs.put("a", "p=0.3-1f3a0000~2", "1f3a0000bb", 30, Some(0.25));
        runs.put("a", "p=0.5-77770000", "77770000cc", 5, None);
        runs.put("b", "p=0.1-1f3a9c2e", "2222000000", 1, Some(0.75));
        runs
    }

    #[test]
    fn a_run_is_found_by_folder_name_and_id() {
        let runs = runs();
        let path = runs.dir().run("a", "p=0.5-77770000");
        assert_eq!(runs.find(None, path.to_str().unwrap()).unwrap(), "a/p=0.5-77770000");
        assert_eq!(runs.find(None, "p=0.5-77770000").unwrap(), "a/p=0.5-77770000");
        assert_eq!(runs.find(None, "7777").unwrap(), "a/p=0.5-77770000");
        assert_eq!(runs.find(None, "1F3A9c").unwrap(), "a/p=0.1-1f3a9c2e");
        assert_eq!(runs.find(None, "1f3a0").unwrap(), "a/p=0.3-1f3a0000", "the original, not its copy");
        assert_eq!(runs.find(Some("b"), "p=0.1-1f3a9c2e").unwrap(), "b/p=0.1-1f3a9c2e");
    }

    #[test]
    fn what_is_ambiguous_or_absent_is_told_with_candidates() {
        let runs = runs();
        insta::assert_snapshot!(runs.find(None, "1f3a").unwrap_err(), @r#""1f3a" could be any of 2 runs: 1f3a0000bb (a/p=0.3-1f3a0000), 1f3a9c2eaa (a/p=0.1-1f3a9c2e)"#);
        insta::assert_snapshot!(runs.find(None, "p=0.1-1f3a9c2e").unwrap_err(), @r#""p=0.1-1f3a9c2e" could be any of 2 runs: a/p=0.1-1f3a9c2e, b/p=0.1-1f3a9c2e"#);
        insta::assert_snapshot!(runs.find(None, "p=0.5-7777000").unwrap_err(), @r#"there is no run "p=0.5-7777000"; did you mean "p=0.5-77770000"?"#);
        insta::assert_snapshot!(runs.find(None, "p=0.5").unwrap_err(), @r#"there is no run "p=0.5"; did you mean "p=0.5-77770000"?"#);
        insta::assert_snapshot!(runs.find(None, "777").unwrap_err(), @r#"there is no run "777"; did you mean "p=0.5-77770000"?"#);
        insta::assert_snapshot!(runs.find(None, "b").unwrap_err(), @r#"there is no run "b"; it is an experiment, whose best run is `best --experiment b`"#);
        insta::assert_snapshot!(runs.find(None, "zz").unwrap_err(), @r#"there is no run "zz"; an id needs 4 digits or more"#);
        insta::assert_snapshot!(runs.find(None, "nothing like it").unwrap_err(), @r#"there is no run "nothing like it"; `runner list` shows all"#);
        let error = runs.find(Some("aa"), "best").unwrap_err();
        assert!(error.ends_with("; did you mean \"a\"?"), "{error}");
    }

    #[test]
    fn best_is_by_the_monitored_metric_among_the_completed() {
        let runs = runs();
        assert_eq!(runs.find(Some("a"), "best").unwrap(), "a/p=0.3-1f3a0000");
        assert_eq!(runs.find(Some("a"), "last").unwrap(), "a/p=0.3-1f3a0000~2");
        assert_eq!(runs.find(None, "last").unwrap(), "a/p=0.3-1f3a0000~2");
        insta::assert_snapshot!(runs.find(None, "best").unwrap_err(), @"`best` of which experiment? choose one with --experiment: a, b");

        let config = runs.dir().run("b", "p=0.1-1f3a9c2e").join("config.toml");
        std::fs::write(config, "train.monitor = 'valid_accuracy'").unwrap();
        runs.put("b", "bad", "4444", 1, Some(0.9));
        std::fs::write(runs.dir().run("b", "bad").join("config.toml"), "train.monitor = 'valid_accuracy'")
            .unwrap();
        assert_eq!(runs.find(Some("b"), "best").unwrap(), "b/p=0.1-1f3a9c2e");
        runs.put("b", "other", "5555", 1, Some(0.1));
        insta::assert_snapshot!(runs.find(Some("b"), "best").unwrap_err(), @"there is no best run: the runs monitor different metrics (valid_accuracy, valid_loss)");
        runs.put("c", "diverged", "6666", 1, None);
        insta::assert_snapshot!(runs.find(Some("c"), "best").unwrap_err(), @"there is no best run: none is completed");
    }

    #[test]
    fn losses_and_errors_are_better_low() {
        for column in ["valid_loss", "train_loss"] {
            assert!(lower_is_better(column), "{column}");
        }
        for column in ["valid_accuracy", "train_accuracy"] {
            assert!(!lower_is_better(column), "{column}");
        }
    }
}
