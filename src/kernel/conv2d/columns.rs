//! The windows over a few images as the columns of a matrix.

use std::ops::Range;

use crate::kernel::Element;
use crate::kernel::window::Window;

/// Numbers that are copied at once. A row's last copy reaches beyond its end, and the next row lies over that.
const LANES: usize = 16;
/// How large a matrix of columns is meant to be: it shares the second cache with what it is multiplied by.
const BYTES: usize = 1 << 20;
/// Columns beyond which a product gains nothing from more of them.
const MOST_COLUMNS: usize = 1024;

/// Which windows are laid out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Images.
    pub samples: usize,
    /// Rows of windows; all of them where there is more than one image.
    pub rows: usize,
}

impl Block {
    /// For columns of `depth` numbers and images with `output` windows down and across.
    pub fn of<T>(depth: usize, output: [usize; 2]) -> Self {
        let columns = (BYTES / (size_of::<T>() * depth.max(1))).clamp(LANES, MOST_COLUMNS);
        let pixels = output[0] * output[1];
        let samples = (columns / pixels.max(1)).max(1);
        let rows =
            if samples > 1 { output[0] } else { (columns / output[1].max(1)).clamp(1, output[0].max(1)) };
        Self { samples, rows }
    }
}

/// Where columns are laid out, again and again.
pub(super) struct Columns<T> {
    window: Window,
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
    /// `[sample, channel, H + 2p, W + 2p]`.
    padded: Vec<T>,
    /// `[channel, i, j, sample, row, column]`.
    numbers: Vec<T>,
}

impl<T: Element> Columns<T> {
    /// For the windows over images of so many channels, as many at a time as `block` says.
    pub fn new(window: Window, channels: usize, input: [usize; 2], output: [usize; 2], block: Block) -> Self {
        let [high, wide] = window.padded(input);
        let depth = channels * window.kernel[0] * window.kernel[1];
        let columns = block.samples * block.rows * output[1];
        Self {
            window,
            channels,
            input,
            output,
            padded: vec![T::ZERO; block.samples * channels * high * wide + LANES],
            numbers: vec![T::ZERO; depth * columns + LANES],
        }
    }

    /// Takes images in whose beginnings lie `step` numbers apart.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn load(&mut self, images: &[T], samples: usize, step: usize) {
        let [_, wide] = self.window.padded(self.input);
        let ([height, width], [down, across]) = (self.input, self.window.padding);
        let plane = self.window.padded(self.input)[0] * wide;
        for sample in 0..samples {
            let image = &images[sample * step..][..self.channels * height * width];
            for (channel, from) in image.chunks_exact((height * width).max(1)).enumerate() {
                let start = (sample * self.channels + channel) * plane + down * wide + across;
                for (row, from) in from.chunks_exact(width).enumerate() {
                    self.padded[start + row * wide..][..width].copy_from_slice(from);
                }
            }
        }
    }

    /// Lays out the windows of these rows over the first images of those that were taken in: `[depth, samples · windows]`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn lay_out(&mut self, samples: usize, rows: Range<usize>) -> &[T] {
        let Window { kernel, stride, dilation, .. } = self.window;
        let [high, wide] = self.window.padded(self.input);
        let width = self.output[1];
        let mut at = 0;
        for channel in 0..self.channels {
            for (i, j) in (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| (i, j))) {
                for sample in 0..samples {
                    let plane = (sample * self.channels + channel) * high * wide;
                    let first = plane + i * dilation[0] * wide + j * dilation[1];
                    for row in rows.clone() {
                        let from = &self.padded[first + row * stride[0] * wide..];
                        copy_row(&mut self.numbers[at..], from, width, stride[1]);
                        at += width;
                    }
                }
            }
        }
        &self.numbers[..at]
    }
}

/// Every `step`th number of `from`, `width` of them.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn copy_row<T: Element>(to: &mut [T], from: &[T], width: usize, step: usize) {
    if step == 1 {
        for first in (0..width).step_by(LANES) {
            to[first..first + LANES].copy_from_slice(&from[first..first + LANES]);
        }
    } else {
        for (to, from) in to[..width].iter_mut().zip(from.iter().step_by(step)) {
            *to = *from;
        }
    }
}
