//! Adam, with an L2 penalty or decoupled decay, and `AMSGrad`.

use candle_core::{DType, Tensor};

use super::{check, check_buffers, column, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of an Adam step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRun {
    /// The factor on the value before anything else: 1 − rate · decay for decoupled decay, else 1.
    pub shrink: f64,
    /// The factor of the value that is added to the gradient (an L2 penalty), or 0.
    pub penalty: f64,
    /// The factors by which the first and the second moment are kept.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// The learning rate over the first moment's bias correction: rate / (1 − β₁ᵗ).
    pub step_size: f64,
    /// What the root of the second moment is multiplied with: 1 / √(1 − β₂ᵗ).
    pub root_correction: f64,
}

/// The running moments of a parameter's gradient, each of the parameter's shape and zero at first.
#[derive(Debug)]
pub struct Moments {
    /// The mean.
    pub first: Tensor,
    /// The mean of the squares.
    pub second: Tensor,
    /// The largest second moment so far, for `AMSGrad`.
    pub peak: Option<Tensor>,
}

/// One step of Adam on `value` `[R, …]`.
///
/// θ ← shrink · θ, g ← g + penalty · θ, m ← m + (1 − β₁)(g − m), v ← β₂ · v + (1 − β₂) · g²,
/// θ ← θ − `step_size` · m / (√v · `root_correction` + eps), with the peak of v for v if there is one.
pub fn adam(value: &mut Tensor, gradient: &Tensor, moments: &mut Moments, runs: &[AdamRun]) -> Result<()> {
    check(value, gradient, runs.len())?;
    let buffers: Vec<&Tensor> = [&moments.first, &moments.second].into_iter().chain(&moments.peak).collect();
    check_buffers(value, &buffers)?;
    if !is_cpu(value) {
        return adam_composed(value, gradient, moments, runs);
    }
    match value.dtype() {
        DType::F32 => adam_slices::<f32>(value, gradient, moments, runs),
        DType::F64 => adam_slices::<f64>(value, gradient, moments, runs),
        other => Err(unsupported(other)),
    }
}

/// [`AdamRun`] in the type of the parameter.
#[derive(Clone, Copy)]
struct AdamScalars<T> {
    shrink: T,
    penalty: T,
    take_first: T,
    keep_second: T,
    take_second: T,
    eps: T,
    step_size: T,
    root_correction: T,
}

impl<T: Element> AdamScalars<T> {
    fn of(run: &AdamRun) -> Self {
        Self {
            shrink: T::of(run.shrink),
            penalty: T::of(run.penalty),
            take_first: T::of(1.0 - run.betas.0),
            keep_second: T::of(run.betas.1),
            take_second: T::of(1.0 - run.betas.1),
            eps: T::of(run.eps),
            step_size: T::of(run.step_size),
            root_correction: T::of(run.root_correction),
        }
    }

    /// Moves the moments of one number and returns its decayed value.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn absorb(&self, value: T, gradient: T, first: &mut T, second: &mut T) -> T {
        let value = value * self.shrink;
        let gradient = gradient + self.penalty * value;
        *first += self.take_first * (gradient - *first);
        *second = *second * self.keep_second + self.take_second * gradient * gradient;
        value
    }

    /// The way that one number goes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn way(&self, first: T, second: T) -> T {
        self.step_size * first / (second.root() * self.root_correction + self.eps)
    }
}

fn adam_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    moments: &Moments,
    runs: &[AdamRun],
) -> Result<()> {
    let Moments { first, second, peak } = moments;
    match peak {
        None => {
            each_run::<T, _, 2>(value, gradient, [first, second], runs, |value, gradient, moments, run| {
                let run = AdamScalars::<T>::of(run);
                simd(
                    #[inline(always)]
                    || adam_plain(value, gradient, moments, run),
                );
            })
        }
        Some(peak) => {
            let buffers = [first, second, peak];
            each_run::<T, _, 3>(value, gradient, buffers, runs, |value, gradient, moments, run| {
                let run = AdamScalars::<T>::of(run);
                simd(
                    #[inline(always)]
                    || adam_peak(value, gradient, moments, run),
                );
            })
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn adam_plain<T: Element>(
    value: &mut [T],
    gradient: &[T],
    [first, second]: [&mut [T]; 2],
    run: AdamScalars<T>,
) {
    for (((value, gradient), first), second) in value.iter_mut().zip(gradient).zip(first).zip(second) {
        let decayed = run.absorb(*value, *gradient, first, second);
        *value = decayed - run.way(*first, *second);
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn adam_peak<T: Element>(
    value: &mut [T],
    gradient: &[T],
    [first, second, peak]: [&mut [T]; 3],
    run: AdamScalars<T>,
) {
    let moments = first.iter_mut().zip(second).zip(peak);
    for ((value, gradient), ((first, second), peak)) in value.iter_mut().zip(gradient).zip(moments) {
        let decayed = run.absorb(*value, *gradient, first, second);
        // The comparison is false for a NaN, which thus goes into the peak.
        *peak = if *peak >= *second { *peak } else { *second };
        *value = decayed - run.way(*first, *peak);
    }
}

fn adam_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    moments: &mut Moments,
    runs: &[AdamRun],
) -> Result<()> {
    let decayed = scale(value, runs, |run| run.shrink)?;
    let gradient = (gradient + scale(&decayed, runs, |run| run.penalty)?)?;
    let Moments { first, second, peak } = moments;
    let apart = (&gradient - &*first)?;
    *first = (&*first + scale(&apart, runs, |run| 1.0 - run.betas.0)?)?;
    let kept = scale(second, runs, |run| run.betas.1)?;
    *second = (kept + scale(&gradient.sqr()?, runs, |run| 1.0 - run.betas.1)?)?;
    let root = match peak {
        Some(peak) => {
            *peak = second.maximum(&*peak)?;
            peak.sqrt()?
        }
        None => second.sqrt()?,
    };
    let corrected = scale(&root, runs, |run| run.root_correction)?;
    let denominator = corrected.broadcast_add(&column(&root, runs, |run| run.eps)?)?;
    *value = (decayed - scale(&(&*first / denominator)?, runs, |run| run.step_size)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    fn adam_runs(count: usize) -> Vec<AdamRun> {
        (0..count)
            .map(|run| {
                let run = run as f64;
                AdamRun {
                    shrink: 1.0 - 0.1 * run,
                    penalty: 0.1 + run,
                    betas: (0.9 - 0.1 * run, 0.5 + 0.1 * run),
                    eps: 1e-3 * (run + 1.0),
                    step_size: 0.1 + run,
                    root_correction: 1.5 + run,
                }
            })
            .collect()
    }

    #[test]
    fn adam_on_slices_is_adam_composed() {
        for shape in SHAPES {
            let runs = adam_runs(shape[0]);
            for peaked in [false, true] {
                let moments = || Moments {
                    first: random(shape, 2),
                    second: random(shape, 3).abs().unwrap(),
                    peak: peaked.then(|| random(shape, 4).abs().unwrap()),
                };
                let (mut left, mut right) = (random(shape, 1), random(shape, 1));
                let (mut left_moments, mut right_moments) = (moments(), moments());
                for step in 0..3 {
                    let gradient = random(shape, 10 + step);
                    adam(&mut left, &gradient, &mut left_moments, &runs).unwrap();
                    adam_composed(&mut right, &gradient, &mut right_moments, &runs).unwrap();
                }
                assert_close(&left, &right);
                assert_close(&left_moments.first, &right_moments.first);
                assert_close(&left_moments.second, &right_moments.second);
                if let (Some(left), Some(right)) = (&left_moments.peak, &right_moments.peak) {
                    assert_close(left, right);
                }
            }
        }
    }

    #[test]
    fn the_peak_keeps_a_nan() {
        let nan = Tensor::new(&[[f64::NAN, 1.0]], &Device::Cpu).unwrap();
        let zeros = || nan.zeros_like().unwrap();
        let mut value = zeros();
        let mut moments = Moments { first: zeros(), second: zeros(), peak: Some(zeros()) };
        adam(&mut value, &nan, &mut moments, &adam_runs(1)).unwrap();
        let peak = moments.peak.unwrap().to_vec2::<f64>().unwrap();
        assert!(peak[0][0].is_nan() && peak[0][1] > 0.0, "{peak:?}");
    }
}
