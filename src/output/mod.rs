//! What people see: tables, curves, progress, colour; and the same tables for programs.
//!
//! Besides the commands this is the only place that knows of terminals. What is shown is decided in
//! `report`; here it gets its form.

pub mod axes;
pub mod classes;
pub mod color;
pub mod curve;
pub mod dataset;
pub mod diagnostic;
mod export;
pub mod fetch;
pub mod number;
mod picture;
pub mod progress;
pub mod pruning;
pub mod table;
pub mod view;

pub use color::ColorChoice;
pub use curve::curve;
pub use fetch::FetchProgress;
pub use picture::{Picture, gallery};
pub use progress::{Progress, RunProgress};
pub use table::{Cell, Column, Table};
