//! Every optimizer on a small network against `PyTorch`: 20 steps in f64, options varied, with groups of parameters and
//! with schedules.
//!
//! The weights were made by `tests/parity/optimizers.py`.

use candle_core::{DType, Device, Tensor};
use runner::loss::LossConfig;
use runner::model::{Model, ModelConfig, Parameter, Pass};
use runner::optimizer::{OptimizerConfig, Pace, RuleConfig};
use runner::scheduler::{Course, Moment, SchedulerConfig};
use runner::setting::{self, Kind, Problems};
use runner::target::Targets;
use serde_json::Value;

use crate::workplace::project;

const STEPS: usize = 20;
const SAMPLES: usize = 16;
const TOLERANCE: f64 = 1e-9;

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
}

fn network() -> Model {
    let config: ModelConfig =
        read("kind = 'mlp'\nhidden = [8, 6]\nactivation = 'tanh'\nregularizer = 'none'");
    let shape = [5].as_slice().into();
    let mut model = Model::build(&config, &shape, 3, 0, DType::F64, &Device::Cpu).unwrap();
    for (index, one) in model.weights_mut().into_iter().enumerate() {
        let wave: Vec<f64> =
            (1..=one.value.elem_count()).map(|i| 0.6 * (i as f64 * 0.7 + index as f64).sin()).collect();
        one.value = Tensor::from_vec(wave, one.value.dims(), &Device::Cpu).unwrap();
    }
    model
}

/// The weights after the training that a case describes.
fn train(optimizer: &str, scheduler: &str) -> Vec<f64> {
    let config: OptimizerConfig = read(optimizer);
    let mut problems = Problems::default();
    config.check(&mut problems);
    assert!(problems.into_found().is_empty(), "{optimizer}");
    let mut schedule: SchedulerConfig = read(scheduler);
    schedule.resolve(STEPS, "train_loss");
    let cycles = schedule.cycles_momentum();
    // Every epoch is a step.
    let schedule = schedule.build(&Course { lr: config.lr(), epochs: STEPS, steps: STEPS as u64 }).unwrap();

    let mut model = network();
    let parameters = model.parameters();
    config.check_names(&parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()).unwrap();
    let mut optimizer = config.build(&model.parameters(), cycles).unwrap();
    let loss = LossConfig::default();
    let loss = loss.as_loss();
    let x: Vec<f64> = (0..SAMPLES * 5).map(|i| (i as f64 * 0.9).cos()).collect();
    let x = Tensor::from_vec(x, (1, SAMPLES, 5), &Device::Cpu).unwrap();
    let y = Targets::Classes((0..SAMPLES as u32).map(|sample| sample % 3).collect());
    for step in 0..STEPS {
        let outputs = model.forward(&x, &Pass::training(&[0], step as u64)).unwrap();
        let gradient = loss.evaluate(&outputs, &y, true).unwrap().gradient.unwrap();
        model.backward(&gradient).unwrap();
        let at = Moment { epoch: step, step: step as u64, history: &[] };
        let momentum = schedule.momentum(&at);
        let pace = |lr: f64| Pace { rate: schedule.rate(lr, &at), momentum };
        let paces: Vec<Pace> = config.rates().into_iter().map(pace).collect();
        optimizer.step(&mut model.weights_mut(), &paces).unwrap();
    }
    let numbers = |one: &Parameter| one.value.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    model.weights().into_iter().flat_map(numbers).collect()
}

#[test]
fn twenty_steps_are_those_of_pytorch() {
    let fixture = project().join("tests/parity/fixtures/optimizers.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    let mut worst = std::collections::BTreeMap::<String, f64>::new();
    for case in &cases {
        let (optimizer, scheduler) =
            (case["optimizer"].as_str().unwrap(), case["scheduler"].as_str().unwrap());
        let found = train(optimizer, scheduler);
        let expected: Vec<f64> =
            case["weights"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        let apart = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
        let apart = apart.fold(0.0, |worst: f64, one| if one > worst || one.is_nan() { one } else { worst });
        assert!(apart < TOLERANCE, "{apart:e} apart:\n{optimizer}\n{scheduler}");
        let kind = optimizer.split('\'').nth(1).unwrap();
        let worst = worst.entry(kind.to_owned()).or_default();
        *worst = worst.max(apart);
    }
    assert_eq!(worst.len(), RuleConfig::kinds().len(), "{worst:?}");
}
