//! Softmax and its logarithm as layers: over the last dimension, with their gradients.
//!
//! | | y | dx |
//! |---|---|---|
//! | softmax | exp(x − m) / Σ exp(x − m), m the largest x | y (dy − Σ dy y) |
//! | log-softmax | x − m − ln Σ exp(x − m) | dy − exp(y) Σ dy |

use candle_core::{D, Device, Tensor};

use super::lanes::sums;
use super::softmax::probabilities;
use super::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Softmax: shares that add up to 1.
    Linear,
    /// Log-softmax: their natural logarithms.
    Log,
}

/// y, of the shape of `x`.
pub fn forward(x: &Tensor, scale: Scale) -> Result<Tensor> {
    match scale {
        Scale::Linear => probabilities(x),
        Scale::Log if x.elem_count() == 0 => Ok(x.clone()),
        Scale::Log if !is_cpu(x) => composed_log(x),
        Scale::Log => {
            let x = x.contiguous()?;
            with_element!(x, T => slices_log::<T>(&x))
        }
    }
}

/// dx for the gradient `dy` of y.
pub fn backward(y: &Tensor, dy: &Tensor, scale: Scale) -> Result<Tensor> {
    if y.dims() != dy.dims() {
        return Err(Error::Bug(format!("a softmax was given a gradient of shape {:?}", dy.dims())));
    }
    if y.elem_count() == 0 {
        return Ok(dy.clone());
    }
    if !is_cpu(y) {
        return composed_backward(y, dy, scale);
    }
    let (y, dy) = (y.contiguous()?, dy.contiguous()?);
    with_element!(y, T => slices_backward::<T>(&y, &dy, scale))
}

fn slices_log<T: Element>(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    let mut y: Vec<T> = Vec::with_capacity(x.elem_count());
    read::<T, _>(x, |x| {
        simd(
            #[inline(always)]
            || {
                for row in x.chunks_exact(width) {
                    // A NaN is never the largest, but it makes the sum NaN.
                    let largest = row.iter().fold(row[0], |most, x| if *x > most { *x } else { most });
                    let sum: f64 = row.iter().map(|x| (*x - largest).exponential().wide()).sum();
                    let shift = T::of(sum.ln());
                    y.extend(row.iter().map(|x| *x - largest - shift));
                }
            },
        );
    })?;
    Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
}

fn slices_backward<T: Element>(y: &Tensor, dy: &Tensor, scale: Scale) -> Result<Tensor> {
    let width = y.dim(D::Minus1)?;
    let mut dx: Vec<T> = Vec::with_capacity(y.elem_count());
    read::<T, _>(y, |y| {
        read::<T, _>(dy, |dy| {
            simd(
                #[inline(always)]
                || {
                    for (y, dy) in y.chunks_exact(width).zip(dy.chunks_exact(width)) {
                        let pairs = y.iter().zip(dy);
                        match scale {
                            Scale::Linear => {
                                let [sum] = sums(y, dy, |y, dy| [y * dy]);
                                let sum = T::of(sum);
                                dx.extend(pairs.map(|(y, dy)| *y * (*dy - sum)));
                            }
                            Scale::Log => {
                                let [sum] = sums(dy, dy, |dy, _| [dy]);
                                let sum = T::of(sum);
                                dx.extend(pairs.map(|(y, dy)| *dy - y.exponential() * sum));
                            }
                        }
                    }
                },
            );
        })
    })??;
    Ok(Tensor::from_vec(dx, y.shape(), &Device::Cpu)?)
}

fn composed_log(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?;
    let sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(shifted.broadcast_sub(&sum)?)
}

fn composed_backward(y: &Tensor, dy: &Tensor, scale: Scale) -> Result<Tensor> {
    Ok(match scale {
        Scale::Linear => (dy.broadcast_sub(&(y * dy)?.sum_keepdim(D::Minus1)?)? * y)?,
        Scale::Log => (dy - y.exp()?.broadcast_mul(&dy.sum_keepdim(D::Minus1)?)?)?,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers};

    #[test]
    fn gradients_are_exact_and_the_composition_agrees() {
        for (seed, scale) in [(1, Scale::Linear), (2, Scale::Log)] {
            let x = normal(seed, &[2, 7, 3], DType::F64).transpose(1, 2).unwrap();
            let y = forward(&x, scale).unwrap();
            let dy = normal(seed + 10, &[2, 3, 7], DType::F64);
            let dx = backward(&y, &dy, scale).unwrap();
            let expected = differences(&x, |x| dot(&forward(x, scale).unwrap(), &dy));
            assert_close(&numbers(&dx), &expected, 1e-9);
            assert_same(&dx, &composed_backward(&y, &dy, scale).unwrap(), 1e-14);
            let composed = composed_log(&x).unwrap();
            let composed = if scale == Scale::Log { composed } else { composed.exp().unwrap() };
            assert_same(&y, &composed, 1e-14);
            assert!(backward(&y, &dy.narrow(1, 0, 2).unwrap(), scale).is_err());
        }
    }

    #[test]
    fn large_numbers_do_not_overflow_and_nan_stays() {
        let x = Tensor::new(&[[[1000.0f32, 999.0], [f32::NAN, 1.0]]], &Device::Cpu).unwrap();
        let y = numbers(&forward(&x, Scale::Log).unwrap());
        assert!((y[0] + 0.313_261_7).abs() < 1e-6 && (y[1] + 1.313_261_7).abs() < 1e-6, "{y:?}");
        assert!(y[2].is_nan() && y[3].is_nan());
    }
}
