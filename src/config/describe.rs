//! What each axis of a sweep does, for people.

use super::experiment::Experiment;
use crate::sweep::{Axis, Dimension, Origin, Space, When, text_of};

/// One line on an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisSummary {
    /// Which entry of `union` it belongs to, from 1; 0 without a union.
    pub part: usize,
    /// The setting.
    pub key: String,
    /// How it moves: through a list, together with others, by chance.
    pub how: String,
    /// Its values as they stand in names, all of them.
    pub values: Vec<String>,
    /// The conditions under which it has a say; empty for always.
    pub when: String,
    /// Where it was written: `a.toml:12`.
    pub place: String,
}

impl Experiment {
    /// Every axis, in the order in which they change: the last one fastest.
    pub fn describe_axes(&self) -> Vec<AxisSummary> {
        let many = self.spaces.len() > 1;
        let spaces = self.spaces.iter().enumerate();
        spaces
            .flat_map(|(index, space)| self.describe_space(space, if many { index + 1 } else { 0 }))
            .collect()
    }

    fn describe_space(&self, space: &Space, part: usize) -> Vec<AxisSummary> {
        let mut axes: Vec<&Axis> = space.axes.iter().collect();
        axes.sort_by_key(|axis| axis.dimension);
        let describe = |axis: &Axis| {
            let dimension = space.dimensions[axis.dimension];
            let values: Vec<String> = axis.values.iter().flatten().map(|value| text_of(value)).collect();
            AxisSummary {
                part,
                key: axis.key.to_string(),
                how: how(space, axis, dimension),
                values,
                when: match &axis.when {
                    When::Always | When::Folds => String::new(),
                    When::Holds(conditions) => {
                        conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
                    }
                },
                place: self.place_of_axis(axis, dimension),
            }
        };
        axes.into_iter().map(describe).collect()
    }

    fn place_of_axis(&self, axis: &Axis, dimension: Dimension) -> String {
        let excerpt = match (&self.rows, dimension.origin) {
            (Some(rows), Origin::Rows) => rows.excerpt(&axis.key, None),
            _ => self.merged.excerpt(&axis.written, true),
        };
        excerpt.map(|excerpt| format!("{}:{}", excerpt.origin, excerpt.position().0)).unwrap_or_default()
    }
}

fn how(space: &Space, axis: &Axis, dimension: Dimension) -> String {
    let leader = space.axes.iter().find(|other| other.dimension == axis.dimension);
    let with = leader.filter(|leader| leader.key != axis.key).map(|leader| format!("with {}", leader.key));
    let count =
        |what: &str| format!("{} {what}{}", dimension.length, if dimension.length == 1 { "" } else { "s" });
    match dimension.origin {
        Origin::Random(seed) => format!("{}, seed {seed}", count("sample")),
        Origin::Folds => count("fold"),
        Origin::Seeds => count("seed"),
        Origin::Rows => count("row"),
        Origin::Grid | Origin::Zip => with.unwrap_or_else(|| count("value")),
    }
}
