//! Tests of the whole program: the real binary on real files. One crate, so that it is linked once.

mod concurrent;
mod docs;
mod errors;
mod expansion;
mod experiments;
mod explain;
mod extends;
mod fetch;
mod folds;
mod fuzzing;
mod help;
mod init;
mod layering;
mod metrics;
mod parity;
mod predict;
mod readme;
mod repeat;
mod resume;
mod schema;
mod sweep;
mod workplace;
mod wrong;
