//! Checkers that the tests of all layers share.

use candle_core::{DType, Device, Tensor};

use super::{Layer, LayerConfig, Pass};
use crate::kernel::checks::{assert_close, differences, dot, normal, numbers, tensor};
use crate::model::InitConfig;
use crate::model::initializer::Initializer;

/// The layer with weights of its own for each run, in `f64`.
pub(crate) fn build(config: &LayerConfig, input: &[usize], runs: usize) -> Box<dyn Layer> {
    let seeds: Vec<u64> = (1..=runs as u64).collect();
    let init = Initializer::new(&InitConfig::Default, &seeds, DType::F64, &Device::Cpu);
    config.build(input, 0, &init).unwrap()
}

/// The gradients of input and parameters against finite differences, for two runs.
#[track_caller]
pub(crate) fn assert_gradients(config: &LayerConfig, input: &[usize]) {
    let mut layer = build(config, input, 2);
    let pass = Pass::training(&[1, 2], 3);
    let shape: Vec<usize> = [2, 5].into_iter().chain(input.iter().copied()).collect();
    let x = normal(10, &shape, DType::F64);
    let y = layer.forward(&x, &pass).unwrap();
    let dy = normal(11, y.dims(), DType::F64);
    let dx = layer.backward(&dy, true).unwrap().unwrap();
    let expected = differences(&x, |x| dot(&layer.forward(x, &pass).unwrap(), &dy));
    assert_close(&numbers(&dx), &expected, 1e-7);
    let found: Vec<Tensor> =
        layer.parameters().into_iter().map(|(_, one)| one.gradient.clone().unwrap()).collect();
    for (index, found) in found.into_iter().enumerate() {
        let start = layer.parameters()[index].1.value.clone();
        let expected = differences(&start, |value| {
            layer.parameters_mut()[index].1.value = value.clone();
            dot(&layer.forward(&x, &pass).unwrap(), &dy)
        });
        layer.parameters_mut()[index].1.value = start;
        assert_close(&numbers(&found), &expected, 1e-7);
    }
}

/// What every layer keeps to: nothing is kept in an evaluation or used twice, an input gradient comes only
/// if asked for, frozen parameters get none, and shapes are those that the configuration foresaw.
#[track_caller]
pub(crate) fn assert_contract(config: &LayerConfig, input: &[usize]) {
    let mut layer = build(config, input, 1);
    let pass = Pass::training(&[1], 3);
    let shape: Vec<usize> = [1, 4].into_iter().chain(input.iter().copied()).collect();
    let x = normal(10, &shape, DType::F64);
    let y = layer.forward(&x, &pass).unwrap();
    assert_eq!(y.dims()[2..], layer.output_shape(input));
    assert_eq!(layer.output_shape(input), config.output_shape(input).unwrap());
    assert!(layer.backward(&y, false).unwrap().is_none());
    assert!(layer.backward(&y, false).is_err(), "what was kept is used up");

    layer.forward(&x, &pass).unwrap();
    layer.forward(&x, &Pass::EVALUATION).unwrap();
    assert!(layer.backward(&y, false).is_err(), "an evaluation keeps nothing");

    for (_, one) in layer.parameters_mut() {
        one.trainable = false;
    }
    layer.forward(&x, &pass).unwrap();
    assert!(layer.backward(&y, true).unwrap().is_some());
    assert!(layer.parameters().iter().all(|(_, one)| one.gradient.is_none()));
    let count: usize = layer.parameters().iter().map(|(_, one)| one.value.elem_count()).sum();
    assert_eq!(count as u64, config.parameter_count(input).unwrap());
    assert!(layer.set_buffer("nothing", tensor(&[0.0], &[1])).is_err());
}
