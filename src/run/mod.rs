//! Carrying out the runs of an experiment: what there is to do, in which slots, how each is carried out.
//!
//! The display is an [`Audience`]; only a command wires it to the [`Scheduler`].

mod executor;
mod fit;
mod interrupt;
mod library;
mod machine;
mod name;
mod plan;
mod predictor;
mod scheduler;
mod spec;
mod verify;
mod weights;

pub use executor::{Executor, Job, Observers, ThreadExecutor};
pub use fit::{notes, prepare};
pub use interrupt::Interrupt;
pub use library::Library;
pub use machine::Machine;
pub use plan::{Action, Plan, PlannedRun};
pub use predictor::Predictor;
pub use scheduler::{Audience, Ended, Scheduler, Task, default_jobs};
pub use spec::RunSpec;
pub use verify::{Verification, verify};
pub use weights::locate_weights;
