//! Cross entropy with a weight for each class and targets that are smoothed over the classes.

use candle_core::{D, DType, Tensor};

use super::{Measured, check, exponentials, shifted_exponentials};
use crate::kernel::measured::measure;
use crate::kernel::{Element, is_cpu};
use crate::{Error, Result};

/// How much samples weigh, and how much of a target goes to all classes alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighting<'a> {
    /// w, one a class; 1 each if absent.
    pub classes: Option<&'a [f64]>,
    /// ε, from 0 to 1.
    pub smoothing: f64,
}

/// With p = softmax(outputs) of a row and t its target: the sum over the rows of
/// (1 − ε) wₜ (−ln pₜ) + (ε / C) Σ w (−ln p), in nats, and beside it the sum of wₜ over each run's rows.
///
/// The mean whose gradient is given is the one sum divided by the other, as in `torch.nn.CrossEntropyLoss`. Where no
/// row weighs anything there is no mean, and the gradient is that of the sum: 0 without smoothing, but with it the
/// other classes count for such rows too. A NaN in a row makes its run's sum NaN.
///
/// # Errors
/// [`Error::Request`] for a target or a number of weights that does not fit C.
pub fn weighted_cross_entropy(
    outputs: &Tensor,
    targets: &[u32],
    weighting: Weighting<'_>,
    want_gradient: bool,
) -> Result<(Measured, Vec<f64>)> {
    let (runs, batch, classes) = outputs.dims3()?;
    check(outputs, targets)?;
    let terms = Terms::new(classes, weighting)?;
    if targets.is_empty() {
        return Ok((Measured::nothing(outputs, want_gradient)?, vec![0.0; runs]));
    }
    let weights = targets.chunks_exact(batch);
    let weights: Vec<f64> = weights.map(|targets| targets.iter().map(|t| terms.weight(*t)).sum()).collect();
    let measured = match outputs.dtype() {
        DType::F32 if is_cpu(outputs) => slices::<f32>(outputs, targets, &terms, &weights, want_gradient),
        DType::F64 if is_cpu(outputs) => slices::<f64>(outputs, targets, &terms, &weights, want_gradient),
        _ => composed(outputs, targets, &terms, &weights, want_gradient),
    };
    Ok((measured?, weights))
}

/// The numbers of a [`Weighting`] that every row needs.
struct Terms {
    /// w.
    classes: Vec<f64>,
    /// Σ w.
    total: f64,
    /// 1 − ε.
    own: f64,
    /// ε / C.
    even: f64,
}

impl Terms {
    fn new(classes: usize, weighting: Weighting<'_>) -> Result<Self> {
        let weights = weighting.classes.map_or_else(|| vec![1.0; classes], <[f64]>::to_vec);
        if weights.len() != classes {
            let count = weights.len();
            return Err(Error::Request(format!("{count} weights of classes came with {classes} outputs")));
        }
        let total = weights.iter().sum();
        let even = weighting.smoothing / classes as f64;
        Ok(Self { classes: weights, total, own: 1.0 - weighting.smoothing, even })
    }

    fn weight(&self, target: u32) -> f64 {
        self.classes[target as usize]
    }
}

/// What the gradient of a run's sum is multiplied by for that of its mean, if it has one.
fn share(weight: f64) -> f64 {
    if weight > 0.0 { 1.0 / weight } else { 1.0 }
}

fn slices<T: Element>(
    outputs: &Tensor,
    targets: &[u32],
    terms: &Terms,
    weights: &[f64],
    want_gradient: bool,
) -> Result<Measured> {
    let (_, batch, classes) = outputs.dims3()?;
    measure::<T>(outputs, want_gradient, |outputs, gradient, run| {
        let targets = &targets[run * batch..][..batch];
        let rows = outputs.chunks_exact(classes).zip(targets);
        let mut sum = 0.0;
        let Some(gradient) = gradient else {
            let mut scratch = vec![T::ZERO; classes];
            for (row, target) in rows {
                scratch.copy_from_slice(row);
                let found = exponentials(&mut scratch);
                sum += loss(row, *target, terms, found.largest, found.sum.ln());
            }
            return sum;
        };
        let share = share(weights[run]);
        let even: Vec<T> = terms.classes.iter().map(|w| T::of(share * terms.even * w)).collect();
        for ((row, target), slopes) in rows.zip(gradient.chunks_exact_mut(classes)) {
            slopes.copy_from_slice(row);
            let found = exponentials(slopes);
            sum += loss(row, *target, terms, found.largest, found.sum.ln());
            let own = terms.own * terms.weight(*target);
            let factor = T::of(share * (own + terms.even * terms.total) / found.sum);
            for (slope, even) in slopes.iter_mut().zip(&even) {
                *slope = *slope * factor - *even;
            }
            slopes[*target as usize] -= T::of(share * own);
        }
        sum
    })
}

/// Of one row, whose largest output and ln Σ exp(output − largest) are known.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn loss<T: Element>(row: &[T], target: u32, terms: &Terms, largest: f64, log_sum: f64) -> f64 {
    let own = terms.own * terms.weight(target) * (log_sum + (largest - row[target as usize].wide()));
    if terms.even == 0.0 {
        return own;
    }
    let weighted = row.iter().zip(&terms.classes).map(|(output, weight)| weight * (largest - output.wide()));
    own + terms.even * (terms.total * log_sum + weighted.sum::<f64>())
}

fn composed(
    outputs: &Tensor,
    targets: &[u32],
    terms: &Terms,
    weights: &[f64],
    want_gradient: bool,
) -> Result<Measured> {
    let (runs, batch, classes) = outputs.dims3()?;
    let (device, dtype) = (outputs.device(), outputs.dtype());
    let on_device = |numbers: Vec<f64>, shape: (usize, usize, usize)| {
        Tensor::from_vec(numbers, shape, device).and_then(|tensor| tensor.to_dtype(dtype))
    };
    let own: Vec<f64> = targets.iter().map(|target| terms.own * terms.weight(*target)).collect();
    let own = on_device(own, (runs, batch, 1))?;
    let even = on_device(terms.classes.iter().map(|w| terms.even * w).collect(), (1, 1, classes))?;
    let targets = Tensor::from_slice(targets, (runs, batch, 1), device)?;
    let parts = shifted_exponentials(outputs)?;
    let log_sum = parts.sum.log()?;
    let losses = ((&log_sum - parts.differences.gather(&targets, D::Minus1)?)? * &own)?;
    let smooth = parts.differences.broadcast_sub(&log_sum)?.broadcast_mul(&even)?.sum_keepdim(D::Minus1)?;
    let losses = if terms.even == 0.0 { losses } else { (losses - smooth)? };
    let sums = losses.to_dtype(DType::F64)?.sum((1, 2))?.to_vec1::<f64>()?;
    if !want_gradient {
        return Ok(Measured { sums, gradient: None });
    }
    let range = Tensor::arange(0, classes as u32, device)?;
    let hot = targets.broadcast_eq(&range.reshape((1, 1, classes))?)?.to_dtype(dtype)?;
    let factor = own.affine(1.0, terms.even * terms.total)?;
    let slopes = parts.probabilities()?.broadcast_mul(&factor)?.broadcast_sub(&even)?;
    let slopes = (slopes - hot.broadcast_mul(&own)?)?;
    let shares = on_device(weights.iter().map(|weight| share(*weight)).collect(), (runs, 1, 1))?;
    Ok(Measured { sums, gradient: Some(slopes.broadcast_mul(&shares)?) })
}

#[cfg(test)]
mod tests {
    use super::super::cross_entropy;
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, normal, numbers};

    const WEIGHTS: [f64; 5] = [0.5, 2.0, 0.0, 1.25, 3.0];
    const TARGETS: [u32; 6] = [1, 4, 2, 0, 3, 3];
    const CASES: [Weighting<'_>; 4] = [
        Weighting { classes: None, smoothing: 0.0 },
        Weighting { classes: None, smoothing: 0.3 },
        Weighting { classes: Some(&WEIGHTS), smoothing: 0.0 },
        Weighting { classes: Some(&WEIGHTS), smoothing: 1.0 },
    ];

    #[test]
    fn slices_agree_with_the_composition() {
        for weighting in CASES {
            for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 2e-6)] {
                // As it comes out of a transposition, which is not contiguous.
                let outputs = normal(3, &[2, 5, 3], dtype).transpose(1, 2).unwrap();
                let (left, weights) = weighted_cross_entropy(&outputs, &TARGETS, weighting, true).unwrap();
                let terms = Terms::new(5, weighting).unwrap();
                let right = composed(&outputs, &TARGETS, &terms, &weights, true).unwrap();
                assert_close(&left.sums, &right.sums, tolerance);
                assert_same(&left.gradient.unwrap(), &right.gradient.unwrap(), tolerance);
                let (alone, _) = weighted_cross_entropy(&outputs, &TARGETS, weighting, false).unwrap();
                assert_eq!(alone.sums, left.sums);
            }
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_weighted_mean() {
        let outputs = normal(4, &[2, 3, 5], DType::F64);
        for weighting in CASES {
            let of =
                |outputs: &Tensor, want| weighted_cross_entropy(outputs, &TARGETS, weighting, want).unwrap();
            let expected = differences(&outputs, |moved| {
                let (found, weights) = of(moved, false);
                found.sums.iter().zip(weights).map(|(sum, weight)| sum / weight).sum()
            });
            assert_close(&numbers(&of(&outputs, true).0.gradient.unwrap()), &expected, 1e-9);
        }
    }

    #[test]
    fn without_weights_and_smoothing_it_is_the_plain_one() {
        let outputs = normal(5, &[2, 3, 5], DType::F64);
        let (found, weights) = weighted_cross_entropy(&outputs, &TARGETS, CASES[0], true).unwrap();
        let plain = cross_entropy(&outputs, &TARGETS, true).unwrap();
        assert_close(&found.sums, &plain.sums, 1e-14);
        assert_same(&found.gradient.unwrap(), &plain.gradient.unwrap(), 1e-14);
        assert_close(&weights, &[3.0, 3.0], 0.0);
    }

    #[test]
    fn samples_without_weight_have_the_gradient_of_their_sum() {
        let outputs = normal(8, &[2, 3, 5], DType::F64);
        let targets = [2, 2, 2, 0, 2, 1];
        let weighting = Weighting { classes: Some(&WEIGHTS), smoothing: 0.3 };
        let of = |outputs: &Tensor, want| weighted_cross_entropy(outputs, &targets, weighting, want).unwrap();
        let (found, weights) = of(&outputs, true);
        assert_close(&weights, &[0.0, 2.5], 0.0);
        // The first run weighs nothing, the second 2.5.
        let expected = differences(&outputs, |moved| {
            let sums = of(moved, false).0.sums;
            sums[0] + sums[1] / 2.5
        });
        let gradient = found.gradient.unwrap();
        assert_close(&numbers(&gradient), &expected, 1e-9);
        let terms = Terms::new(5, weighting).unwrap();
        let right = composed(&outputs, &targets, &terms, &weights, true).unwrap();
        assert_same(&gradient, &right.gradient.unwrap(), 1e-13);
    }

    #[test]
    fn samples_without_weight_move_nothing_without_smoothing() {
        let outputs = normal(6, &[1, 2, 5], DType::F32);
        let (found, weights) = weighted_cross_entropy(&outputs, &[2, 2], CASES[2], true).unwrap();
        assert_close(&found.sums, &[0.0], 0.0);
        assert_close(&weights, &[0.0], 0.0);
        assert_close(&numbers(&found.gradient.unwrap()), &[0.0; 10], 0.0);
        let wrong = Weighting { classes: Some(&[1.0, 2.0]), smoothing: 0.0 };
        let error = weighted_cross_entropy(&outputs, &[2, 2], wrong, true).unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{error}");
        assert!(matches!(weighted_cross_entropy(&outputs, &[5, 0], CASES[2], true), Err(Error::Request(_))));
    }

    #[test]
    fn a_nan_shows_in_the_sum_of_its_run_only() {
        let outputs = normal(7, &[2, 3, 5], DType::F32);
        let nan = Tensor::new(&[[[0.0f32]], [[f32::NAN]]], outputs.device()).unwrap();
        let outputs = outputs.broadcast_add(&nan).unwrap();
        for weighting in CASES {
            let (found, _) = weighted_cross_entropy(&outputs, &TARGETS, weighting, true).unwrap();
            assert!(found.sums[0].is_finite() && found.sums[1].is_nan(), "{:?}", found.sums);
        }
    }
}
