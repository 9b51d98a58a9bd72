//! Softmax, and its fusion with the negative log-likelihood of the true classes.

mod weighted;

use candle_core::{D, DType, Tensor};

pub use weighted::{Weighting, weighted_cross_entropy};

use super::{Element, Measured, is_cpu, read, simd, write};
use crate::{Error, Result};

/// The negative log-likelihood in nats of `targets` (row-major `[R, B]`) under the softmax of `outputs` `[R, B, C]`.
///
/// The gradient is (softmax − one-hot) / B. The largest output of a row is taken off first, so that no finite
/// output overflows. A NaN in a row makes its run's sum NaN.
///
/// # Errors
/// [`Error::Request`] for a target that is not below C.
pub fn cross_entropy(outputs: &Tensor, targets: &[u32], want_gradient: bool) -> Result<Measured> {
    let (runs, _, _) = outputs.dims3()?;
    check(outputs, targets)?;
    if targets.is_empty() {
        let gradient = if want_gradient { Some(outputs.zeros_like()?) } else { None };
        return Ok(Measured { sums: vec![0.0; runs], gradient });
    }
    match outputs.dtype() {
        DType::F32 if is_cpu(outputs) => cross_entropy_slices::<f32>(outputs, targets, want_gradient),
        DType::F64 if is_cpu(outputs) => cross_entropy_slices::<f64>(outputs, targets, want_gradient),
        _ => cross_entropy_composed(outputs, targets, want_gradient),
    }
}

/// Refuses targets that the outputs `[R, B, C]` cannot express.
fn check(outputs: &Tensor, targets: &[u32]) -> Result<()> {
    let (runs, batch, classes) = outputs.dims3()?;
    if targets.len() != runs * batch {
        let count = targets.len();
        return Err(Error::Bug(format!("{count} targets came with {runs} × {batch} rows of outputs")));
    }
    if let Some(target) = targets.iter().find(|target| **target as usize >= classes) {
        return Err(Error::Request(format!(
            "the data holds the target {target} but the model has {classes} outputs, for targets from 0; \
             check the labels"
        )));
    }
    Ok(())
}

/// The softmax of each row of `outputs` `[…, C]`.
pub fn probabilities(outputs: &Tensor) -> Result<Tensor> {
    if outputs.elem_count() == 0 {
        return Ok(outputs.clone());
    }
    match outputs.dtype() {
        DType::F32 if is_cpu(outputs) => probabilities_slices::<f32>(outputs),
        DType::F64 if is_cpu(outputs) => probabilities_slices::<f64>(outputs),
        _ => Ok(shifted_exponentials(outputs)?.probabilities()?),
    }
}

fn cross_entropy_slices<T: Element>(
    outputs: &Tensor,
    targets: &[u32],
    want_gradient: bool,
) -> Result<Measured> {
    let (_, batch, classes) = outputs.dims3()?;
    let outputs = outputs.contiguous()?;
    if !want_gradient {
        let sums = read::<T, _>(&outputs, |outputs| {
            let mut row = vec![T::ZERO; classes];
            sums(outputs, targets, batch, |outputs, _, target| {
                row.copy_from_slice(outputs);
                exponentials(&mut row).loss(outputs[target])
            })
        })?;
        return Ok(Measured { sums, gradient: None });
    }
    let gradient = Tensor::zeros(outputs.shape(), T::DTYPE, outputs.device())?;
    let share = T::of(1.0 / batch as f64);
    let sums = write::<T, _>(&gradient, |gradient| {
        read::<T, _>(&outputs, |outputs| {
            sums(outputs, targets, batch, |outputs, index, target| {
                let row = &mut gradient[index * classes..][..classes];
                row.copy_from_slice(outputs);
                let found = exponentials(row);
                let factor = share / T::of(found.sum);
                for value in &mut *row {
                    *value *= factor;
                }
                row[target] -= share;
                found.loss(outputs[target])
            })
        })
    })
    .flatten()?;
    Ok(Measured { sums, gradient: Some(gradient) })
}

/// Adds up `loss` (of a row, its index and its target) over each run's rows, in their order.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set that it chooses")]
fn sums<T: Element>(
    outputs: &[T],
    targets: &[u32],
    batch: usize,
    mut loss: impl FnMut(&[T], usize, usize) -> f64,
) -> Vec<f64> {
    let classes = outputs.len() / targets.len();
    simd(
        #[inline(always)]
        || {
            let mut sums = vec![0.0; targets.len() / batch];
            for (index, (row, target)) in outputs.chunks_exact(classes).zip(targets).enumerate() {
                sums[index / batch] += loss(row, index, *target as usize);
            }
            sums
        },
    )
}

/// The largest output of a row, and the sum of exp(output − largest).
struct Exponentials {
    largest: f64,
    sum: f64,
}

impl Exponentials {
    fn loss(&self, output: impl Element) -> f64 {
        self.sum.ln() + (self.largest - output.wide())
    }
}

/// Replaces each number x of `row` by exp(x − largest).
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn exponentials<T: Element>(row: &mut [T]) -> Exponentials {
    // A NaN is never the largest, but its exponential makes the sum NaN.
    let mut largest = row[0];
    for value in &*row {
        largest = if *value > largest { *value } else { largest };
    }
    let mut sum = 0.0;
    for value in row {
        *value = (*value - largest).exponential();
        sum += value.wide();
    }
    Exponentials { largest: largest.wide(), sum }
}

fn probabilities_slices<T: Element>(outputs: &Tensor) -> Result<Tensor> {
    let classes = outputs.dim(D::Minus1)?;
    let probabilities = outputs.force_contiguous()?;
    write::<T, _>(&probabilities, |numbers| {
        simd(
            #[inline(always)]
            || {
                for row in numbers.chunks_exact_mut(classes) {
                    let factor = T::of(1.0 / exponentials(row).sum);
                    for value in row {
                        *value *= factor;
                    }
                }
            },
        );
    })?;
    Ok(probabilities)
}

/// The parts of a softmax, in candle's operations.
struct Shifted {
    /// outputs − largest of the row.
    differences: Tensor,
    exponentials: Tensor,
    /// `[…, 1]`.
    sum: Tensor,
}

impl Shifted {
    fn probabilities(&self) -> candle_core::Result<Tensor> {
        self.exponentials.broadcast_div(&self.sum)
    }
}

fn shifted_exponentials(outputs: &Tensor) -> candle_core::Result<Shifted> {
    let differences = outputs.broadcast_sub(&outputs.max_keepdim(D::Minus1)?)?;
    let exponentials = differences.exp()?;
    let sum = exponentials.sum_keepdim(D::Minus1)?;
    Ok(Shifted { differences, exponentials, sum })
}

fn cross_entropy_composed(outputs: &Tensor, targets: &[u32], want_gradient: bool) -> Result<Measured> {
    let (runs, batch, classes) = outputs.dims3()?;
    let targets = Tensor::from_slice(targets, (runs, batch, 1), outputs.device())?;
    let parts = shifted_exponentials(outputs)?;
    let losses = (parts.sum.log()? - parts.differences.gather(&targets, D::Minus1)?)?;
    let sums = losses.to_dtype(DType::F64)?.sum((1, 2))?.to_vec1::<f64>()?;
    if !want_gradient {
        return Ok(Measured { sums, gradient: None });
    }
    let range = Tensor::arange(0, classes as u32, outputs.device())?;
    let hot = targets.broadcast_eq(&range.reshape((1, 1, classes))?)?.to_dtype(outputs.dtype())?;
    let gradient = (parts.probabilities()? - hot)?.affine(1.0 / batch as f64, 0.0)?;
    Ok(Measured { sums, gradient: Some(gradient) })
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::rng::{Purpose, Stream};

    fn random(shape: (usize, usize, usize), seed: u64) -> (Tensor, Vec<u32>) {
        let (runs, batch, classes) = shape;
        let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).draws();
        let outputs: Vec<f64> = (0..runs * batch * classes).map(|_| 6.0 * draws.uniform() - 3.0).collect();
        let targets = (0..runs * batch).map(|_| draws.below(classes as u64) as u32).collect();
        (Tensor::from_vec(outputs, shape, &Device::Cpu).unwrap(), targets)
    }

    fn numbers(tensor: &Tensor) -> Vec<f64> {
        tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    fn assert_close(left: &[f64], right: &[f64], tolerance: f64) {
        assert_eq!(left.len(), right.len());
        for (left, right) in left.iter().zip(right) {
            assert!((left - right).abs() <= tolerance * (1.0 + right.abs()), "{left} against {right}");
        }
    }

    #[test]
    fn slices_agree_with_the_composition() {
        for (seed, shape) in [(1, 1, 1), (1, 7, 10), (2, 5, 3), (3, 4, 37)].into_iter().enumerate() {
            let (outputs, targets) = random(shape, seed as u64);
            for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
                let outputs = outputs.to_dtype(dtype).unwrap();
                let left = cross_entropy(&outputs, &targets, true).unwrap();
                let right = cross_entropy_composed(&outputs, &targets, true).unwrap();
                assert_close(&left.sums, &right.sums, tolerance);
                let (left_gradient, right_gradient) = (left.gradient.unwrap(), right.gradient.unwrap());
                assert_close(&numbers(&left_gradient), &numbers(&right_gradient), tolerance);
                assert_eq!(left_gradient.dtype(), dtype);
                let alone = cross_entropy(&outputs, &targets, false).unwrap();
                assert_eq!((alone.sums, alone.gradient.is_none()), (left.sums, true));
                let composed = shifted_exponentials(&outputs).unwrap().probabilities().unwrap();
                assert_close(&numbers(&probabilities(&outputs).unwrap()), &numbers(&composed), tolerance);
            }
        }
    }

    #[test]
    fn a_run_is_the_same_alone_and_among_others() {
        let (outputs, targets) = random((2, 5, 3), 9);
        let together = cross_entropy(&outputs, &targets, true).unwrap();
        let gradient = numbers(&together.gradient.unwrap());
        for run in 0..2 {
            let alone = outputs.narrow(0, run, 1).unwrap();
            let alone = cross_entropy(&alone, &targets[run * 5..][..5], true).unwrap();
            assert_eq!(alone.sums, together.sums[run..=run]);
            assert_eq!(numbers(&alone.gradient.unwrap()), gradient[run * 15..][..15]);
        }
    }

    /// ```python
    /// # PyTorch 2.15
    /// x = torch.tensor([1., 2., 3., 4.], dtype=torch.float64)
    /// torch.softmax(x, 0).tolist()
    /// ```
    #[test]
    fn probabilities_are_those_of_pytorch() {
        let outputs = Tensor::new(&[[[1.0f64, 2.0, 3.0, 4.0]]], &Device::Cpu).unwrap();
        let expected = [0.03205860328008499, 0.08714431874203257, 0.23688281808991016, 0.6439142598879724];
        assert_close(&numbers(&probabilities(&outputs).unwrap()), &expected, 1e-15);
        let transposed = Tensor::new(&[[[1.0f64], [2.0], [3.0], [4.0]]], &Device::Cpu).unwrap();
        let transposed = transposed.transpose(1, 2).unwrap();
        assert_close(&numbers(&probabilities(&transposed).unwrap()), &expected, 1e-15);
        assert_eq!(probabilities(&outputs.narrow(2, 0, 0).unwrap()).unwrap().elem_count(), 0);
    }

    #[test]
    fn a_nan_shows_in_the_sum_of_its_run_only() {
        for position in 0..3 {
            let mut outputs = [[[1.0f32, 2.0, 3.0]], [[1.0, 2.0, 3.0]]];
            outputs[0][0][position] = f32::NAN;
            let outputs = Tensor::new(&outputs, &Device::Cpu).unwrap();
            let found = cross_entropy(&outputs, &[1, 1], true).unwrap();
            assert!(found.sums[0].is_nan() && found.sums[1].is_finite(), "{:?}", found.sums);
            let gradient = numbers(&found.gradient.unwrap());
            assert!(gradient[..3].iter().all(|x| x.is_nan()) && gradient[3..].iter().all(|x| x.is_finite()));
        }
    }
}
