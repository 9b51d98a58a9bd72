//! The median rule (Golovin et al., "Google Vizier", 2017), as Optuna's `MedianPruner`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::short;
use super::{Ladder, Ranking, Rule};
use crate::setting::Problems;

/// At epoch `min_epochs`, `min_epochs` + `every`, … a run stops whose best value so far is worse than the median of the
/// best values so far of all runs that stand there, its own included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MedianConfig {
    /// Epochs from one rung to the next. Every rung stops about half of the runs that are left, and all of them wait there
    /// for the slowest.
    #[schemars(range(min = 1))]
    pub every: usize,
    /// With fewer runs at a rung nobody stops.
    #[schemars(range(min = 1))]
    pub min_runs: usize,
}

impl Default for MedianConfig {
    /// Optuna looks at every epoch, but at trials that ended before; here all runs stand at the rung together and half of
    /// them would go each time: 100 runs would be 5 by the fifth epoch. Its 5 trials to start with are `min_runs`.
    fn default() -> Self {
        Self { every: 5, min_runs: 5 }
    }
}

impl Rule for MedianConfig {
    fn check(&self, problems: &mut Problems) {
        problems.require(self.every >= 1, "every", self.every, "a number of epochs, 1 or more");
        problems.require(self.min_runs >= 1, "min_runs", self.min_runs, "a number of runs, 1 or more");
    }

    fn ladder(&self) -> Option<&dyn Ladder> {
        Some(self)
    }
}

impl Ladder for MedianConfig {
    fn next(&self, rung: usize) -> usize {
        rung.saturating_add(self.every)
    }

    fn keeps(&self, runs: usize) -> usize {
        if runs < self.min_runs { runs } else { runs.div_ceil(2) }
    }

    fn survivors(&self, ranking: &Ranking<'_>) -> usize {
        let median = median(ranking.values);
        // Best first: whoever is worse stands behind all who are not.
        ranking.values.partition_point(|value| !ranking.monitored.direction.is_better(median, *value, 0.0))
    }

    fn reason(&self, ranking: &Ranking<'_>, place: usize) -> String {
        let Ranking { monitored, epoch, values } = ranking;
        let (column, value, median) = (monitored.column, short(values[place]), short(median(values)));
        let runs = values.len();
        format!("median: {column} {value} at epoch {epoch} is worse than the median {median} of {runs} runs")
    }
}

/// The middle of sorted values, or the mean of the two in the middle; NaN, beside which nobody is worse, where
/// one of them is NaN, or without any.
fn median(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    match (values.get(middle), middle.checked_sub(1)) {
        (Some(upper), Some(below)) if values.len().is_multiple_of(2) => f64::midpoint(values[below], *upper),
        (Some(value), _) => *value,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::prune::Verdict;
    use crate::sweep::prune::checks::{ACCURACY, Course, LOSS, problems, rule, stops, train};

    /// Eight curves that only fall, so that a value is also the best so far.
    const CURVES: [[f64; 6]; 8] = [
        [0.90, 0.80, 0.70, 0.65, 0.60, 0.58],
        [1.10, 0.95, 0.60, 0.50, 0.45, 0.40],
        [1.00, 0.90, 0.85, 0.80, 0.78, 0.77],
        [2.00, 1.50, 1.20, 0.90, 0.50, 0.30],
        [0.70, 0.65, 0.64, 0.63, 0.62, 0.61],
        [1.30, 1.20, 1.10, 1.00, 0.95, 0.90],
        [0.80, 0.75, 0.72, 0.70, 0.69, 0.68],
        [1.60, 1.40, 1.30, 1.25, 1.20, 1.10],
    ];

    // Optuna 5.0.0 leaves the trial itself out of the median, which for an even number changes nothing:
    //
    //   def rung(alive, step):
    //       out = []
    //       for r in alive:
    //           study = optuna.create_study(direction="minimize")
    //           for o in alive:
    //               if o != r:
    //                   values = dict(enumerate(CURVES[o], 1))
    //                   study.add_trial(create_trial(state=COMPLETE, value=0.0, intermediate_values=values))
    //           own = dict(enumerate(CURVES[r][:step], 1))
    //           trial = create_trial(state=RUNNING, intermediate_values=own)
    //           if MedianPruner(n_startup_trials=3).prune(study, trial):
    //               out.append(r)
    //       return out
    //
    //   rung(range(8), 1)       # [1, 3, 5, 7]
    //   rung([0, 2, 4, 6], 3)   # [2, 6]
    //   rung([0, 4], 5)         # []: too few trials to start with
    //
    // With direction="maximize" and negative values it is the same.
    #[test]
    fn the_same_runs_stop_as_in_optuna() {
        let rule = rule("kind = 'median'\nevery = 2\nmin_runs = 4");
        let expected = [(1, 1), (2, 3), (3, 1), (5, 1), (6, 3), (7, 1)];
        let mut runs = CURVES.map(|curve| Course::new(&curve));
        let end = train(&rule, LOSS, &mut runs, |_| 0);
        assert_eq!(stops(&end), expected);
        let Verdict::Stop { reason, .. } = &end[1] else { panic!("{:?}", end[1]) };
        assert_eq!(reason, "median: valid_loss 1.1 at epoch 1 is worse than the median 1.05 of 8 runs");
        let mut runs = CURVES.map(|curve| Course::new(&curve.map(|value| -value)));
        assert_eq!(stops(&train(&rule, ACCURACY, &mut runs, |open| open / 2)), expected);
    }

    #[test]
    fn the_best_so_far_counts_and_not_the_last() {
        let rule = rule("kind = 'median'\nmin_runs = 1\nmin_epochs = 2");
        let mut runs =
            [[0.1, 9.0, 9.0], [0.5, 0.5, 0.5], [0.9, 0.6, 0.1]].map(|curve| Course::new(&curve)).to_vec();
        assert_eq!(stops(&train(&rule, LOSS, &mut runs, |_| 0)), [(2, 2)]);
    }

    #[test]
    fn equal_values_and_values_without_a_number_stop_nobody_who_is_not_worse() {
        let rule = rule("kind = 'median'\nmin_runs = 1");
        let stopped = |values: &[f64]| {
            let mut runs: Vec<Course> = values.iter().map(|value| Course::new(&[*value; 2])).collect();
            stops(&train(&rule, LOSS, &mut runs, |_| 0)).into_iter().map(|(run, _)| run).collect::<Vec<_>>()
        };
        assert_eq!(stopped(&[0.5; 7]), [0; 0]);
        assert_eq!(stopped(&[0.5, 0.5, 0.5, 0.6, f64::NAN]), [3, 4]);
        // Half of them have none: the median has none either.
        assert_eq!(stopped(&[0.5, 0.6, f64::NAN, f64::NAN]), [0; 0]);
        assert_eq!(stopped(&[f64::INFINITY, 0.5, 0.6]), [0]);
        assert_eq!(stopped(&[]), [0; 0]);
    }

    #[test]
    fn few_runs_are_let_alone_without_waiting() {
        let rule = rule("kind = 'median'");
        let mut runs: Vec<Course> = (0..4).map(|run| Course::new(&[f64::from(run); 9])).collect();
        // The first may train to its end while the others have not begun.
        let first = crate::sweep::prune::checks::verdicts(&rule, LOSS, &runs);
        assert_eq!(first, vec![Verdict::Train { until: 9 }; 4]);
        assert_eq!(stops(&train(&rule, LOSS, &mut runs, |_| 0)), []);
        assert_eq!(rule.rungs(20).collect::<Vec<_>>(), [1, 6, 11, 16]);
    }

    #[test]
    fn counts_of_none_are_refused() {
        let found = problems("kind = 'median'\nevery = 0\nmin_runs = 0");
        let paths: Vec<String> = found.iter().map(|found| found.path.to_string()).collect();
        assert_eq!(paths, ["every", "min_runs"]);
    }

    #[test]
    fn a_median_of_two_is_between_them() {
        assert!((median(&[1.0, 2.0]) - 1.5).abs() < f64::EPSILON);
        assert!(median(&[1.0, f64::NAN]).is_nan() && median(&[]).is_nan());
    }
}
