//! What a transfer of weights has to say: what it took, and why it is refused.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Entry, Match, Transfer, arrow, is_counter};
use crate::error::shown;
use crate::model::ModelSettings;
use crate::{Error, Result};

/// Names that a message lists before it counts the rest.
const LISTED: usize = 8;
/// Names that stand for all of one side where the two have nothing in common.
const EXAMPLES: usize = 3;

impl Transfer {
    /// Refuses a transfer that takes nothing and, if `strict`, one that leaves anything over.
    pub(super) fn check(
        &self,
        own: &[Entry<'_>],
        given: &[Entry<'_>],
        settings: &ModelSettings,
    ) -> Result<()> {
        let strict = settings.strict.unwrap_or(true);
        if self.taken.is_empty() && self.unfit.is_empty() {
            return Err(Error::Request(self.strangers(own, given)));
        }
        if self.is_whole() || (!strict && !self.taken.is_empty()) {
            return Ok(());
        }
        let begin =
            if strict { "the weights do not fit the model" } else { "no tensor of the file fits the model" };
        let wrong: Vec<String> = [
            ("", &self.unfit, "; "),
            ("the file has no ", &self.missing, ", "),
            ("the model has no ", &self.unknown, ", "),
        ]
        .into_iter()
        .filter(|(_, names, _)| !names.is_empty())
        .map(|(what, names, between)| format!("{what}{}", listed(names, between)))
        .collect();
        let advice = if strict { self.advice() } else { String::new() };
        Err(Error::Request(format!("{begin}: {}{advice}", wrong.join("; "))))
    }

    /// What would bring more together, or be content with less; may be nothing.
    fn advice(&self) -> String {
        let has_strangers = !(self.missing.is_empty() && self.unknown.is_empty());
        let advice = [
            (!self.taken.is_empty(), "`model.strict = false` takes what fits"),
            (self.by == Match::Name && has_strangers, "`model.rename` brings names together"),
            (
                self.by == Match::Name && has_strangers,
                "`model.match = \"order\"` goes by the order of the layers instead",
            ),
            (self.by == Match::Order, "`model.match = \"name\"` goes by names"),
        ];
        let given: Vec<&str> = advice.iter().filter(|(holds, _)| *holds).map(|(_, text)| *text).collect();
        if given.is_empty() { String::new() } else { format!("; {}", given.join(", ")) }
    }

    /// Whether every tensor on either side has found its counterpart.
    fn is_whole(&self) -> bool {
        self.unfit.is_empty() && self.missing.is_empty() && self.unknown.is_empty()
    }

    /// For two sides that have no name in common.
    fn strangers(&self, own: &[Entry<'_>], given: &[Entry<'_>]) -> String {
        let names = |entries: &[Entry<'_>]| -> Vec<String> {
            let counted = entries.iter().filter(|(name, _)| !is_counter(name));
            counted.map(|(name, _)| (*name).to_owned()).collect()
        };
        // What was looked for in vain is what the names were turned into.
        let given = if self.unknown.is_empty() { &names(given) } else { &self.unknown };
        format!(
            "no tensor of the file fits the model: the file has {}; the model has {}; `model.rename` brings the \
             names together, or `model.match = \"order\"` takes the tensors in their order",
            examples(given),
            examples(&names(own))
        )
    }
}

/// What a model has taken from a file, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferReport {
    transfer: Transfer,
    file: PathBuf,
}

impl TransferReport {
    pub(in crate::model) fn new(transfer: Transfer, file: &Path) -> Self {
        Self { transfer, file: file.to_path_buf() }
    }

    /// What was taken, a line each: the name in the file, and that in the model where it is another.
    pub fn pairs(&self) -> Vec<String> {
        self.transfer.taken.iter().map(|(from, to)| arrow(from, to)).collect()
    }
}

impl fmt::Display for TransferReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transfer { by, taken, wanted, missing, unknown, unfit, .. } = &self.transfer;
        let file = shown(&self.file);
        let by = match by {
            Match::Name => "name",
            Match::Order => "order",
        };
        if self.transfer.is_whole() {
            return write!(f, "model.weights: took all {wanted} tensors of {file}, by {by}");
        }
        let taken = taken.len();
        write!(f, "model.weights: took {taken} of the model's {wanted} tensors from {file}, by {by}")?;
        for (what, names, between) in [
            ("of another shape", unfit, "; "),
            ("not in the file", missing, ", "),
            ("not in the model", unknown, ", "),
        ] {
            if !names.is_empty() {
                write!(f, "\n  {what}: {}", listed(names, between))?;
            }
        }
        Ok(())
    }
}

fn listed(names: &[String], between: &str) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names[..names.len().min(LISTED)].join(between);
    if more == 0 { shown } else { format!("{shown}{between}and {more} more") }
}

/// The first names, and how many there are.
fn examples(names: &[String]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        count if count <= EXAMPLES => names.join(", "),
        count => format!("{}, … ({count} in all)", names[..EXAMPLES].join(", ")),
    }
}
