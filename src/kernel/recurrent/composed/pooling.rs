//! What becomes of the outputs at the steps of padded batches, and the way back.

use candle_core::Tensor;

use super::super::Pooling;
use super::super::plan::Plan;
use super::{chosen, on_device, step_of};
use crate::Result;

/// The layer's output for the outputs of the last layer at all steps.
pub(super) fn pooled(plan: &Plan<'_>, output: &Tensor, real: &Tensor) -> Result<Tensor> {
    let (runs, batch, steps, _) = output.dims4()?;
    if plan.pooling == Pooling::None {
        return Ok(output.clone());
    }
    if steps == 0 {
        let shape = plan.output_shape(runs, batch, steps);
        return Ok(Tensor::zeros(shape, output.dtype(), output.device())?);
    }
    if plan.pooling == Pooling::Max {
        // candle's maximum passes over NaN; a sum does not.
        let visible = (output.sum(2)? * 0.0)?;
        let largest = (chosen(real, output, &lowest(output)?)?.max(2)? + visible)?;
        return chosen(&step_of(real, 0)?, &largest, &largest.zeros_like()?);
    }
    let shares = shares(plan, output)?;
    let counted = chosen(&shares.ne(0.0)?, &(output * &shares)?, &output.zeros_like()?)?;
    Ok(counted.sum(2)?)
}

/// Numbers that no maximum is, of the shape of `like`.
fn lowest(like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::full(f32::MIN, like.shape(), like.device())?.to_dtype(like.dtype())?)
}

/// The gradient of the outputs of the last layer.
pub(super) fn unpooled(plan: &Plan<'_>, output: &Tensor, real: &Tensor, dy: &Tensor) -> Result<Tensor> {
    if plan.pooling == Pooling::None {
        return chosen(real, dy, &dy.zeros_like()?);
    }
    if output.dim(2)? == 0 {
        return Ok(output.zeros_like()?);
    }
    let dy = dy.unsqueeze(2)?.broadcast_as(output.shape())?.contiguous()?;
    if plan.pooling != Pooling::Max {
        return Ok((dy * shares(plan, output)?)?);
    }
    let first = chosen(real, output, &lowest(output)?)?.argmax_keepdim(2)?;
    let steps = Tensor::arange(0, output.dim(2)? as u32, output.device())?.reshape((1, 1, (), 1))?;
    let is_first = steps.broadcast_as(output.shape())?.eq(&first.broadcast_as(output.shape())?)?;
    let found = is_first.where_cond(&dy, &dy.zeros_like()?)?;
    chosen(real, &found, &found.zeros_like()?)
}

/// What each output counts in a mean or for the last step, `[R, B, T, D · H]`.
fn shares(plan: &Plan<'_>, like: &Tensor) -> Result<Tensor> {
    let (_, _, steps, width) = like.dims4()?;
    let mut shares = vec![0.0; like.elem_count()];
    for (sequence, length) in plan.lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
        for step in 0..*length {
            let row = &mut shares[(sequence * steps + step) * width..][..width];
            let (along, against) = row.split_at_mut(plan.hidden);
            match plan.pooling {
                Pooling::Last => {
                    along.fill(f64::from(u8::from(step + 1 == *length)));
                    against.fill(f64::from(u8::from(step == 0)));
                }
                _ => row.fill(1.0 / *length as f64),
            }
        }
    }
    on_device(shares, like)
}
