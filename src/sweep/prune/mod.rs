//! Rules by which runs of a sweep stop before their last epoch, as pure functions of recorded metrics.
//!
//! Each file holds one rule: its settings, what it refuses and its tests. [`PruneConfig::verdicts`] replays the rungs
//! of a rule from the first one on what is recorded, so its answer depends neither on the order in which runs were
//! trained nor on how many at once, and asking twice changes nothing. Training and waiting are someone else's.

mod asha;
mod budget;
#[cfg(test)]
mod checks;
mod median;
mod number;
#[cfg(test)]
mod properties;
mod race;
mod settings;
mod threshold;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use asha::AshaConfig;
pub use budget::Budget;
pub use median::MedianConfig;
pub use race::{Standing, State, Verdict};
pub use settings::{Monitored, PruneConfig, PruneSettings};
pub use threshold::ThresholdConfig;

use crate::setting::{self, Problems, kind};

/// The rule of the table `sweep.prune`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = setting::by_kind::<Self>)]
pub enum RuleConfig {
    /// Stops runs that are worse than the median of the others after the same epochs.
    Median(MedianConfig),
    /// Successive halving: after each rung a fixed part of the runs goes on.
    Asha(AshaConfig),
    /// Stops a run whose value leaves a range, by its own values alone.
    Threshold(ThresholdConfig),
}

kind!(RuleConfig);

impl RuleConfig {
    /// The settings of the rule.
    fn rule(&self) -> &dyn Rule {
        match self {
            Self::Median(config) => config,
            Self::Asha(config) => config,
            Self::Threshold(config) => config,
        }
    }
}

/// What the settings of a rule have to say.
trait Rule {
    /// Refuses counts of 0 and ranges without an end.
    fn check(&self, problems: &mut Problems);

    /// How runs are compared with each other, if they are.
    fn ladder(&self) -> Option<&dyn Ladder> {
        None
    }

    /// Why a run stops that stands so at an epoch, whatever the others do.
    fn stops_alone(&self, _monitored: Monitored<'_>, _epoch: usize, _value: f64) -> Option<String> {
        None
    }
}

/// Rungs at which runs wait for each other, and of which only the better ones go on.
trait Ladder {
    /// The epoch of the rung behind `rung`.
    fn next(&self, rung: usize) -> usize;

    /// How many of `runs` at a rung go on if their values all differ; all of them only where the rule never stops one of
    /// so few.
    fn keeps(&self, runs: usize) -> usize;

    /// How many go on of runs that stand so; the first ones do.
    fn survivors(&self, ranking: &Ranking<'_>) -> usize {
        self.keeps(ranking.values.len())
    }

    /// Why the run at `place`, from 0, stops.
    fn reason(&self, ranking: &Ranking<'_>, place: usize) -> String;
}

/// The runs at a rung.
struct Ranking<'a> {
    /// What they are compared by.
    monitored: Monitored<'a>,
    /// Recorded epochs that count.
    epoch: usize,
    /// The best value of each up to there; the best run first, NaN last.
    values: &'a [f64],
}
