//! Stochastic gradient descent with momentum.

use candle_core::{DType, Tensor};

use super::{check, per_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, read, simd, write};

/// One run's scalars of an SGD step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdRun {
    /// The learning rate.
    pub rate: f64,
    /// The factor of the value that is added to the gradient (an L2 penalty).
    pub decay: f64,
    /// The factor by which the buffer is kept.
    pub momentum: f64,
    /// The part of the gradient that is held back from the buffer.
    pub dampening: f64,
}

/// The momentum of a parameter in an SGD step.
#[derive(Debug)]
pub struct Momentum<'a> {
    /// The running sum of gradients, of the parameter's shape; sharing storage with nothing else.
    pub buffer: &'a mut Tensor,
    /// Whether the buffer is still empty: it then takes the gradient undampened.
    pub first: bool,
    /// Whether the step looks ahead: gradient + momentum · buffer instead of the buffer.
    pub nesterov: bool,
}

/// One step of stochastic gradient descent on `value` `[R, …]`.
///
/// g ← g + decay · θ, b ← momentum · b + (1 − dampening) · g, θ ← θ − rate · b; without `momentum` b is g.
pub fn sgd(
    value: &mut Tensor,
    gradient: &Tensor,
    momentum: Option<Momentum<'_>>,
    runs: &[SgdRun],
) -> Result<()> {
    check(value, gradient, runs.len())?;
    if !is_cpu(value) {
        return sgd_composed(value, gradient, momentum, runs);
    }
    match value.dtype() {
        DType::F32 => sgd_slices::<f32>(value, gradient, momentum, runs),
        DType::F64 => sgd_slices::<f64>(value, gradient, momentum, runs),
        other => Err(unsupported(other)),
    }
}

fn sgd_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    momentum: Option<Momentum<'_>>,
    runs: &[SgdRun],
) -> Result<()> {
    let gradient = gradient.contiguous()?;
    write::<T, _>(value, |value| {
        read::<T, _>(&gradient, |gradient| match momentum {
            None => {
                plain_slices(value, gradient, runs);
                Ok(())
            }
            Some(Momentum { buffer, first, nesterov }) => write::<T, _>(buffer, |buffer| {
                momentum_slices(value, gradient, buffer, (first, nesterov), runs);
            }),
        })
        .flatten()
    })
    .flatten()
}

fn plain_slices<T: Element>(value: &mut [T], gradient: &[T], runs: &[SgdRun]) {
    let size = per_run(value.len(), runs.len());
    let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size));
    simd(
        #[inline(always)]
        || {
            for ((value, gradient), run) in parts.zip(runs) {
                let (rate, decay) = (T::of(run.rate), T::of(run.decay));
                for (value, gradient) in value.iter_mut().zip(gradient) {
                    *value -= rate * (*gradient + decay * *value);
                }
            }
        },
    );
}

fn momentum_slices<T: Element>(
    value: &mut [T],
    gradient: &[T],
    buffer: &mut [T],
    (first, nesterov): (bool, bool),
    runs: &[SgdRun],
) {
    let size = per_run(value.len(), runs.len());
    let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size));
    let parts = parts.zip(buffer.chunks_exact_mut(size)).zip(runs);
    simd(
        #[inline(always)]
        || {
            for (((value, gradient), buffer), run) in parts {
                let (rate, decay, momentum) = (T::of(run.rate), T::of(run.decay), T::of(run.momentum));
                let (keep, take) = kept_and_taken(run, first);
                let (keep, take) = (T::of(keep), T::of(take));
                // The step goes along straight · g + stored · b.
                let (straight, stored) = if nesterov { (T::ONE, momentum) } else { (T::ZERO, T::ONE) };
                for ((value, gradient), buffer) in value.iter_mut().zip(gradient).zip(buffer) {
                    let gradient = *gradient + decay * *value;
                    *buffer = *buffer * keep + gradient * take;
                    *value -= rate * (gradient * straight + *buffer * stored);
                }
            }
        },
    );
}

/// The factors of the buffer and of the gradient in the new buffer.
fn kept_and_taken(run: &SgdRun, first: bool) -> (f64, f64) {
    if first { (0.0, 1.0) } else { (run.momentum, 1.0 - run.dampening) }
}

fn sgd_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    momentum: Option<Momentum<'_>>,
    runs: &[SgdRun],
) -> Result<()> {
    let penalty = scale(value, runs, |run| run.decay)?;
    let mut direction = (gradient + penalty)?;
    if let Some(Momentum { buffer, first, nesterov }) = momentum {
        let kept = scale(buffer, runs, |run| kept_and_taken(run, first).0)?;
        *buffer = (kept + scale(&direction, runs, |run| kept_and_taken(run, first).1)?)?;
        direction =
            if nesterov { (direction + scale(buffer, runs, |run| run.momentum)?)? } else { buffer.clone() };
    }
    *value = (&*value - scale(&direction, runs, |run| run.rate)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    fn sgd_runs(count: usize) -> Vec<SgdRun> {
        (0..count)
            .map(|run| {
                let run = run as f64;
                SgdRun {
                    rate: 0.1 + run,
                    decay: 0.01 * (run + 1.0),
                    momentum: 0.9 - 0.2 * run,
                    dampening: 0.1 * run,
                }
            })
            .collect()
    }

    fn with(buffer: &mut Tensor, first: bool, nesterov: Option<bool>) -> Option<Momentum<'_>> {
        Some(Momentum { buffer, first, nesterov: nesterov? })
    }

    #[test]
    fn sgd_on_slices_is_sgd_composed() {
        for shape in SHAPES {
            let runs = sgd_runs(shape[0]);
            for momentum in [None, Some(false), Some(true)] {
                let mut slices = [random(shape, 1), random(shape, 2)];
                let mut composed = [random(shape, 1), random(shape, 2)];
                for step in 0..3 {
                    let gradient = random(shape, 10 + step);
                    let [value, buffer] = &mut slices;
                    sgd(value, &gradient, with(buffer, step == 0, momentum), &runs).unwrap();
                    let [value, buffer] = &mut composed;
                    sgd_composed(value, &gradient, with(buffer, step == 0, momentum), &runs).unwrap();
                }
                assert_close(&slices[0], &composed[0]);
                assert_close(&slices[1], &composed[1]);
            }
        }
    }

    #[test]
    fn wrong_shapes_and_types_are_refused_and_nothing_is_a_valid_parameter() {
        let runs = sgd_runs(1);
        assert!(sgd(&mut random(&[1, 3], 1), &random(&[1, 2], 1), None, &runs).is_err());
        assert!(sgd(&mut random(&[2, 3], 1), &random(&[2, 3], 1), None, &runs).is_err());
        let half = random(&[1, 3], 1).to_dtype(DType::F16).unwrap();
        assert!(sgd(&mut half.clone(), &half, None, &runs).is_err());
        sgd(&mut random(&[1, 0], 1), &random(&[1, 0], 1), None, &runs).unwrap();
    }
}
