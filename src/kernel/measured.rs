//! What operations find that compare outputs with targets.

use candle_core::Tensor;

use super::{Element, read, simd, write};
use crate::Result;

/// A loss of a batch `[R, B, …]`.
#[derive(Debug)]
pub struct Measured {
    /// One a run: the sum of the loss over the batch, added up in the order of the rows in f64.
    pub sums: Vec<f64>,
    /// The derivative of the batch's mean by the outputs, of their shape, if it was wanted.
    pub gradient: Option<Tensor>,
}

impl Measured {
    /// Of a batch without rows.
    pub(super) fn nothing(outputs: &Tensor, want_gradient: bool) -> Result<Self> {
        let gradient = if want_gradient { Some(outputs.zeros_like()?) } else { None };
        Ok(Self { sums: vec![0.0; outputs.dim(0)?], gradient })
    }
}

/// Lends each run's outputs on the CPU to `run`, with its part of the gradient and its number, for its sum.
pub(super) fn measure<T: Element>(
    outputs: &Tensor,
    want_gradient: bool,
    run: impl Fn(&[T], Option<&mut [T]>, usize) -> f64,
) -> Result<Measured> {
    let outputs = outputs.contiguous()?;
    let size = outputs.elem_count() / outputs.dim(0)?.max(1);
    if size == 0 {
        return Measured::nothing(&outputs, want_gradient);
    }
    if !want_gradient {
        let sums = read::<T, _>(&outputs, |outputs| {
            let each = outputs.chunks_exact(size).enumerate();
            simd(
                #[inline(always)]
                || each.map(|(index, outputs)| run(outputs, None, index)).collect(),
            )
        })?;
        return Ok(Measured { sums, gradient: None });
    }
    let gradient = Tensor::zeros(outputs.shape(), T::DTYPE, outputs.device())?;
    let sums = write::<T, _>(&gradient, |gradient| {
        read::<T, _>(&outputs, |outputs| {
            let each = outputs.chunks_exact(size).zip(gradient.chunks_exact_mut(size)).enumerate();
            simd(
                #[inline(always)]
                || each.map(|(index, (outputs, slopes))| run(outputs, Some(slopes), index)).collect(),
            )
        })
    })
    .flatten()?;
    Ok(Measured { sums, gradient: Some(gradient) })
}
