//! Models: lists of layers with explicit forward and backward passes.

mod parameter;

pub use parameter::Parameter;
