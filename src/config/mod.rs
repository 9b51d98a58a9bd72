//! From what users write to the typed configuration of every run.
//!
//! [`Layer`]s are read with the places of their values and [`Merged`] by figment; an [`Experiment`] patches
//! the merged tree once for each combination of its sweep, and reads and checks every result before any run
//! starts. Nothing here reads data or trains.

mod anchor;
mod assignment;
mod conditional;
mod describe;
mod expand;
mod experiment;
mod explain;
mod extends;
mod identity;
mod late;
mod layer;
mod locate;
mod merge;
mod monitored;
mod overrides;
mod part;
mod patch;
mod place;
mod render;
mod rows;
mod run_config;
pub mod schema;
mod section;
mod swept;
mod trial;
mod unknown;

pub use anchor::Written;
pub use describe::AxisSummary;
pub use expand::Expansion;
pub use experiment::{Assignment, Draft, Experiment, words};
pub use explain::{Explanation, Mention};
pub use identity::{IGNORED, Identities, Identity, NUMERICS};
pub use layer::Layer;
pub use locate::{NAMED, hit};
pub use merge::Merged;
pub use overrides::Overrides;
pub use patch::{Dropped, Patched, patch};
pub use rows::Rows;
pub use run_config::RunConfig;
pub use section::Section;
