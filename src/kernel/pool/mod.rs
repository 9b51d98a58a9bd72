//! Pooling: what is left of images when each window over them becomes a single pixel.

pub mod average;
mod halves;
pub mod max;
