//! Tests of the whole program: the real binary on real files. One crate, so that it is linked once.

mod concurrent;
mod docs;
mod errors;
mod expansion;
mod experiments;
mod explain;
mod extends;
mod fetch;
mod folders;
mod folds;
mod fuzzing;
mod help;
mod init;
mod layering;
mod parity;
mod predict;
mod readme;
mod recurrent;
mod repeat;
mod resume;
mod schema;
mod sweep;
mod tables;
mod training;
mod workplace;
mod wrong;
