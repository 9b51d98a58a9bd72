//! Normalisation of every channel over the batch and all pixels: images of S pixels `[R, B, C, S]` in slices.
//!
//! The formulas are those of flat samples with B S in the place of B. A channel's pixels lie in order, so each
//! plane is summed by itself and the planes of a channel are added in `f64`, in the order of the batch.

use crate::kernel::{Element, lanes};

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

/// The sums over the planes of each channel, `[R, C]`.
type Sums = Vec<f64>;

impl Planes {
    fn count(&self) -> f64 {
        (self.batch * self.area) as f64
    }

    /// Which of the R C channels each plane of x is of, in their order.
    fn channels_in_order(&self) -> impl Iterator<Item = usize> {
        let Self { runs, batch, channels, .. } = *self;
        (0..runs).flat_map(move |run| (0..batch).flat_map(move |_| run * channels..(run + 1) * channels))
    }

    /// Mean, 1 / √(σ² + ε) and unbiased variance of every channel.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn statistics<T: Element>(&self, x: &[T], eps: f64) -> [Vec<T>; 3] {
        let mut sums: Sums = vec![0.0; self.runs * self.channels];
        for (x, channel) in x.chunks_exact(self.area).zip(self.channels_in_order()) {
            let [sum] = lanes::sums(x, x, |x, _| [x]);
            sums[channel] += sum;
        }
        let means: Vec<T> = sums.iter().map(|sum| T::of(sum / self.count())).collect();
        let mut squares: Sums = vec![0.0; self.runs * self.channels];
        for (x, channel) in x.chunks_exact(self.area).zip(self.channels_in_order()) {
            let mean = means[channel];
            let [sum] = lanes::sums(x, x, |x, _| [(x - mean) * (x - mean)]);
            squares[channel] += sum;
        }
        let inverse_std = |square: &f64| T::of(1.0 / (square / self.count() + eps).sqrt());
        let inverse_stds = squares.iter().map(inverse_std).collect();
        let variances = squares.iter().map(|square| T::of(square / (self.count() - 1.0))).collect();
        [means, inverse_stds, variances]
    }

    /// `(x − mean) · scale + bias`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn append_normalized<T: Element>(&self, x: &[T], [mean, scale, bias]: [&[T]; 3], y: &mut Vec<T>) {
        for (x, channel) in x.chunks_exact(self.area).zip(self.channels_in_order()) {
            let (mean, scale, bias) = (mean[channel], scale[channel], bias[channel]);
            y.extend(x.iter().map(|x| (*x - mean) * scale + bias));
        }
    }

    /// Σ dy and Σ dy (x − μ) of every channel.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn gradient_sums<T: Element>(&self, x: &[T], dy: &[T], mean: &[T]) -> [Sums; 2] {
        let mut sums: [Sums; 2] = std::array::from_fn(|_| vec![0.0; self.runs * self.channels]);
        let planes = x.chunks_exact(self.area).zip(dy.chunks_exact(self.area));
        for ((x, dy), channel) in planes.zip(self.channels_in_order()) {
            let mean = mean[channel];
            let found = lanes::sums(x, dy, |x, dy| [dy, dy * (x - mean)]);
            for (sums, found) in sums.iter_mut().zip(found) {
                sums[channel] += found;
            }
        }
        sums
    }

    /// dx = scale · dy + slope · (x − μ) + shift with three numbers a channel.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn append_input_gradient<T: Element>(
        &self,
        [x, dy]: [&[T]; 2],
        [mean, inverse_std, weight]: [&[T]; 3],
        [sum, product]: &[Sums; 2],
        dx: &mut Vec<T>,
    ) {
        let planes = x.chunks_exact(self.area).zip(dy.chunks_exact(self.area));
        for ((x, dy), channel) in planes.zip(self.channels_in_order()) {
            let (mean, inverse) = (mean[channel], inverse_std[channel].wide());
            let scale = inverse * weight[channel].wide();
            let shift = T::of(-scale * sum[channel] / self.count());
            let slope = T::of(-scale * product[channel] / self.count() * inverse * inverse);
            let scale = T::of(scale);
            dx.extend(x.iter().zip(dy).map(|(x, dy)| scale * *dy + slope * (*x - mean) + shift));
        }
    }
}
