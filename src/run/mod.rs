//! Carrying out the runs of an experiment: what there is to do, in which slots, how each is carried out.
//!
//! The display is an [`Audience`]; only a command wires it to the [`Scheduler`].

mod action;
mod attempt;
mod continuation;
mod cost;
pub mod estimate;
mod executor;
mod fit;
mod halt;
mod interrupt;
mod library;
mod machine;
mod name;
mod plan;
mod predictor;
mod probe;
mod queue;
mod race;
mod retry;
mod scheduler;
mod selection;
mod spec;
mod task;
mod verify;
mod weights;

pub use action::Action;
pub use continuation::{as_begun, go_on};
pub use executor::{Executor, Failed, Job, Observers, ProcessExecutor, ThreadExecutor, Worker};
pub use fit::{notes, prepare};
pub use halt::Halt;
pub use interrupt::Interrupt;
pub use library::Library;
pub use machine::Machine;
pub use plan::{Plan, PlannedRun};
pub use predictor::Predictor;
pub use probe::{Expectation, STEPS as PROBED_STEPS, makespan, probe};
pub use scheduler::{Audience, Policy, Scheduler, slots};
pub use selection::Selection;
pub use spec::RunSpec;
pub use task::{Ended, Task};
pub use verify::{Verification, verify};
pub use weights::locate_weights;
