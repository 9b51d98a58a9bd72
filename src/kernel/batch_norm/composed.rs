//! The same, composed of candle's operations: for other devices, and as the reference of the tests.

use candle_core::Tensor;

use super::{Gradients, Statistics};
use crate::Result;

/// Images `[R, B, C, …]` as rows of channels `[R, B S, C]`; flat samples as they are.
pub(super) fn rows(x: &Tensor) -> Result<Tensor> {
    let (runs, batch, channels) = (x.dim(0)?, x.dim(1)?, x.dim(2)?);
    let planes = x.contiguous()?.reshape((runs, batch, channels, ()))?;
    Ok(planes.transpose(2, 3)?.contiguous()?.reshape((runs, (), channels))?)
}

/// The reverse of [`rows`], for images of the shape of `like`.
pub(super) fn images(rows: &Tensor, like: &Tensor) -> Result<Tensor> {
    let (runs, batch, channels) = (like.dim(0)?, like.dim(1)?, like.dim(2)?);
    let planes = rows.reshape((runs, batch, (), channels))?.transpose(2, 3)?.contiguous()?;
    Ok(planes.reshape(like.dims())?)
}

pub(super) fn forward(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    let batch = x.dim(1)? as f64;
    let mean = (x.sum(1)? / batch)?;
    let squares = x.broadcast_sub(&mean.unsqueeze(1)?)?.sqr()?.sum(1)?;
    let inverse_std = ((&squares / batch)? + eps)?.sqrt()?.recip()?;
    let y = normalized(x, &mean, &inverse_std, weight, bias)?;
    Ok((y, Statistics { mean, inverse_std, unbiased_variance: (squares / (batch - 1.0))? }))
}

pub(super) fn normalized(
    x: &Tensor,
    mean: &Tensor,
    inverse_std: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    let scale = (inverse_std * weight)?.unsqueeze(1)?;
    let centered = x.broadcast_sub(&mean.unsqueeze(1)?)?;
    Ok(centered.broadcast_mul(&scale)?.broadcast_add(&bias.unsqueeze(1)?)?)
}

pub(super) fn backward(
    x: &Tensor,
    weight: &Tensor,
    statistics: &Statistics,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    let batch = x.dim(1)? as f64;
    let normal = x
        .broadcast_sub(&statistics.mean.unsqueeze(1)?)?
        .broadcast_mul(&statistics.inverse_std.unsqueeze(1)?)?;
    let db = dy.sum(1)?;
    let dw = (dy * &normal)?.sum(1)?;
    let input = need_input
        .then(|| -> Result<Tensor> {
            let centered = dy.broadcast_sub(&(&db / batch)?.unsqueeze(1)?)?;
            let along = normal.broadcast_mul(&(&dw / batch)?.unsqueeze(1)?)?;
            let scale = (&statistics.inverse_std * weight)?.unsqueeze(1)?;
            Ok((centered - along)?.broadcast_mul(&scale)?)
        })
        .transpose()?;
    Ok(Gradients { weight: dw, bias: db, input })
}
