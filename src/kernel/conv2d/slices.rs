//! The passes of a convolution over slices.

use std::mem::MaybeUninit;
use std::ops::Range;

use candle_core::{Device, Tensor};

use super::columns::{Block, Columns};
use super::fold::fold_back;
use super::parameters::parameter_gradients;
use super::{Convolution, Sizes};
use crate::Result;
use crate::kernel::linear::{Gradients, Need};
use crate::kernel::parts::{each, write_each, written};
use crate::kernel::product::{Matrix, set_product};
use crate::kernel::window::Window;
use crate::kernel::{Element, read, simd};

/// Outputs of a group from which on it is cheaper to fold dx back than to correlate with dy.
const FOLDED_OUTPUTS: usize = 64;

pub(super) fn forward<T: Element>(
    sizes: &Sizes,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let bias = bias.map(|bias| read::<T, _>(bias, <[T]>::to_vec)).transpose()?;
    let y =
        read::<T, _>(x, |x| read::<T, _>(weight, |weight| correlate(sizes, x, weight, bias.as_deref())))??;
    Ok(Tensor::from_vec(y, sizes.y().to_vec(), &Device::Cpu)?)
}

pub(super) fn backward<T: Element>(
    sizes: &Sizes,
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
    need: Need,
) -> Result<Gradients> {
    let new = |numbers: Vec<T>, shape: &[usize]| Tensor::from_vec(numbers, shape, &Device::Cpu);
    read::<T, _>(dy, |dy| {
        let mut gradients = Gradients::default();
        if need.weight || need.bias {
            let (dw, db) = read::<T, _>(x, |x| parameter_gradients(sizes, x, dy, need))?;
            gradients.weight = need.weight.then(|| new(dw, weight.dims())).transpose()?;
            gradients.bias = need.bias.then(|| new(db, &[sizes.runs, sizes.outputs])).transpose()?;
        }
        if need.input {
            let dx = read::<T, _>(weight, |weight| input_gradient(sizes, weight, dy))?;
            gradients.input = Some(new(dx, x.dims())?);
        }
        Ok(gradients)
    })?
}

/// w ⋆ x + b.
fn correlate<T: Element>(sizes: &Sizes, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let (image, kernels) = (sizes.outputs * sizes.pixels(), sizes.outputs * sizes.depth());
    let block = Block::of::<T>(sizes.depth(), sizes.output);
    let write = |y: &mut [MaybeUninit<T>]| {
        if y.is_empty() {
            return;
        }
        for (run, y) in y.chunks_exact_mut(sizes.batch * image).enumerate() {
            let x = &x[run * sizes.batch * sizes.sample()..];
            let weight = &weight[run * kernels..][..kernels];
            let bias = bias.map(|bias| &bias[run * sizes.outputs..][..sizes.outputs]);
            // What is found of a block does not depend on the others.
            let parts = y.chunks_mut(block.samples * image).enumerate().collect();
            each(
                parts,
                || Scratch::new(sizes, block),
                |scratch, (index, y)| {
                    let x = &x[index * block.samples * sizes.sample()..];
                    scratch.correlate(sizes, block.rows, x, [weight, bias.unwrap_or_default()], y);
                },
            );
        }
    };
    // SAFETY: blocks cover y, and all of each is written: every row of every output channel of every group.
    unsafe { written(sizes.runs * sizes.batch * image, write) }
}

/// What the work on one block after the other is done in.
struct Scratch<T> {
    columns: Columns<T>,
    /// `[output, samples, windows]`.
    product: Vec<T>,
}

impl<T: Element> Scratch<T> {
    fn new(sizes: &Sizes, block: Block) -> Self {
        let columns = Columns::new(sizes.how.window, sizes.part(), sizes.input, sizes.output, block);
        Self { columns, product: Vec::new() }
    }

    /// Writes w ⋆ x of one block, and the bias unless it is empty, to y, so many rows of windows at a time.
    fn correlate(
        &mut self,
        sizes: &Sizes,
        rows: usize,
        x: &[T],
        [weight, bias]: [&[T]; 2],
        y: &mut [MaybeUninit<T>],
    ) {
        let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
        let samples = y.len() / (sizes.outputs * pixels);
        for group in 0..sizes.how.groups {
            let images = &x[group * sizes.part() * sizes.input[0] * sizes.input[1]..];
            simd(
                #[inline(always)]
                || self.columns.load(images, samples, sizes.sample()),
            );
            let weight = Matrix::rows(&weight[group * outputs * depth..], outputs, depth);
            for rows in tiles(sizes.output[0], rows) {
                let (start, count) = (rows.start * sizes.output[1], rows.len() * sizes.output[1]);
                let columns = simd(
                    #[inline(always)]
                    || self.columns.lay_out(samples, rows),
                );
                self.product.resize(outputs * samples * count, T::ZERO);
                set_product(&mut self.product, weight, Matrix::rows(columns, depth, samples * count));
                simd(
                    #[inline(always)]
                    || {
                        for (output, product) in self.product.chunks_exact(samples * count).enumerate() {
                            let output = group * outputs + output;
                            let bias = bias.get(output).copied().unwrap_or(T::ZERO);
                            for (sample, product) in product.chunks_exact(count).enumerate() {
                                let start = (sample * sizes.outputs + output) * pixels + start;
                                write_each(&mut y[start..start + count], [product; 2], |y, _| y + bias);
                            }
                        }
                    },
                );
            }
        }
    }
}

/// `count` rows in parts of `most`.
pub(super) fn tiles(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(most).map(move |first| first..count.min(first + most))
}

/// dx.
fn input_gradient<T: Element>(sizes: &Sizes, weight: &[T], dy: &[T]) -> Vec<T> {
    match turned_sizes(sizes) {
        Some(turned) if is_turned(sizes) => correlate(&turned, dy, &turned_kernels(sizes, weight), None),
        _ => fold_back(sizes, weight, dy),
    }
}

/// Whether dx is rather a correlation than folded back. Its columns are as deep as the outputs, those that are
/// folded as the channels; but products with few outputs gain nothing from being large.
fn is_turned(sizes: &Sizes) -> bool {
    sizes.part() > sizes.outputs_of_group() || sizes.outputs_of_group() < FOLDED_OUTPUTS
}

/// The correlation of dy that gives dx: only where windows move by single pixels and are not padded by more than
/// they reach.
fn turned_sizes(sizes: &Sizes) -> Option<Sizes> {
    let window = sizes.how.window;
    let reach = window.reach();
    let padding =
        [reach[0].checked_sub(1 + window.padding[0])?, reach[1].checked_sub(1 + window.padding[1])?];
    (window.stride == [1, 1]).then_some(Sizes {
        channels: sizes.outputs,
        input: sizes.output,
        outputs: sizes.channels,
        output: sizes.input,
        how: Convolution { window: Window { padding, ..window }, groups: sizes.how.groups },
        ..*sizes
    })
}

/// w `[R, G, O/G, C/G, kernel]` as `[R, G, C/G, O/G, turned kernel]`.
fn turned_kernels<T: Element>(sizes: &Sizes, weight: &[T]) -> Vec<T> {
    let (outputs, part) = (sizes.outputs_of_group(), sizes.part());
    let taps = sizes.how.window.kernel[0] * sizes.how.window.kernel[1];
    let mut turned = Vec::with_capacity(weight.len());
    for group in weight.chunks_exact(outputs * part * taps) {
        for channel in 0..part {
            for output in 0..outputs {
                turned.extend(group[(output * part + channel) * taps..][..taps].iter().rev());
            }
        }
    }
    turned
}
