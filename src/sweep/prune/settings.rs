//! The table `sweep.prune`: a rule with its own keys, and beside them the keys that every rule has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ladder, RuleConfig};
use crate::metric::{Direction, direction_of};
use crate::setting::{Flat, Problems};

/// The table `sweep.prune`.
pub type PruneConfig = Flat<PruneSettings, RuleConfig>;

/// What every rule has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PruneSettings {
    /// The column of `metrics.csv` that runs are judged by; whether it is to fall or to rise is the metric's. Default:
    /// the run's own `train.monitor`, which then must be the same for all runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// Epochs that every run is given: the first rung, at which the first runs can stop.
    #[schemars(range(min = 1))]
    pub min_epochs: usize,
}

impl Default for PruneSettings {
    fn default() -> Self {
        Self { monitor: None, min_epochs: 1 }
    }
}

/// A column and what is good in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitored<'a> {
    /// As in the header of `metrics.csv`.
    pub column: &'a str,
    /// The metric's.
    pub direction: Direction,
}

impl<'a> Monitored<'a> {
    /// The column of this name; none if it is not that of a metric.
    pub fn of(column: &'a str) -> Option<Self> {
        direction_of(column).map(|direction| Self { column, direction })
    }
}

impl Flat<PruneSettings, RuleConfig> {
    /// The column that decides over a run whose `train.monitor` is `own`.
    pub fn column<'a>(&'a self, own: &'a str) -> &'a str {
        self.common.monitor.as_deref().unwrap_or(own)
    }

    /// Refuses what cannot decide; whether a run has the column is for the runs to tell.
    pub fn check(&self, problems: &mut Problems) {
        let first = self.common.min_epochs;
        problems.require(first >= 1, "min_epochs", first, "a number of epochs, 1 or more");
        self.kind.rule().check(problems);
    }

    /// How runs are compared with each other, if they are.
    pub(super) fn ladder(&self) -> Option<&dyn Ladder> {
        self.kind.rule().ladder()
    }

    /// The epochs at which runs wait for each other, below `epochs`; none where each is judged by itself.
    pub fn rungs(&self, epochs: usize) -> impl Iterator<Item = usize> + '_ {
        let ladder = self.ladder();
        let first = ladder.map(|_| self.common.min_epochs);
        // A rung that is not above the one before would never end; `check` refuses what gives one.
        let next = move |rung: &usize| ladder.map(|ladder| ladder.next(*rung)).filter(|next| next > rung);
        std::iter::successors(first, next).take_while(move |rung| *rung < epochs)
    }

    /// Whether a run with these values stops by itself, and since which epoch; for a run in flight.
    ///
    /// `values` are those of the monitored column, one an epoch from the first.
    pub fn stops_alone(&self, monitored: Monitored<'_>, values: &[f64]) -> Option<(usize, String)> {
        let mut epochs = (1..).zip(values).skip(self.common.min_epochs.saturating_sub(1));
        let rule = self.kind.rule();
        epochs.find_map(|(epoch, value)| Some((epoch, rule.stops_alone(monitored, epoch, *value)?)))
    }
}
