//! The folder of a run that goes on where another one ended.

use std::path::Path;

use super::file::{self, Durability};
use super::{RunRecord, Status, layout};
use crate::Result;

/// Puts the last checkpoint of another run into `dir` and says in `run.json` that it was interrupted behind it, so that
/// it is gone on with like any other. The caller owns the folder.
pub fn begin_copy(dir: &Path, record: &RunRecord, last: &[u8]) -> Result<()> {
    file::create_folder(&dir.join(layout::CHECKPOINTS))?;
    file::write(&dir.join(layout::LAST), last, Durability::Now)?;
    // No attempt was made yet.
    let record = RunRecord { status: Status::Interrupted, attempts: 0, ..record.clone() };
    record.save(dir, Durability::Now)
}
