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

/// How many of the runs that a cause hits are named.
pub const NAMED: usize = 3;

/// One line that says which runs a cause hits: `named` are the first of the `hit` among `total`.
pub fn hit(named: &[String], hit: usize, total: usize) -> Vec<String> {
    match hit {
        // A cause that hits everything, or the only run there is, needs no list.
        _ if total <= 1 => Vec::new(),
        hit if hit == total => vec![format!("in all {total} runs")],
        hit => {
            let mut text = named.to_vec();
            if hit > named.len() {
                text.push(format!("and {} more", hit - named.len()));
            }
            vec![format!("in {hit} of {total} runs: {}", text.join("; "))]
        }
    }
}
