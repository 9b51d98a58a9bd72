//! The gradients of a convolution's kernels and bias over slices.

use super::Sizes;
use super::columns::{Block, Columns};
use super::slices::tiles;
use crate::kernel::lanes::Running;
use crate::kernel::linear::Need;
use crate::kernel::parts::each;
use crate::kernel::product::{Matrix, add_product};
use crate::kernel::{Element, simd};

/// Into how many segments a batch is cut: threads share them, and their sums are added in order.
const SEGMENTS: usize = 4;
/// Kernels with more numbers are not summed for each segment: their sums would cost more memory than they save time.
const MOST_KERNELS: usize = 1 << 20;

/// dw = Σ dy xᵀ and db = Σ dy over samples and windows, as far as they are needed; zeros otherwise.
pub(super) fn parameter_gradients<T: Element>(
    sizes: &Sizes,
    x: &[T],
    dy: &[T],
    need: Need,
) -> (Vec<T>, Vec<T>) {
    let block = Block::of::<T>(sizes.depth(), sizes.output);
    let kernels = sizes.outputs * sizes.depth();
    let most = if kernels > MOST_KERNELS { 1 } else { SEGMENTS };
    let length = (sizes.batch.div_ceil(block.samples).div_ceil(most) * block.samples).max(1);
    let segments = sizes.batch.div_ceil(length).max(1);
    let mut dw = vec![T::ZERO; sizes.runs * segments * kernels];
    let mut db = vec![0.0; sizes.runs * segments * sizes.outputs];
    let sums = dw.chunks_mut(kernels.max(1)).zip(db.chunks_mut(sizes.outputs));
    if kernels > 0 {
        let room = || Segment::new(sizes, block);
        each(sums.enumerate().collect(), room, |segment, (index, (dw, db))| {
            let first = index % segments * length;
            let samples = length.min(sizes.batch - first);
            let start = index / segments * sizes.batch + first;
            let x = &x[start * sizes.sample()..][..samples * sizes.sample()];
            let image = sizes.outputs * sizes.pixels();
            segment.add(need, x, &dy[start * image..][..samples * image], dw, db);
        });
    }
    let db: Vec<T> =
        over_segments(db, sizes.outputs, segments, |sum, part| *sum += part).into_iter().map(T::of).collect();
    (over_segments(dw, kernels, segments, |sum, part| *sum += part), db)
}

/// `[R, segments, width]` summed over the segments of each run.
fn over_segments<N: Copy>(parts: Vec<N>, width: usize, segments: usize, add: impl Fn(&mut N, N)) -> Vec<N> {
    if segments == 1 || width == 0 {
        return parts;
    }
    let mut sums = Vec::with_capacity(parts.len() / segments);
    for parts in parts.chunks_exact(segments * width) {
        let (first, others) = parts.split_at(width);
        let start = sums.len();
        sums.extend_from_slice(first);
        for other in others.chunks_exact(width) {
            sums[start..].iter_mut().zip(other).for_each(|(sum, part)| add(sum, *part));
        }
    }
    sums
}

/// What the work on one segment after the other is done in.
struct Segment<'a, T> {
    sizes: &'a Sizes,
    block: Block,
    columns: Columns<T>,
    /// dy of a group of a block, `[output, sample, window]`.
    gathered: Vec<T>,
}

impl<'a, T: Element> Segment<'a, T> {
    fn new(sizes: &'a Sizes, block: Block) -> Self {
        let columns = Columns::new(sizes.how.window, sizes.part(), sizes.input, sizes.output, block);
        Self { sizes, block, columns, gathered: Vec::new() }
    }

    /// Adds the sums over some samples, one block after the other.
    fn add(&mut self, need: Need, x: &[T], dy: &[T], dw: &mut [T], db: &mut [f64]) {
        let sizes = self.sizes;
        let (image, channel) = (sizes.outputs * sizes.pixels(), sizes.input[0] * sizes.input[1]);
        let (outputs, depth) = (sizes.outputs_of_group(), sizes.depth());
        let mut sums = vec![Running::<T, 1>::new(); if need.bias { sizes.outputs } else { 0 }];
        for (index, dy) in dy.chunks(self.block.samples * image).enumerate() {
            let x = &x[index * self.block.samples * sizes.sample()..];
            // The first to read a block of dy, which the product finds in the cache.
            simd(
                #[inline(always)]
                || {
                    for dy in dy.chunks_exact(image) {
                        for (dy, sum) in dy.chunks_exact(sizes.pixels()).zip(&mut sums) {
                            sum.add(dy, dy, |dy, _| [dy]);
                        }
                    }
                },
            );
            if need.weight {
                for (group, dw) in dw.chunks_exact_mut(outputs * depth).enumerate() {
                    let dy = &dy[group * outputs * sizes.pixels()..];
                    self.add_product(&x[group * sizes.part() * channel..], dy, dw);
                }
            }
        }
        for (db, sum) in db.iter_mut().zip(sums) {
            [*db] = simd(
                #[inline(always)]
                || sum.finish(),
            );
        }
    }

    /// Adds dy xᵀ of a group of a block, whose samples begin where those of the whole do.
    fn add_product(&mut self, x: &[T], dy: &[T], dw: &mut [T]) {
        let sizes = self.sizes;
        let (outputs, depth, pixels) = (sizes.outputs_of_group(), sizes.depth(), sizes.pixels());
        let image = sizes.outputs * pixels;
        let samples = dy.len().div_ceil(image);
        simd(
            #[inline(always)]
            || self.columns.load(x, samples, sizes.sample()),
        );
        for rows in tiles(sizes.output[0], self.block.rows) {
            let (start, count) = (rows.start * sizes.output[1], rows.len() * sizes.output[1]);
            let columns = Matrix::rows(
                simd(
                    #[inline(always)]
                    || self.columns.lay_out(samples, rows),
                ),
                depth,
                samples * count,
            );
            if samples == 1 {
                let dy = Matrix::apart(&dy[start..], outputs, count, pixels);
                add_product(dw, dy, columns.transposed());
                continue;
            }
            self.gathered.resize(outputs * samples * pixels, T::ZERO);
            let places = self.gathered.chunks_exact_mut(pixels).enumerate();
            places.for_each(|(index, to)| {
                to.copy_from_slice(&dy[index % samples * image + index / samples * pixels..][..pixels]);
            });
            let dy = Matrix::rows(&self.gathered, outputs, samples * pixels);
            add_product(dw, dy, columns.transposed());
        }
    }
}
