//! Tests of the whole program: the real binary on real files. One crate, so that it is linked once.

mod concurrent;
mod errors;
mod experiments;
mod fetch;
mod help;
mod layering;
mod parity;
mod predict;
mod readme;
mod repeat;
mod resume;
mod sweep;
mod workplace;
