//! Every schedule against `PyTorch`, step by step, with and without a warm-up, for two groups of parameters.
//!
//! The rates were made by `tests/parity/schedulers.py`.

use serde_json::Value;

use super::{Course, Moment, SchedulerConfig, Surroundings};
use crate::setting::{self, Problems};

const EPOCHS: usize = 12;
const STEPS_PER_EPOCH: u64 = 4;
/// What the two groups are set to.
const RATES: [f64; 2] = [0.1, 0.02];
/// Relative; the rates of the fixture have twelve digits.
const TOLERANCE: f64 = 1e-9;

/// `[[0.1, 4], [0.05, 2]]` written out.
fn written_out(runs: &Value) -> Vec<f64> {
    let runs = runs.as_array().unwrap().iter();
    runs.flat_map(|run| vec![run[0].as_f64().unwrap(); run[1].as_u64().unwrap() as usize]).collect()
}

fn read(text: &str) -> SchedulerConfig {
    let mut config: SchedulerConfig =
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap();
    config.resolve(EPOCHS, "valid_loss");
    let columns = ["valid_loss", "valid_accuracy"].map(str::to_owned);
    let mut problems = Problems::default();
    let around = Surroundings { epochs: EPOCHS, columns: &columns, has_momentum: true };
    config.check(&around, &mut problems);
    let found = problems.into_found();
    assert!(found.is_empty(), "{text}: {found:?}");
    config
}

fn course() -> Course {
    Course { lr: RATES[0], epochs: EPOCHS, steps: EPOCHS as u64 * STEPS_PER_EPOCH }
}

/// The largest relative difference of a case.
fn difference(case: &Value) -> f64 {
    let config = read(case["config"].as_str().unwrap());
    let schedule = config.build(&course()).unwrap();
    let history: Vec<f64> =
        case["history"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    let rates = [written_out(&case["rates"][0]), written_out(&case["rates"][1])];
    let momenta = case["momenta"].as_array().map(|_| written_out(&case["momenta"]));
    assert_eq!(momenta.is_some(), config.cycles_momentum());
    let mut worst: f64 = 0.0;
    let mut before = None;
    for step in 0..course().steps {
        let epoch = (step / STEPS_PER_EPOCH) as usize;
        let at = Moment { epoch, step, history: history.get(..epoch).unwrap_or_default() };
        let mut compare = |found: f64, expected: f64| {
            let apart = (found - expected).abs() / expected.abs().max(1e-6);
            assert!(apart <= TOLERANCE, "{}: step {step}: {found} is not {expected}", case["config"]);
            worst = worst.max(apart);
        };
        for (lr, expected) in RATES.iter().zip(&rates) {
            compare(schedule.rate(*lr, &at), expected[step as usize]);
        }
        let momentum = schedule.momentum(&at);
        if let Some(momenta) = &momenta {
            compare(momentum.unwrap(), momenta[step as usize]);
        }
        // What is kept from one step to the next is the same.
        let now = (epoch, schedule.rate(RATES[0], &at));
        if schedule.is_steady(step) && before.is_some_and(|(earlier, _)| earlier == epoch) {
            assert_eq!(before, Some(now), "{}: step {step}", case["config"]);
        }
        before = Some(now);
    }
    worst
}

#[test]
fn rates_are_those_of_pytorch() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/parity/fixtures/schedulers.json")).unwrap();
    assert!(cases.len() > 100);
    let mut worst = std::collections::BTreeMap::<String, f64>::new();
    for case in &cases {
        let text = case["config"].as_str().unwrap();
        let kind = text.split('\'').nth(1).unwrap().to_owned();
        let worst = worst.entry(kind).or_default();
        *worst = worst.max(difference(case));
    }
    assert_eq!(worst.len(), <super::CurveConfig as setting::Kind>::kinds().len(), "{worst:?}");
}

/// A training of one step, of a warm-up without an end, and of a metric that is not there yet.
#[test]
fn the_ends_of_the_range_are_finite() {
    for text in [
        "kind = 'one_cycle'\nmax_lr = 1",
        "kind = 'one_cycle'\nmax_lr = 1\nthree_phase = true",
        "kind = 'one_cycle'\nmax_lr = 1\npct_start = 0.5\nwarmup = { steps = 3 }",
        "kind = 'cosine'\nwarmup = { epochs = 99 }",
        "kind = 'linear'\nwarmup = { steps = 1000000000000 }",
        "kind = 'reduce_on_plateau'\nwarmup = { epochs = 1 }",
        "kind = 'cosine_warm_restarts'\nt_0 = 1\nt_mult = 2",
    ] {
        let config = read(text);
        for (epochs, steps) in [(1, 1), (1, 2), (2, 6), (3, 3)] {
            let schedule = config.build(&Course { lr: 0.1, epochs, steps }).unwrap();
            for step in 0..steps {
                let epoch = (step / (steps / epochs as u64)) as usize;
                let history = vec![f64::NAN; epoch];
                let rate = schedule.rate(0.1, &Moment { epoch, step, history: &history });
                assert!((0.0..=1.0).contains(&rate), "{text}: {rate} in step {step} of {steps}");
            }
        }
    }
}

#[test]
fn a_metric_that_is_nan_is_no_improvement() {
    let config = read("kind = 'reduce_on_plateau'\npatience = 1\nfactor = 0.5");
    let schedule = config.build(&course()).unwrap();
    let rate = |history: &[f64]| {
        let epoch = history.len();
        schedule.rate(1.0, &Moment { epoch, step: epoch as u64 * STEPS_PER_EPOCH, history })
    };
    assert!((rate(&[1.0, f64::NAN]) - 1.0).abs() < f64::EPSILON);
    assert!((rate(&[1.0, f64::NAN, f64::NAN]) - 0.5).abs() < f64::EPSILON);
    assert!((rate(&[f64::NAN, 1.0, 0.9, f64::INFINITY]) - 1.0).abs() < f64::EPSILON);
}
