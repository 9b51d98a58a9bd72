//! The largest number in each window over images x `[…, H, W]` (`PyTorch`'s `MaxPool2d`).
//!
//! What is made up around an image is never the largest. The gradient goes to the first of equal numbers, row
//! by row. A NaN is larger than everything, so that a diverged run cannot look healthy behind a pooling.

use candle_core::{DType, Device, Tensor};

use super::halves::Halves;
use crate::kernel::window::Window;
use crate::kernel::window::composed::{add_pixel, cropped, padded, pixel};
use crate::kernel::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// What [`backward`] needs of a forward pass.
#[derive(Debug)]
pub struct Kept {
    window: Window,
    /// Of x.
    shape: Vec<usize>,
    dtype: DType,
    found: Found,
}

/// Where the largest numbers were.
#[derive(Debug)]
enum Found {
    /// Their positions in their images, in the order of y.
    Positions(Vec<u32>),
    /// The corners of their windows, in the order of y.
    Corners(Halves, Vec<u8>),
    /// To be looked for again: x and y as lists of images.
    Values(Tensor, Tensor),
}

/// y `[…, H', W']`, and what its gradient needs.
pub fn forward(x: &Tensor, window: &Window) -> Result<(Tensor, Kept)> {
    let (shape, input, output) = sizes(x, window)?;
    let kept = |found| Kept { window: *window, shape: x.dims().to_vec(), dtype: x.dtype(), found };
    if !is_cpu(x) {
        let images = x.contiguous()?.reshape(((), input[0], input[1]))?;
        let y = composed_forward(&images, window, output)?;
        return Ok((y.reshape(shape)?, kept(Found::Values(images, y))));
    }
    let x = x.contiguous()?;
    let halves = Halves::of(input).filter(|_| *window == Window::square(2));
    let count = shape.iter().product();
    with_element!(x, T => {
        if let Some(halves) = halves {
            let (y, corners) = read::<T, _>(&x, |x| halves.forward(x))?;
            return Ok((Tensor::from_vec(y, shape, &Device::Cpu)?, kept(Found::Corners(halves, corners))));
        }
        let mut y: Vec<T> = Vec::with_capacity(count);
        let mut positions = Vec::with_capacity(count);
        read::<T, _>(&x, |x| simd(#[inline(always)] || {
            for image in x.chunks_exact((input[0] * input[1]).max(1)) {
                append_image(image, input, window, output, &mut y, &mut positions);
            }
        }))?;
        Ok((Tensor::from_vec(y, shape, &Device::Cpu)?, kept(Found::Positions(positions))))
    })
}

/// dx for the gradient `dy` of y.
pub fn backward(kept: &Kept, dy: &Tensor) -> Result<Tensor> {
    let [.., height, width] = kept.shape[..] else { return Err(Error::Bug("images have sides".into())) };
    if dy.dtype() != kept.dtype {
        return Err(Error::Bug(format!("a pooling was given a gradient of type {:?}", dy.dtype())));
    }
    let dy = dy.contiguous()?;
    match &kept.found {
        Found::Values(x, y) if y.elem_count() == dy.elem_count() => {
            let dx = composed_backward(x, y, &dy.reshape(y.dims())?, &kept.window)?;
            Ok(dx.reshape(kept.shape.clone())?)
        }
        Found::Corners(halves, corners) if corners.len() == dy.elem_count() => with_element!(dy, T => {
            let dx = read::<T, _>(&dy, |dy| halves.backward(corners, dy))?;
            Ok(Tensor::from_vec(dx, kept.shape.clone(), &Device::Cpu)?)
        }),
        Found::Positions(positions) if positions.len() == dy.elem_count() => with_element!(dy, T => {
            let mut dx = vec![T::ZERO; kept.shape.iter().product()];
            let images = dx.len() / (height * width).max(1);
            let pixels = (positions.len() / images.max(1)).max(1);
            read::<T, _>(&dy, |dy| {
                let parts = positions.chunks_exact(pixels).zip(dy.chunks_exact(pixels));
                for (dx, (positions, dy)) in dx.chunks_exact_mut((height * width).max(1)).zip(parts) {
                    for (position, dy) in positions.iter().zip(dy) {
                        dx[*position as usize] += *dy;
                    }
                }
            })?;
            Ok(Tensor::from_vec(dx, kept.shape.clone(), &Device::Cpu)?)
        }),
        _ => Err(Error::Bug(format!("a pooling was given a gradient of shape {:?}", dy.dims()))),
    }
}

/// The shape of y, and both images'.
fn sizes(x: &Tensor, window: &Window) -> Result<(Vec<usize>, [usize; 2], [usize; 2])> {
    let [ref leading @ .., height, width] = x.dims()[..] else {
        return Err(Error::Bug("a pooling was given no images".into()));
    };
    let output = window.output([height, width]).filter(|_| {
        // Elsewhere a window could lie beside the image altogether.
        (0..2).all(|axis| 2 * window.padding[axis] <= window.kernel[axis] && window.dilation[axis] == 1)
    });
    let Some(output) = output else {
        return Err(Error::Bug(format!("a pooling of {window:?} was given {:?}", x.dims())));
    };
    Ok((leading.iter().copied().chain(output).collect(), [height, width], output))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn append_image<T: Element>(
    image: &[T],
    input: [usize; 2],
    window: &Window,
    [height, width]: [usize; 2],
    y: &mut Vec<T>,
    positions: &mut Vec<u32>,
) {
    for row in 0..height {
        let rows = inside(row, 0, window, input);
        for column in 0..width {
            let columns = inside(column, 1, window, input);
            let mut position = rows.start * input[1] + columns.start;
            let mut best = T::of(f64::NEG_INFINITY);
            for from in rows.clone() {
                let first = from * input[1] + columns.start;
                for (offset, number) in image[first..][..columns.len()].iter().enumerate() {
                    if beats(*number, best) {
                        (best, position) = (*number, first + offset);
                    }
                }
            }
            y.push(best);
            positions.push(position as u32);
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
pub(super) fn beats<T: Element>(number: T, best: T) -> bool {
    // Both are compared, as a branch costs more.
    (number > best) | number.partial_cmp(&number).is_none()
}

/// The pixels of the image that the window at `place` looks at, along an axis.
fn inside(place: usize, axis: usize, window: &Window, input: [usize; 2]) -> std::ops::Range<usize> {
    let first = place * window.stride[axis];
    let end = (first + window.kernel[axis]).saturating_sub(window.padding[axis]);
    first.saturating_sub(window.padding[axis])..end.min(input[axis])
}

fn composed_forward(images: &Tensor, window: &Window, output: [usize; 2]) -> Result<Tensor> {
    let padded = padded(images, window, f64::NEG_INFINITY)?;
    let mut best: Option<Tensor> = None;
    for at in looked_at(window) {
        let number = pixel(&padded, window, output, at)?;
        best = Some(match best {
            None => number,
            Some(best) => {
                let better = (number.gt(&best)? + number.ne(&number)?)?;
                better.where_cond(&number, &best)?
            }
        });
    }
    best.ok_or_else(|| Error::Bug("a window looks at a pixel or more".into()))
}

fn composed_backward(images: &Tensor, y: &Tensor, dy: &Tensor, window: &Window) -> Result<Tensor> {
    let (_, height, width) = images.dims3()?;
    let (_, high, wide) = y.dims3()?;
    let padded = padded(images, window, f64::NEG_INFINITY)?;
    let mut onto = padded.zeros_like()?;
    let mut left = y.ones_like()?;
    for at in looked_at(window) {
        let number = pixel(&padded, window, [high, wide], at)?;
        // Not the made-up pixels: where all else is −∞ as well, the first real one is meant.
        let real = pixel(&self::padded_ones(images, window)?, window, [high, wide], at)?;
        let equal = (number.eq(y)? + (number.ne(&number)? * y.ne(y)?)?)?.to_dtype(y.dtype())?;
        let share = ((equal * real)? * &left)?;
        left = (left - &share)?;
        onto = add_pixel(&onto, window, &(share * dy)?, at)?;
    }
    cropped(&onto, window, [height, width])
}

/// 1 for the pixels of images, 0 for what is made up around them.
fn padded_ones(images: &Tensor, window: &Window) -> Result<Tensor> {
    padded(&images.ones_like()?, window, 0.0)
}

fn looked_at(window: &Window) -> impl Iterator<Item = [usize; 2]> {
    let [high, wide] = window.kernel;
    (0..high).flat_map(move |i| (0..wide).map(move |j| [i, j]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{
        assert_close, assert_same, differences, dot, normal, numbers, on_threads, tensor,
    };
    use crate::rng::{Purpose, Stream};

    fn composed(x: &Tensor, window: &Window, dy: &Tensor) -> (Tensor, Tensor) {
        let (shape, input, output) = sizes(x, window).unwrap();
        let images = x.contiguous().unwrap().reshape(((), input[0], input[1])).unwrap();
        let y = composed_forward(&images, window, output).unwrap();
        let dy = dy.reshape(y.dims()).unwrap();
        let dx = composed_backward(&images, &y, &dy, window).unwrap();
        (y.reshape(shape).unwrap(), dx.reshape(x.dims()).unwrap())
    }

    #[test]
    fn slices_and_composition_agree_and_gradients_are_those_of_finite_differences() {
        for seed in 0..30u64 {
            let mut draws = Stream::new(seed, Purpose::Synthetic, 1, 0).draws();
            let mut size = |least: usize, most: u64| least + draws.below(most) as usize;
            let kernel = [size(1, 3), size(1, 3)];
            let window = Window {
                kernel,
                stride: [size(1, 3), size(1, 3)],
                padding: kernel.map(|side| side / 2),
                dilation: [1, 1],
            };
            let window = if seed % 3 == 0 { Window::square(2) } else { window };
            let x = normal(seed, &[2, 2, 3, size(3, 5), size(3, 5)], DType::F64);
            let x = if seed % 2 == 0 { x.transpose(3, 4).unwrap() } else { x };
            let (y, kept) = forward(&x, &window).unwrap();
            let dy = normal(seed + 100, y.dims(), DType::F64);
            let dx = backward(&kept, &dy).unwrap();
            let expected = differences(&x, |x| dot(&forward(x, &window).unwrap().0, &dy));
            assert_close(&numbers(&dx), &expected, 1e-8);
            let (composed_y, composed_dx) = composed(&x, &window, &dy);
            assert_same(&y, &composed_y, 0.0);
            assert_same(&dx, &composed_dx, 1e-14);
        }
    }

    #[test]
    fn the_first_of_equals_gets_the_gradient_and_nan_wins() {
        let nan = f64::NAN;
        let window = Window { kernel: [2, 2], stride: [2, 2], padding: [1, 1], dilation: [1, 1] };
        for window in [Window::square(2), window] {
            let x = tensor(&[1.0, 1.0, 0.0, nan, 1.0, 1.0, nan, 9.0], &[1, 1, 1, 2, 4]);
            let (y, kept) = forward(&x, &window).unwrap();
            let dy = y.ones_like().unwrap();
            let (composed_y, _) = composed(&x, &window, &dy);
            assert_eq!(format!("{:?}", numbers(&y)), format!("{:?}", numbers(&composed_y)));
            assert_close(&numbers(&backward(&kept, &dy).unwrap())[..1], &[1.0], 0.0);
        }
        let x = tensor(&[1.0, 1.0, 0.0, nan, 1.0, 1.0, nan, 9.0], &[1, 1, 1, 2, 4]);
        let (y, kept) = forward(&x, &Window::square(2)).unwrap();
        assert_eq!(format!("{:?}", numbers(&y)), "[1.0, NaN]");
        let dx = numbers(&backward(&kept, &tensor(&[1.0, 2.0], &[1, 1, 1, 1, 2])).unwrap());
        // As in PyTorch, the last NaN.
        assert_eq!(dx, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        let lowest = Tensor::full(f32::NEG_INFINITY, (1, 1, 1, 2, 2), &Device::Cpu).unwrap();
        let (y, kept) = forward(&lowest, &window).unwrap();
        let dx = numbers(&backward(&kept, &y.ones_like().unwrap()).unwrap());
        assert_eq!(dx, [1.0; 4]);
    }

    /// Ties and NaN everywhere: numbers of a few values.
    fn coarse(shape: &[usize]) -> Tensor {
        let values = [0.0, -0.5, 2.0, f32::NEG_INFINITY];
        let mut draws = Stream::new(7, Purpose::Synthetic, 1, 0).draws();
        let numbers: Vec<f32> = (0..shape.iter().product())
            .map(|_| if draws.below(40) == 0 { f32::NAN } else { values[draws.below(4) as usize] })
            .collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn halves_of_any_width_are_those_of_any_window() {
        let window = Window::square(2);
        // Blocks of sixteen windows, what is left of them, several bands and parts, sides that are odd.
        for [height, width] in [[2, 2], [8, 8], [9, 7], [33, 35], [4, 130], [66, 64], [300, 3]] {
            let x = coarse(&[2, 1, 17, height, width]);
            let (y, kept) = forward(&x, &window).unwrap();
            let mut expected = (Vec::new(), Vec::new());
            let input = [height, width];
            let output = window.output(input).unwrap();
            for image in x.flatten_all().unwrap().to_vec1::<f32>().unwrap().chunks_exact(height * width) {
                append_image(image, input, &window, output, &mut expected.0, &mut expected.1);
            }
            let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let found = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(bits(found), bits(expected.0));
            let dy = normal(1, y.dims(), DType::F32);
            let dx = backward(&kept, &dy).unwrap();
            let positions = Kept { found: Found::Positions(expected.1), ..kept };
            assert_same(&dx, &backward(&positions, &dy).unwrap(), 0.0);
        }
    }

    #[test]
    fn every_thread_count_gives_the_same_bits() {
        let x = normal(1, &[1, 50, 3, 32, 31], DType::F32);
        let pass = || {
            let (y, kept) = forward(&x, &Window::square(2)).unwrap();
            [numbers(&backward(&kept, &y).unwrap()), numbers(&y)]
        };
        let alone = pass();
        let together = on_threads(2, pass);
        assert!(alone == together);
    }

    #[test]
    fn windows_that_do_not_fit_are_errors() {
        let x = normal(1, &[1, 1, 1, 1, 1], DType::F32);
        assert!(forward(&x, &Window::square(2)).is_err());
        let beside = Window { kernel: [1, 1], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
        assert!(forward(&x, &beside).is_err());
        let (_, kept) = forward(&x, &Window::square(1)).unwrap();
        assert!(backward(&kept, &normal(1, &[1, 1, 1, 1, 2], DType::F32)).is_err());
        assert!(backward(&kept, &normal(1, &[1, 1, 1, 1, 1], DType::F64)).is_err());
    }
}
