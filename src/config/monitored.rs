//! Whether the runs of a sweep have the column that decides which of them stop.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::experiment::{Draft, Experiment, words};
use super::locate::{self, NAMED, hit};
use super::schema;
use super::swept::problem;
use crate::metric::check_monitor;
use crate::setting::{Diagnostic, KeyPath, Problems};
use crate::train::metric_columns;

impl Experiment {
    /// What is wrong with the column of `sweep.prune`: runs without it, or runs that each watch another one.
    pub(super) fn wrong_column(&self, drafts: &[Draft]) -> Option<Diagnostic> {
        match self.prune()?.common.monitor.as_deref() {
            Some(column) => self.without_column(column, drafts),
            None => self.many_columns(drafts),
        }
    }

    fn without_column(&self, column: &str, drafts: &[Draft]) -> Option<Diagnostic> {
        // Looked at once for all runs that share what the columns follow from.
        let (mut fine, mut lacking) = (HashSet::new(), HashSet::new());
        let (mut found, mut named, mut runs) = (None, Vec::new(), 0);
        for draft in drafts {
            let config = &draft.config;
            let key = (config.metrics.address(), config.data.address());
            if fine.contains(&key) {
                continue;
            }
            if !lacking.contains(&key) {
                let mut problems = Problems::default();
                let columns = metric_columns(&config.metrics, config.data.has_validation());
                problems.within("sweep", |problems| {
                    problems.within("prune", |problems| check_monitor(Some(column), &columns, problems));
                });
                let Some(problem) = problems.into_found().into_iter().next() else {
                    fine.insert(key);
                    continue;
                };
                lacking.insert(key);
                found.get_or_insert(problem);
            }
            runs += 1;
            if named.len() < NAMED {
                named.push(words(&draft.assignment));
            }
        }
        let problem = found?;
        let excerpt = self.merged.excerpt(&problem.path, false);
        Some(locate::diagnostic(problem, excerpt, hit(&named, runs, drafts.len())))
    }

    fn many_columns(&self, drafts: &[Draft]) -> Option<Diagnostic> {
        let mut columns: IndexMap<&str, (Vec<String>, usize)> = IndexMap::new();
        for draft in drafts {
            let column = draft.config.train.monitor.as_deref().unwrap_or_default();
            let (named, runs) = columns.entry(column).or_default();
            *runs += 1;
            if named.len() < NAMED {
                named.push(words(&draft.assignment));
            }
        }
        if columns.len() < 2 {
            return None;
        }
        let names: Vec<&str> = columns.keys().copied().collect();
        let path = KeyPath::parse(schema::PRUNE);
        let message = format!("runs that watch different columns cannot be compared: {}", names.join(", "));
        let problem = problem(path, message, "expected a `monitor` that all of them have");
        let excerpt = self.merged.excerpt(&problem.path, false);
        let notes = columns.iter().flat_map(|(column, (named, runs))| {
            let hit = hit(named, *runs, drafts.len());
            hit.into_iter().map(move |hit| format!("{column} {hit}"))
        });
        Some(locate::diagnostic(problem, excerpt, notes.collect()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Error;
    use crate::config::{Experiment, Identity, Layer, Rows};
    use crate::setting::{Diagnostic, Kind};
    use crate::sweep::prune::PruneConfig;

    const HEAD: &str = "data.source = 'digits'\nmodel.kind = 'mlp'\n[sweep]\nseeds = 2\n";

    fn load(base: &str, text: &str, flags: &[&str], rows: Option<&str>) -> Result<Experiment, Error> {
        let file = |name: &str, text: &str| Layer::parse(name.into(), "/exp".into(), text);
        let mut layers = vec![file("base.toml", &format!("{HEAD}{base}"))?, file("a.toml", text)?];
        for flag in flags {
            layers.push(Layer::flag(flag)?);
        }
        let rows = rows.map(|text| Rows::parse("rows.csv".into(), text)).transpose()?;
        Experiment::from_layers(layers, "a", rows)
    }

    fn rule(base: &str, text: &str, flags: &[&str]) -> Option<PruneConfig> {
        load(base, text, flags, None).unwrap().prune().cloned()
    }

    fn found(base: &str, flags: &[&str]) -> Vec<Diagnostic> {
        let expanded = load(base, "", flags, None).and_then(|experiment| experiment.expand());
        match expanded {
            Err(Error::Settings(found)) => found,
            Err(other) => panic!("{other}"),
            Ok(expansion) => panic!("it has {} runs", expansion.drafts.len()),
        }
    }

    #[test]
    fn files_and_flags_merge_and_a_new_kind_drops_what_only_others_have() {
        let base = "prune = { kind = 'threshold', max = 2, min_epochs = 3 }\n";
        let experiment =
            load(base, "sweep.prune.kind = 'asha'", &["sweep.prune.min_epochs=4"], None).unwrap();
        let prune = experiment.prune().unwrap();
        assert_eq!((prune.kind.kind(), prune.common.min_epochs), ("asha", 4));
        assert_eq!(experiment.notes(), ["`sweep.prune.max` is dropped: a.toml sets kind = \"asha\""]);
        // A name is the table of that kind.
        assert_eq!(rule("", "sweep.prune = 'asha'", &[]), rule("", "", &["sweep.prune.kind=asha"]));
        assert_eq!(rule("prune = 'asha'\n", "", &["sweep.prune=median"]).unwrap().kind.kind(), "median");
        assert_eq!(rule("", "", &[]), None);
    }

    #[test]
    fn a_rule_is_no_part_of_a_run() {
        let ids = |flags: &[&str]| {
            let drafts = load("", "", flags, None).unwrap().expand().unwrap().drafts;
            let id = |config| Identity::new(config, "the data", None).unwrap().id();
            drafts.iter().map(|draft| (id(&draft.config), draft.config.render().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]), ids(&["sweep.prune.kind=asha"]));
        let written = load("", "", &["sweep.prune.kind=asha"], None).unwrap().render().unwrap();
        let again = Layer::parse("b.toml".into(), "/exp".into(), &written).unwrap();
        let again = Experiment::from_layers(vec![again], "a", None).unwrap();
        assert_eq!(again.prune().cloned(), rule("", "", &["sweep.prune.kind=asha"]), "{written}");
        assert!(written.contains("\n[sweep.prune]\n"), "{written}");
    }

    #[test]
    fn rows_say_what_is_trained_and_leave_the_rule() {
        let rows = Some("seed\n1\n2\n");
        let experiment = load("prune = 'asha'\n", "", &["sweep.prune.min_epochs=2"], rows).unwrap();
        assert_eq!(experiment.prune().unwrap().common.min_epochs, 2);
        assert_eq!(experiment.notes(), ["the sweep gives way to rows.csv"]);
        assert!(load("", "", &["sweep.seeds=3"], rows).is_err());
    }

    #[test]
    fn a_column_is_one_that_all_runs_have() {
        let text = "prune = { kind = 'asha', monitor = 'valid_los' }\n";
        let misspelt = found(text, &[]);
        assert_eq!(misspelt[0].message, "there is no metric \"valid_los\"");
        assert_eq!(misspelt[0].help.as_deref(), Some("did you mean \"valid_loss\"?"));
        let excerpt = misspelt[0].excerpt.as_ref().unwrap();
        assert_eq!(&excerpt.text[excerpt.span.clone()], "'valid_los'");
        let some = "prune = { kind = 'asha', monitor = 'valid_auc' }\n[sweep.grid]\nmetrics = [['auc'], ['accuracy']]\n";
        assert_eq!(
            found(some, &[])[0].notes,
            ["in 2 of 4 runs: metrics=[accuracy],seed=42; metrics=[accuracy],seed=43"]
        );
        let each = "prune = 'asha'\n[sweep.grid]\n'train.monitor' = ['valid_loss', 'valid_accuracy']\n";
        let different = &found(each, &[])[0];
        let expected = "runs that watch different columns cannot be compared: valid_loss, valid_accuracy";
        assert_eq!(different.message, expected);
        assert_eq!(different.notes.len(), 2);
        load(each, "", &["sweep.prune.monitor=valid_loss"], None).unwrap().expand().unwrap();
    }
}
