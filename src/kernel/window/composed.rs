//! Windows in candle's operations: for other devices, and as the reference of the tests.
//!
//! Images are `[N, H, W]` here, whatever the N are.

use candle_core::{Device, Tensor};

use super::Window;
use crate::Result;

/// Images with `value` around them.
pub(in crate::kernel) fn padded(images: &Tensor, window: &Window, value: f64) -> Result<Tensor> {
    let mut padded = images.clone();
    for (axis, count) in [(1, window.padding[0]), (2, window.padding[1])] {
        if count > 0 {
            let mut shape = padded.dims().to_vec();
            shape[axis] = count;
            let edge = Tensor::ones(shape, padded.dtype(), padded.device())?.affine(0.0, value)?;
            padded = Tensor::cat(&[&edge, &padded, &edge], axis)?;
        }
    }
    Ok(padded)
}

/// What is left of padded images without what was made up.
pub(in crate::kernel) fn cropped(padded: &Tensor, window: &Window, input: [usize; 2]) -> Result<Tensor> {
    let [down, across] = window.padding;
    Ok(padded.narrow(1, down, input[0])?.narrow(2, across, input[1])?.contiguous()?)
}

/// The pixel `at` of every window over padded images: `[N, output…]`.
pub(in crate::kernel) fn pixel(
    padded: &Tensor,
    window: &Window,
    output: [usize; 2],
    at: [usize; 2],
) -> Result<Tensor> {
    let [rows, columns] = positions(window, output, at, padded.device())?;
    Ok(padded.index_select(&rows, 1)?.index_select(&columns, 2)?)
}

/// Adds numbers `[N, output…]` to the pixel `at` of every window of `onto`: the transpose of [`pixel`].
pub(in crate::kernel) fn add_pixel(
    onto: &Tensor,
    window: &Window,
    numbers: &Tensor,
    at: [usize; 2],
) -> Result<Tensor> {
    let (count, high, wide) = numbers.dims3()?;
    let [rows, columns] = positions(window, [high, wide], at, onto.device())?;
    let down = Tensor::zeros((count, onto.dim(1)?, wide), onto.dtype(), onto.device())?;
    let down = down.index_add(&rows, &numbers.contiguous()?, 1)?;
    Ok(onto.index_add(&columns, &down, 2)?)
}

fn positions(window: &Window, output: [usize; 2], at: [usize; 2], device: &Device) -> Result<[Tensor; 2]> {
    let along = |axis: usize| -> Result<Tensor> {
        let first = at[axis] * window.dilation[axis];
        let all: Vec<u32> =
            (0..output[axis]).map(|place| (first + place * window.stride[axis]) as u32).collect();
        Ok(Tensor::from_vec(all, output[axis], device)?)
    };
    Ok([along(0)?, along(1)?])
}
