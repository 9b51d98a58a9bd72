//! What holds of every rule and every set of curves.

use proptest::prelude::*;

use super::checks::{ACCURACY, Course, LOSS, rule, stops, train, verdicts};
use super::{PruneConfig, Verdict};

fn value() -> impl Strategy<Value = f64> {
    // Few different values, so that many are equal.
    prop_oneof![8 => (0..12u8).prop_map(|value| f64::from(value) / 4.0), 1 => Just(f64::NAN)]
}

fn course() -> impl Strategy<Value = Course> {
    let curve = prop::collection::vec(value(), 1..14);
    (curve, 0..4usize, prop::bool::weighted(0.15)).prop_map(|(curve, more, is_lost)| {
        let epochs = curve.len() + more;
        Course { curve, epochs, is_lost, recorded: 0 }
    })
}

fn courses() -> impl Strategy<Value = Vec<Course>> {
    prop::collection::vec(course(), 0..24)
}

fn any_rule() -> impl Strategy<Value = PruneConfig> {
    let first = 1..4usize;
    let text = prop_oneof![
        (2..5usize).prop_map(|factor| format!("kind = 'asha'\nreduction_factor = {factor}")),
        (1..5usize, 1..7usize)
            .prop_map(|(every, runs)| format!("kind = 'median'\nevery = {every}\nmin_runs = {runs}")),
        (0..12u8).prop_map(|max| format!("kind = 'threshold'\nmax = {}", f64::from(max) / 4.0)),
    ];
    (text, first).prop_map(|(text, first)| rule(&format!("{text}\nmin_epochs = {first}")))
}

/// One run after the other, as far as each may: `--jobs 1`.
fn in_order(_: usize) -> usize {
    0
}

proptest! {
    #[test]
    fn who_stops_does_not_depend_on_who_was_quicker(
        rule in any_rule(),
        runs in courses(),
        turns in prop::collection::vec(0..usize::MAX, 64),
    ) {
        let (mut first, mut second) = (runs.clone(), runs);
        let one = train(&rule, LOSS, &mut first, in_order);
        let mut turn = 0;
        let other = train(&rule, LOSS, &mut second, |open| {
            turn += 1;
            turns[turn % turns.len()] % open
        });
        prop_assert_eq!(&one, &other);
        let recorded = |runs: &[Course]| runs.iter().map(|run| run.recorded).collect::<Vec<_>>();
        prop_assert_eq!(recorded(&first), recorded(&second));
        // What is decided stays decided.
        prop_assert_eq!(&verdicts(&rule, LOSS, &first), &one);
    }

    #[test]
    fn nobody_is_stopped_who_is_not_in_the_end(rule in any_rule(), runs in courses()) {
        let mut whole = runs.clone();
        let end = train(&rule, ACCURACY, &mut whole, in_order);
        let mut part = runs;
        let mut known: Vec<(usize, usize)> = Vec::new();
        loop {
            let now = verdicts(&rule, ACCURACY, &part);
            let stopped = stops(&now);
            prop_assert!(known.iter().all(|stop| stopped.contains(stop)), "{:?} then {:?}", known, stopped);
            known = stopped;
            let next = now.iter().rposition(|verdict| matches!(verdict, Verdict::Train { .. }));
            let Some(next) = next else { break };
            part[next].recorded += 1;
        }
        prop_assert_eq!(known, stops(&end));
    }

    #[test]
    fn a_looser_rule_stops_nobody_more(runs in courses(), max in 0..8u8, min_runs in 1..12usize, more in 1..6u8) {
        for (tight, loose) in [
            (
                format!("kind = 'threshold'\nmax = {max}"),
                format!("kind = 'threshold'\nmax = {}", max + more),
            ),
            (
                format!("kind = 'threshold'\nmax = {max}\nmin_epochs = 2"),
                format!("kind = 'threshold'\nmax = {max}\nmin_epochs = {}", 2 + more),
            ),
            (
                format!("kind = 'median'\nevery = 2\nmin_runs = {min_runs}"),
                format!("kind = 'median'\nevery = 2\nmin_runs = {}", min_runs + usize::from(more)),
            ),
        ] {
            let mut runs = runs.clone();
            let before = train(&rule(&tight), LOSS, &mut runs, in_order);
            // Those that were stopped go on from where they are.
            let after = train(&rule(&loose), LOSS, &mut runs, in_order);
            let stopped: Vec<usize> = stops(&before).into_iter().map(|(run, _)| run).collect();
            prop_assert!(stops(&after).iter().all(|(run, _)| stopped.contains(run)));
        }
    }

    #[test]
    fn going_on_under_another_rule_ends_as_if_it_had_always_been_that_one(
        first in any_rule(),
        second in any_rule(),
        runs in courses(),
    ) {
        let mut fresh = runs.clone();
        let expected = train(&second, LOSS, &mut fresh, in_order);
        let mut runs = runs;
        train(&first, LOSS, &mut runs, in_order);
        let end = train(&second, LOSS, &mut runs, in_order);
        // Runs that ended under the first rule stay ended; all others stop where they would have.
        for (run, verdict) in end.iter().enumerate() {
            prop_assert!(*verdict == Verdict::Over || *verdict == expected[run], "run {}", run);
        }
    }

    #[test]
    fn at_most_one_in_so_many_passes_a_rung(runs in courses(), factor in 2..5usize) {
        let rule = rule(&format!("kind = 'asha'\nreduction_factor = {factor}"));
        let mut trained = runs;
        train(&rule, LOSS, &mut trained, in_order);
        let mut rung = 1;
        while rung < 14 {
            let stood = trained.iter().filter(|run| run.epochs > rung && run.recorded >= rung).count();
            let passed = trained.iter().filter(|run| run.epochs > rung && run.recorded > rung).count();
            // Whoever ended or was lost before the rung took a place as well, so these are bounds.
            let entered = trained.iter().filter(|run| run.epochs > rung).count();
            prop_assert!(passed <= (entered / factor).max(1), "{} of {} passed {}", passed, stood, rung);
            rung *= factor;
        }
    }

    #[test]
    fn a_budget_is_what_is_trained(count in 0..40usize, epochs in 1..30usize, factor in 2..5usize) {
        let rule = rule(&format!("kind = 'asha'\nreduction_factor = {factor}"));
        let curve = |run: usize| vec![run as f64; epochs];
        let mut runs: Vec<Course> = (0..count).map(|run| Course::new(&curve(run))).collect();
        train(&rule, LOSS, &mut runs, in_order);
        let trained: usize = runs.iter().map(|run| run.recorded).sum();
        let budget = rule.budget(&vec![epochs; count]).unwrap();
        prop_assert_eq!((budget.whole, budget.pruned), (count * epochs, trained));
    }
}
