//! From a problem with a path to a message with a place.

use super::merge::Merged;
use crate::setting::{Diagnostic, Excerpt, Place, Problem};

/// The messages for problems of the layers, in the order in which they stand there.
pub(super) fn all(problems: Vec<Problem>, merged: &Merged) -> Vec<Diagnostic> {
    let located = problems.into_iter().map(|problem| {
        let excerpt = merged.excerpt(&problem.path, problem.place == Place::Key);
        diagnostic(problem, excerpt, Vec::new())
    });
    let mut found: Vec<Diagnostic> = located.collect();
    merged.sort(&mut found, |diagnostic| diagnostic.excerpt.as_ref());
    found
}

/// The message for `problem` at `excerpt`.
pub(super) fn diagnostic(problem: Problem, excerpt: Option<Excerpt>, notes: Vec<String>) -> Diagnostic {
    Diagnostic { message: problem.message, excerpt, label: problem.expected, notes, help: problem.help }
}

/// One line that says which runs a cause hits.
pub fn hit(runs: &[String], total: usize) -> Vec<String> {
    const SHOWN: usize = 3;
    match runs {
        // A cause that hits everything, or the only run there is, needs no list.
        _ if total <= 1 => Vec::new(),
        runs if runs.len() == total => vec![format!("in all {total} runs")],
        runs => {
            let more = runs.len().saturating_sub(SHOWN);
            let mut text: Vec<String> = runs.iter().take(SHOWN).cloned().collect();
            if more > 0 {
                text.push(format!("and {more} more"));
            }
            vec![format!("in {} of {total} runs: {}", runs.len(), text.join("; "))]
        }
    }
}
