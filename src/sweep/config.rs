//! The table `[sweep]` as it is written.

use serde::Deserialize;
use toml::Table;

use super::prune::PruneConfig;

/// The table `[sweep]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SweepConfig {
    /// N for seed, seed + 1, … seed + N − 1; a list for itself. Innermost axis.
    pub seeds: Option<Seeds>,
    /// A key and its values; quoted dotted keys or nested tables alike. The last axis is fastest.
    pub grid: Table,
    /// Keys with equally long lists that move together.
    pub zip: Vec<Table>,
    /// Keys with distributions, and how many combinations of them are drawn.
    pub random: Option<Table>,
    /// Sweeps that are run one after the other, each crossed with what stands beside `union`.
    pub union: Vec<UnionConfig>,
    /// Conditions; a combination in which all those of one entry hold is left out.
    pub exclude: Vec<Table>,
    /// Which runs stop before their last epoch. Has no say in what runs there are, nor in their ids.
    pub prune: Option<PruneConfig>,
}

/// One entry of `[[sweep.union]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct UnionConfig {
    /// As beside `union`.
    pub grid: Table,
    /// As beside `union`.
    pub zip: Vec<Table>,
    /// As beside `union`.
    pub random: Option<Table>,
}

/// How many seeds, or which.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a number of seeds or a list of seeds")]
pub enum Seeds {
    /// So many, counted up from the experiment's own.
    Count(u64),
    /// These.
    List(Vec<u64>),
}
