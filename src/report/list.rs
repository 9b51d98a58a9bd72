//! Runs and where they stand.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::store::{RunEntry, Status};

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListRow {
    /// Its experiment.
    pub experiment: String,
    /// Its folder's name.
    pub name: String,
    /// Its id; empty if the record is damaged.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// Whether early stopping ended it.
    pub stopped_early: bool,
    /// Epochs done, as far as the record knows.
    pub epochs: Option<usize>,
    /// The epoch with the best weights.
    pub best_epoch: Option<usize>,
    /// The metrics of that epoch.
    pub best: IndexMap<String, f64>,
    /// Wall time.
    pub seconds: f64,
    /// When it began.
    pub started: Option<Timestamp>,
    /// The last line of its failure, or why a rule stopped it.
    pub reason: Option<String>,
}

/// One row a run, in the order of the entries.
pub fn list(entries: &[RunEntry]) -> Vec<ListRow> {
    entries.iter().map(row).collect()
}

fn row(entry: &RunEntry) -> ListRow {
    let record = &entry.record;
    let best = record.best.as_ref();
    ListRow {
        experiment: entry.experiment.clone(),
        name: entry.name.clone(),
        id: record.id.clone(),
        status: record.status,
        stopped_early: record.stopped_early,
        epochs: record
            .last
            .as_ref()
            .map(|row| row.epoch)
            .or((record.status == Status::Completed).then_some(0)),
        best_epoch: best.map(|row| row.epoch),
        best: best.map(|row| row.values.iter().cloned().collect()).unwrap_or_default(),
        seconds: record.seconds,
        started: (record.started != Timestamp::default()).then_some(record.started),
        reason: entry.reason().map(str::to_owned),
    }
}
