//! σ and tanh without calls, so that loops over them vectorise.
//!
//! With the standard library's functions, which are a call a number, the pass over the gates of an LSTM would cost more
//! than its matrix products, and tanh behind a linear layer more than the layer. Both are made of eˣ − 1 = 2ⁿ (1 + p(r)) − 1
//! with x = n ln 2 + r, |r| ≤ ln 2 / 2. Their error stays below 3 units in the last place; f64, which is
//! there for checks, keeps the standard library's functions.

#![expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]

use crate::kernel::Element;

/// Two curves that saturate.
pub(super) trait Curve: Element {
    /// 1 / (1 + e⁻ˣ).
    fn sigmoid(self) -> Self;
    /// The hyperbolic tangent.
    fn tangent(self) -> Self;
}

impl Curve for f64 {
    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }

    #[inline(always)]
    fn tangent(self) -> Self {
        self.tanh()
    }
}

impl Curve for f32 {
    #[inline(always)]
    fn sigmoid(self) -> Self {
        /// Beyond it e⁻ˣ overflows, and σ is below every normal number.
        const LEAST: f32 = -87.0;
        /// Beyond it σ is 1.
        const MOST: f32 = 30.0;
        let Scaled { scale, rest } = scaled(-clamped(self, LEAST, MOST));
        1.0 / (1.0 + (scale + scale * rest))
    }

    #[inline(always)]
    fn tangent(self) -> Self {
        /// Beyond it tanh is 1.
        const MOST: f32 = 10.0;
        let Scaled { scale, rest } = scaled(2.0 * clamped(self.abs(), 0.0, MOST));
        // scale − 1 is exact where it matters: for n = 0 it is 0, and what is left is `rest`.
        let less_one = (scale - 1.0) + scale * rest;
        (less_one / (less_one + 2.0)).copysign(self)
    }
}

/// NaN stays NaN.
#[inline(always)]
fn clamped(x: f32, least: f32, most: f32) -> f32 {
    let x = if x < least { least } else { x };
    if x > most { most } else { x }
}

/// eˣ as `scale (1 + rest)`, `scale` a power of 2.
struct Scaled {
    scale: f32,
    rest: f32,
}

/// For x within ±87.
#[inline(always)]
fn scaled(x: f32) -> Scaled {
    /// Adding it rounds to a whole number, which then stands in the lowest bits: 1.5 · 2²³.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: products of the first with whole numbers below 2⁹ are exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, (std::f64::consts::LN_2 - 355.0 / 512.0) as f32];
    /// The exponent of 1, in its place among the bits.
    const BIAS: u32 = 127 << 23;
    /// q of eʳ − 1 = r + r² q(r), for the least largest relative error (1.4e-8) within ±ln 2 / 2.
    const Q: [f32; 5] = [0.499_999_98, 0.166_665_44, 0.041_667_2, 0.008_366_521, 0.001_388_252_1];
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = (x - whole * LN_2[0]) - whole * LN_2[1];
    let q = Q[0] + r * (Q[1] + r * (Q[2] + r * (Q[3] + r * Q[4])));
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(BIAS));
    Scaled { scale, rest: r + r * r * q }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::simd;

    /// The largest error in units in the last place of the true value.
    fn worst(ours: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64) -> f64 {
        const STEP: u32 = 1009;
        let mut worst = 0.0f64;
        for bits in (0..f32::INFINITY.to_bits()).step_by(STEP as usize) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let exact = truth(f64::from(x));
                let ulp = f64::from((exact.abs() as f32).max(f32::MIN_POSITIVE).to_bits().wrapping_add(1));
                let ulp = f64::from(f32::from_bits(ulp as u32))
                    - f64::from((exact.abs() as f32).max(f32::MIN_POSITIVE));
                worst = worst.max((f64::from(ours(x)) - exact).abs() / ulp);
            }
        }
        worst
    }

    #[test]
    fn errors_are_a_few_units_in_the_last_place() {
        let tangent = simd(|| worst(Curve::tangent, f64::tanh));
        assert!(tangent < 3.0, "tanh is {tangent} off");
        // Below −87 the smallest value stands for smaller ones: no gate can tell.
        let sigmoid =
            simd(|| worst(|x| Curve::sigmoid(x.max(-86.0)), |x| 1.0 / (1.0 + (-x.max(-86.0)).exp())));
        assert!(sigmoid < 3.0, "sigmoid is {sigmoid} off");
    }

    #[test]
    fn ends_and_nan_are_right() {
        for (x, sigmoid, tangent) in [
            (0.0f32, 0.5, 0.0f32),
            (f32::INFINITY, 1.0, 1.0),
            (f32::MAX, 1.0, 1.0),
            (f32::NEG_INFINITY, 0.0, -1.0),
        ] {
            assert!((Curve::sigmoid(x) - sigmoid).abs() < 1e-37, "{x}");
            assert_eq!(Curve::tangent(x).to_bits(), tangent.to_bits(), "{x}");
        }
        assert_eq!(Curve::tangent(-0.0f32).to_bits(), (-0.0f32).to_bits());
        assert!(Curve::sigmoid(f32::NAN).is_nan() && Curve::tangent(f32::NAN).is_nan());
        assert_eq!(Curve::tangent(1e-30f32).to_bits(), 1e-30f32.to_bits());
    }
}
