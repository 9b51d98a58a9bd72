//! From the outputs at all real steps of packed sequences to the layer's output, and the way back.

#![expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]

use super::Pooling;
use super::packing::Packing;
use crate::kernel::{Element, simd};

/// What stays the same for all sequences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool<'a> {
    pub pooling: Pooling,
    pub packing: &'a Packing,
    /// Steps of a batch's sequences, padding included.
    pub steps: usize,
    /// Numbers in a row.
    pub width: usize,
    /// Those of them that run forward in time: the first.
    pub forward: usize,
}

impl Pool<'_> {
    /// Fills `y`, `[B, steps, width]` or `[B, width]` of zeros. For `max` gives the step that each number is from.
    pub(super) fn forward<T: Element>(&self, output: &[T], y: &mut [T]) -> Vec<u32> {
        match self.pooling {
            Pooling::None => {
                for (row, sequence, step) in self.packing.places() {
                    y[(sequence * self.steps + step) * self.width..][..self.width]
                        .copy_from_slice(self.row(output, row));
                }
                Vec::new()
            }
            Pooling::Last => {
                for (first, last, sequence) in self.ends() {
                    let y = &mut y[sequence * self.width..][..self.width];
                    y[..self.forward].copy_from_slice(&self.row(output, last)[..self.forward]);
                    y[self.forward..].copy_from_slice(&self.row(output, first)[self.forward..]);
                }
                Vec::new()
            }
            Pooling::Mean => {
                simd(
                    #[inline(always)]
                    || self.mean(output, y),
                );
                Vec::new()
            }
            Pooling::Max => simd(
                #[inline(always)]
                || self.max(output, y),
            ),
        }
    }

    /// The gradient of every packed row for the gradient of what [`forward`](Self::forward) filled.
    pub(super) fn backward<T: Element>(&self, dy: &[T], largest: &[u32]) -> Vec<T> {
        let width = self.width;
        if self.pooling == Pooling::None {
            let mut gradient = Vec::with_capacity(self.packing.rows() * width);
            for (_, sequence, step) in self.packing.places() {
                gradient.extend_from_slice(&dy[(sequence * self.steps + step) * width..][..width]);
            }
            return gradient;
        }
        let mut gradient = vec![T::ZERO; self.packing.rows() * width];
        match self.pooling {
            Pooling::None => {}
            Pooling::Last => {
                for (first, last, sequence) in self.ends() {
                    let (along, against) = dy[sequence * width..][..width].split_at(self.forward);
                    gradient[last * width..][..self.forward].copy_from_slice(along);
                    gradient[first * width + self.forward..][..against.len()].copy_from_slice(against);
                }
            }
            Pooling::Mean => simd(
                #[inline(always)]
                || self.spread(dy, &mut gradient),
            ),
            Pooling::Max => {
                for (position, (sequence, steps)) in self.packing.positions().enumerate() {
                    if steps == 0 {
                        continue;
                    }
                    let all = sequence * width..(sequence + 1) * width;
                    for (column, (dy, step)) in dy[all.clone()].iter().zip(&largest[all]).enumerate() {
                        gradient[self.packing.row(position, *step as usize) * width + column] = *dy;
                    }
                }
            }
        }
        gradient
    }

    fn row<'a, T>(&self, output: &'a [T], row: usize) -> &'a [T] {
        &output[row * self.width..][..self.width]
    }

    /// (Row of the first step, row of the last, sequence) of those that have steps.
    fn ends(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let positions = self.packing.positions().enumerate();
        positions.filter(|(_, (_, steps))| *steps > 0).map(|(position, (sequence, steps))| {
            (self.packing.row(position, 0), self.packing.row(position, steps - 1), sequence)
        })
    }

    #[inline(always)]
    fn mean<T: Element>(&self, output: &[T], y: &mut [T]) {
        let width = self.width;
        for (row, sequence, _) in self.packing.places() {
            for (sum, x) in y[sequence * width..][..width].iter_mut().zip(&output[row * width..][..width]) {
                *sum += *x;
            }
        }
        for (sequence, share) in self.shares::<T>() {
            for sum in &mut y[sequence * width..][..width] {
                *sum *= share;
            }
        }
    }

    #[inline(always)]
    fn spread<T: Element>(&self, dy: &[T], gradient: &mut [T]) {
        let width = self.width;
        let mut shares = vec![T::ZERO; self.packing.sequences()];
        self.shares::<T>().for_each(|(sequence, share)| shares[sequence] = share);
        for (row, sequence, _) in self.packing.places() {
            let dy = &dy[sequence * width..][..width];
            for (gradient, dy) in gradient[row * width..][..width].iter_mut().zip(dy) {
                *gradient = *dy * shares[sequence];
            }
        }
    }

    /// (Sequence, one over its steps) of those that have steps.
    fn shares<T: Element>(&self) -> impl Iterator<Item = (usize, T)> + '_ {
        let positions = self.packing.positions().filter(|(_, steps)| *steps > 0);
        positions.map(|(sequence, steps)| (sequence, T::of(1.0 / steps as f64)))
    }

    #[inline(always)]
    fn max<T: Element>(&self, output: &[T], y: &mut [T]) -> Vec<u32> {
        let width = self.width;
        let mut largest = vec![0u32; y.len()];
        for (row, sequence, step) in self.packing.places() {
            let (x, all) = (&output[row * width..][..width], sequence * width..(sequence + 1) * width);
            let (y, largest) = (&mut y[all.clone()], &mut largest[all]);
            if step == 0 {
                y.copy_from_slice(x);
                continue;
            }
            for ((y, largest), x) in y.iter_mut().zip(largest).zip(x) {
                // The first of equals wins, and a NaN over everything, as in torch.max.
                let is_larger = *x > *y || (is_nan(*x) && !is_nan(*y));
                *y = if is_larger { *x } else { *y };
                *largest = if is_larger { step as u32 } else { *largest };
            }
        }
        largest
    }
}

#[inline(always)]
fn is_nan<T: Element>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}
