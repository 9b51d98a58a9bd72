//! A range that a run must not leave, as Optuna's `ThresholdPruner`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;
use super::number::short;
use super::settings::Monitored;
use crate::setting::Problems;

/// A run stops when the value of an epoch, from `min_epochs` on, is above `max`, below `min` or NaN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ThresholdConfig {
    /// The largest value with which a run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The smallest value with which a run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
}

impl Rule for ThresholdConfig {
    fn check(&self, problems: &mut Problems) {
        for (key, end) in [("max", self.max), ("min", self.min)] {
            if let Some(end) = end {
                problems.require(end.is_finite(), key, end, "a number");
            }
        }
        match (self.min, self.max) {
            (None, None) => {
                problems.refuse("", "a threshold without `max` and `min`", "expected one of them, or both");
            }
            (Some(min), Some(max)) if min > max => {
                problems.refuse(
                    "min",
                    format!("`min` is {min} and `max` is {max}"),
                    "expected a `min` below it",
                );
            }
            _ => {}
        }
    }

    fn stops_alone(&self, monitored: Monitored<'_>, epoch: usize, value: f64) -> Option<String> {
        let why = match (self.max, self.min) {
            _ if value.is_nan() => "no number".to_owned(),
            (Some(max), _) if value > max => format!("above {}", short(max)),
            (_, Some(min)) if value < min => format!("below {}", short(min)),
            _ => return None,
        };
        let (column, value) = (monitored.column, short(value));
        Some(format!("threshold: {column} {value} at epoch {epoch} is {why}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::sweep::prune::checks::{Course, LOSS, problems, rule, stops, train, verdicts};

    fn alone(text: &str, values: &[f64]) -> Option<(usize, String)> {
        rule(text).stops_alone(LOSS, values)
    }

    // Optuna 5.0.0: ThresholdPruner(upper=2, lower=-1, n_warmup_steps=1) prunes at step 1 of 0, 1, … what is above
    // `upper`, below `lower` or NaN, and nothing at step 0; its steps count from 0.
    #[test]
    fn a_run_stops_at_the_first_epoch_beyond() {
        let both = "kind = 'threshold'\nmax = 2\nmin = -1\nmin_epochs = 2";
        assert_eq!(alone(both, &[9.0, 2.0, -1.0]), None);
        let (epoch, reason) = alone(both, &[9.0, 1.0, 2.4, 3.0]).unwrap();
        assert_eq!((epoch, reason.as_str()), (3, "threshold: valid_loss 2.4 at epoch 3 is above 2"));
        let (epoch, reason) = alone(both, &[9.0, -1.5]).unwrap();
        assert_eq!((epoch, reason.as_str()), (2, "threshold: valid_loss -1.5 at epoch 2 is below -1"));
        let (_, reason) = alone(both, &[0.0, f64::NAN]).unwrap();
        assert_eq!(reason, "threshold: valid_loss NaN at epoch 2 is no number");
        assert_eq!(alone("kind = 'asha'", &[9.0, f64::NAN]), None);
    }

    #[test]
    fn nobody_waits_and_what_is_completed_stays_so() {
        let rule = rule("kind = 'threshold'\nmax = 1");
        let mut runs =
            [[0.5, 0.5, 2.0, 0.5], [2.0, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 2.0]].map(|c| Course::new(&c));
        let end = train(&rule, LOSS, &mut runs, |_| 0);
        // The last one was completed by the epoch that is beyond.
        assert_eq!(stops(&end), [(0, 3), (1, 1)]);
        assert_eq!(runs.map(|run| run.recorded), [3, 1, 4]);
        assert_eq!(rule.budget(&[4; 3]), None);
        let looser = crate::sweep::prune::checks::rule("kind = 'threshold'\nmax = 3");
        let mut runs = [Course { recorded: 1, ..Course::new(&[2.0, 0.5]) }];
        assert_eq!(stops(&verdicts(&rule, LOSS, &runs)), [(0, 1)]);
        assert_eq!(stops(&train(&looser, LOSS, &mut runs, |_| 0)), []);
    }

    #[test]
    fn a_range_has_an_end_and_is_not_empty() {
        let found = |text: &str| {
            let found = problems(&format!("kind = 'threshold'\n{text}"));
            found.into_iter().map(|found| format!("{}: {}", found.path, found.message)).collect::<Vec<_>>()
        };
        assert_eq!(found(""), [": a threshold without `max` and `min`"]);
        assert_eq!(found("max = nan"), ["max: `max` is NaN"]);
        assert_eq!(found("max = 1\nmin = 2"), ["min: `min` is 2 and `max` is 1"]);
        assert_eq!(found("max = 1\nmin = 1"), [""; 0]);
    }
}
