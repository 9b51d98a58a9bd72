//! The gradient of a convolution's input over slices, from the columns of all windows.
//!
//! Products of the turned kernels with dy give what each window has for each pixel that it looks at, and that
//! is added up where it belongs.

use std::mem::MaybeUninit;

use super::Sizes;
use super::columns::Block;
use crate::kernel::parts::{each, written};
use crate::kernel::product::{Matrix, set_product};
use crate::kernel::{Element, simd};

/// dx = Σ wᵀ dy over all windows that look at a pixel.
pub(super) fn fold_back<T: Element>(sizes: &Sizes, weight: &[T], dy: &[T]) -> Vec<T> {
    let (image, sample) = (sizes.outputs * sizes.pixels(), sizes.sample());
    let kernels = sizes.outputs * sizes.depth();
    let samples = Block::of::<T>(sizes.depth(), sizes.output).samples;
    let write = |dx: &mut [MaybeUninit<T>]| {
        if dx.is_empty() {
            return;
        }
        for (run, dx) in dx.chunks_exact_mut(sizes.batch * sample).enumerate() {
            let weight = &weight[run * kernels..][..kernels];
            let dy = &dy[run * sizes.batch * image..][..sizes.batch * image];
            let parts = dx.chunks_mut(samples * sample).zip(dy.chunks(samples * image)).collect();
            each(parts, || Fold::new(sizes), |fold, (dx, dy)| fold.write(weight, dy, dx));
        }
    };
    // SAFETY: blocks of samples cover dx, and every row of every channel of every group is written.
    unsafe { written(sizes.runs * sizes.batch * sample, write) }
}

/// What the work on one block of samples after the other is done in.
struct Fold<'a, T> {
    sizes: &'a Sizes,
    /// dy of a group, `[output, sample, window]`.
    gathered: Vec<T>,
    /// `[channel, i, j, sample, window]`.
    columns: Vec<T>,
    /// A channel of a sample with what is made up around it, `[H + 2p, W + 2p]`.
    padded: Vec<T>,
}

impl<'a, T: Element> Fold<'a, T> {
    fn new(sizes: &'a Sizes) -> Self {
        let [high, wide] = sizes.how.window.padded(sizes.input);
        Self { sizes, gathered: Vec::new(), columns: Vec::new(), padded: vec![T::ZERO; high * wide] }
    }

    /// Writes dx of some samples.
    fn write(&mut self, weight: &[T], dy: &[T], dx: &mut [MaybeUninit<T>]) {
        let sizes = self.sizes;
        let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
        let image = sizes.outputs * pixels;
        let samples = dy.len() / image;
        let count = samples * pixels;
        self.gathered.resize(outputs * count, T::ZERO);
        self.columns.resize(depth * count, T::ZERO);
        for group in 0..sizes.how.groups {
            let weight = Matrix::rows(&weight[group * outputs * depth..], outputs, depth);
            for (index, to) in self.gathered.chunks_exact_mut(pixels).enumerate() {
                let output = group * outputs + index / samples;
                to.copy_from_slice(&dy[index % samples * image + output * pixels..][..pixels]);
            }
            let dy = Matrix::rows(&self.gathered, outputs, count);
            set_product(&mut self.columns, weight.transposed(), dy);
            simd(
                #[inline(always)]
                || {
                    for channel in 0..sizes.part() {
                        for (sample, dx) in dx.chunks_exact_mut(sizes.sample()).enumerate() {
                            let plane = sizes.input[0] * sizes.input[1];
                            let dx = &mut dx[(group * sizes.part() + channel) * plane..][..plane];
                            self.fold(channel, [sample, samples], dx);
                        }
                    }
                },
            );
        }
    }

    /// Writes dx of a channel of a group of one of the samples.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn fold(&mut self, channel: usize, [sample, samples]: [usize; 2], dx: &mut [MaybeUninit<T>]) {
        let window = self.sizes.how.window;
        let ([height, width], [_, input_width]) = (self.sizes.output, self.sizes.input);
        let wide = window.padded(self.sizes.input)[1];
        let [taps_down, taps_across] = window.kernel;
        self.padded.fill(T::ZERO);
        for (i, j) in (0..taps_down).flat_map(|i| (0..taps_across).map(move |j| (i, j))) {
            let line = (channel * taps_down + i) * taps_across + j;
            let from = &self.columns[(line * samples + sample) * height * width..][..height * width];
            let onto = &mut self.padded[i * window.dilation[0] * wide + j * window.dilation[1]..];
            for (from, onto) in from.chunks_exact(width).zip(onto.chunks_mut(window.stride[0] * wide)) {
                add_row(onto, from, window.stride[1]);
            }
        }
        let rows = self.padded.chunks_exact(wide).skip(window.padding[0]);
        for (dx, row) in dx.chunks_exact_mut(input_width).zip(rows) {
            dx.write_copy_of_slice(&row[window.padding[1]..][..input_width]);
        }
    }
}

/// Adds to every `step`th number of `onto`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn add_row<T: Element>(onto: &mut [T], from: &[T], step: usize) {
    if step == 1 {
        let (onto, from) = add_blocks::<T, 16>(onto, from);
        let (onto, from) = add_blocks::<T, 8>(onto, from);
        let (onto, from) = add_blocks::<T, 4>(onto, from);
        add_blocks::<T, 1>(onto, from);
    } else {
        onto.iter_mut().step_by(step).zip(from).for_each(|(onto, number)| *onto += *number);
    }
}

/// Adds as many blocks of `N` numbers as there are in `from`; returns what is left.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn add_blocks<'a, T: Element, const N: usize>(onto: &'a mut [T], from: &'a [T]) -> (&'a mut [T], &'a [T]) {
    let (blocks, rest) = from.as_chunks::<N>();
    let (done, left) = onto.split_at_mut(blocks.len() * N);
    for (onto, from) in done.as_chunks_mut::<N>().0.iter_mut().zip(blocks) {
        for place in 0..N {
            onto[place] += from[place];
        }
    }
    (left, rest)
}
