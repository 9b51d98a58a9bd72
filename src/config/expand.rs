//! From an experiment to its runs.

mod causes;
mod joints;
mod walk;

use indexmap::IndexSet;

use super::experiment::{Draft, Experiment};
use super::locate;
use super::run_config::RunConfig;
use crate::setting::Diagnostic;
use crate::sweep::{self, MOST_RUNS, Space};
use crate::{Error, Result};
use walk::Expander;

/// The runs of an experiment.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// Every run in order, each once.
    pub drafts: Vec<Draft>,
    /// What the axes dropped and what was left out, a line each, beside the experiment's own notes.
    pub notes: Vec<String>,
    /// How many combinations the sweep has; more than there are runs where some are equal or left out.
    pub combinations: usize,
    /// How many of them an entry of `exclude` leaves out.
    pub left_out: usize,
    /// How many came out as an earlier one: one run.
    pub equal: usize,
}

impl Experiment {
    /// Every run in order, each once; or every problem of every run.
    pub fn expand(&self) -> Result<Expansion> {
        let combinations = self.count()?;
        let mut expander = Expander::new(self);
        for space in &self.spaces {
            expander.walk(space)?;
        }
        expander.finish(combinations)
    }

    /// The first run without an error among so many combinations, and what they dropped.
    pub(super) fn try_combinations(&self, most: usize) -> (Option<RunConfig>, IndexSet<String>) {
        let mut expander = Expander::new(self);
        expander.budget = most;
        for space in &self.spaces {
            // What is wrong is for `expand` to tell.
            let _ = expander.walk(space);
        }
        (expander.drafts.into_iter().next().map(|draft| draft.config), expander.notes)
    }

    /// What is wrong with the sweep, and beside it every unknown key.
    pub(super) fn with_unknown_keys(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        for problem in
            self.spaces.first().map(|space| Expander::new(self).unknown_keys(space)).unwrap_or_default()
        {
            let excerpt = self.merged.excerpt(&problem.path, true);
            found.push(locate::diagnostic(problem, excerpt, Vec::new()));
        }
        self.merged.sort(&mut found, |diagnostic| diagnostic.excerpt.as_ref());
        found
    }

    /// How many combinations the sweep has; an error if there are more than [`MOST_RUNS`].
    pub fn count(&self) -> Result<usize> {
        let total = self.spaces.iter().fold(0u128, |sum, space| sum.saturating_add(space.count()));
        if total <= MOST_RUNS {
            return Ok(total as usize);
        }
        let texts: Vec<String> = self.spaces.iter().map(factors).collect();
        let texts = texts.join(" + ");
        Err(Error::Request(format!("the sweep has {total} runs ({texts}); the most is {MOST_RUNS}")))
    }
}

/// `optimizer.lr × 3, seed × 2`.
fn factors(space: &Space) -> String {
    let factor = |(index, dimension): (usize, &sweep::Dimension)| {
        let keys = space.axes.iter().filter(|axis| axis.dimension == index).map(|axis| axis.key.to_string());
        format!("{} × {}", keys.collect::<Vec<_>>().join(" with "), dimension.length)
    };
    space.dimensions.iter().enumerate().map(factor).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
