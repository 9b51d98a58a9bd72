//! Successive halving (Jamieson and Talwalkar 2016; Li et al., "A System for Massively Parallel Hyperparameter
//! Tuning", 2020).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::{ordinal, short};
use super::{Ladder, Ranking, Rule};
use crate::setting::Problems;

/// Rungs at `min_epochs` · `reduction_factor` ^ k below a run's epochs, and of n runs at a rung the best
/// max(1, ⌊n / `reduction_factor`⌋) go on.
///
/// ASHA lets runs pass a rung before all have reached it, so that who stops depends on which machine was quicker. Here
/// rungs are synchronous: the result is that of the grid, whatever the number of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AshaConfig {
    /// Of so many runs at a rung one goes on, and each rung has so many times the epochs of the one before.
    #[schemars(range(min = 2))]
    pub reduction_factor: usize,
}

impl Default for AshaConfig {
    /// Ray and Optuna have 4 for asynchronous halving, Hyperband's paper and Optuna's Hyperband 3 for the synchronous one
    /// that this is; 3 is nearest to e, where the paper's bound on the epochs is least, and keeps one rung more to
    /// correct a slow start.
    fn default() -> Self {
        Self { reduction_factor: 3 }
    }
}

impl Rule for AshaConfig {
    fn check(&self, problems: &mut Problems) {
        let factor = self.reduction_factor;
        problems.require(factor >= 2, "reduction_factor", factor, "a whole number, 2 or more");
    }

    fn ladder(&self) -> Option<&dyn Ladder> {
        Some(self)
    }
}

impl Ladder for AshaConfig {
    fn next(&self, rung: usize) -> usize {
        rung.saturating_mul(self.reduction_factor)
    }

    fn keeps(&self, runs: usize) -> usize {
        (runs / self.reduction_factor.max(1)).max(1)
    }

    fn reason(&self, ranking: &Ranking<'_>, place: usize) -> String {
        let Ranking { monitored, epoch, values } = ranking;
        let (rank, runs, keeps) = (ordinal(place + 1), values.len(), self.keeps(values.len()));
        let (column, value) = (monitored.column, short(values[place]));
        let best = if keeps == 1 { "the best goes on".to_owned() } else { format!("the best {keeps} go on") };
        format!("asha: {rank} of {runs} at epoch {epoch} ({column} {value}; {best})")
    }
}

#[cfg(test)]
mod tests {
    use crate::sweep::prune::checks::{ACCURACY, Course, LOSS, problems, rule, stops, train};
    use crate::sweep::prune::{Budget, Verdict};

    /// Nine runs of 10 epochs; the value of run r in epoch e is its row here, the last one repeated.
    fn nine() -> Vec<Course> {
        let starts = [0.9, 0.5, 0.7, 0.3, 0.6, 0.3, 0.8, 0.4, 1.0];
        // The fourth begins best of all and gets worse, the sixth improves late.
        let fall = |run: usize, epoch: usize| match run {
            3 => 0.3 + 0.1 * epoch as f64,
            5 => 0.3 - 0.02 * epoch as f64,
            7 => 0.4 - 0.05 * epoch as f64,
            _ => starts[run],
        };
        (0..9).map(|run| Course::new(&(0..10).map(|epoch| fall(run, epoch)).collect::<Vec<_>>())).collect()
    }

    /// By hand: at epoch 1 runs 3 and 5 (0.3) and 7 (0.4) are the best three of nine; at epoch 3 their bests are 0.3,
    /// 0.26 and 0.3, so run 5 is the best one.
    #[test]
    fn the_best_third_passes_a_rung() {
        let rule = rule("kind = 'asha'");
        assert_eq!(rule.rungs(10).collect::<Vec<_>>(), [1, 3, 9]);
        let mut runs = nine();
        let end = train(&rule, LOSS, &mut runs, |_| 0);
        assert_eq!(stops(&end), [(0, 1), (1, 1), (2, 1), (3, 3), (4, 1), (6, 1), (7, 3), (8, 1)]);
        let recorded: Vec<usize> = runs.iter().map(|run| run.recorded).collect();
        assert_eq!(recorded, [1, 1, 1, 3, 1, 10, 1, 3, 1]);
        let reason = |run: usize| match &end[run] {
            Verdict::Stop { reason, .. } => reason.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(1), "asha: 4th of 9 at epoch 1 (valid_loss 0.5; the best 3 go on)");
        assert_eq!(reason(7), "asha: 3rd of 3 at epoch 3 (valid_loss 0.3; the best goes on)");
        assert_eq!(end[5], Verdict::Over);
    }

    #[test]
    fn more_is_better_of_an_accuracy() {
        let mut runs: Vec<Course> = [0.1, 0.9, 0.5].map(|value| Course::new(&[value, value])).to_vec();
        let end = train(&rule("kind = 'asha'"), ACCURACY, &mut runs, |open| open - 1);
        assert_eq!(stops(&end), [(0, 1), (2, 1)]);
    }

    #[test]
    fn rungs_lie_below_the_epochs_and_come_to_an_end() {
        let rungs = |text: &str, epochs: usize| rule(text).rungs(epochs).collect::<Vec<_>>();
        assert_eq!(rungs("kind = 'asha'\nreduction_factor = 4\nmin_epochs = 2", 33), [2, 8, 32]);
        assert_eq!(rungs("kind = 'asha'\nreduction_factor = 4\nmin_epochs = 2", 32), [2, 8]);
        assert_eq!(rungs("kind = 'asha'", 1), [0; 0]);
        // What `check` refuses makes no endless ladder either.
        assert_eq!(rungs("kind = 'asha'\nreduction_factor = 1", 9), [1]);
        assert_eq!(rungs("kind = 'asha'\nmin_epochs = 0", 9), [0]);
        assert_eq!(rule("kind = 'asha'").rungs(usize::MAX).count(), 41);
    }

    #[test]
    fn of_27_runs_one_sees_its_end() {
        let budget = rule("kind = 'asha'").budget(&[20; 27]).unwrap();
        let rungs = vec![(1, 27, 9), (3, 9, 3), (9, 3, 1)];
        assert_eq!(budget, Budget { rungs, whole: 540, pruned: 74 });
    }

    #[test]
    fn a_factor_below_two_is_refused() {
        let found = problems("kind = 'asha'\nreduction_factor = 1\nmin_epochs = 0");
        let texts: Vec<String> =
            found.iter().map(|found| format!("{}: {}", found.path, found.message)).collect();
        assert_eq!(texts, ["min_epochs: `min_epochs` is 0", "reduction_factor: `reduction_factor` is 1"]);
    }
}
