//! What is done with gradients between the backward pass and the optimizer: sums, norms, limits.

use candle_core::{DType, Tensor};

use super::{Element, is_cpu, read, simd, with_element, write};
use crate::{Error, Result};

/// Sums that are kept side by side, so that the loop vectorises; their number fixes the order of the sum.
const LANES: usize = 16;

/// The sum of the squares of each run's numbers in `[R, …]`, added up in f64; NaN or infinite where a number is.
pub fn square_sums(gradient: &Tensor) -> Result<Vec<f64>> {
    let runs = runs_of(gradient)?;
    if !is_cpu(gradient) {
        let squares = gradient.to_dtype(DType::F64)?.sqr()?.reshape((runs, ()))?;
        return Ok(squares.sum(1)?.to_vec1()?);
    }
    let gradient = gradient.contiguous()?;
    with_element!(gradient, T => read::<T, _>(&gradient, |numbers| {
        let size = (numbers.len() / runs).max(1);
        let mut sums: Vec<f64> = numbers.chunks_exact(size).map(square_sum).collect();
        sums.resize(runs, 0.0);
        sums
    }))
}

fn square_sum<T: Element>(numbers: &[T]) -> f64 {
    simd(
        #[inline(always)]
        || {
            let mut sums = [0.0; LANES];
            let mut groups = numbers.chunks_exact(LANES);
            for group in &mut groups {
                for (sum, number) in sums.iter_mut().zip(group) {
                    let number = number.wide();
                    *sum += number * number;
                }
            }
            for (sum, number) in sums.iter_mut().zip(groups.remainder()) {
                let number = number.wide();
                *sum += number * number;
            }
            sums.iter().sum()
        },
    )
}

/// `[R, …]` times a factor a run, with numbers of its own.
pub fn scaled(gradient: &Tensor, factors: &[f64]) -> Result<Tensor> {
    if runs_of(gradient)? != factors.len() {
        let dims = gradient.dims();
        return Err(Error::Bug(format!("a gradient of shape {dims:?} was given {} factors", factors.len())));
    }
    if !is_cpu(gradient) {
        let mut shape = vec![1; gradient.rank()];
        shape[0] = factors.len();
        let factors = Tensor::from_vec(factors.to_vec(), shape, gradient.device())?;
        return Ok(gradient.broadcast_mul(&factors.to_dtype(gradient.dtype())?)?);
    }
    let gradient = gradient.contiguous()?;
    with_element!(gradient, T => {
        let numbers = read::<T, _>(&gradient, |numbers| {
            let size = (numbers.len() / factors.len()).max(1);
            let mut result = Vec::with_capacity(numbers.len());
            for (part, factor) in numbers.chunks_exact(size).zip(factors) {
                let factor = T::of(*factor);
                simd(#[inline(always)] || result.extend(part.iter().map(|number| *number * factor)));
            }
            result
        })?;
        Ok(Tensor::from_vec(numbers, gradient.dims(), gradient.device())?)
    })
}

/// Every number within −`limit` … `limit`, with numbers of its own. What is NaN or infinite stays so: a limit must not
/// hide that a training has run away.
pub fn limited(gradient: &Tensor, limit: f64) -> Result<Tensor> {
    if !is_cpu(gradient) {
        let clamped = gradient.clamp(-limit, limit)?;
        // 0 · x is 0 for a finite x and NaN otherwise.
        return Ok((clamped + gradient.affine(0.0, 0.0)?)?);
    }
    let gradient = gradient.contiguous()?;
    with_element!(gradient, T => {
        let limit = T::of(limit);
        let numbers = read::<T, _>(&gradient, |numbers| {
            let mut result = Vec::with_capacity(numbers.len());
            simd(#[inline(always)] || result.extend(numbers.iter().map(|number| {
                let below = if *number > limit { limit } else { *number };
                let within = if below < -limit { -limit } else { below };
                within + *number * T::ZERO
            })));
            result
        })?;
        Ok(Tensor::from_vec(numbers, gradient.dims(), gradient.device())?)
    })
}

/// Adds `gradient` to `sum`, which has the same shape and shares its storage with nothing; or puts it there, if it
/// is the `first`. A `factor` then multiplies what is there.
pub fn collect(sum: &mut Tensor, gradient: &Tensor, first: bool, factor: Option<f64>) -> Result<()> {
    if sum.dims() != gradient.dims() {
        let (own, other) = (sum.dims(), gradient.dims());
        return Err(Error::Bug(format!("a gradient of shape {other:?} cannot be added to {own:?}")));
    }
    if !is_cpu(gradient) {
        *sum = if first { gradient.copy()? } else { (&*sum + gradient)? };
        if let Some(factor) = factor {
            *sum = sum.affine(factor, 0.0)?;
        }
        return Ok(());
    }
    let gradient = gradient.contiguous()?;
    with_element!(gradient, T => write::<T, _>(sum, |sum| {
        let factor = T::of(factor.unwrap_or(1.0));
        read::<T, _>(&gradient, |gradient| {
            let pairs = sum.iter_mut().zip(gradient);
            simd(#[inline(always)] || {
                if first {
                    pairs.for_each(|(sum, number)| *sum = *number * factor);
                } else {
                    pairs.for_each(|(sum, number)| *sum = (*sum + *number) * factor);
                }
            });
        })
    })
    .flatten())
}

fn runs_of(gradient: &Tensor) -> Result<usize> {
    match gradient.dims() {
        [runs, ..] if *runs > 0 => Ok(*runs),
        dims => Err(Error::Bug(format!("a gradient has no runs: its shape is {dims:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::kernel::checks::{assert_close, normal, numbers, tensor};

    #[test]
    fn sums_of_squares_are_those_of_each_run_in_any_layout() {
        for shape in [&[1, 1][..], &[1, 5, 7], &[2, 16], &[3, 37], &[2, 3, 4, 5]] {
            for dtype in [DType::F32, DType::F64] {
                let gradient = normal(1, shape, dtype);
                let expected: Vec<f64> = (0..shape[0])
                    .map(|run| numbers(&gradient.get(run).unwrap()).iter().map(|one| one * one).sum())
                    .collect();
                assert_close(&square_sums(&gradient).unwrap(), &expected, 1e-12);
                let turned = gradient.flatten_from(1).unwrap().t().unwrap().contiguous().unwrap();
                assert_close(&square_sums(&turned.t().unwrap()).unwrap(), &expected, 1e-12);
            }
        }
        // Squares that f32 could not hold, and numbers that are none.
        let large = Tensor::new(&[[1e30f32, 1e30]], &Device::Cpu).unwrap();
        assert!((square_sums(&large).unwrap()[0] / 2e60 - 1.0).abs() < 1e-6);
        for wrong in [f64::NAN, f64::INFINITY] {
            assert!(!square_sums(&tensor(&[1.0, wrong], &[1, 2])).unwrap()[0].is_finite());
        }
        assert_eq!(square_sums(&Tensor::zeros((2, 0), DType::F32, &Device::Cpu).unwrap()).unwrap(), [0.0; 2]);
    }

    #[test]
    fn every_run_is_scaled_by_its_own_factor() {
        let gradient = tensor(&[1.0, -2.0, 3.0, 4.0], &[2, 2]);
        assert_close(&numbers(&scaled(&gradient, &[0.5, 2.0]).unwrap()), &[0.5, -1.0, 6.0, 8.0], 0.0);
        assert_close(
            &numbers(&scaled(&gradient.t().unwrap(), &[1.0, 2.0]).unwrap()),
            &[1.0, 3.0, -4.0, 8.0],
            0.0,
        );
        assert!(scaled(&gradient, &[1.0]).is_err());
    }

    #[test]
    fn limits_hide_nothing() {
        let gradient = tensor(&[0.25, -0.75, 3.0, f64::NAN, f64::INFINITY], &[1, 5]);
        let limited = numbers(&limited(&gradient, 0.5).unwrap());
        assert_close(&limited[..3], &[0.25, -0.5, 0.5], 0.0);
        assert!(limited[3..].iter().all(|number| !number.is_finite()), "{limited:?}");
    }

    #[test]
    fn collecting_replaces_or_adds_and_leaves_the_gradient_alone() {
        let gradient = tensor(&[1.0, 2.0, 3.0, 4.0], &[1, 2, 2]);
        let mut sum = tensor(&[9.0; 4], &[1, 2, 2]);
        collect(&mut sum, &gradient, true, None).unwrap();
        collect(&mut sum, &gradient.transpose(1, 2).unwrap(), false, None).unwrap();
        assert_close(&numbers(&sum), &[2.0, 5.0, 5.0, 8.0], 0.0);
        collect(&mut sum, &gradient, false, Some(0.5)).unwrap();
        assert_close(&numbers(&sum), &[1.5, 3.5, 4.0, 6.0], 0.0);
        collect(&mut sum, &gradient, true, Some(2.0)).unwrap();
        assert_close(&numbers(&sum), &[2.0, 4.0, 6.0, 8.0], 0.0);
        assert_close(&numbers(&gradient), &[1.0, 2.0, 3.0, 4.0], 0.0);
        assert!(collect(&mut sum, &tensor(&[1.0], &[1, 1]), true, None).is_err());
    }
}
