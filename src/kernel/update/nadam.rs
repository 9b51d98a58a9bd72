//! Adam that looks ahead along its momentum.

use candle_core::{DType, Tensor};

use super::{Moments, check, check_buffers, column, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of a `NAdam` step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NadamRun {
    /// The factor of the value that is added to the gradient (an L2 penalty), or 0.
    pub penalty: f64,
    /// The factors by which the first and the second moment are kept.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// The rate that the gradient goes with: rate · (1 − μₜ) / (1 − ∏μ).
    pub gradient_size: f64,
    /// The rate that the first moment goes with: rate · μₜ₊₁ / (1 − ∏μ · μₜ₊₁).
    pub moment_size: f64,
    /// What the second moment is divided by: 1 − β₂ᵗ.
    pub second_correction: f64,
}

/// One step of `NAdam` on `value` `[R, …]`; the peak of the moments is not used.
///
/// g ← g + penalty · θ, m ← m + (1 − β₁)(g − m), v ← β₂ · v + (1 − β₂) · g²,
/// θ ← θ − (`gradient_size` · g + `moment_size` · m) / (√(v / `second_correction`) + eps).
pub fn nadam(value: &mut Tensor, gradient: &Tensor, moments: &mut Moments, runs: &[NadamRun]) -> Result<()> {
    check(value, gradient, runs.len())?;
    check_buffers(value, &[&moments.first, &moments.second])?;
    if !is_cpu(value) {
        return nadam_composed(value, gradient, moments, runs);
    }
    match value.dtype() {
        DType::F32 => nadam_slices::<f32>(value, gradient, moments, runs),
        DType::F64 => nadam_slices::<f64>(value, gradient, moments, runs),
        other => Err(unsupported(other)),
    }
}

fn nadam_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    moments: &Moments,
    runs: &[NadamRun],
) -> Result<()> {
    let buffers = [&moments.first, &moments.second];
    each_run::<T, _, 2>(value, gradient, buffers, runs, |value, gradient, [first, second], run| {
        let (penalty, eps) = (T::of(run.penalty), T::of(run.eps));
        let (take_first, keep_second) = (T::of(1.0 - run.betas.0), T::of(run.betas.1));
        let take_second = T::of(1.0 - run.betas.1);
        let (gradient_size, moment_size) = (T::of(run.gradient_size), T::of(run.moment_size));
        let correction = T::of(1.0 / run.second_correction);
        simd(
            #[inline(always)]
            || {
                for (((value, gradient), first), second) in
                    value.iter_mut().zip(gradient).zip(first).zip(second)
                {
                    let gradient = *gradient + penalty * *value;
                    *first += take_first * (gradient - *first);
                    *second = *second * keep_second + take_second * gradient * gradient;
                    let denominator = (*second * correction).root() + eps;
                    *value -= (gradient_size * gradient + moment_size * *first) / denominator;
                }
            },
        );
    })
}

fn nadam_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    moments: &mut Moments,
    runs: &[NadamRun],
) -> Result<()> {
    let gradient = (gradient + scale(value, runs, |run| run.penalty)?)?;
    let Moments { first, second, .. } = moments;
    let apart = (&gradient - &*first)?;
    *first = (&*first + scale(&apart, runs, |run| 1.0 - run.betas.0)?)?;
    let kept = scale(second, runs, |run| run.betas.1)?;
    *second = (kept + scale(&gradient.sqr()?, runs, |run| 1.0 - run.betas.1)?)?;
    let root = scale(second, runs, |run| 1.0 / run.second_correction)?.sqrt()?;
    let denominator = root.broadcast_add(&column(&root, runs, |run| run.eps)?)?;
    let way =
        (scale(&gradient, runs, |run| run.gradient_size)? + scale(first, runs, |run| run.moment_size)?)?;
    *value = (&*value - (way / denominator)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    #[test]
    fn nadam_on_slices_is_nadam_composed() {
        for shape in SHAPES {
            let run = |run: usize| {
                let run = run as f64;
                NadamRun {
                    penalty: 0.1 + run,
                    betas: (0.9 - 0.1 * run, 0.5 + 0.1 * run),
                    eps: 1e-3 * (run + 1.0),
                    gradient_size: 0.1 + run,
                    moment_size: 0.3 - 0.1 * run,
                    second_correction: 0.5 + 0.1 * run,
                }
            };
            let runs: Vec<NadamRun> = (0..shape[0]).map(run).collect();
            let moments =
                || Moments { first: random(shape, 2), second: random(shape, 3).abs().unwrap(), peak: None };
            let (mut left, mut right) = (random(shape, 1), random(shape, 1));
            let (mut left_moments, mut right_moments) = (moments(), moments());
            for step in 0..3 {
                let gradient = random(shape, 10 + step);
                nadam(&mut left, &gradient, &mut left_moments, &runs).unwrap();
                nadam_composed(&mut right, &gradient, &mut right_moments, &runs).unwrap();
            }
            assert_close(&left, &right);
            assert_close(&left_moments.first, &right_moments.first);
            assert_close(&left_moments.second, &right_moments.second);
        }
    }

    #[test]
    fn buffers_of_another_shape_are_refused() {
        let mut moments = Moments { first: random(&[1, 2], 2), second: random(&[1, 3], 3), peak: None };
        let run = NadamRun {
            penalty: 0.0,
            betas: (0.9, 0.9),
            eps: 1e-8,
            gradient_size: 0.1,
            moment_size: 0.1,
            second_correction: 0.1,
        };
        assert!(nadam(&mut random(&[1, 3], 1), &random(&[1, 3], 4), &mut moments, &[run]).is_err());
    }
}
