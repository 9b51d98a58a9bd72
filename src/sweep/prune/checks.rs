//! Sweeps without a training: curves that are known to their end, trained epoch by epoch.

use super::{Monitored, PruneConfig, Standing, State, Verdict};
use crate::metric::Direction;
use crate::setting::{Problem, Problems, read};

pub(super) const LOSS: Monitored<'static> =
    Monitored { column: "valid_loss", direction: Direction::Minimise };
pub(super) const ACCURACY: Monitored<'static> =
    Monitored { column: "valid_accuracy", direction: Direction::Maximise };

/// The rule that is written so.
pub(super) fn rule(text: &str) -> PruneConfig {
    read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
}

/// What is wrong with it.
pub(super) fn problems(text: &str) -> Vec<Problem> {
    let mut problems = Problems::default();
    rule(text).check(&mut problems);
    problems.into_found()
}

/// A run whose curve is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course {
    /// The value of every epoch that it could train.
    pub curve: Vec<f64>,
    /// Epochs that it is to train; more than the curve has for a run that stops early by itself.
    pub epochs: usize,
    /// Whether it diverges at the end of its curve instead of ending well.
    pub is_lost: bool,
    /// Epochs that are recorded.
    pub recorded: usize,
}

impl Course {
    pub fn new(curve: &[f64]) -> Self {
        Self { curve: curve.to_vec(), epochs: curve.len(), is_lost: false, recorded: 0 }
    }

    pub fn standing(&self) -> Standing<'_> {
        let state = match self.recorded == self.curve.len() {
            true if self.is_lost => State::Lost,
            true => State::Over,
            false => State::Open,
        };
        Standing { values: &self.curve[..self.recorded], epochs: self.epochs, state }
    }
}

pub(super) fn verdicts(rule: &PruneConfig, monitored: Monitored<'_>, runs: &[Course]) -> Vec<Verdict> {
    let standings: Vec<Standing<'_>> = runs.iter().map(Course::standing).collect();
    rule.verdicts(monitored, &standings)
}

/// Trains until nothing is left: `choose` says which of so many runs that may train is given its next epoch.
pub(super) fn train(
    rule: &PruneConfig,
    monitored: Monitored<'_>,
    runs: &mut [Course],
    mut choose: impl FnMut(usize) -> usize,
) -> Vec<Verdict> {
    loop {
        let verdicts = verdicts(rule, monitored, runs);
        let may_train = |(run, verdict): (usize, &Verdict)| match verdict {
            Verdict::Train { until } => {
                assert!(*until > runs[run].recorded, "run {run} is to train what it has");
                Some(run)
            }
            _ => None,
        };
        let open: Vec<usize> = verdicts.iter().enumerate().filter_map(may_train).collect();
        if open.is_empty() {
            assert!(!verdicts.contains(&Verdict::Wait), "runs wait for nobody: {verdicts:?}");
            return verdicts;
        }
        runs[open[choose(open.len())]].recorded += 1;
    }
}

/// The runs that are stopped, and behind which epoch.
pub(super) fn stops(verdicts: &[Verdict]) -> Vec<(usize, usize)> {
    let stop = |(run, verdict): (usize, &Verdict)| match verdict {
        Verdict::Stop { epoch, .. } => Some((run, *epoch)),
        _ => None,
    };
    verdicts.iter().enumerate().filter_map(stop).collect()
}
