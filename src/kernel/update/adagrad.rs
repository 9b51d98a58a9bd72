//! Steps that shrink with the sum of the squares of all gradients.

use candle_core::{DType, Tensor};

use super::{check, check_buffers, column, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of an Adagrad step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdagradRun {
    /// The factor of the value that is added to the gradient (an L2 penalty), or 0.
    pub penalty: f64,
    /// The learning rate of this step.
    pub rate: f64,
    /// What is added to the denominator.
    pub eps: f64,
}

/// One step of Adagrad on `value` `[R, …]` with the sum of squares `sum` of the same shape.
///
/// g ← g + penalty · θ, s ← s + g², θ ← θ − rate · g / (√s + eps).
pub fn adagrad(value: &mut Tensor, gradient: &Tensor, sum: &mut Tensor, runs: &[AdagradRun]) -> Result<()> {
    check(value, gradient, runs.len())?;
    check_buffers(value, &[sum])?;
    if !is_cpu(value) {
        return adagrad_composed(value, gradient, sum, runs);
    }
    match value.dtype() {
        DType::F32 => adagrad_slices::<f32>(value, gradient, sum, runs),
        DType::F64 => adagrad_slices::<f64>(value, gradient, sum, runs),
        other => Err(unsupported(other)),
    }
}

fn adagrad_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    sum: &Tensor,
    runs: &[AdagradRun],
) -> Result<()> {
    each_run::<T, _, 1>(value, gradient, [sum], runs, |value, gradient, [sum], run| {
        let (penalty, rate, eps) = (T::of(run.penalty), T::of(run.rate), T::of(run.eps));
        simd(
            #[inline(always)]
            || {
                for ((value, gradient), sum) in value.iter_mut().zip(gradient).zip(sum) {
                    let gradient = *gradient + penalty * *value;
                    *sum += gradient * gradient;
                    *value -= rate * gradient / (sum.root() + eps);
                }
            },
        );
    })
}

fn adagrad_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    sum: &mut Tensor,
    runs: &[AdagradRun],
) -> Result<()> {
    let gradient = (gradient + scale(value, runs, |run| run.penalty)?)?;
    *sum = (&*sum + gradient.sqr()?)?;
    let root = sum.sqrt()?;
    let denominator = root.broadcast_add(&column(&root, runs, |run| run.eps)?)?;
    *value = (&*value - (scale(&gradient, runs, |run| run.rate)? / denominator)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    #[test]
    fn adagrad_on_slices_is_adagrad_composed() {
        for shape in SHAPES {
            let run = |run: usize| {
                let run = run as f64;
                AdagradRun { penalty: 0.1 + run, rate: 0.2 + run, eps: 1e-3 * (run + 1.0) }
            };
            let runs: Vec<AdagradRun> = (0..shape[0]).map(run).collect();
            let (mut left, mut right) = (random(shape, 1), random(shape, 1));
            let sum = || random(shape, 2).abs().unwrap();
            let (mut left_sum, mut right_sum) = (sum(), sum());
            for step in 0..3 {
                let gradient = random(shape, 10 + step);
                adagrad(&mut left, &gradient, &mut left_sum, &runs).unwrap();
                adagrad_composed(&mut right, &gradient, &mut right_sum, &runs).unwrap();
            }
            assert_close(&left, &right);
            assert_close(&left_sum, &right_sum);
        }
    }
}
