//! Logits against classes that are there or not, each judged alone.

use candle_core::{DType, Tensor};

use super::activation::{self, Activation};
use super::measured::measure;
use super::{Element, Measured, is_cpu};
use crate::{Error, Result};

/// The binary cross entropy in nats of `logits` `[R, B, K]` against the classes `targets`, row-major `[R, B]`.
///
/// With K = 1 the logit is that of the second of two classes; with more each class has one, and the target of
/// its own logit is 1, of the others 0. A logit z counts softplus(z) where its target is 0, and
/// `positive` · softplus(−z) where it is 1; `positive` holds one number, or one for each logit. softplus(z) is
/// computed as max(z, 0) + ln(1 + e^−|z|), in f64, which no finite z overflows. The gradient is that of the
/// mean over B · K. A NaN makes its run's sum NaN.
///
/// # Errors
/// [`Error::Request`] for a target or a number of weights that does not fit K.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[u32],
    positive: &[f64],
    want_gradient: bool,
) -> Result<Measured> {
    let (runs, batch, width) = logits.dims3()?;
    if targets.len() != runs * batch {
        let count = targets.len();
        return Err(Error::Bug(format!("{count} targets came with {runs} × {batch} rows of outputs")));
    }
    let classes = width.max(2);
    if let Some(target) = targets.iter().find(|target| **target as usize >= classes) {
        return Err(Error::Request(format!(
            "the data holds the target {target} but the model tells {classes} classes apart, from 0; check the \
             labels"
        )));
    }
    let positive = match positive {
        [one] => vec![*one; width],
        many if many.len() == width => many.to_vec(),
        many => {
            let count = many.len();
            return Err(Error::Request(format!("{count} weights came with {width} outputs")));
        }
    };
    if targets.is_empty() {
        return Measured::nothing(logits, want_gradient);
    }
    match logits.dtype() {
        DType::F32 if is_cpu(logits) => slices::<f32>(logits, targets, &positive, want_gradient),
        DType::F64 if is_cpu(logits) => slices::<f64>(logits, targets, &positive, want_gradient),
        _ => composed(logits, targets, &positive, want_gradient),
    }
}

/// σ of each logit; of a single one the two columns σ(−z) = 1 − σ(z) and σ(z). `[R, B, C]`.
pub fn probabilities(logits: &Tensor) -> Result<Tensor> {
    let sigmoid = |logits: &Tensor| activation::forward(logits, Activation::Sigmoid);
    if logits.dim(2)? == 1 {
        return Ok(Tensor::cat(&[sigmoid(&logits.neg()?)?, sigmoid(logits)?], 2)?);
    }
    sigmoid(logits)
}

/// The column of a row whose target is 1; with a single column and the first class, one beyond it.
fn hot(target: u32, width: usize) -> usize {
    if width == 1 { 1 - target as usize } else { target as usize }
}

fn slices<T: Element>(
    logits: &Tensor,
    targets: &[u32],
    positive: &[f64],
    want_gradient: bool,
) -> Result<Measured> {
    let (_, batch, width) = logits.dims3()?;
    let share = 1.0 / (batch * width) as f64;
    measure::<T>(logits, want_gradient, |logits, gradient, run| {
        let targets = &targets[run * batch..][..batch];
        let rows = logits.chunks_exact(width).zip(targets);
        let mut sum = 0.0;
        match gradient {
            None => {
                for (row, target) in rows {
                    let hot = hot(*target, width);
                    for (column, (logit, positive)) in row.iter().zip(positive).enumerate() {
                        let (weight, sign) = if column == hot { (*positive, -1.0) } else { (1.0, 1.0) };
                        sum += weight * softplus(sign * logit.wide()).0;
                    }
                }
            }
            Some(slopes) => {
                for ((row, target), slopes) in rows.zip(slopes.chunks_exact_mut(width)) {
                    let hot = hot(*target, width);
                    for (column, ((logit, slot), positive)) in
                        row.iter().zip(slopes).zip(positive).enumerate()
                    {
                        let (weight, sign) = if column == hot { (*positive, -1.0) } else { (1.0, 1.0) };
                        let (value, slope) = softplus(sign * logit.wide());
                        sum += weight * value;
                        *slot = T::of(share * weight * sign * slope);
                    }
                }
            }
        }
        sum
    })
}

/// ln(1 + eᶻ) and its derivative σ(z).
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn softplus(z: f64) -> (f64, f64) {
    let small = (-z.abs()).exp();
    // NaN is never the larger, but it is in `small`.
    let value = z.max(0.0) + small.ln_1p();
    (value, if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) })
}

fn composed(logits: &Tensor, targets: &[u32], positive: &[f64], want_gradient: bool) -> Result<Measured> {
    let (runs, batch, width) = logits.dims3()?;
    let (device, dtype) = (logits.device(), logits.dtype());
    let hot: Vec<u32> = targets.iter().map(|target| hot(*target, width) as u32).collect();
    let range = Tensor::arange(0, width as u32, device)?.reshape((1, 1, width))?;
    let hot = Tensor::from_vec(hot, (runs, batch, 1), device)?.broadcast_eq(&range)?.to_dtype(dtype)?;
    let more: Vec<f64> = positive.iter().map(|positive| positive - 1.0).collect();
    let more = Tensor::from_vec(more, (1, 1, width), device)?.to_dtype(dtype)?;
    let (sign, weight) = (hot.affine(-2.0, 1.0)?, hot.broadcast_mul(&more)?.affine(1.0, 1.0)?);
    let z = (logits * &sign)?;
    let small = z.abs()?.neg()?.exp()?;
    let sums = ((z.relu()? + small.affine(1.0, 1.0)?.log()?)? * &weight)?;
    let sums = sums.to_dtype(DType::F64)?.sum((1, 2))?.to_vec1::<f64>()?;
    if !want_gradient {
        return Ok(Measured { sums, gradient: None });
    }
    let above = z.ge(0.0)?.where_cond(&z.ones_like()?, &small)?;
    let slopes = (above / small.affine(1.0, 1.0)?)?;
    let gradient = ((slopes * sign)? * weight)?.affine(1.0 / (batch * width) as f64, 0.0)?;
    Ok(Measured { sums, gradient: Some(gradient) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, normal, numbers, tensor};

    const ONE: [u32; 6] = [0, 1, 1, 0, 0, 1];
    const MANY: [u32; 6] = [0, 1, 4, 2, 2, 3];

    /// Targets with the number of logits and weights for them.
    const CASES: [(&[u32], usize, &[f64]); 4] =
        [(&ONE, 1, &[1.0]), (&ONE, 1, &[2.5]), (&MANY, 5, &[0.5]), (&MANY, 5, &[1.0, 0.0, 3.0, 0.25, 2.0])];

    #[test]
    fn slices_agree_with_the_composition() {
        for (targets, width, positive) in CASES {
            for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
                let logits = normal(1, &[2, width, 3], dtype).transpose(1, 2).unwrap();
                let left = cross_entropy(&logits, targets, positive, true).unwrap();
                let each = if positive.len() == 1 { vec![positive[0]; width] } else { positive.to_vec() };
                let right = composed(&logits, targets, &each, true).unwrap();
                assert_close(&left.sums, &right.sums, tolerance);
                assert_same(&left.gradient.unwrap(), &right.gradient.unwrap(), tolerance);
                assert_eq!(cross_entropy(&logits, targets, positive, false).unwrap().sums, left.sums);
            }
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_mean() {
        for (targets, width, positive) in CASES {
            let logits = normal(2, &[2, 3, width], DType::F64);
            let found = cross_entropy(&logits, targets, positive, true).unwrap();
            let mean = |at: &Tensor| {
                let sums = cross_entropy(at, targets, positive, false).unwrap().sums;
                sums.iter().map(|sum| sum / (3 * width) as f64).sum()
            };
            assert_close(&numbers(&found.gradient.unwrap()), &differences(&logits, mean), 1e-9);
        }
    }

    #[test]
    fn nan_shows_in_the_sum_of_its_run_only() {
        let logits = tensor(&[0.5, -1.0, f64::NAN, 30.0], &[2, 2, 1]);
        for find in [cross_entropy, composed] {
            let found = find(&logits, &[0, 1, 1, 0], &[1.0], true).unwrap();
            assert!(found.sums[0].is_finite() && found.sums[1].is_nan(), "{:?}", found.sums);
            let slopes = numbers(&found.gradient.unwrap());
            assert!(slopes[2].is_nan() && slopes[3].is_finite());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_0() {
        let logits = normal(3, &[1, 2, 1], DType::F32);
        assert!(matches!(cross_entropy(&logits, &[0, 2], &[1.0], true), Err(Error::Request(_))));
        assert!(matches!(cross_entropy(&logits, &[0, 1], &[1.0, 2.0], true), Err(Error::Request(_))));
        assert!(matches!(cross_entropy(&logits, &[0], &[1.0], true), Err(Error::Bug(_))));
        let none = Tensor::zeros((2, 0, 3), DType::F32, logits.device()).unwrap();
        let found = cross_entropy(&none, &[], &[1.0], true).unwrap();
        assert_eq!((found.sums, found.gradient.unwrap().dims()), (vec![0.0; 2], &[2, 0, 3][..]));
    }

    #[test]
    fn a_single_logit_has_two_probabilities() {
        let logits = tensor(&[0.0, 2.0, -200.0, 200.0], &[1, 4, 1]);
        let found = probabilities(&logits).unwrap();
        assert_eq!(found.dims(), [1, 4, 2]);
        let found = numbers(&found);
        let (few, many) = (1.0 / (1.0 + 2f64.exp()), 1.0 / (1.0 + (-2f64).exp()));
        assert_close(&found[..4], &[0.5, 0.5, few, many], 1e-15);
        assert!(found[4..].iter().all(|p| (0.0..=1.0).contains(p)) && found[5] > 0.0 && found[6] > 0.0);
        assert_eq!(probabilities(&normal(1, &[1, 2, 3], DType::F32)).unwrap().dims(), [1, 2, 3]);
    }
}
