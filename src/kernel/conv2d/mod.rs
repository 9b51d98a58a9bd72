//! Cross-correlation of images with kernels, for each run: x `[R, B, C, H, W]`, w `[R, O, C/G, kh, kw]`, b `[R, O]`,
//! y `[R, B, O, H', W']` with y\[o\] = Σ w\[o, c\] ⋆ x\[c\] + b\[o\] over the channels c of o's group
//! (`PyTorch`'s `Conv2d`).
//!
//! On the CPU the windows of a few images at a time are laid out as the columns of a matrix that stays in the
//! cache, and a product with the kernels is copied to y: the three passes are matrix products. The gradient of
//! x has its own columns added back to where they came from; where windows move by single pixels and there are
//! fewer outputs than channels, it is itself such a correlation, of dy with the kernels turned by half. Blocks of
//! images depend on shapes alone and their sums are added in order: any number of threads gives the same bits.

mod columns;
mod composed;
mod fold;
mod parameters;
mod slices;

use candle_core::Tensor;

use super::linear::{Gradients, Need};
use super::window::Window;
use super::{is_cpu, with_element};
use crate::{Error, Result};

/// What a convolution is beside its kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// How kernels move.
    pub window: Window,
    /// G: input and output channels are cut into so many parts that see nothing of each other.
    pub groups: usize,
}

/// y.
pub fn forward(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, how: Convolution) -> Result<Tensor> {
    let sizes = Sizes::of(x, weight, how)?;
    if bias.is_some_and(|bias| bias.dims() != [sizes.runs, sizes.outputs]) {
        return Err(Error::Bug("a convolution's bias does not fit its weight".into()));
    }
    if !is_cpu(x) {
        return composed::forward(&sizes, x, weight, bias);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let bias = bias.map(Tensor::contiguous).transpose()?;
    with_element!(x, T => slices::forward::<T>(&sizes, &x, &weight, bias.as_ref()))
}

/// The gradients of `weight`, of the bias and of `x` for the gradient `dy` of y.
pub fn backward(x: &Tensor, weight: &Tensor, dy: &Tensor, how: Convolution, need: Need) -> Result<Gradients> {
    let sizes = Sizes::of(x, weight, how)?;
    if dy.dims() != sizes.y() {
        return Err(Error::Bug(format!("a convolution was given a gradient of shape {:?}", dy.dims())));
    }
    if !is_cpu(x) {
        return composed::backward(&sizes, x, weight, dy, need);
    }
    let (x, weight, dy) = (x.contiguous()?, weight.contiguous()?, dy.contiguous()?);
    with_element!(x, T => slices::backward::<T>(&sizes, &x, &weight, &dy, need))
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    runs: usize,
    batch: usize,
    /// C.
    channels: usize,
    /// H and W.
    input: [usize; 2],
    /// O.
    outputs: usize,
    /// H' and W'.
    output: [usize; 2],
    how: Convolution,
}

impl Sizes {
    fn of(x: &Tensor, weight: &Tensor, how: Convolution) -> Result<Self> {
        let (runs, batch, channels, height, width) = x.dims5()?;
        let (weight_runs, outputs, part, kernel_height, kernel_width) = weight.dims5()?;
        let fit = runs == weight_runs
            && how.groups > 0
            && part * how.groups == channels
            && outputs % how.groups == 0
            && outputs > 0
            && how.window.kernel == [kernel_height, kernel_width];
        match how.window.output([height, width]) {
            Some(output) if fit => {
                Ok(Self { runs, batch, channels, input: [height, width], outputs, output, how })
            }
            _ => {
                let (x, weight) = (x.dims(), weight.dims());
                Err(Error::Bug(format!("a convolution of weight {weight:?} and {how:?} was given {x:?}")))
            }
        }
    }

    fn y(&self) -> [usize; 5] {
        [self.runs, self.batch, self.outputs, self.output[0], self.output[1]]
    }

    /// Input channels of a group.
    fn part(&self) -> usize {
        self.channels / self.how.groups
    }

    /// Output channels of a group.
    fn outputs_of_group(&self) -> usize {
        self.outputs / self.how.groups
    }

    /// Numbers of a kernel.
    fn depth(&self) -> usize {
        self.part() * self.how.window.kernel[0] * self.how.window.kernel[1]
    }

    /// H' W'.
    fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Numbers of an input sample.
    fn sample(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }
}

#[cfg(test)]
mod tests;
