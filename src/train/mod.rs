//! Training one model: the loop, its configuration, its events and the state that a resume needs.
//!
//! Nothing here knows the disk or the terminal; see [`event`].

mod config;
mod evaluate;
pub mod event;
mod gradients;
mod pass;
mod probe;
mod progress;
mod setup;
mod state;
mod step;
mod trainer;

pub use config::{CheckpointConfig, EarlyStoppingConfig, TrainConfig};
pub use evaluate::{Answer, EVALUATION_BATCH, Review, Tally, answer, evaluate, review};
pub use probe::{Pace, probe};
pub use progress::Progress;
pub use setup::Setup;
pub use state::epochs_in;
pub use trainer::{metric_columns, train};
