//! Steps of one size along the signs of a momentum.

use candle_core::{DType, Tensor};

use super::{check, check_buffers, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of a Lion step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionRun {
    /// The factor on the value before anything else: 1 − rate · decay.
    pub shrink: f64,
    /// The learning rate.
    pub rate: f64,
    /// The factors of the momentum in the step's direction and in the new momentum.
    pub betas: (f64, f64),
}

/// One step of Lion on `value` `[R, …]` with the momentum `mean` of the same shape.
///
/// θ ← shrink · θ − rate · sign(β₁ · m + (1 − β₁) · g), m ← β₂ · m + (1 − β₂) · g. The sign of 0 is 0, that of NaN
/// is NaN.
pub fn lion(value: &mut Tensor, gradient: &Tensor, mean: &mut Tensor, runs: &[LionRun]) -> Result<()> {
    check(value, gradient, runs.len())?;
    check_buffers(value, &[mean])?;
    if !is_cpu(value) {
        return lion_composed(value, gradient, mean, runs);
    }
    match value.dtype() {
        DType::F32 => lion_slices::<f32>(value, gradient, mean, runs),
        DType::F64 => lion_slices::<f64>(value, gradient, mean, runs),
        other => Err(unsupported(other)),
    }
}

/// −1, 0 or 1, and NaN for NaN.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn sign<T: Element>(number: T) -> T {
    let above = if number > T::ZERO { T::ONE } else { number * T::ZERO };
    if number < T::ZERO { -T::ONE } else { above }
}

fn lion_slices<T: Element>(value: &Tensor, gradient: &Tensor, mean: &Tensor, runs: &[LionRun]) -> Result<()> {
    each_run::<T, _, 1>(value, gradient, [mean], runs, |value, gradient, [mean], run| {
        let (shrink, rate) = (T::of(run.shrink), T::of(run.rate));
        let (keep_ahead, take_ahead) = (T::of(run.betas.0), T::of(1.0 - run.betas.0));
        let (keep, take) = (T::of(run.betas.1), T::of(1.0 - run.betas.1));
        simd(
            #[inline(always)]
            || {
                for ((value, gradient), mean) in value.iter_mut().zip(gradient).zip(mean) {
                    let ahead = *mean * keep_ahead + *gradient * take_ahead;
                    *value = *value * shrink - rate * sign(ahead);
                    *mean = *mean * keep + *gradient * take;
                }
            },
        );
    })
}

fn lion_composed(value: &mut Tensor, gradient: &Tensor, mean: &mut Tensor, runs: &[LionRun]) -> Result<()> {
    let mix = |mean: &Tensor, beta: fn(&LionRun) -> f64| -> Result<Tensor> {
        Ok((scale(mean, runs, beta)? + scale(gradient, runs, |run| 1.0 - beta(run))?)?)
    };
    let ahead = mix(mean, |run| run.betas.0)?;
    // candle's own sign of NaN is a number.
    let sign = (ahead.sign()? + ahead.affine(0.0, 0.0)?)?;
    *value = (scale(value, runs, |run| run.shrink)? - scale(&sign, runs, |run| run.rate)?)?;
    *mean = mix(mean, |run| run.betas.1)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    fn lion_runs(count: usize) -> Vec<LionRun> {
        let run = |run: usize| {
            let run = run as f64;
            LionRun { shrink: 1.0 - 0.1 * run, rate: 0.1 + run, betas: (0.9 - 0.1 * run, 0.99 - 0.2 * run) }
        };
        (0..count).map(run).collect()
    }

    #[test]
    fn lion_on_slices_is_lion_composed() {
        for shape in SHAPES {
            let runs = lion_runs(shape[0]);
            let (mut left, mut right) = (random(shape, 1), random(shape, 1));
            let (mut left_mean, mut right_mean) = (random(shape, 2), random(shape, 2));
            for step in 0..3 {
                let gradient = random(shape, 10 + step);
                lion(&mut left, &gradient, &mut left_mean, &runs).unwrap();
                lion_composed(&mut right, &gradient, &mut right_mean, &runs).unwrap();
            }
            assert_close(&left, &right);
            assert_close(&left_mean, &right_mean);
        }
    }

    #[test]
    fn nothing_to_follow_moves_nothing_and_nan_is_not_hidden() {
        let gradient = Tensor::new(&[[0.0, f64::NAN, 2.0]], &Device::Cpu).unwrap();
        let run = LionRun { shrink: 1.0, rate: 0.1, betas: (0.9, 0.99) };
        for update in [lion, lion_composed] {
            let mut value = Tensor::ones((1, 3), DType::F64, &Device::Cpu).unwrap();
            let mut mean = value.zeros_like().unwrap();
            update(&mut value, &gradient, &mut mean, &[run]).unwrap();
            let value = value.to_vec2::<f64>().unwrap().remove(0);
            assert!(value[1].is_nan(), "{value:?}");
            assert_eq!((value[0], value[2]), (1.0, 0.9));
        }
    }
}
