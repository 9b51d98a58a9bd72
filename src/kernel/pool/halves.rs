//! The largest number in each 2 × 2 pixels: windows that move by their own size and are not padded.
//!
//! Rows of several images are laid beside each other in blocks of a constant length, which the compiler turns
//! into whole vectors however narrow images are. Of a window only the corner is kept, in a byte, and dx is
//! written in the order of its rows.

use std::mem::MaybeUninit;

use super::max::beats;
use crate::kernel::parts::{each, written};
use crate::kernel::{Element, simd};

/// Windows that are looked at at once.
const LANES: usize = 16;
/// Windows that are laid beside each other at least: they stay in the first cache.
const BAND: usize = 256;
/// Numbers of x that a thread takes on at a time, at least.
const PART: usize = 1 << 15;

/// The sides of an image and of what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halves {
    input: [usize; 2],
    output: [usize; 2],
}

impl Halves {
    /// Of images with two rows and columns or more.
    pub fn of(input: [usize; 2]) -> Option<Self> {
        (input[0] > 1 && input[1] > 1).then_some(Self { input, output: input.map(|side| side / 2) })
    }

    /// Of x and of y, an image.
    fn pixels(&self) -> [usize; 2] {
        [self.input[0] * self.input[1], self.output[0] * self.output[1]]
    }

    /// How many numbers of x and of y a part has: those of some images.
    fn part(&self) -> [usize; 2] {
        let [from, to] = self.pixels();
        let images = PART.div_ceil(from);
        [images * from, images * to]
    }

    /// y and the corners, 0 to 3 row by row, in which its numbers were found.
    pub fn forward<T: Element>(&self, x: &[T]) -> (Vec<T>, Vec<u8>) {
        let ([from, to], [input, output]) = (self.pixels(), self.part());
        let length = x.len() / from * to;
        let mut corners = Vec::new();
        // SAFETY: `x` is made of whole images, and `halve` writes all numbers and corners of a part of them.
        let y = unsafe {
            written(length, |y| {
                corners = written(length, |corners| {
                    let parts = y.chunks_mut(output).zip(corners.chunks_mut(output)).zip(x.chunks(input));
                    each(
                        parts.collect(),
                        || (),
                        |(), ((y, corners), x)| {
                            simd(
                                #[inline(always)]
                                || self.halve(x, y, corners),
                            );
                        },
                    );
                });
            })
        };
        (y, corners)
    }

    /// dx.
    pub fn backward<T: Element>(&self, corners: &[u8], dy: &[T]) -> Vec<T> {
        let ([from, to], [input, output]) = (self.pixels(), self.part());
        // SAFETY: `dy` and `corners` are made of whole images, and `double` writes all of dx of a part of them.
        unsafe {
            written(dy.len() / to * from, |dx| {
                let parts = dx.chunks_mut(input).zip(corners.chunks(output)).zip(dy.chunks(output));
                each(
                    parts.collect(),
                    || (),
                    |(), ((dx, corners), dy)| {
                        simd(
                            #[inline(always)]
                            || self.double(corners, dy, dx),
                        );
                    },
                );
            })
        }
    }

    /// Writes y and the corners of some images.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn halve<T: Element>(&self, x: &[T], y: &mut [MaybeUninit<T>], corners: &mut [MaybeUninit<u8>]) {
        let (wide, width) = (self.input[1], self.output[1]);
        let mut pairs = x.chunks_exact(self.pixels()[0]).flat_map(|image| image.chunks_exact(2 * wide));
        let band = self.band();
        let (mut upper, mut lower) = (vec![[T::ZERO; 2]; band], vec![[T::ZERO; 2]; band]);
        for (y, corners) in y.chunks_mut(band).zip(corners.chunks_mut(band)) {
            let rows = upper[..y.len()].chunks_exact_mut(width).zip(lower.chunks_exact_mut(width));
            for ((upper, lower), pair) in rows.zip(&mut pairs) {
                upper.as_flattened_mut().copy_from_slice(&pair[..2 * width]);
                lower.as_flattened_mut().copy_from_slice(&pair[wide..][..2 * width]);
            }
            halve_rows([&upper[..y.len()], &lower[..y.len()]], y, corners);
        }
    }

    /// Writes dx of some images.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn double<T: Element>(&self, corners: &[u8], dy: &[T], dx: &mut [MaybeUninit<T>]) {
        let (wide, width) = (self.input[1], self.output[1]);
        let band = self.band();
        let (mut upper, mut lower) = (vec![[T::ZERO; 2]; band], vec![[T::ZERO; 2]; band]);
        let mut pairs = dx.chunks_exact_mut(self.pixels()[0]).flat_map(|image| {
            // What lies beside all windows gets nothing.
            let (pairs, last) = image.split_at_mut(2 * self.output[0] * wide);
            last.fill(MaybeUninit::new(T::ZERO));
            pairs.chunks_exact_mut(2 * wide)
        });
        for (corners, dy) in corners.chunks(band).zip(dy.chunks(band)) {
            double_rows(corners, dy, [&mut upper[..dy.len()], &mut lower[..dy.len()]]);
            let rows = upper[..dy.len()].chunks_exact(width).zip(lower.chunks_exact(width));
            for ((upper, lower), pair) in rows.zip(&mut pairs) {
                for (dx, from) in pair.chunks_exact_mut(wide).zip([upper, lower]) {
                    let (onto, beside) = dx.split_at_mut(2 * width);
                    onto.write_copy_of_slice(from.as_flattened());
                    beside.fill(MaybeUninit::new(T::ZERO));
                }
            }
        }
    }

    /// Windows that are laid beside each other: whole rows of them.
    fn band(&self) -> usize {
        BAND.div_ceil(self.output[1]) * self.output[1]
    }
}

/// Writes the largest numbers of windows, given by their upper and their lower pixels, and their corners.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn halve_rows<T: Element>(
    [upper, lower]: [&[[T; 2]]; 2],
    y: &mut [MaybeUninit<T>],
    corners: &mut [MaybeUninit<u8>],
) {
    let (uppers, upper) = upper.as_chunks::<LANES>();
    let (lowers, lower) = lower.as_chunks::<LANES>();
    let (blocks, y) = y.as_chunks_mut::<LANES>();
    let (corner_blocks, corners) = corners.as_chunks_mut::<LANES>();
    for (windows, onto) in uppers.iter().zip(lowers).zip(blocks.iter_mut().zip(corner_blocks)) {
        for place in 0..LANES {
            let (best, corner) = largest(windows.0[place], windows.1[place]);
            onto.0[place].write(best);
            onto.1[place].write(corner);
        }
    }
    for (windows, onto) in upper.iter().zip(lower).zip(y.iter_mut().zip(corners)) {
        let (best, corner) = largest(*windows.0, *windows.1);
        onto.0.write(best);
        onto.1.write(corner);
    }
}

/// The largest of four numbers, and which it is.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn largest<T: Element>(upper: [T; 2], lower: [T; 2]) -> (T, u8) {
    let (mut best, mut corner) = (upper[0], 0);
    for (number, at) in [(upper[1], 1), (lower[0], 2), (lower[1], 3)] {
        let better = beats(number, best);
        best = if better { number } else { best };
        corner = if better { at } else { corner };
    }
    (best, corner)
}

/// Spreads each number of dy over the upper and the lower pixels of its window.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn double_rows<T: Element>(corners: &[u8], dy: &[T], [upper, lower]: [&mut [[T; 2]]; 2]) {
    let (corner_blocks, corners) = corners.as_chunks::<LANES>();
    let (blocks, dy) = dy.as_chunks::<LANES>();
    let (uppers, upper) = upper.as_chunks_mut::<LANES>();
    let (lowers, lower) = lower.as_chunks_mut::<LANES>();
    for (from, onto) in corner_blocks.iter().zip(blocks).zip(uppers.iter_mut().zip(lowers)) {
        for place in 0..LANES {
            let (corner, dy) = (from.0[place], from.1[place]);
            onto.0[place] = at_corners(corner, dy, [0, 1]);
            onto.1[place] = at_corners(corner, dy, [2, 3]);
        }
    }
    for (from, onto) in corners.iter().zip(dy).zip(upper.iter_mut().zip(lower)) {
        *onto.0 = at_corners(*from.0, *from.1, [0, 1]);
        *onto.1 = at_corners(*from.0, *from.1, [2, 3]);
    }
}

/// `dy` where it belongs, 0 elsewhere.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn at_corners<T: Element>(corner: u8, dy: T, corners: [u8; 2]) -> [T; 2] {
    corners.map(|at| if corner == at { dy } else { T::ZERO })
}
