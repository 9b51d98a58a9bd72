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
