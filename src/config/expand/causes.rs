//! What is wrong with the runs of an experiment: each cause once, with the runs that it hits.

use indexmap::IndexMap;

use crate::config::locate::{self, NAMED};
use crate::setting::{Diagnostic, Excerpt, Problem};

/// Causes that are told; of more nobody reads.
const MOST_CAUSES: usize = 100;

/// A cause: where it stands, and the runs that it hits.
struct Found {
    excerpt: Option<Excerpt>,
    named: Vec<String>,
    runs: usize,
}

/// Every cause so far.
#[derive(Default)]
pub(super) struct Causes {
    found: IndexMap<Problem, Found>,
    /// Causes beyond those that are told, by the run.
    untold: usize,
}

impl Causes {
    /// Takes in a problem of a run, which is `named` where few are; `excerpt` finds where it was written.
    pub fn add(
        &mut self,
        problem: Problem,
        named: impl Fn() -> String,
        excerpt: impl Fn(&Problem) -> Option<Excerpt>,
    ) {
        if self.found.len() >= MOST_CAUSES && !self.found.contains_key(&problem) {
            self.untold += 1;
            return;
        }
        let found = if let Some(found) = self.found.get_mut(&problem) {
            found
        } else {
            let found = Found { excerpt: excerpt(&problem), named: Vec::new(), runs: 0 };
            self.found.entry(problem).or_insert(found)
        };
        found.runs += 1;
        if found.named.len() < NAMED {
            found.named.push(named());
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What to say of them to the author of `runs` runs.
    pub fn into_report(self, runs: usize) -> Vec<Diagnostic> {
        let diagnostics = self.found.into_iter().map(|(problem, found)| {
            let notes = locate::hit(&found.named, found.runs, runs);
            locate::diagnostic(problem, found.excerpt, notes)
        });
        let mut report = told_once(diagnostics);
        if self.untold > 0 {
            let message = format!("more than {MOST_CAUSES} causes: the others are not shown");
            let (label, notes) = (String::new(), Vec::new());
            report.push(Diagnostic { message, excerpt: None, label, notes, help: None });
        }
        report
    }
}

/// Messages for one place that expect the same are one message: the values of a range have a place together.
fn told_once(all: impl Iterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut told = IndexMap::new();
    let mut placeless = Vec::new();
    for diagnostic in all {
        let Some(excerpt) = diagnostic.excerpt.as_ref().filter(|_| !diagnostic.label.is_empty()) else {
            placeless.push(diagnostic);
            continue;
        };
        let (start, end) = (excerpt.span.start, excerpt.span.end);
        let key = (excerpt.origin.clone(), start, end, diagnostic.label.clone(), diagnostic.help.clone());
        told.entry(key).and_modify(|(_, more)| *more += 1).or_insert((diagnostic, 0usize));
    }
    let with_count = |(mut diagnostic, more): (Diagnostic, usize)| {
        if more > 0 {
            let values = if more == 1 { "value" } else { "values" };
            diagnostic.notes.push(format!("and so with {more} more {values} from there"));
        }
        diagnostic
    };
    told.into_values().map(with_count).chain(placeless).collect()
}
