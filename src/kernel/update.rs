//! The step of an optimizer on one parameter: one pass over the numbers, in place, on the CPU.
//!
//! The arithmetic is that of `torch.optim` without its options `foreach`, `fused` and `capturable`. Scalars
//! come as one struct a run, in f64, and are rounded once to the type of the parameter. What changes from
//! step to step (bias corrections, schedules) is the optimizers' business, not this module's.

use candle_core::{DType, Tensor};

use super::{Element, is_cpu, read, simd, write};
use crate::{Error, Result};

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
/// θ ← θ − `step_size` · m / (√v · `root_correction` + eps), with the peak of v in the place of v if there is one.
pub fn adam(value: &mut Tensor, gradient: &Tensor, moments: &mut Moments, runs: &[AdamRun]) -> Result<()> {
    check(value, gradient, runs.len())?;
    if !is_cpu(value) {
        return adam_composed(value, gradient, moments, runs);
    }
    match value.dtype() {
        DType::F32 => adam_slices::<f32>(value, gradient, moments, runs),
        DType::F64 => adam_slices::<f64>(value, gradient, moments, runs),
        other => Err(unsupported(other)),
    }
}

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

fn sgd_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    momentum: Option<Momentum<'_>>,
    runs: &[SgdRun],
) -> Result<()> {
    let size = per_run(value.elem_count(), runs.len());
    let gradient = gradient.contiguous()?;
    let Some(Momentum { buffer, first, nesterov }) = momentum else {
        return write::<T, _>(value, |value| {
            read::<T, _>(&gradient, |gradient| {
                let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size));
                simd(|| {
                    for ((value, gradient), run) in parts.zip(runs) {
                        let (rate, decay) = (T::of(run.rate), T::of(run.decay));
                        for (value, gradient) in value.iter_mut().zip(gradient) {
                            *value -= rate * (*gradient + decay * *value);
                        }
                    }
                });
            })
        })
        .flatten();
    };
    write::<T, _>(value, |value| {
        write::<T, _>(buffer, |buffer| {
            read::<T, _>(&gradient, |gradient| {
                let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size));
                let parts = parts.zip(buffer.chunks_exact_mut(size)).zip(runs);
                simd(|| {
                    for (((value, gradient), buffer), run) in parts {
                        let (rate, decay) = (T::of(run.rate), T::of(run.decay));
                        let momentum = T::of(run.momentum);
                        let (keep, take) = kept_and_taken(run, first);
                        let (keep, take) = (T::of(keep), T::of(take));
                        // What the step adds up: g · straight + b · stored.
                        let (straight, stored) =
                            if nesterov { (T::ONE, momentum) } else { (T::ZERO, T::ONE) };
                        for ((value, gradient), buffer) in value.iter_mut().zip(gradient).zip(buffer) {
                            let gradient = *gradient + decay * *value;
                            *buffer = *buffer * keep + gradient * take;
                            *value -= rate * (gradient * straight + *buffer * stored);
                        }
                    }
                });
            })
        })
        .flatten()
    })
    .flatten()
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
    moments: &mut Moments,
    runs: &[AdamRun],
) -> Result<()> {
    let size = per_run(value.elem_count(), runs.len());
    let gradient = gradient.contiguous()?;
    let Moments { first, second, peak } = moments;
    write::<T, _>(value, |value| {
        write::<T, _>(first, |first| {
            write::<T, _>(second, |second| {
                read::<T, _>(&gradient, |gradient| {
                    let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size));
                    let parts = parts.zip(first.chunks_exact_mut(size)).zip(second.chunks_exact_mut(size));
                    let parts = parts.zip(runs.iter().map(AdamScalars::<T>::of));
                    let Some(peak) = peak else {
                        simd(|| {
                            for ((((value, gradient), first), second), run) in parts {
                                adam_plain(value, gradient, first, second, run);
                            }
                        });
                        return Ok(());
                    };
                    write::<T, _>(peak, |peak| {
                        simd(|| {
                            for (((((value, gradient), first), second), run), peak) in
                                parts.zip(peak.chunks_exact_mut(size))
                            {
                                adam_peak(value, gradient, first, second, peak, run);
                            }
                        });
                    })
                })
                .flatten()
            })
            .flatten()
        })
        .flatten()
    })
    .flatten()
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn adam_plain<T: Element>(
    value: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
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
    first: &mut [T],
    second: &mut [T],
    peak: &mut [T],
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
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Uniform in −1..1.
    fn random(shape: &[usize], seed: u64) -> Tensor {
        let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).iter();
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|_| 2.0 * draws.uniform() - 1.0).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    fn assert_close(left: &Tensor, right: &Tensor) {
        let apart = (left - right).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let apart = apart.to_scalar::<f64>().unwrap();
        assert!(apart < 1e-14, "{apart:e} apart");
    }

    /// Shapes with lengths below, at and beyond a register's, for one run and for several.
    const SHAPES: [&[usize]; 5] = [&[1, 1], &[1, 7, 33], &[2, 16], &[2, 5, 13], &[3, 2, 3, 4]];

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
