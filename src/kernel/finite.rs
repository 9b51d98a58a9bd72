//! Whether numbers are numbers.

use candle_core::{DType, Tensor};

use super::{Element, is_cpu, read, simd};
use crate::Result;

/// Sums that are kept side by side, so that the loop vectorises.
const LANES: usize = 64;

/// Whether no number of the tensor is NaN or infinite; integers always are finite.
pub fn all_finite(tensor: &Tensor) -> Result<bool> {
    match tensor.dtype() {
        DType::F32 if is_cpu(tensor) => read::<f32, _>(&tensor.contiguous()?, slice_is_finite),
        DType::F64 if is_cpu(tensor) => read::<f64, _>(&tensor.contiguous()?, slice_is_finite),
        dtype if dtype.is_float() => composed(tensor),
        _ => Ok(true),
    }
}

fn slice_is_finite<T: Element>(numbers: &[T]) -> bool {
    // 0 · x is 0 for a finite x and NaN otherwise, and a sum never loses a NaN again.
    simd(
        #[inline(always)]
        || {
            let mut sums = [T::ZERO; LANES];
            let mut groups = numbers.chunks_exact(LANES);
            for group in &mut groups {
                for (sum, number) in sums.iter_mut().zip(group) {
                    *sum += *number * T::ZERO;
                }
            }
            for (sum, number) in sums.iter_mut().zip(groups.remainder()) {
                *sum += *number * T::ZERO;
            }
            sums.iter().all(|sum| *sum == T::ZERO)
        },
    )
}

fn composed(tensor: &Tensor) -> Result<bool> {
    if tensor.elem_count() == 0 {
        return Ok(true);
    }
    let sum = tensor.affine(0.0, 0.0)?.sum_all()?.to_dtype(DType::F64)?;
    Ok(sum.to_scalar::<f64>()? == 0.0)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn one_wrong_number_anywhere_is_found() {
        for length in [1, 63, 64, 65, 200] {
            let good: Vec<f64> = (0..length).map(|i| if i % 2 == 0 { f64::MAX } else { -1.0 }).collect();
            for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for position in [0, length / 2, length - 1] {
                    let mut numbers = good.clone();
                    numbers[position] = wrong;
                    let tensor = Tensor::new(numbers, &Device::Cpu).unwrap();
                    assert!(!all_finite(&tensor).unwrap(), "{wrong} at {position} of {length}");
                    assert!(!composed(&tensor).unwrap(), "{wrong} at {position} of {length}");
                    assert!(!all_finite(&tensor.to_dtype(DType::F32).unwrap()).unwrap());
                    assert!(!all_finite(&tensor.to_dtype(DType::BF16).unwrap()).unwrap());
                }
            }
            let tensor = Tensor::new(good, &Device::Cpu).unwrap();
            assert!(all_finite(&tensor).unwrap() && composed(&tensor).unwrap());
        }
    }

    #[test]
    fn nothing_integers_and_views_are_finite() {
        let cpu = &Device::Cpu;
        assert!(all_finite(&Tensor::zeros(0, DType::F32, cpu).unwrap()).unwrap());
        assert!(all_finite(&Tensor::zeros(0, DType::F16, cpu).unwrap()).unwrap());
        assert!(all_finite(&Tensor::new(&[u32::MAX], cpu).unwrap()).unwrap());
        let numbers = Tensor::new(&[[1.0f32, f32::NAN], [2.0, 3.0]], cpu).unwrap();
        assert!(all_finite(&numbers.narrow(0, 1, 1).unwrap()).unwrap());
        assert!(all_finite(&numbers.narrow(1, 0, 1).unwrap()).unwrap());
        assert!(!all_finite(&numbers.t().unwrap()).unwrap());
    }
}
