//! Checkers that make a new optimizer cheap to test: the numbers after 20 steps of a fixed problem, saving and
//! loading in the middle, and two runs at once.
//!
//! The problem has two parameters of two numbers each, which chase moving targets:
//!
//! ```python
//! # PyTorch 2.15
//! def trajectory(make, dtype=torch.float64):
//!     first = torch.tensor([0.5, -1.5], dtype=dtype, requires_grad=True)
//!     second = torch.tensor([[2.0], [0.25]], dtype=dtype, requires_grad=True)
//!     optimizer = make([first, second])
//!     for step in range(1, 21):
//!         for index, parameter in enumerate([first, second]):
//!             target = [math.cos(0.7 * step + 2 * index + i) for i in range(2)]
//!             target = torch.tensor(target, dtype=torch.float64)
//!             scale = torch.tensor([1.0, 3.0], dtype=dtype)
//!             apart = parameter.detach() - target.to(dtype).view_as(parameter)
//!             parameter.grad = scale.view_as(parameter) * apart
//!         optimizer.step()
//!     return torch.cat([first.flatten(), second.flatten()]).tolist()
//! ```

use candle_core::{DType, Device, Tensor};

use super::{Optimizer, OptimizerConfig, Pace};
use crate::Error;
use crate::model::Parameter;
use crate::setting;

const STEPS: usize = 20;

fn read(config: &str) -> OptimizerConfig {
    setting::read(&toml::Value::Table(toml::from_str(config).unwrap())).unwrap()
}

/// The parameters of the problem, the same in each of `runs`.
fn parameters(runs: usize, dtype: DType) -> Vec<Parameter> {
    let make = |numbers: [f64; 2], shape: &[usize]| {
        let numbers = Tensor::new(numbers.repeat(runs), &Device::Cpu).unwrap();
        Parameter::new(numbers.to_dtype(dtype).unwrap().reshape([&[runs], shape].concat()).unwrap())
    };
    vec![make([0.5, -1.5], &[2]), make([2.0, 0.25], &[2, 1])]
}

fn set_gradients(parameters: &mut [Parameter], step: usize) {
    for (index, parameter) in parameters.iter_mut().enumerate() {
        let target = |i: f64| (0.7 * step as f64 + 2.0 * index as f64 + i).cos();
        let value = &parameter.value;
        let mut shape = value.dims().to_vec();
        shape[0] = 1;
        let fixed = |numbers: [f64; 2]| {
            let numbers = Tensor::new(&numbers, &Device::Cpu).unwrap().to_dtype(value.dtype()).unwrap();
            numbers.reshape(shape.as_slice()).unwrap().broadcast_as(value.shape()).unwrap()
        };
        let apart = (value - fixed([target(0.0), target(1.0)])).unwrap();
        parameter.gradient = Some((fixed([1.0, 3.0]) * apart).unwrap());
    }
}

fn train(
    optimizer: &mut dyn Optimizer,
    parameters: &mut [Parameter],
    steps: std::ops::RangeInclusive<usize>,
    rates: &[f64],
) {
    for step in steps {
        set_gradients(parameters, step);
        optimizer.step(&mut parameters.iter_mut().collect::<Vec<_>>(), &paces(rates)).unwrap();
    }
}

fn paces(rates: &[f64]) -> Vec<Pace> {
    rates.iter().map(|rate| Pace { rate: *rate, momentum: None }).collect()
}

fn build(config: &OptimizerConfig, parameters: &[Parameter]) -> Box<dyn Optimizer> {
    let named: Vec<(String, &Parameter)> =
        parameters.iter().enumerate().map(|(index, one)| (format!("layers.{index}.weight"), one)).collect();
    config.build(&named, false).unwrap()
}

/// The numbers of run `run`, in the order of the parameters.
fn numbers(parameters: &[Parameter], run: usize) -> Vec<f64> {
    let of = |parameter: &Parameter| {
        let run = parameter.value.get(run).unwrap().flatten_all().unwrap();
        run.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap()
    };
    parameters.iter().flat_map(of).collect()
}

/// Checks `config` (TOML, with `lr = 0.1`) in every respect; `expected` are the numbers in f64 and f32.
pub(super) fn check_optimizer(config: &str, expected: [[f64; 4]; 2]) {
    let config = read(config);
    check_values(&config, &expected[0], DType::F64, 1e-12);
    check_values(&config, &expected[1], DType::F32, 1e-6);
    check_all_but_values(&config);
}

fn check_all_but_values(config: &OptimizerConfig) {
    check_save_load(config, DType::F32);
    check_runs(config);
    check_misfits(config);
}

fn check_values(config: &OptimizerConfig, expected: &[f64; 4], dtype: DType, tolerance: f64) {
    let mut parameters = parameters(1, dtype);
    train(&mut *build(config, &parameters), &mut parameters, 1..=STEPS, &[config.lr()]);
    let found = numbers(&parameters, 0);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{config:?}: {found} is not {expected}");
    }
}

/// A resume from the saved state goes on with the same bits, and does not touch what it was given.
fn check_save_load(config: &OptimizerConfig, dtype: DType) {
    let mut whole = parameters(1, dtype);
    train(&mut *build(config, &whole), &mut whole, 1..=STEPS, &[config.lr()]);

    let mut parts = parameters(1, dtype);
    let mut optimizer = build(config, &parts);
    train(&mut *optimizer, &mut parts, 1..=7, &[config.lr()]);
    let mut state = optimizer.state().unwrap();
    drop(optimizer);
    state.reverse();
    let before = format!("{:?}", contents(&state));
    let mut resumed = build(config, &parts);
    resumed.load_state(&state).unwrap();
    train(&mut *resumed, &mut parts, 8..=STEPS, &[config.lr()]);
    assert_eq!(numbers(&parts, 0), numbers(&whole, 0), "{config:?}");
    assert_eq!(format!("{:?}", contents(&state)), before, "{config:?}");
    let steps = resumed.state().unwrap();
    let (_, step) = steps.iter().find(|(name, _)| name == "step").unwrap();
    assert_eq!(usize::try_from(step.to_scalar::<i64>().unwrap()).unwrap(), STEPS);
}

fn contents(state: &[(String, Tensor)]) -> Vec<(String, Vec<f64>)> {
    let of = |(name, tensor): &(String, Tensor)| {
        let numbers = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        (name.clone(), numbers.to_vec1::<f64>().unwrap())
    };
    state.iter().map(of).collect()
}

/// Two runs at different learning rates get the bits that each gets alone.
fn check_runs(config: &OptimizerConfig) {
    let rates = [config.lr(), config.lr() / 3.0];
    let mut together = parameters(2, DType::F64);
    train(&mut *build(config, &together), &mut together, 1..=STEPS, &rates);
    for (run, rate) in rates.iter().enumerate() {
        let mut alone = parameters(1, DType::F64);
        train(&mut *build(config, &alone), &mut alone, 1..=STEPS, &[*rate]);
        assert_eq!(numbers(&alone, 0), numbers(&together, run), "{config:?}, run {run}");
    }
}

/// Wrong parameters and wrong states are errors, and frozen parameters stay.
fn check_misfits(config: &OptimizerConfig) {
    let mut parameters = parameters(1, DType::F64);
    parameters[0].trainable = false;
    let mut optimizer = build(config, &parameters);
    train(&mut *optimizer, &mut parameters, 1..=2, &[config.lr()]);
    assert_eq!(numbers(&parameters, 0)[..2], [0.5, -1.5]);
    let state = optimizer.state().unwrap();
    let is_shared = |name: &str| name == "step" || name == "mu_product";
    assert!(state.iter().all(|(name, _)| is_shared(name) || name.starts_with("1.")), "{config:?}");

    let bug = |optimizer: &mut dyn Optimizer, parameters: &mut [Parameter], rates: &[f64]| {
        let result = optimizer.step(&mut parameters.iter_mut().collect::<Vec<_>>(), &paces(rates));
        assert!(matches!(result, Err(Error::Bug(_))), "{config:?}: {result:?}");
    };
    bug(&mut *optimizer, &mut parameters[1..], &[0.1]);
    bug(&mut *optimizer, &mut parameters, &[0.1, 0.1]);
    parameters[1].gradient = None;
    bug(&mut *optimizer, &mut parameters, &[0.1]);
    set_gradients(&mut parameters, 3);
    parameters[0].trainable = true;
    bug(&mut *optimizer, &mut parameters, &[0.1]);

    let mut refuse = |state: &[(String, Tensor)], name: &str| {
        let before = contents(&optimizer.state().unwrap());
        let error = optimizer.load_state(state).unwrap_err();
        assert!(matches!(error, Error::Request(_)) && error.to_string().contains(name), "{error}");
        assert_eq!(contents(&optimizer.state().unwrap()), before, "{config:?}");
    };
    for index in 0..state.len() {
        let name = state[index].0.clone();
        let mut changed = state.clone();
        changed[index].1 = changed[index].1.to_dtype(DType::U8).unwrap();
        refuse(&changed, &name);
        changed[index].1 = state[index].1.unsqueeze(0).unwrap();
        refuse(&changed, &name);
        changed.remove(index);
        refuse(&changed, &name);
    }
    let mut changed = state.clone();
    changed.push(("9.exp_avg".into(), state[0].1.clone()));
    refuse(&changed, "9.exp_avg");
}

/// The optimizers whose numbers `tests/it/optimizers.rs` compares.
#[test]
fn state_is_saved_and_runs_are_apart() {
    for config in [
        "kind = 'nadam'\nlr = 0.1\nmomentum_decay = 0.1\nweight_decay = 0.1",
        "kind = 'radam'\nlr = 0.1\nbetas = [0.9, 0.8]",
        "kind = 'rmsprop'\nlr = 0.1",
        "kind = 'rmsprop'\nlr = 0.1\nalpha = 0.9\nmomentum = 0.5\ncentered = true",
        "kind = 'adagrad'\nlr = 0.1\nlr_decay = 0.1\ninitial_accumulator_value = 0.1",
        "kind = 'adadelta'\nlr = 1\nweight_decay = 0.1",
        "kind = 'lion'\nlr = 0.1\nweight_decay = 0.1",
    ] {
        check_all_but_values(&read(config));
    }
}
