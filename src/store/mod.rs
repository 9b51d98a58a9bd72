//! Folders of runs: which files lie in them, how they are written so that no kill can damage them, who may
//! write, and how everything is found and read again.
//!
//! The folders are the only database. What a training is, and how results are compared or shown, is not
//! known here.

pub mod checkpoint;
mod checksum;
mod conclusion;
mod configs;
mod copy;
mod entry;
mod experiment;
mod failure;
pub mod file;
mod heartbeat;
mod json;
pub mod layout;
mod lock;
mod log;
mod metrics;
mod predictions;
mod record;
mod recorder;
pub mod removal;
mod resolve;
pub mod retention;
pub(crate) mod row;
mod scan;
mod side_by_side;
mod steps;
mod sync;
mod table;
mod timing;

pub use checkpoint::Checkpoint;
pub use checksum::{changed, load_checkpoint};
pub use conclusion::Conclusion;
pub use configs::configs;
pub use copy::begin_copy;
pub use entry::RunEntry;
pub use experiment::save_experiment;
pub use failure::{Failure, FailureRecord};
pub use layout::RunsDir;
pub use lock::{RunLock, is_held, lock_key};
pub use log::LogReader;
pub use metrics::read_metrics;
pub use record::{DataRecord, GitRecord, Origin, RunRecord, Status, json_value};
pub use recorder::{Clock, Recorder};
pub use resolve::{lower_is_better, resolve};
pub use scan::{experiments, index_by_id, scan};
pub use steps::read_steps;
pub use table::number;
pub use timing::read_timing;
