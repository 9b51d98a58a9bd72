//! The step of an optimizer on one parameter: one pass over the numbers, in place, on the CPU.
//!
//! The arithmetic is that of `torch.optim` without its options `foreach`, `fused` and `capturable`. Scalars
//! come as one struct a run, in f64, and are rounded once to the type of the parameter. What changes from
//! step to step (bias corrections, schedules) is the optimizers' business, not this module's.

mod adam;
mod sgd;

use candle_core::{DType, Tensor};

pub use adam::{AdamRun, Moments, adam};
pub use sgd::{Momentum, SgdRun, sgd};

use crate::{Error, Result};

fn check(value: &Tensor, gradient: &Tensor, runs: usize) -> Result<()> {
    if value.dims() != gradient.dims() || value.dims().first() != Some(&runs) {
        return Err(Error::Bug(format!(
            "an update of {runs} runs got a value of shape {:?} and a gradient of shape {:?}",
            value.dims(),
            gradient.dims()
        )));
    }
    Ok(())
}

fn unsupported(dtype: DType) -> Error {
    Error::Bug(format!("an update was given numbers of type {}", dtype.as_str()))
}

/// The numbers of one run; at least 1, so that slices can be cut into pieces of this size.
fn per_run(count: usize, runs: usize) -> usize {
    (count / runs.max(1)).max(1)
}

/// `tensor` `[R, …]` times a scalar a run.
fn scale<S>(tensor: &Tensor, runs: &[S], scalar: impl Fn(&S) -> f64) -> Result<Tensor> {
    // One run, the common case, needs no transfer to the device.
    match runs {
        [run] => Ok(tensor.affine(scalar(run), 0.0)?),
        _ => Ok(tensor.broadcast_mul(&column(tensor, runs, scalar)?)?),
    }
}

/// A scalar a run as `[R, 1, …]`, to go with `tensor` `[R, …]`.
fn column<S>(tensor: &Tensor, runs: &[S], scalar: impl Fn(&S) -> f64) -> Result<Tensor> {
    let scalars: Vec<f64> = runs.iter().map(scalar).collect();
    let mut shape = vec![1; tensor.rank()];
    shape[0] = runs.len();
    Ok(Tensor::from_vec(scalars, shape, tensor.device())?.to_dtype(tensor.dtype())?)
}

#[cfg(test)]
mod testing {
    use candle_core::Device;

    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Uniform in −1..1.
    pub fn random(shape: &[usize], seed: u64) -> Tensor {
        let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).draws();
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|_| 2.0 * draws.uniform() - 1.0).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    pub fn assert_close(left: &Tensor, right: &Tensor) {
        let apart = (left - right).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let apart = apart.to_scalar::<f64>().unwrap();
        assert!(apart < 1e-14, "{apart:e} apart");
    }

    /// Shapes with lengths below, at and beyond a register's, for one run and for several.
    pub const SHAPES: [&[usize]; 5] = [&[1, 1], &[1, 7, 33], &[2, 16], &[2, 5, 13], &[3, 2, 3, 4]];
}
