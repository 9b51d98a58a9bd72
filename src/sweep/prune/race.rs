//! The runs of a sweep from rung to rung.

use super::settings::{Monitored, PruneConfig};
use super::{Ladder, Ranking};
use crate::metric::Direction;

/// What is recorded of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing<'a> {
    /// The monitored value of each recorded epoch, from the first.
    pub values: &'a [f64],
    /// The epochs that it is to train.
    pub epochs: usize,
    /// Whether it can go on.
    pub state: State,
}

/// Whether a run can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can, or was stopped by a rule and could.
    Open,
    /// It is completed, perhaps by early stopping.
    Over,
    /// It failed or diverged. It is the last at the rung that it did not pass, and never goes on.
    Lost,
}

/// What is to be done with a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Train until this epoch is recorded; of an epoch that is already, complete it.
    Train {
        /// Counted from 1.
        until: usize,
    },
    /// Nothing until others have reached the rung.
    Wait,
    /// It does not go on.
    Stop {
        /// The epoch behind which it stops; there may be more recorded under another rule.
        epoch: usize,
        /// Why, for `run.json`.
        reason: String,
    },
    /// There is nothing left to train.
    Over,
}

impl PruneConfig {
    /// What is to be done with each run, in their order, which is that of the sweep.
    ///
    /// At each rung all runs that are still in the race and have more epochs than that are ranked by their best value up
    /// to the rung; of equal ones the earlier in the sweep wins. The rung is decided once all of them have reached it,
    /// ended or are lost. O(n log n) a rung.
    pub fn verdicts(&self, monitored: Monitored<'_>, runs: &[Standing<'_>]) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = runs.iter().map(|run| self.alone(monitored, run)).collect();
        let Some(ladder) = self.ladder() else { return verdicts };
        let most = runs.iter().map(|run| run.epochs).max().unwrap_or(0);
        let mut race: Vec<Racer> = (0..runs.len()).map(Racer::new).collect();
        for rung in self.rungs(most) {
            race.retain(|racer| runs[racer.run].epochs > rung);
            // How many they are does not depend on who is lost, so nobody waits for a rung that stops nobody.
            if ladder.keeps(race.len()) >= race.len() {
                break;
            }
            if race.iter().any(|racer| is_awaited(&runs[racer.run], rung)) {
                for racer in race.iter().filter(|racer| runs[racer.run].state == State::Open) {
                    let awaited = is_awaited(&runs[racer.run], rung);
                    verdicts[racer.run] =
                        if awaited { Verdict::Train { until: rung } } else { Verdict::Wait };
                }
                break;
            }
            for racer in &mut race {
                racer.advance(&runs[racer.run], rung, monitored.direction);
            }
            race.sort_by(|a, b| order(a, b, monitored.direction));
            for (run, reason) in decide(ladder, &mut race, monitored, rung) {
                if runs[run].state == State::Open {
                    verdicts[run] = Verdict::Stop { epoch: rung, reason };
                }
            }
        }
        verdicts
    }

    /// What becomes of a run if no other one has a say.
    fn alone(&self, monitored: Monitored<'_>, run: &Standing<'_>) -> Verdict {
        if run.state != State::Open {
            return Verdict::Over;
        }
        match self.stops_alone(monitored, run.values) {
            Some((epoch, reason)) => Verdict::Stop { epoch, reason },
            None => Verdict::Train { until: run.epochs },
        }
    }
}

/// Takes those who do not go on out of a race that is in order; each with the reason.
fn decide(
    ladder: &dyn Ladder,
    race: &mut Vec<Racer>,
    monitored: Monitored<'_>,
    rung: usize,
) -> Vec<(usize, String)> {
    let values: Vec<f64> = race.iter().map(|racer| racer.best).collect();
    let ranking = Ranking { monitored, epoch: rung, values: &values };
    let survivors = ladder.survivors(&ranking);
    let out = race.iter().enumerate().skip(survivors);
    let out = out.map(|(place, racer)| (racer.run, ladder.reason(&ranking, place))).collect();
    race.truncate(survivors);
    race.retain(|racer| !racer.is_lost);
    out
}

/// Whether a rung cannot be decided before the run has trained on.
fn is_awaited(run: &Standing<'_>, rung: usize) -> bool {
    run.state == State::Open && run.values.len() < rung
}

/// A run in the race.
struct Racer {
    /// Its index.
    run: usize,
    /// Its best value up to the last rung.
    best: f64,
    /// Values that were looked at.
    seen: usize,
    /// Whether it did not pass the last rung.
    is_lost: bool,
}

impl Racer {
    fn new(run: usize) -> Self {
        Self { run, best: f64::NAN, seen: 0, is_lost: false }
    }

    /// Takes in the values up to the rung.
    fn advance(&mut self, run: &Standing<'_>, rung: usize, direction: Direction) {
        let reached = rung.min(run.values.len());
        for value in &run.values[self.seen.min(reached)..reached] {
            if direction.is_better(*value, self.best, 0.0) {
                self.best = *value;
            }
        }
        self.seen = reached;
        // Whoever was lost behind the rung has passed it: what was decided there then stays decided.
        self.is_lost = run.state == State::Lost && run.values.len() <= rung;
        if self.is_lost {
            self.best = f64::NAN;
        }
    }
}

/// The better one first, numbers before NaN, the lost last, of equals the one that comes first in the sweep.
fn order(a: &Racer, b: &Racer, direction: Direction) -> std::cmp::Ordering {
    let by_value = || {
        if direction.is_better(a.best, b.best, 0.0) {
            std::cmp::Ordering::Less
        } else if direction.is_better(b.best, a.best, 0.0) {
            std::cmp::Ordering::Greater
        } else {
            a.run.cmp(&b.run)
        }
    };
    a.is_lost.cmp(&b.is_lost).then_with(by_value)
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Over, Train, Wait};
    use super::*;
    use crate::sweep::prune::checks::{Course, LOSS, rule, stops, train, verdicts};

    const HALF: &str = "kind = 'asha'\nreduction_factor = 2\nmin_epochs = 2";

    fn open(values: &[f64], epochs: usize) -> Standing<'_> {
        Standing { values, epochs, state: State::Open }
    }

    #[test]
    fn runs_train_to_the_rung_and_wait_there() {
        let judge = |runs: &[Standing<'_>]| rule(HALF).verdicts(LOSS, runs);
        let none: &[f64] = &[];
        assert_eq!(judge(&[open(none, 9), open(none, 9)]), [Train { until: 2 }, Train { until: 2 }]);
        assert_eq!(judge(&[open(&[1.0, 1.0], 9), open(&[2.0], 9)]), [Wait, Train { until: 2 }]);
        let decided = judge(&[open(&[1.0, 1.0], 9), open(&[2.0, 0.5], 9)]);
        assert_eq!((stops(&decided), &decided[1]), (vec![(0, 2)], &Train { until: 9 }));
        assert_eq!(judge(&[]), []);
        // Nobody can stop beside nobody.
        assert_eq!(judge(&[open(none, 9)]), [Train { until: 9 }]);
        // Every epoch is recorded, but it was killed before it was completed.
        assert_eq!(judge(&[open(&[1.0; 9], 9)]), [Train { until: 9 }]);
    }

    #[test]
    fn of_equal_runs_the_earlier_in_the_sweep_goes_on() {
        let values = [0.5, 0.5];
        let decided =
            rule(HALF).verdicts(LOSS, &[open(&values, 9), open(&values, 9), open(&[f64::NAN; 2], 9)]);
        assert_eq!(stops(&decided), [(1, 2), (2, 2)]);
    }

    #[test]
    fn whoever_has_fewer_epochs_than_a_rung_is_not_asked() {
        // Rungs 2, 4 and 8; two runs of 2 epochs, three of 5.
        let curves: [&[f64]; 5] = [&[9.0; 2], &[3.0; 5], &[1.0; 5], &[2.0; 5], &[0.0; 2]];
        let mut runs = curves.map(Course::new);
        let end = train(&rule(HALF), LOSS, &mut runs, |_| 0);
        assert_eq!(stops(&end), [(1, 2), (3, 2)]);
        assert_eq!(runs.map(|run| run.recorded), [2, 2, 5, 2, 2]);
    }

    #[test]
    fn a_run_that_ended_by_itself_counts_with_its_best_so_far() {
        let stopped_early = Course { epochs: 9, ..Course::new(&[0.5, 0.6, 0.7]) };
        let mut runs = vec![stopped_early, Course::new(&[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])];
        // It wins at epoch 2 and nobody is left to be compared with at epoch 4.
        assert_eq!(stops(&train(&rule(HALF), LOSS, &mut runs, |_| 0)), [(1, 2)]);
        let slower = "kind = 'asha'\nreduction_factor = 2\nmin_epochs = 8";
        assert_eq!(stops(&train(&rule(slower), LOSS, &mut runs, |_| 0)), []);
    }

    #[test]
    fn a_lost_run_is_the_last_and_holds_nobody_up() {
        let lost = |values| Standing { values, epochs: 9, state: State::Lost };
        let none: &[f64] = &[];
        let judge = |runs: &[Standing<'_>]| rule(HALF).verdicts(LOSS, runs);
        // It would be the best by its first epoch.
        let decided = judge(&[lost(&[0.0]), open(&[f64::NAN; 2], 9), open(&[2.0; 2], 9)]);
        assert_eq!((stops(&decided), &decided[0]), (vec![(1, 2)], &Over));
        assert_eq!(decided[2], Train { until: 9 });
        assert_eq!(judge(&[lost(none), lost(none)]), [Over, Over]);
        // Lost behind a rung that it had passed: what was decided there stays so.
        let decided = judge(&[lost(&[0.0, 0.0, f64::NAN]), open(&[1.0; 2], 9)]);
        assert_eq!(stops(&decided), [(1, 2)]);
    }

    #[test]
    fn a_stricter_rule_looks_at_what_was_known_at_its_rung() {
        // Under no rule both were trained to epoch 6; the first was better at the rung, the second is now.
        let (first, second) = ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [0.9, 0.8, 0.3, 0.2, 0.1, 0.0]);
        let decided = rule(HALF).verdicts(LOSS, &[open(&first, 9), open(&second, 9)]);
        assert_eq!(stops(&decided), [(1, 2)]);
        // What was completed before stays completed, and ranks as well.
        let over = Standing { values: &second, epochs: 6, state: State::Over };
        let decided = rule(HALF).verdicts(LOSS, &[open(&first, 9), over]);
        assert_eq!(decided, [Train { until: 9 }, Over]);
    }

    #[test]
    fn many_runs_are_decided_in_no_time() {
        let curve: Vec<f64> = (0..20).map(f64::from).collect();
        let runs: Vec<Course> = (0..10_000).map(|_| Course { recorded: 1, ..Course::new(&curve) }).collect();
        let start = std::time::Instant::now();
        let decided = verdicts(&rule("kind = 'asha'"), LOSS, &runs);
        assert_eq!(stops(&decided).len(), 10_000 - 3333);
        assert!(start.elapsed().as_secs_f64() < 2.0);
    }
}
