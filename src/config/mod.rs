//! From what users write to the typed configuration of every run.

mod layer;
mod merge;
mod section;

pub use layer::Layer;
pub use merge::Merged;
pub use section::{Section, patch};
