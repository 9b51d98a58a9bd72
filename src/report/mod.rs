//! Runs turned into statements about runs: pure functions from what was read to data.
//!
//! Nothing here reads a file or knows how a table looks.

mod compare;
mod diff;
mod list;
mod removal;
mod setting;
mod show;
mod spread;

pub use compare::{Comparison, Group, Monitor, Subject, by_experiment, compare};
pub use diff::{Difference, MetricDifference, SettingDifference, diff};
pub use list::{ListRow, list};
pub use removal::RemovalRow;
pub use setting::{flatten, plain};
pub use show::{MetricLine, Sheet, show};
pub use spread::Spread;

/// The metrics worth a column: those of the validation part, without any those of the training part.
pub fn headline(names: &[String]) -> Vec<String> {
    let of =
        |part: &str| -> Vec<String> { names.iter().filter(|name| name.starts_with(part)).cloned().collect() };
    let valid = of("valid_");
    if valid.is_empty() { of("train_") } else { valid }
}
