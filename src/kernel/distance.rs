//! How far numbers are from what they should be, element by element.

use candle_core::{DType, Tensor};

use super::measured::measure;
use super::{Element, Measured, is_cpu};
use crate::{Error, Result};

/// A function of d = output − target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// d².
    Squared,
    /// |d|; its derivative at 0 is taken for 0.
    Absolute,
    /// d² / 2 up to |d| = `delta`, and `delta` (|d| − `delta` / 2) beyond.
    Huber {
        /// Where the parabola goes over into lines; above 0.
        delta: f64,
    },
}

/// The distances of `outputs` `[R, B, 1]` from `targets`, row-major `[R, B]`; the gradient is that of the mean
/// over B.
///
/// They are computed in f64 whatever the outputs are. A NaN makes its run's sum NaN.
///
/// # Errors
/// [`Error::Bug`] if there is not one target to every output.
pub fn distance(
    outputs: &Tensor,
    targets: &[f32],
    distance: Distance,
    want_gradient: bool,
) -> Result<Measured> {
    let (runs, batch, width) = outputs.dims3()?;
    if width != 1 || targets.len() != runs * batch {
        let count = targets.len();
        return Err(Error::Bug(format!("{count} numbers came with outputs of {runs} × {batch} × {width}")));
    }
    if targets.is_empty() {
        return Measured::nothing(outputs, want_gradient);
    }
    match outputs.dtype() {
        DType::F32 if is_cpu(outputs) => slices::<f32>(outputs, targets, distance, want_gradient),
        DType::F64 if is_cpu(outputs) => slices::<f64>(outputs, targets, distance, want_gradient),
        _ => composed(outputs, targets, distance, want_gradient),
    }
}

/// One match outside the loops, so that each loop is straight code.
fn slices<T: Element>(
    outputs: &Tensor,
    targets: &[f32],
    distance: Distance,
    want_gradient: bool,
) -> Result<Measured> {
    match distance {
        Distance::Squared => each::<T>(outputs, targets, want_gradient, |d| (d * d, 2.0 * d)),
        Distance::Absolute => each::<T>(outputs, targets, want_gradient, |d| (d.abs(), sign(d))),
        Distance::Huber { delta } => each::<T>(outputs, targets, want_gradient, |d| {
            let loss = if d.abs() <= delta { 0.5 * d * d } else { delta * (d.abs() - 0.5 * delta) };
            (loss, d.clamp(-delta, delta))
        }),
    }
}

/// −1, 0 or 1, and NaN of NaN.
fn sign(d: f64) -> f64 {
    if d == 0.0 { 0.0 } else { d.signum() }
}

/// `of` gives the loss and its derivative.
fn each<T: Element>(
    outputs: &Tensor,
    targets: &[f32],
    want_gradient: bool,
    of: impl Fn(f64) -> (f64, f64),
) -> Result<Measured> {
    let batch = outputs.dim(1)?;
    let share = 1.0 / batch as f64;
    measure::<T>(outputs, want_gradient, |outputs, gradient, run| {
        let targets = &targets[run * batch..][..batch];
        let differences = outputs.iter().zip(targets).map(|(output, target)| output.wide() - target.wide());
        let mut sum = 0.0;
        match gradient {
            None => differences.for_each(|d| sum += of(d).0),
            Some(slopes) => {
                for (d, slot) in differences.zip(slopes) {
                    let (loss, slope) = of(d);
                    sum += loss;
                    *slot = T::of(share * slope);
                }
            }
        }
        sum
    })
}

fn composed(outputs: &Tensor, targets: &[f32], distance: Distance, want_gradient: bool) -> Result<Measured> {
    let targets = Tensor::from_slice(targets, outputs.shape(), outputs.device())?;
    let d = (outputs - targets.to_dtype(outputs.dtype())?)?;
    let losses = match distance {
        Distance::Squared => d.sqr()?,
        Distance::Absolute => d.abs()?,
        Distance::Huber { delta } => {
            let lines = d.abs()?.affine(delta, -0.5 * delta * delta)?;
            d.abs()?.le(delta)?.where_cond(&d.sqr()?.affine(0.5, 0.0)?, &lines)?
        }
    };
    let sums = losses.to_dtype(DType::F64)?.sum((1, 2))?.to_vec1::<f64>()?;
    if !want_gradient {
        return Ok(Measured { sums, gradient: None });
    }
    let slopes = match distance {
        Distance::Squared => d.affine(2.0, 0.0)?,
        // The sign of NaN is 0 here.
        Distance::Absolute => (d.sign()? + d.affine(0.0, 0.0)?)?,
        Distance::Huber { delta } => d.clamp(-delta, delta)?,
    };
    let share = 1.0 / outputs.dim(1)? as f64;
    Ok(Measured { sums, gradient: Some(slopes.affine(share, 0.0)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, normal, numbers, tensor};

    const KINDS: [Distance; 4] = [
        Distance::Squared,
        Distance::Absolute,
        Distance::Huber { delta: 1.0 },
        Distance::Huber { delta: 0.3 },
    ];
    const TARGETS: [f32; 10] = [0.5, -1.0, 2.5, 0.0, 30.0, -7.25, 1.0, 0.25, -0.5, 3.0];

    #[test]
    fn slices_agree_with_the_composition() {
        for kind in KINDS {
            for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
                let outputs = normal(1, &[1, 5, 2], dtype).transpose(0, 2).unwrap();
                let left = distance(&outputs, &TARGETS, kind, true).unwrap();
                let right = composed(&outputs, &TARGETS, kind, true).unwrap();
                assert_close(&left.sums, &right.sums, tolerance);
                assert_same(&left.gradient.unwrap(), &right.gradient.unwrap(), tolerance);
                assert_eq!(distance(&outputs, &TARGETS, kind, false).unwrap().sums, left.sums);
            }
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_mean() {
        let outputs = normal(2, &[2, 5, 1], DType::F64);
        for kind in KINDS {
            let found = distance(&outputs, &TARGETS, kind, true).unwrap();
            let mean = |at: &Tensor| {
                distance(at, &TARGETS, kind, false).unwrap().sums.iter().map(|sum| sum / 5.0).sum()
            };
            assert_close(&numbers(&found.gradient.unwrap()), &differences(&outputs, mean), 1e-8);
        }
    }

    #[test]
    fn the_slope_of_the_absolute_value_at_0_is_0_and_of_nan_nan() {
        let outputs = tensor(&[0.5, -1.0, 2.0, f64::NAN, 30.5, -7.25], &[2, 3, 1]);
        for kind in KINDS {
            for find in [distance, composed] {
                let found = find(&outputs, &TARGETS[..6], kind, true).unwrap();
                let slopes = numbers(&found.gradient.unwrap());
                assert!(found.sums[0].is_finite() && found.sums[1].is_nan(), "{:?}", found.sums);
                assert!(slopes[3].is_nan() && slopes[..3].iter().all(|slope| slope.is_finite()));
                assert_close(&[slopes[0], slopes[1], slopes[5]], &[0.0; 3], 0.0);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_0() {
        let outputs = normal(3, &[1, 2, 2], DType::F32);
        assert!(distance(&outputs, &TARGETS[..2], KINDS[0], true).is_err());
        let outputs = normal(3, &[2, 2, 1], DType::F32);
        assert!(distance(&outputs, &TARGETS[..2], KINDS[0], true).is_err());
        let none = Tensor::zeros((2, 0, 1), DType::F32, outputs.device()).unwrap();
        let found = distance(&none, &[], KINDS[0], true).unwrap();
        assert_eq!((found.sums, found.gradient.unwrap().dims()), (vec![0.0; 2], &[2, 0, 1][..]));
    }
}
