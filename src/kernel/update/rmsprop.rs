//! Steps divided by the root of a running mean of squares.

use candle_core::{DType, Tensor};

use super::{check, check_buffers, column, each_run, scale, unsupported};
use crate::Result;
use crate::kernel::{Element, is_cpu, simd};

/// One run's scalars of an `RMSprop` step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmspropRun {
    /// The factor of the value that is added to the gradient (an L2 penalty), or 0.
    pub penalty: f64,
    /// The learning rate.
    pub rate: f64,
    /// The factor by which the means are kept.
    pub alpha: f64,
    /// What is added to the denominator.
    pub eps: f64,
    /// The factor by which the momentum is kept, where there is one.
    pub momentum: f64,
}

/// What `RMSprop` keeps for a parameter, each of the parameter's shape and zero at first.
#[derive(Debug)]
pub struct Averages {
    /// The mean of the squares of the gradient.
    pub square: Tensor,
    /// The mean of the gradient, whose square is taken from the mean of squares.
    pub mean: Option<Tensor>,
    /// The momentum of the steps.
    pub momentum: Option<Tensor>,
}

/// One step of `RMSprop` on `value` `[R, …]`.
///
/// g ← g + penalty · θ, v ← α · v + (1 − α) · g², d = g / (√v + eps), θ ← θ − rate · d; with a mean c ← c + (1 − α)(g − c)
/// it is √(v − c²); with a momentum b ← momentum · b + d the step is rate · b.
pub fn rmsprop(
    value: &mut Tensor,
    gradient: &Tensor,
    averages: &mut Averages,
    runs: &[RmspropRun],
) -> Result<()> {
    check(value, gradient, runs.len())?;
    let buffers: Vec<&Tensor> = [Some(&averages.square), averages.mean.as_ref(), averages.momentum.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    check_buffers(value, &buffers)?;
    if !is_cpu(value) {
        return rmsprop_composed(value, gradient, averages, runs);
    }
    match value.dtype() {
        DType::F32 => rmsprop_slices::<f32>(value, gradient, averages, runs),
        DType::F64 => rmsprop_slices::<f64>(value, gradient, averages, runs),
        other => Err(unsupported(other)),
    }
}

/// [`RmspropRun`] in the type of the parameter.
#[derive(Clone, Copy)]
struct Scalars<T> {
    penalty: T,
    rate: T,
    keep: T,
    take: T,
    eps: T,
    momentum: T,
}

impl<T: Element> Scalars<T> {
    fn of(run: &RmspropRun) -> Self {
        Self {
            penalty: T::of(run.penalty),
            rate: T::of(run.rate),
            keep: T::of(run.alpha),
            take: T::of(1.0 - run.alpha),
            eps: T::of(run.eps),
            momentum: T::of(run.momentum),
        }
    }

    /// d of one number, with the mean of squares alone.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn direction(&self, value: T, gradient: T, square: &mut T) -> T {
        let gradient = gradient + self.penalty * value;
        *square = *square * self.keep + self.take * gradient * gradient;
        gradient / (square.root() + self.eps)
    }

    /// d of one number, with the square of the mean taken off.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn centered(&self, value: T, gradient: T, square: &mut T, mean: &mut T) -> T {
        let gradient = gradient + self.penalty * value;
        *square = *square * self.keep + self.take * gradient * gradient;
        *mean += self.take * (gradient - *mean);
        gradient / ((*square - *mean * *mean).root() + self.eps)
    }

    /// Takes d into the momentum and gives the way of one number.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn way(&self, direction: T, momentum: &mut T) -> T {
        *momentum = *momentum * self.momentum + direction;
        self.rate * *momentum
    }
}

fn rmsprop_slices<T: Element>(
    value: &Tensor,
    gradient: &Tensor,
    averages: &Averages,
    runs: &[RmspropRun],
) -> Result<()> {
    let Averages { square, mean, momentum } = averages;
    match (mean, momentum) {
        (None, None) => {
            each_run::<T, _, 1>(value, gradient, [square], runs, |value, gradient, [square], run| {
                let run = Scalars::of(run);
                simd(
                    #[inline(always)]
                    || {
                        for ((value, gradient), square) in value.iter_mut().zip(gradient).zip(square) {
                            *value -= run.rate * run.direction(*value, *gradient, square);
                        }
                    },
                );
            })
        }
        (None, Some(momentum)) => {
            let buffers = [square, momentum];
            each_run::<T, _, 2>(value, gradient, buffers, runs, |value, gradient, [square, momentum], run| {
                let run = Scalars::of(run);
                simd(
                    #[inline(always)]
                    || {
                        let kept = square.iter_mut().zip(momentum);
                        for ((value, gradient), (square, momentum)) in
                            value.iter_mut().zip(gradient).zip(kept)
                        {
                            *value -= run.way(run.direction(*value, *gradient, square), momentum);
                        }
                    },
                );
            })
        }
        (Some(mean), None) => {
            let buffers = [square, mean];
            each_run::<T, _, 2>(value, gradient, buffers, runs, |value, gradient, [square, mean], run| {
                let run = Scalars::of(run);
                simd(
                    #[inline(always)]
                    || {
                        let kept = square.iter_mut().zip(mean);
                        for ((value, gradient), (square, mean)) in value.iter_mut().zip(gradient).zip(kept) {
                            *value -= run.rate * run.centered(*value, *gradient, square, mean);
                        }
                    },
                );
            })
        }
        (Some(mean), Some(momentum)) => {
            let buffers = [square, mean, momentum];
            each_run::<T, _, 3>(
                value,
                gradient,
                buffers,
                runs,
                |value, gradient, [square, mean, momentum], run| {
                    let run = Scalars::of(run);
                    simd(
                        #[inline(always)]
                        || {
                            let kept = square.iter_mut().zip(mean).zip(momentum);
                            for ((value, gradient), ((square, mean), momentum)) in
                                value.iter_mut().zip(gradient).zip(kept)
                            {
                                *value -= run.way(run.centered(*value, *gradient, square, mean), momentum);
                            }
                        },
                    );
                },
            )
        }
    }
}

fn rmsprop_composed(
    value: &mut Tensor,
    gradient: &Tensor,
    averages: &mut Averages,
    runs: &[RmspropRun],
) -> Result<()> {
    let gradient = (gradient + scale(value, runs, |run| run.penalty)?)?;
    let Averages { square, mean, momentum } = averages;
    let kept = scale(square, runs, |run| run.alpha)?;
    *square = (kept + scale(&gradient.sqr()?, runs, |run| 1.0 - run.alpha)?)?;
    let root = match mean {
        Some(mean) => {
            let apart = (&gradient - &*mean)?;
            *mean = (&*mean + scale(&apart, runs, |run| 1.0 - run.alpha)?)?;
            (&*square - mean.sqr()?)?.sqrt()?
        }
        None => square.sqrt()?,
    };
    let denominator = root.broadcast_add(&column(&root, runs, |run| run.eps)?)?;
    let mut direction = (gradient / denominator)?;
    if let Some(momentum) = momentum {
        *momentum = (scale(momentum, runs, |run| run.momentum)? + direction)?;
        direction = momentum.clone();
    }
    *value = (&*value - scale(&direction, runs, |run| run.rate)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, assert_close, random};
    use super::*;

    #[test]
    fn rmsprop_on_slices_is_rmsprop_composed() {
        for shape in SHAPES {
            let run = |run: usize| {
                let run = run as f64;
                RmspropRun {
                    penalty: 0.1 + run,
                    rate: 0.1 + 0.2 * run,
                    alpha: 0.9 - 0.1 * run,
                    eps: 1e-2 * (run + 1.0),
                    momentum: 0.5 + 0.1 * run,
                }
            };
            let runs: Vec<RmspropRun> = (0..shape[0]).map(run).collect();
            for (centered, moves) in [(false, false), (false, true), (true, false), (true, true)] {
                let averages = || Averages {
                    square: (random(shape, 2).abs().unwrap() + 1.0).unwrap(),
                    mean: centered.then(|| random(shape, 3)),
                    momentum: moves.then(|| random(shape, 4)),
                };
                let (mut left, mut right) = (random(shape, 1), random(shape, 1));
                let (mut left_kept, mut right_kept) = (averages(), averages());
                for step in 0..3 {
                    let gradient = random(shape, 10 + step);
                    rmsprop(&mut left, &gradient, &mut left_kept, &runs).unwrap();
                    rmsprop_composed(&mut right, &gradient, &mut right_kept, &runs).unwrap();
                }
                assert_close(&left, &right);
                assert_close(&left_kept.square, &right_kept.square);
                for (left, right) in
                    [(&left_kept.mean, &right_kept.mean), (&left_kept.momentum, &right_kept.momentum)]
                {
                    if let (Some(left), Some(right)) = (left, right) {
                        assert_close(left, right);
                    }
                }
            }
        }
    }
}
