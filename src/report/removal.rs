//! What goes, or went, of the runs that are there.

use crate::store::removal::Remnant;
use crate::store::retention::{Portion, Removal};

/// One thing that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalRow {
    /// The experiment.
    pub experiment: String,
    /// The run's name.
    pub run: String,
    /// Where the run stands; empty for the rest of an earlier removal.
    pub status: &'static str,
    /// What of it goes.
    pub what: &'static str,
    /// How much that is.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

impl From<&Removal<'_>> for RemovalRow {
    fn from(removal: &Removal<'_>) -> Self {
        let what = match removal.portion {
            Portion::Folder => "folder",
            Portion::Checkpoints => "checkpoints",
            Portion::Last => "last checkpoint",
        };
        Self {
            experiment: removal.entry.experiment.clone(),
            run: removal.entry.name.clone(),
            status: removal.entry.record.status.word(),
            what,
            bytes: removal.bytes,
            reason: removal.reason.clone(),
        }
    }
}

impl RemovalRow {
    /// For what an earlier removal has left of a folder.
    pub fn of_remnant(experiment: &str, remnant: &Remnant) -> Self {
        Self {
            experiment: experiment.to_owned(),
            run: remnant.name.clone(),
            status: "",
            what: "folder",
            bytes: remnant.bytes,
            reason: "the rest of an earlier removal".to_owned(),
        }
    }
}
