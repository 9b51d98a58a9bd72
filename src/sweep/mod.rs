//! The sweep: what is swept, the combinations in order, and the names of runs. Pure functions, no disk.
//!
//! A [`Space`] has dimensions, and [`Axis`]es that move along them: a key of the grid alone, those of a zip or
//! of the random part together. Which settings there are and what they mean is none of its business.

mod axis;
mod condition;
mod config;
mod name;
pub mod prune;
mod random;
mod read;
mod space;
mod values;

pub use axis::{Axis, MOST_RUNS, Places, When, rounded};
pub use condition::{Condition, Rule, Test};
pub use config::{Seeds, SweepConfig, UnionConfig};
pub use name::{run_name, short_key, text_of};
pub use random::is_distribution;
pub use read::{Sweep, Writing, fold_axis, read_sweep, seed_axis};
pub use space::{Dimension, Origin, Space};
pub use values::is_description;
