//! Means over parts of images x `[…, H, W]` (`PyTorch`'s `AvgPool2d` and `AdaptiveAvgPool2d`).
//!
//! A part is a rectangle, so a mean is taken down first and across then, and y = A x Bᵀ with a matrix of shares
//! for each axis. On the CPU the rows of a part are added up once for all parts beside each other; elsewhere y
//! is that product.

use candle_core::{DType, Device, Tensor};

use crate::kernel::window::Window;
use crate::kernel::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// The parts that means are taken of: every pair of a span of rows and a span of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    input: [usize; 2],
    rows: Vec<Span>,
    columns: Vec<Span>,
}

/// Pixels beside each other.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    start: usize,
    end: usize,
    /// What their sum is divided by.
    count: usize,
}

impl Parts {
    /// The windows over images with these sides; none if they do not fit. What is made up around an image
    /// counts as zeros if `count_include_pad`, and not at all otherwise.
    pub fn sliding(window: &Window, input: [usize; 2], count_include_pad: bool) -> Option<Self> {
        let output = window.output(input)?;
        if (0..2).any(|axis| 2 * window.padding[axis] > window.kernel[axis] || window.dilation[axis] != 1) {
            return None;
        }
        let along = |axis: usize| {
            let span = |place: usize| {
                let (first, kernel, padding) =
                    (place * window.stride[axis], window.kernel[axis], window.padding[axis]);
                let start = first.saturating_sub(padding);
                let end = (first + kernel).saturating_sub(padding).min(input[axis]);
                Span { start, end, count: if count_include_pad { kernel } else { end - start } }
            };
            (0..output[axis]).map(span).collect()
        };
        Some(Self { input, rows: along(0), columns: along(1) })
    }

    /// So many parts down and across, from ⌊i · side / parts⌋ to ⌈(i + 1) · side / parts⌉; none without any.
    pub fn adaptive(input: [usize; 2], output: [usize; 2]) -> Option<Self> {
        if input.contains(&0) || output.contains(&0) {
            return None;
        }
        let along = |axis: usize| {
            let (side, parts) = (input[axis], output[axis]);
            let span = |place: usize| {
                let (start, end) = (place * side / parts, ((place + 1) * side).div_ceil(parts));
                Span { start, end, count: end - start }
            };
            (0..parts).map(span).collect()
        };
        Some(Self { input, rows: along(0), columns: along(1) })
    }

    /// How many there are, down and across.
    pub fn output(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// `shape` with other sides in the place of `from`.
    fn shape(shape: &[usize], from: [usize; 2], to: [usize; 2]) -> Result<Vec<usize>> {
        match shape {
            [leading @ .., height, width] if [*height, *width] == from => {
                Ok(leading.iter().copied().chain(to).collect())
            }
            _ => Err(Error::Bug(format!("a pooling of images {from:?} was given {shape:?}"))),
        }
    }
}

/// y `[…, H', W']`.
pub fn forward(x: &Tensor, parts: &Parts) -> Result<Tensor> {
    let shape = Parts::shape(x.dims(), parts.input, parts.output())?;
    let x = x.contiguous()?;
    if !is_cpu(&x) {
        return Ok(composed_forward(&x, parts)?.reshape(shape)?);
    }
    with_element!(x, T => {
        let mut y: Vec<T> = Vec::with_capacity(shape.iter().product());
        read::<T, _>(&x, |x| simd(#[inline(always)] || {
            let mut line = vec![T::ZERO; parts.input[1]];
            for image in x.chunks_exact(parts.input[0] * parts.input[1]) {
                append_means(image, parts, &mut line, &mut y);
            }
        }))?;
        Ok(Tensor::from_vec(y, shape, &Device::Cpu)?)
    })
}

/// dx for the gradient `dy` of y.
pub fn backward(dy: &Tensor, parts: &Parts) -> Result<Tensor> {
    let shape = Parts::shape(dy.dims(), parts.output(), parts.input)?;
    let dy = dy.contiguous()?;
    if !is_cpu(&dy) {
        return Ok(composed_backward(&dy, parts)?.reshape(shape)?);
    }
    with_element!(dy, T => {
        let mut dx = vec![T::ZERO; shape.iter().product()];
        let [height, width] = parts.output();
        read::<T, _>(&dy, |dy| simd(#[inline(always)] || {
            let mut line = vec![T::ZERO; parts.input[1]];
            let images = dx.chunks_exact_mut(parts.input[0] * parts.input[1]);
            for (dx, dy) in images.zip(dy.chunks_exact(height * width)) {
                add_shares(dx, dy, parts, &mut line);
            }
        }))?;
        Ok(Tensor::from_vec(dx, shape, &Device::Cpu)?)
    })
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn append_means<T: Element>(image: &[T], parts: &Parts, line: &mut [T], y: &mut Vec<T>) {
    let width = line.len();
    for down in &parts.rows {
        line.fill(T::ZERO);
        for row in image[down.start * width..down.end * width].chunks_exact(width) {
            for (sum, pixel) in line.iter_mut().zip(row) {
                *sum += *pixel;
            }
        }
        y.extend(parts.columns.iter().map(|across| {
            let mut sum = T::ZERO;
            for part in &line[across.start..across.end] {
                sum += *part;
            }
            sum / T::of((down.count * across.count) as f64)
        }));
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn add_shares<T: Element>(dx: &mut [T], dy: &[T], parts: &Parts, line: &mut [T]) {
    let width = line.len();
    for (down, dy) in parts.rows.iter().zip(dy.chunks_exact(parts.columns.len())) {
        line.fill(T::ZERO);
        for (across, dy) in parts.columns.iter().zip(dy) {
            let share = *dy / T::of((down.count * across.count) as f64);
            for sum in &mut line[across.start..across.end] {
                *sum += share;
            }
        }
        for row in dx[down.start * width..down.end * width].chunks_exact_mut(width) {
            for (dx, share) in row.iter_mut().zip(&*line) {
                *dx += *share;
            }
        }
    }
}

fn composed_forward(x: &Tensor, parts: &Parts) -> Result<Tensor> {
    let [down, across] = shares(parts, x.dtype(), x.device())?;
    let images = x.reshape(((), parts.input[0], parts.input[1]))?;
    Ok(down.broadcast_matmul(&images)?.broadcast_matmul(&across.t()?)?)
}

fn composed_backward(dy: &Tensor, parts: &Parts) -> Result<Tensor> {
    let [down, across] = shares(parts, dy.dtype(), dy.device())?;
    let [height, width] = parts.output();
    let images = dy.reshape(((), height, width))?;
    Ok(down.t()?.broadcast_matmul(&images)?.broadcast_matmul(&across)?)
}

/// A `[H', H]` and B `[W', W]`.
fn shares(parts: &Parts, dtype: DType, device: &Device) -> Result<[Tensor; 2]> {
    let matrix = |spans: &[Span], side: usize| -> Result<Tensor> {
        let mut shares = vec![0.0; spans.len() * side];
        for (row, span) in shares.chunks_exact_mut(side).zip(spans) {
            row[span.start..span.end].fill(1.0 / span.count as f64);
        }
        Ok(Tensor::from_vec(shares, (spans.len(), side), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
    };
    Ok([matrix(&parts.rows, parts.input[0])?, matrix(&parts.columns, parts.input[1])?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers};
    use crate::rng::{Purpose, Stream};

    #[test]
    fn slices_and_composition_agree_and_gradients_are_those_of_finite_differences() {
        for seed in 0..30u64 {
            let mut draws = Stream::new(seed, Purpose::Synthetic, 1, 0).draws();
            let mut size = |least: usize, most: u64| least + draws.below(most) as usize;
            let (kernel, input) = ([size(1, 3), size(1, 3)], [size(3, 5), size(3, 5)]);
            let window = Window {
                kernel,
                stride: [size(1, 3), size(1, 3)],
                padding: kernel.map(|side| side / 2),
                dilation: [1, 1],
            };
            let parts = match seed % 3 {
                0 => Parts::adaptive(input, [size(1, 9), size(1, 9)]),
                even => Parts::sliding(&window, input, even == 1),
            };
            let parts = parts.unwrap();
            let x = normal(seed, &[2, 2, 3, input[1], input[0]], DType::F64).transpose(3, 4).unwrap();
            let y = forward(&x, &parts).unwrap();
            let dy = normal(seed + 100, y.dims(), DType::F64);
            let dx = backward(&dy, &parts).unwrap();
            let expected = differences(&x, |x| dot(&forward(x, &parts).unwrap(), &dy));
            assert_close(&numbers(&dx), &expected, 1e-8);
            let x = x.contiguous().unwrap();
            assert_same(&y, &composed_forward(&x, &parts).unwrap().reshape(y.dims()).unwrap(), 1e-14);
            assert_same(&dx, &composed_backward(&dy, &parts).unwrap().reshape(x.dims()).unwrap(), 1e-14);
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(Parts::sliding(&Window::square(2), [1, 1], true).is_none());
        let beside = Window { kernel: [1, 1], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
        assert!(Parts::sliding(&beside, [3, 3], true).is_none());
        assert!(Parts::adaptive([3, 3], [0, 1]).is_none());
        let parts = Parts::adaptive([3, 3], [2, 1]).unwrap();
        assert!(forward(&normal(1, &[1, 1, 1, 3, 2], DType::F32), &parts).is_err());
        assert!(backward(&normal(1, &[1, 1, 1, 3, 3], DType::F32), &parts).is_err());
    }
}
