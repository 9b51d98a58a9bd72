//! The passes of a convolution over slices.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::columns::{Block, Columns, fold};
use super::{Convolution, Sizes};
use crate::Result;
use crate::kernel::linear::{Gradients, Need};
use crate::kernel::product::{Matrix, add_product, add_product_apart, set_product};
use crate::kernel::window::Window;
use crate::kernel::{Element, lanes, read, simd, threads};

pub(super) fn forward<T: Element>(
    sizes: &Sizes,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let mut y = match bias {
        Some(bias) => read::<T, _>(bias, |bias| spread(bias, sizes))?,
        None => vec![T::ZERO; sizes.runs * sizes.batch * sizes.outputs * sizes.pixels()],
    };
    read::<T, _>(x, |x| read::<T, _>(weight, |weight| correlate(sizes, x, weight, &mut y)))??;
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
        if need.weight {
            let dw = read::<T, _>(x, |x| weight_gradient(sizes, x, dy))?;
            gradients.weight = Some(new(dw, weight.dims())?);
        }
        if need.bias {
            let db = simd(|| channel_sums(sizes, dy));
            gradients.bias = Some(new(db, &[sizes.runs, sizes.outputs])?);
        }
        if need.input {
            let dx = read::<T, _>(weight, |weight| input_gradient(sizes, weight, dy))?;
            gradients.input = Some(new(dx, x.dims())?);
        }
        Ok(gradients)
    })?
}

/// y that holds the bias alone.
fn spread<T: Element>(bias: &[T], sizes: &Sizes) -> Vec<T> {
    let mut y = Vec::with_capacity(sizes.batch * bias.len() * sizes.pixels());
    for bias in bias.chunks_exact(sizes.outputs) {
        for _ in 0..sizes.batch {
            for bias in bias {
                y.resize(y.len() + sizes.pixels(), *bias);
            }
        }
    }
    y
}

/// Adds w ⋆ x to y.
fn correlate<T: Element>(sizes: &Sizes, x: &[T], weight: &[T], y: &mut [T]) {
    let image = sizes.outputs * sizes.pixels();
    if y.is_empty() {
        return;
    }
    let block = Block::of::<T>(sizes.depth(), sizes.output);
    let kernels = sizes.outputs * sizes.depth();
    for (run, y) in y.chunks_exact_mut(sizes.batch * image).enumerate() {
        let x = &x[run * sizes.batch * sizes.sample()..][..sizes.batch * sizes.sample()];
        let weight = &weight[run * kernels..][..kernels];
        let add = |scratch: &mut Scratch<T>, (index, y): (usize, &mut [T])| {
            let first = index * block.samples * sizes.sample();
            scratch.correlate(sizes, block, &x[first..], weight, y);
        };
        // What a block adds does not depend on the others.
        let length = block.samples * image;
        if threads() == 1 {
            let mut scratch = Scratch::new(sizes, block);
            y.chunks_mut(length).enumerate().for_each(|part| add(&mut scratch, part));
        } else {
            y.par_chunks_mut(length).enumerate().for_each_init(|| Scratch::new(sizes, block), add);
        }
    }
}

/// What the work on one block after the other is done in.
struct Scratch<T> {
    columns: Columns<T>,
    /// `[output, samples, windows]`, where there is more than one sample.
    product: Vec<T>,
}

impl<T: Element> Scratch<T> {
    fn new(sizes: &Sizes, block: Block) -> Self {
        let columns = Columns::new(sizes.how.window, sizes.part(), sizes.input, sizes.output, block);
        Self { columns, product: Vec::new() }
    }

    /// Adds w ⋆ x of one block to y.
    fn correlate(&mut self, sizes: &Sizes, block: Block, x: &[T], weight: &[T], y: &mut [T]) {
        let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
        let samples = y.len() / (sizes.outputs * pixels);
        for group in 0..sizes.how.groups {
            let images = &x[group * sizes.part() * sizes.input[0] * sizes.input[1]..];
            simd(|| self.columns.load(images, samples, sizes.sample()));
            let weight = Matrix::rows(&weight[group * outputs * depth..], outputs, depth);
            let y = &mut y[group * outputs * pixels..];
            if samples == 1 {
                for rows in tiles(sizes.output[0], block.rows) {
                    let (start, count) = (rows.start * sizes.output[1], rows.len() * sizes.output[1]);
                    let columns = simd(|| self.columns.lay_out(1, rows));
                    let columns = Matrix::rows(columns, depth, count);
                    add_product_apart(&mut y[start..], pixels, weight, columns);
                }
                continue;
            }
            let count = samples * pixels;
            let columns = simd(|| self.columns.lay_out(samples, 0..sizes.output[0]));
            self.product.resize(outputs * count, T::ZERO);
            set_product(&mut self.product, weight, Matrix::rows(columns, depth, count));
            simd(|| {
                for (output, product) in self.product.chunks_exact(count).enumerate() {
                    for (sample, product) in product.chunks_exact(pixels).enumerate() {
                        let start = (sample * sizes.outputs + output) * pixels;
                        for (y, product) in y[start..start + pixels].iter_mut().zip(product) {
                            *y += *product;
                        }
                    }
                }
            });
        }
    }
}

/// `count` rows in parts of `most`.
fn tiles(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(most).map(move |first| first..count.min(first + most))
}

/// dw = Σ dy xᵀ over samples and windows, blocks one after the other.
fn weight_gradient<T: Element>(sizes: &Sizes, x: &[T], dy: &[T]) -> Vec<T> {
    let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
    let block = Block::of::<T>(depth, sizes.output);
    let mut columns = Columns::new(sizes.how.window, sizes.part(), sizes.input, sizes.output, block);
    let mut gathered: Vec<T> = Vec::new();
    let mut dw = vec![T::ZERO; sizes.runs * sizes.outputs * depth];
    let image = sizes.outputs * pixels;
    for (run, dw) in dw.chunks_exact_mut(sizes.outputs * depth).enumerate() {
        for first in (0..sizes.batch).step_by(block.samples) {
            let samples = block.samples.min(sizes.batch - first);
            let x = &x[(run * sizes.batch + first) * sizes.sample()..];
            let dy = &dy[(run * sizes.batch + first) * image..][..samples * image];
            for (group, dw) in dw.chunks_exact_mut(outputs * depth).enumerate() {
                let images = &x[group * sizes.part() * sizes.input[0] * sizes.input[1]..];
                simd(|| columns.load(images, samples, sizes.sample()));
                let dy = &dy[group * outputs * pixels..];
                if samples == 1 {
                    for rows in tiles(sizes.output[0], block.rows) {
                        let (start, count) = (rows.start * sizes.output[1], rows.len() * sizes.output[1]);
                        let columns = Matrix::rows(simd(|| columns.lay_out(1, rows)), depth, count);
                        let dy = Matrix::apart(&dy[start..], outputs, count, pixels);
                        add_product(dw, dy, columns.transposed());
                    }
                    continue;
                }
                let count = samples * pixels;
                gathered.clear();
                for (output, sample) in (0..outputs).flat_map(|o| (0..samples).map(move |s| (o, s))) {
                    gathered.extend_from_slice(&dy[sample * image + output * pixels..][..pixels]);
                }
                let columns = simd(|| columns.lay_out(samples, 0..sizes.output[0]));
                let columns = Matrix::rows(columns, depth, count);
                add_product(dw, Matrix::rows(&gathered, outputs, count), columns.transposed());
            }
        }
    }
    dw
}

/// db = Σ dy over samples and pixels.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn channel_sums<T: Element>(sizes: &Sizes, dy: &[T]) -> Vec<T> {
    let pixels = sizes.pixels();
    let mut sums = vec![0.0; sizes.runs * sizes.outputs];
    for (index, plane) in dy.chunks_exact(pixels.max(1)).enumerate() {
        let run = index / (sizes.batch * sizes.outputs);
        let [sum] = lanes::sums(plane, plane, |number, _| [number]);
        sums[run * sizes.outputs + index % sizes.outputs] += sum;
    }
    sums.into_iter().map(T::of).collect()
}

/// dx.
fn input_gradient<T: Element>(sizes: &Sizes, weight: &[T], dy: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; sizes.runs * sizes.batch * sizes.sample()];
    match turned_sizes(sizes) {
        Some(turned) => correlate(&turned, dy, &turned_kernels(sizes, weight), &mut dx),
        None => fold_back(sizes, weight, dy, &mut dx),
    }
    dx
}

/// The correlation of dy that gives dx: only where windows move by single pixels and are not padded by more than
/// they reach.
fn turned_sizes(sizes: &Sizes) -> Option<Sizes> {
    let window = sizes.how.window;
    let reach = window.reach();
    let padding =
        [reach[0].checked_sub(1 + window.padding[0])?, reach[1].checked_sub(1 + window.padding[1])?];
    (window.stride == [1, 1]).then(|| Sizes {
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

/// Adds wᵀ dy of every window to where it came from.
fn fold_back<T: Element>(sizes: &Sizes, weight: &[T], dy: &[T], dx: &mut [T]) {
    let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
    let kernels = sizes.outputs * depth;
    let window = sizes.how.window;
    let [high, wide] = window.padded(sizes.input);
    let fold_sample = |(columns, padded): &mut (Vec<T>, Vec<T>), (index, dx): (usize, &mut [T])| {
        let weight = &weight[index / sizes.batch * kernels..][..kernels];
        let dy = &dy[index * sizes.outputs * pixels..][..sizes.outputs * pixels];
        for (group, dx) in dx.chunks_exact_mut(sizes.part() * sizes.input[0] * sizes.input[1]).enumerate() {
            let weight = Matrix::rows(&weight[group * outputs * depth..], outputs, depth);
            let dy = Matrix::rows(&dy[group * outputs * pixels..], outputs, pixels);
            set_product(columns, weight.transposed(), dy);
            padded.fill(T::ZERO);
            simd(|| fold(columns, padded, &window, [high, wide], sizes.output));
            let rows = padded.chunks_exact(wide).enumerate();
            let inside =
                rows.filter(|(row, _)| (window.padding[0]..high - window.padding[0]).contains(&(row % high)));
            for (dx, (_, row)) in dx.chunks_exact_mut(sizes.input[1]).zip(inside) {
                dx.copy_from_slice(&row[window.padding[1]..][..sizes.input[1]]);
            }
        }
    };
    let scratch = || (vec![T::ZERO; depth * pixels], vec![T::ZERO; sizes.part() * high * wide]);
    if dx.is_empty() {
        return;
    }
    if threads() == 1 {
        let mut scratch = scratch();
        dx.chunks_mut(sizes.sample()).enumerate().for_each(|one| fold_sample(&mut scratch, one));
    } else {
        dx.par_chunks_mut(sizes.sample()).enumerate().for_each_init(scratch, fold_sample);
    }
}
