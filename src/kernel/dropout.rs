//! Dropout: y = x · m / (1 − p), where each m is 0 with probability p and else 1 (Srivastava et al., 2014).
//!
//! The mask is a function of seed, step, the layer's ordinal and the position within the run's batch: every
//! device, thread count and resume sees the same one, and a run the same whether it is trained alone or
//! beside others. On the CPU it is drawn again in the backward pass, which costs less than to keep it; for
//! other devices it is drawn on the CPU and uploaded once a step.

use candle_core::{DType, Device, Shape, Tensor};

use super::{Element, is_cpu, read, simd, with_element};
use crate::rng::{Purpose, Stream};
use crate::{Error, Result};

/// Positions that are drawn at once; a multiple of the generator's group.
const BLOCK: usize = 1024;

/// One step's mask of one layer, for every run.
#[derive(Debug, Clone)]
pub struct Mask {
    runs: Vec<RunMask>,
    /// The factors themselves, where they do not lie in the CPU's cache anyway.
    uploaded: Option<Tensor>,
}

impl Mask {
    /// The mask for activations of `shape` (`[R, …]`), with a seed and a probability for each run.
    ///
    /// The stream's coordinate has 32 bits: steps that are 2³² apart share a mask.
    pub fn new(like: &Tensor, seeds: &[u64], rates: &[f64], step: u64, ordinal: u32) -> Result<Self> {
        let runs = like.dims().first().copied().unwrap_or(0);
        if seeds.len() != runs || rates.len() != runs {
            let (seeds, rates) = (seeds.len(), rates.len());
            return Err(Error::Bug(format!("dropout over {runs} runs got {seeds} seeds and {rates} rates")));
        }
        let stream = |seed: &u64| Stream::new(*seed, Purpose::Dropout, step as u32, ordinal);
        let runs = seeds.iter().zip(rates).map(|(seed, rate)| RunMask::new(stream(seed), *rate)).collect();
        let mut mask = Self { runs, uploaded: None };
        if !is_cpu(like) {
            mask.uploaded = Some(mask.factors(like.shape(), like.dtype())?.to_device(like.device())?);
        }
        Ok(mask)
    }

    /// `x` times the mask: the forward pass, and the backward pass of a gradient.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(factors) = &self.uploaded {
            return Ok((x * factors)?);
        }
        let x = x.contiguous()?;
        with_element!(x, T => {
            let mut y: Vec<T> = Vec::with_capacity(x.elem_count());
            read::<T, _>(&x, |x| {
                let length = (x.len() / self.runs.len().max(1)).max(1);
                for (x, run) in x.chunks_exact(length).zip(&self.runs) {
                    simd(#[inline(always)] || run.append(x, &mut y));
                }
            })?;
            Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
        })
    }

    /// m / (1 − p) on the CPU.
    fn factors(&self, shape: &Shape, dtype: DType) -> Result<Tensor> {
        self.apply(&Tensor::ones(shape, dtype, &Device::Cpu)?)
    }
}

/// The mask of one run, for numbers of any count.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunMask {
    stream: Stream,
    /// A draw below it is dropped; 2³² drops all.
    threshold: u64,
    /// 1 / (1 − p).
    scale: f64,
}

impl RunMask {
    /// From the draws of `stream`, where each number is dropped with the probability `rate`.
    pub(super) fn new(stream: Stream, rate: f64) -> Self {
        let threshold = (rate * 2f64.powi(32)).ceil() as u64;
        // With everything dropped the scale is never used; 0 keeps it finite.
        let scale = if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 };
        Self { stream, threshold, scale }
    }

    /// `x` times the mask.
    pub(super) fn applied<T: Element>(&self, x: &[T]) -> Vec<T> {
        let mut y = Vec::with_capacity(x.len());
        simd(
            #[inline(always)]
            || self.append(x, &mut y),
        );
        y
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn append<T: Element>(&self, x: &[T], y: &mut Vec<T>) {
        // A product even where nothing is kept: NaN must stay visible, as it does in PyTorch.
        let Ok(threshold) = u32::try_from(self.threshold) else {
            y.extend(x.iter().map(|x| *x * T::ZERO));
            return;
        };
        let scale = T::of(self.scale);
        let mut draws = [0; BLOCK];
        for (index, x) in x.chunks(BLOCK).enumerate() {
            let draws = &mut draws[..x.len()];
            self.stream.fill(index * BLOCK, draws);
            y.extend(
                x.iter().zip(draws).map(|(x, draw)| *x * if *draw >= threshold { scale } else { T::ZERO }),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{normal, numbers};

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn zeros_come_with_the_probability_and_the_rest_keeps_the_mean() {
        let x = ones(&[1, 256, 400]);
        for p in [0.1, 0.5, 0.9] {
            let mask = Mask::new(&x, &[7], &[p], 3, 0).unwrap();
            let y = numbers(&mask.apply(&x).unwrap());
            let count = y.len() as f64;
            let dropped = y.iter().filter(|y| **y == 0.0).count() as f64 / count;
            // Five standard deviations.
            assert!((dropped - p).abs() < 5.0 * (p * (1.0 - p) / count).sqrt(), "{dropped} of {p}");
            let kept = f64::from(1.0 / (1.0 - p as f32));
            assert!(y.iter().all(|y| *y == 0.0 || (*y - kept).abs() < 1e-5));
        }
    }

    #[test]
    fn the_draw_decides_as_documented() {
        let (x, p) = (ones(&[1, 10, 130]), 0.3);
        let y = numbers(&Mask::new(&x, &[11], &[p], 5, 2).unwrap().apply(&x).unwrap());
        let mut draws = Stream::new(11, Purpose::Dropout, 5, 2).draws();
        for y in y {
            assert_eq!(y != 0.0, f64::from(draws.bits()) >= p * 2f64.powi(32));
        }
    }

    #[test]
    fn a_run_has_the_same_mask_alone_and_beside_others() {
        let (seeds, rates) = ([3, 4, 5], [0.0, 0.5, 1.0]);
        let x = normal(1, &[3, 7, 300], DType::F64);
        let together = Mask::new(&x, &seeds, &rates, 9, 1).unwrap().apply(&x).unwrap();
        for run in 0..3 {
            let one = x.narrow(0, run, 1).unwrap();
            let alone = Mask::new(&one, &[seeds[run]], &[rates[run]], 9, 1).unwrap().apply(&one).unwrap();
            assert_eq!(numbers(&together.narrow(0, run, 1).unwrap()), numbers(&alone), "run {run}");
        }
        assert_eq!(numbers(&together.get(0).unwrap()), numbers(&x.get(0).unwrap()));
        assert!(numbers(&together.get(2).unwrap()).iter().all(|y| *y == 0.0));
    }

    #[test]
    fn steps_ordinals_and_seeds_have_masks_of_their_own() {
        let x = ones(&[1, 2, 64]);
        let draw = |seed, step, ordinal| {
            numbers(&Mask::new(&x, &[seed], &[0.5], step, ordinal).unwrap().apply(&x).unwrap())
        };
        let first = draw(1, 1, 0);
        assert_eq!(first, draw(1, 1, 0));
        for other in [draw(2, 1, 0), draw(1, 2, 0), draw(1, 1, 1)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn an_uploaded_mask_is_the_mask() {
        let x = normal(1, &[2, 5, 333], DType::F32);
        let mut mask = Mask::new(&x, &[1, 2], &[0.2, 0.7], 4, 0).unwrap();
        let drawn = numbers(&mask.apply(&x).unwrap());
        mask.uploaded = Some(mask.factors(x.shape(), x.dtype()).unwrap());
        assert_eq!(drawn, numbers(&mask.apply(&x).unwrap()));
    }

    #[test]
    fn nan_is_not_dropped_and_wrong_counts_are_errors() {
        let x = Tensor::full(f32::NAN, (1, 1, 100), &Device::Cpu).unwrap();
        let y = Mask::new(&x, &[1], &[1.0], 1, 0).unwrap().apply(&x).unwrap();
        assert!(numbers(&y).iter().all(|y| y.is_nan()));
        assert!(Mask::new(&x, &[1, 2], &[0.5], 1, 0).is_err());
        assert!(Mask::new(&x, &[1], &[], 1, 0).is_err());
    }
}
