//! Training one model: the loop, its configuration, its events and the state that a resume needs.
//!
//! Nothing here knows the disk or the terminal; see [`event`].

mod config;
mod evaluate;
pub mod event;
mod progress;
mod state;
mod trainer;

pub use config::{CheckpointConfig, EarlyStoppingConfig, TrainConfig};
pub use evaluate::{Answer, EVALUATION_BATCH, Review, Tally, answer, evaluate, review};
pub use progress::Progress;
pub use trainer::{Setup, metric_columns, train};
