//! The same, composed of candle's operations: for other devices, and as the reference of the tests.

use candle_core::{D, Tensor};

use super::{Affine, Gradients, Moments};
use crate::Result;

pub(super) fn forward(x: &Tensor, affine: Option<Affine<'_>>, eps: f64) -> Result<(Tensor, Moments)> {
    let mean = x.mean_keepdim(D::Minus1)?;
    let variance = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(D::Minus1)?;
    let inverse_std = (variance + eps)?.sqrt()?.recip()?;
    let moments = Moments { mean: mean.squeeze(D::Minus1)?, inverse_std: inverse_std.squeeze(D::Minus1)? };
    let normal = normalized(x, &moments)?;
    let y = match affine {
        Some(Affine { weight, bias }) => {
            normal.broadcast_mul(&weight.unsqueeze(1)?)?.broadcast_add(&bias.unsqueeze(1)?)?
        }
        None => normal,
    };
    Ok((y, moments))
}

pub(super) fn backward(
    x: &Tensor,
    affine: Option<Affine<'_>>,
    moments: &Moments,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    let normal = normalized(x, moments)?;
    let gradients = match affine {
        Some(_) => Some(((dy * &normal)?.sum(1)?, dy.sum(1)?)),
        None => None,
    };
    let input = need_input
        .then(|| -> Result<Tensor> {
            let weighted = match affine {
                Some(Affine { weight, .. }) => dy.broadcast_mul(&weight.unsqueeze(1)?)?,
                None => dy.clone(),
            };
            let shift = weighted.mean_keepdim(D::Minus1)?;
            let slope = (&weighted * &normal)?.mean_keepdim(D::Minus1)?;
            let centered = (weighted.broadcast_sub(&shift)? - normal.broadcast_mul(&slope)?)?;
            Ok(centered.broadcast_mul(&moments.inverse_std.unsqueeze(D::Minus1)?)?)
        })
        .transpose()?;
    Ok(Gradients { affine: gradients, input })
}

fn normalized(x: &Tensor, moments: &Moments) -> Result<Tensor> {
    let centered = x.broadcast_sub(&moments.mean.unsqueeze(D::Minus1)?)?;
    Ok(centered.broadcast_mul(&moments.inverse_std.unsqueeze(D::Minus1)?)?)
}
