//! Checkers that the tests of all operations share.

use candle_core::{DType, Device, Tensor};

use super::set_threads;
use crate::rng::{Purpose, Stream};

/// Standard normal numbers on the CPU.
pub(crate) fn normal(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).draws();
    let numbers: Vec<f64> = (0..shape.iter().product()).map(|_| draws.normal()).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

/// A tensor with these numbers.
pub(crate) fn tensor(numbers: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(numbers, shape, &Device::Cpu).unwrap()
}

/// All numbers, in order.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// What `pass` gives where the operations may use so many threads.
pub(crate) fn on_threads<R: Send>(count: usize, pass: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
    // The threads of the pool end with it, and what is set on them.
    pool.install(|| {
        set_threads(count);
        pass()
    })
}

/// Whether the numbers agree within `tolerance`, relative to numbers above 1.
#[track_caller]
pub(crate) fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= allowed, "number {index} is {found}, expected {expected}");
    }
}

/// Whether shapes and numbers agree within `tolerance`.
#[track_caller]
pub(crate) fn assert_same(found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), expected.dims());
    assert_close(&numbers(found), &numbers(expected), tolerance);
}

/// The sum of the products: a loss whose gradient with respect to `y` is `weights`.
pub(crate) fn dot(y: &Tensor, weights: &Tensor) -> f64 {
    numbers(y).iter().zip(numbers(weights)).map(|(y, weight)| y * weight).sum()
}

/// Central differences of `loss` around `at`, which is `f64`.
pub(crate) fn differences(at: &Tensor, mut loss: impl FnMut(&Tensor) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let start = numbers(at);
    (0..start.len())
        .map(|index| {
            let mut around = |offset: f64| {
                let mut moved = start.clone();
                moved[index] += offset;
                loss(&tensor(&moved, at.dims()))
            };
            (around(STEP) - around(-STEP)) / (2.0 * STEP)
        })
        .collect()
}
