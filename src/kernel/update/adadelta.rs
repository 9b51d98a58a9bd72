//! Steps in the unit of the value, from running means of squares.

use candle_core::{DType, Tensor};

use super::{check, check_buffers, column, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of an Adadelta step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdadeltaRun {
    /// The factor of the value that is added to the gradient (an L2 penalty), or 0.
    pub penalty: f64,
    /// The learning rate.
    pub rate: f64,
    /// The factor by which both means are kept.
    pub rho: f64,
    /// What is added below both roots.
    pub eps: f64,
}

/// The running means of a parameter in Adadelta, each of the parameter's shape and zero at first.
#[derive(Debug)]
pub struct Deltas {
    /// Of the squares of the gradient.
    pub square: Tensor,
    /// Of the squares of the steps, before the learning rate.
    pub step: Tensor,
}

/// One step of Adadelta on `value` `[R, …]`.
///
/// g ← g + penalty · θ, v ← ρ · v + (1 − ρ) · g², d = g · √(u + eps) / √(v + eps),
/// u ← ρ · u + (1 − ρ) · d², θ ← θ − rate · d.
pub fn adadelta(
    value: &mut Tensor,
    gradient: &Tensor,
    deltas: &mut Deltas,
    runs: &[AdadeltaRun],
) -> Result<()> {
    check(value, gradient, runs.len())?;
    check_buffers(value, &[&deltas.square, &deltas.step])?;
    if !is_cpu(value) {
        return adadelta_composed(value, gradient, deltas, runs);
    }
    match value.dtype() {
        DType::F32 => adadelta_slices::<f32>(value, gradient, deltas, runs),
        DType::F64 => adadelta_slices::<f64>(value, gradient, deltas, runs),
        other => Err(unsupported(other)),
    }
}

fn adadelta_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    deltas: &Deltas,
    runs: &[AdadeltaRun],
) -> Result<()> {
    let buffers = [&deltas.square, &deltas.step];
    each_run::<T, _, 2>(value, gradient, buffers, runs, |value, gradient, [square, step], run| {
        let (penalty, rate, eps) = (T::of(run.penalty), T::of(run.rate), T::of(run.eps));
        let (keep, take) = (T::of(run.rho), T::of(1.0 - run.rho));
        simd(
            #[inline(always)]
            || {
                for (((value, gradient), square), step) in
                    value.iter_mut().zip(gradient).zip(square).zip(step)
                {
                    let gradient = *gradient + penalty * *value;
                    *square = *square * keep + take * gradient * gradient;
                    let delta = (*step + eps).root() / (*square + eps).root() * gradient;
                    *step = *step * keep + take * delta * delta;
                    *value -= rate * delta;
                }
            },
        );
    })
}

fn adadelta_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    deltas: &mut Deltas,
    runs: &[AdadeltaRun],
) -> Result<()> {
    let gradient = (gradient + scale(value, runs, |run| run.penalty)?)?;
    let mean = |mean: &Tensor, of: &Tensor| -> Result<Tensor> {
        Ok((scale(mean, runs, |run| run.rho)? + scale(&of.sqr()?, runs, |run| 1.0 - run.rho)?)?)
    };
    let root =
        |of: &Tensor| -> Result<Tensor> { Ok(of.broadcast_add(&column(of, runs, |run| run.eps)?)?.sqrt()?) };
    deltas.square = mean(&deltas.square, &gradient)?;
    let delta = ((root(&deltas.step)? / root(&deltas.square)?)? * gradient)?;
    deltas.step = mean(&deltas.step, &delta)?;
    *value = (&*value - scale(&delta, runs, |run| run.rate)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    #[test]
    fn adadelta_on_slices_is_adadelta_composed() {
        for shape in SHAPES {
            let run = |run: usize| {
                let run = run as f64;
                AdadeltaRun {
                    penalty: 0.1 + run,
                    rate: 1.0 - 0.2 * run,
                    rho: 0.9 - 0.1 * run,
                    eps: 1e-3 * (run + 1.0),
                }
            };
            let runs: Vec<AdadeltaRun> = (0..shape[0]).map(run).collect();
            let deltas =
                || Deltas { square: random(shape, 2).abs().unwrap(), step: random(shape, 3).abs().unwrap() };
            let (mut left, mut right) = (random(shape, 1), random(shape, 1));
            let (mut left_deltas, mut right_deltas) = (deltas(), deltas());
            for step in 0..3 {
                let gradient = random(shape, 10 + step);
                adadelta(&mut left, &gradient, &mut left_deltas, &runs).unwrap();
                adadelta_composed(&mut right, &gradient, &mut right_deltas, &runs).unwrap();
            }
            assert_close(&left, &right);
            assert_close(&left_deltas.square, &right_deltas.square);
            assert_close(&left_deltas.step, &right_deltas.step);
        }
    }
}
