//! The same, composed of candle's operations: for other devices, and as the reference of the tests.
//!
//! Runs, samples and groups are one dimension here: candle multiplies no more than that side by side.

use candle_core::Tensor;

use super::Sizes;
use crate::Result;
use crate::kernel::linear::{Gradients, Need};
use crate::kernel::window::composed::{add_pixel, cropped, padded, pixel};

pub(super) fn forward(sizes: &Sizes, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = kernels(sizes, weight)?.matmul(&columns(sizes, x)?)?.reshape(sizes.y().to_vec())?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((sizes.runs, 1, sizes.outputs, 1, 1))?)?,
        None => y,
    })
}

pub(super) fn backward(
    sizes: &Sizes,
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
    need: Need,
) -> Result<Gradients> {
    let dy = dy.contiguous()?;
    let rows = dy.reshape((parts(sizes), sizes.outputs_of_group(), sizes.pixels()))?;
    let mut gradients = Gradients::default();
    if need.weight {
        let dw = rows.matmul(&columns(sizes, x)?.transpose(1, 2)?.contiguous()?)?;
        let numbers = weight.elem_count() / sizes.runs;
        gradients.weight =
            Some(dw.reshape((sizes.runs, sizes.batch, numbers))?.sum(1)?.reshape(weight.dims())?);
    }
    if need.bias {
        gradients.bias = Some(dy.sum((1, 3, 4))?);
    }
    if need.input {
        let columns = kernels(sizes, weight)?.transpose(1, 2)?.contiguous()?.matmul(&rows)?;
        gradients.input = Some(folded(sizes, &columns)?.reshape(x.dims())?);
    }
    Ok(gradients)
}

/// R B G.
fn parts(sizes: &Sizes) -> usize {
    sizes.runs * sizes.batch * sizes.how.groups
}

/// `[R B G, O/G, depth]`, the same for every sample.
fn kernels(sizes: &Sizes, weight: &Tensor) -> Result<Tensor> {
    let numbers = sizes.outputs_of_group() * sizes.depth();
    let weight = weight.contiguous()?.reshape((sizes.runs, 1, sizes.how.groups, numbers))?;
    let weight = weight.broadcast_as((sizes.runs, sizes.batch, sizes.how.groups, numbers))?.contiguous()?;
    Ok(weight.reshape((parts(sizes), sizes.outputs_of_group(), sizes.depth()))?)
}

/// Where a window looks.
fn taps(sizes: &Sizes) -> impl Iterator<Item = [usize; 2]> {
    let [high, wide] = sizes.how.window.kernel;
    (0..high).flat_map(move |i| (0..wide).map(move |j| [i, j]))
}

/// `[R B G, depth, windows]`.
fn columns(sizes: &Sizes, x: &Tensor) -> Result<Tensor> {
    let window = &sizes.how.window;
    let images = x.contiguous()?.reshape(((), sizes.input[0], sizes.input[1]))?;
    let images = padded(&images, window, 0.0)?;
    let looked_at = taps(sizes).map(|at| pixel(&images, window, sizes.output, at));
    let columns = Tensor::stack(&looked_at.collect::<Result<Vec<_>>>()?, 1)?;
    Ok(columns.reshape((parts(sizes), sizes.depth(), sizes.pixels()))?)
}

/// The transpose of [`columns`].
fn folded(sizes: &Sizes, columns: &Tensor) -> Result<Tensor> {
    let window = &sizes.how.window;
    let [high, wide] = window.padded(sizes.input);
    let images = sizes.runs * sizes.batch * sizes.channels;
    let count = window.kernel[0] * window.kernel[1];
    let columns = columns.reshape((images, count, sizes.output[0], sizes.output[1]))?;
    let mut onto = Tensor::zeros((images, high, wide), columns.dtype(), columns.device())?;
    for (index, at) in taps(sizes).enumerate() {
        onto = add_pixel(&onto, window, &columns.narrow(1, index, 1)?.squeeze(1)?, at)?;
    }
    cropped(&onto, window, sizes.input)
}
