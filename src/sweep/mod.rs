//! The sweep: axes, their combinations in order, and the names of runs. Pure functions, no disk.

mod axis;
mod name;

pub use axis::{Axis, MOST_RUNS, SweepConfig, axes, combinations, count};
pub use name::{run_name, short_key, text_of};
