//! What metrics are called and how their values are read.

use super::{Direction, MetricConfig};
use crate::setting::Kind;
use crate::target::TaskKind;

/// A metric's name and how its values are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The columns are `train_<name>` and `valid_<name>`.
    pub name: &'static str,
    /// Whether more is better.
    pub direction: Direction,
    /// The unit of the values, if they have one of their own.
    pub unit: Option<&'static str>,
    /// What it is for.
    pub task: TaskKind,
}

/// The metric of this name.
fn about(name: &str) -> Option<&'static About> {
    MetricConfig::named(name).map(|config| config.about())
}

/// The metrics for a sort of targets, for a message.
pub(super) fn names_for(task: TaskKind) -> String {
    let all = MetricConfig::kinds().iter().filter_map(|kind| about(kind));
    let names = all.filter(|about| about.task == task).map(|about| about.name);
    names.collect::<Vec<_>>().join(", ")
}

/// The direction of a column such as `valid_loss` or `train_top_k`; none if there is no such metric.
pub fn direction_of(column: &str) -> Option<Direction> {
    let (part, name) = column.split_once('_')?;
    if !["train", "valid", "test"].contains(&part) {
        return None;
    }
    if name == "loss" {
        return Some(Direction::Minimise);
    }
    about(name).map(|about| about.direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_directions() {
        for column in ["train_loss", "valid_loss", "valid_mse", "test_rmse", "train_mae"] {
            assert_eq!(direction_of(column), Some(Direction::Minimise), "{column}");
        }
        for column in [
            "valid_accuracy",
            "test_accuracy",
            "train_top_k",
            "valid_cosine_similarity",
            "valid_auc",
            "test_r2",
        ] {
            assert_eq!(direction_of(column), Some(Direction::Maximise), "{column}");
        }
        for column in ["lr", "epoch", "loss", "valid_", "valid_los", "best_loss", "valid_loss_2", "valid_top"]
        {
            assert_eq!(direction_of(column), None, "{column}");
        }
    }
}
