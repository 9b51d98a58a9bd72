//! Normalisation of every channel over the batch and all pixels: images of S pixels `[R, B, C, S]` in slices.
//!
//! The formulas are those of flat samples with B S in the place of B. A few channels at a time go through all
//! passes, so that what the first pass has read is in the cache for the next ones. The sums of a channel run
//! in the order of the batch, whichever thread takes it.

use std::mem::MaybeUninit;

use crate::kernel::lanes::Running;
use crate::kernel::parts::{each, write_each, written};
use crate::kernel::{Element, simd};

/// Numbers of a sample that are taken at once, at least: memory is read in runs of them.
const RUN: usize = 1024;

/// How images lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub runs: usize,
    pub batch: usize,
    /// C.
    pub channels: usize,
    /// S.
    pub area: usize,
}

/// What a channel's numbers are normalised with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments<T> {
    /// μ.
    pub mean: T,
    /// 1 / √(σ² + ε).
    pub inverse_std: T,
    /// σ² B S / (B S − 1).
    pub unbiased_variance: T,
}

/// Some channels of a run: the number of the first among the R C ones, with the memory for what is found of
/// each, and the place of each sample's numbers in the result.
struct Part<'a, T, F> {
    first: usize,
    found: &'a mut [F],
    out: Vec<&'a mut [MaybeUninit<T>]>,
}

impl Planes {
    /// Numbers of x.
    fn length(&self) -> usize {
        self.runs * self.batch * self.channels * self.area
    }

    fn count(&self) -> f64 {
        (self.batch * self.area) as f64
    }

    /// How many channels are taken at once.
    fn group(&self) -> usize {
        RUN.div_ceil(self.area).min(self.channels)
    }

    /// Cuts what is found of the R C channels, and the result if it has numbers, into parts.
    fn parts<'a, T, F>(&self, found: &'a mut [F], out: &'a mut [MaybeUninit<T>]) -> Vec<Part<'a, T, F>> {
        let groups = self.channels.div_ceil(self.group());
        let found = found.chunks_mut(self.channels).flat_map(|found| found.chunks_mut(self.group()));
        let mut parts: Vec<_> = found
            .enumerate()
            .map(|(index, found)| {
                let first = index / groups * self.channels + index % groups * self.group();
                Part { first, found, out: Vec::with_capacity(self.batch) }
            })
            .collect();
        for (index, sample) in out.chunks_mut(self.channels * self.area).enumerate() {
            let run = index / self.batch * groups;
            for (part, out) in parts[run..].iter_mut().zip(sample.chunks_mut(self.group() * self.area)) {
                part.out.push(out);
            }
        }
        parts
    }

    /// The numbers of so many channels from the `first` of all R C ones on, of each sample of their run.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn samples<'a, T>(&self, x: &'a [T], first: usize, channels: usize) -> impl Iterator<Item = &'a [T]> {
        let Self { batch, channels: all, area, .. } = *self;
        let (run, channel) = (first / all, first % all);
        (0..batch).map(move |sample| &x[((run * batch + sample) * all + channel) * area..][..channels * area])
    }

    /// y and the moments of every channel, with γ and β of each.
    pub fn forward<T: Element>(
        &self,
        x: &[T],
        [weight, bias]: [&[T]; 2],
        eps: f64,
    ) -> (Vec<T>, Vec<Moments<T>>) {
        let nothing = Moments { mean: T::ZERO, inverse_std: T::ZERO, unbiased_variance: T::ZERO };
        let mut moments = vec![nothing; self.runs * self.channels];
        // SAFETY: the parts cover y, and `normalize` writes all of each.
        let y = unsafe {
            written(self.length(), |y| {
                each(
                    self.parts(&mut moments, y),
                    || (),
                    |(), part| {
                        simd(
                            #[inline(always)]
                            || {
                                self.find_moments(x, part.first, part.found, eps);
                                let channels = part.first..part.first + part.found.len();
                                let affine = weight[channels.clone()].iter().zip(&bias[channels]);
                                let lines = part.found.iter().zip(affine);
                                let lines = lines.map(|(found, (weight, bias))| {
                                    [found.mean, found.inverse_std * *weight, *bias]
                                });
                                self.normalize(x, part.first, &lines.collect::<Vec<_>>(), part.out);
                            },
                        );
                    },
                );
            })
        };
        (y, moments)
    }

    /// `(x − mean) · scale + bias`.
    pub fn evaluate<T: Element>(&self, x: &[T], [mean, scale, bias]: [&[T]; 3]) -> Vec<T> {
        let lines = mean.iter().zip(scale).zip(bias);
        let mut lines: Vec<_> = lines.map(|((mean, scale), bias)| [*mean, *scale, *bias]).collect();
        // SAFETY: the parts cover y, and `normalize` writes all of each.
        unsafe {
            written(self.length(), |y| {
                each(
                    self.parts(&mut lines, y),
                    || (),
                    |(), part| {
                        simd(
                            #[inline(always)]
                            || self.normalize(x, part.first, part.found, part.out),
                        );
                    },
                );
            })
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn find_moments<T: Element>(&self, x: &[T], first: usize, found: &mut [Moments<T>], eps: f64) {
        let mut sums = vec![Running::<T, 1>::new(); found.len()];
        for sample in self.samples(x, first, found.len()) {
            for (x, sum) in sample.chunks_exact(self.area).zip(&mut sums) {
                sum.add(x, x, |x, _| [x]);
            }
        }
        let count = self.count();
        for (found, sum) in found.iter_mut().zip(&mut sums) {
            let [sum] = std::mem::replace(sum, Running::new()).finish();
            found.mean = T::of(sum / count);
        }
        for sample in self.samples(x, first, found.len()) {
            for (x, (found, square)) in sample.chunks_exact(self.area).zip(found.iter().zip(&mut sums)) {
                square.add(x, x, |x, _| [(x - found.mean) * (x - found.mean)]);
            }
        }
        for (found, square) in found.iter_mut().zip(sums) {
            let [square] = square.finish();
            found.inverse_std = T::of(1.0 / (square / count + eps).sqrt());
            found.unbiased_variance = T::of(square / (count - 1.0));
        }
    }

    /// Writes `(x − mean) · scale + bias` with these three of each channel.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn normalize<T: Element>(
        &self,
        x: &[T],
        first: usize,
        lines: &[[T; 3]],
        out: Vec<&mut [MaybeUninit<T>]>,
    ) {
        for (x, y) in self.samples(x, first, lines.len()).zip(out) {
            let planes = x.chunks_exact(self.area).zip(y.chunks_exact_mut(self.area));
            for ((x, y), [mean, scale, bias]) in planes.zip(lines) {
                write_each(y, [x, x], |x, _| (x - *mean) * *scale + *bias);
            }
        }
    }

    /// Σ dy and Σ dy (x − μ) of every channel, and dx if it is needed.
    pub fn backward<T: Element>(
        &self,
        [x, dy]: [&[T]; 2],
        channels: [&[T]; 3],
        need_input: bool,
    ) -> (Vec<[f64; 2]>, Vec<T>) {
        let mut sums = vec![[0.0; 2]; self.runs * self.channels];
        let length = if need_input { self.length() } else { 0 };
        // SAFETY: the parts cover dx, and `write_input_gradient` writes all of each.
        let dx = unsafe {
            written(length, |dx| {
                each(
                    self.parts(&mut sums, dx),
                    || (),
                    |(), part| {
                        simd(
                            #[inline(always)]
                            || {
                                self.find_gradient_sums([x, dy], channels[0], part.first, part.found);
                                self.write_input_gradient([x, dy], channels, part);
                            },
                        );
                    },
                );
            })
        };
        (sums, dx)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn find_gradient_sums<T: Element>(
        &self,
        [x, dy]: [&[T]; 2],
        mean: &[T],
        first: usize,
        found: &mut [[f64; 2]],
    ) {
        let mut sums = vec![Running::<T, 2>::new(); found.len()];
        let means = &mean[first..];
        let samples = self.samples(x, first, found.len()).zip(self.samples(dy, first, found.len()));
        for (x, dy) in samples {
            let planes = x.chunks_exact(self.area).zip(dy.chunks_exact(self.area));
            for ((x, dy), (sums, mean)) in planes.zip(sums.iter_mut().zip(means)) {
                sums.add(x, dy, |x, dy| [dy, dy * (x - *mean)]);
            }
        }
        for (found, sums) in found.iter_mut().zip(sums) {
            *found = sums.finish();
        }
    }

    /// dx = scale · dy + slope · (x − μ) + shift with three numbers a channel.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn write_input_gradient<T: Element>(
        &self,
        [x, dy]: [&[T]; 2],
        [mean, inverse_std, weight]: [&[T]; 3],
        part: Part<'_, T, [f64; 2]>,
    ) {
        let (first, width) = (part.first, part.found.len());
        let lines = part.found.iter().enumerate().map(|(index, [sum, product])| {
            let (mean, inverse) = (mean[first + index], inverse_std[first + index].wide());
            let scale = inverse * weight[first + index].wide();
            let slope = T::of(-scale * product / self.count() * inverse * inverse);
            [mean, T::of(scale), slope, T::of(-scale * sum / self.count())]
        });
        let lines: Vec<_> = lines.collect();
        let samples = self.samples(x, first, width).zip(self.samples(dy, first, width));
        for ((x, dy), dx) in samples.zip(part.out) {
            let planes = x.chunks_exact(self.area).zip(dy.chunks_exact(self.area));
            let onto = dx.chunks_exact_mut(self.area).zip(&lines);
            for ((x, dy), (dx, [mean, scale, slope, shift])) in planes.zip(onto) {
                write_each(dx, [x, dy], |x, dy| *scale * dy + *slope * (x - *mean) + *shift);
            }
        }
    }
}
