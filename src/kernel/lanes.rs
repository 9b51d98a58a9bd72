//! Sums over a slice that the compiler can vectorise, in an order that is always the same.

use super::Element;

/// Sums that are kept side by side.
const LANES: usize = 16;
/// Numbers that are added in the number type itself before the sum goes on in `f64`.
const BLOCK: usize = 64 * LANES;

/// `N` sums of `terms(x, y)` over two slices of one length.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
pub(super) fn sums<T: Element, const N: usize>(x: &[T], y: &[T], terms: impl Fn(T, T) -> [T; N]) -> [f64; N] {
    let mut totals = [0.0; N];
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let mut lanes = [[T::ZERO; LANES]; N];
        let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        for (x, y) in (&mut xs).zip(&mut ys) {
            for lane in 0..LANES {
                let terms = terms(x[lane], y[lane]);
                for sum in 0..N {
                    lanes[sum][lane] += terms[sum];
                }
            }
        }
        for (lane, (x, y)) in xs.remainder().iter().zip(ys.remainder()).enumerate() {
            let terms = terms(*x, *y);
            for sum in 0..N {
                lanes[sum][lane] += terms[sum];
            }
        }
        for (total, lanes) in totals.iter_mut().zip(&lanes) {
            *total += lanes.iter().map(|lane| lane.wide()).sum::<f64>();
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_counts_once_and_long_sums_stay_accurate() {
        for length in [0usize, 1, 15, 16, 17, 1023, 1024, 1025, 5000] {
            let x: Vec<f32> = (0..length).map(|i| i as f32 * 0.25).collect();
            let [sum, count] = sums(&x, &x, |x, y| [x + y, 1.0]);
            assert!((count - length as f64).abs() < 0.5);
            let count = length as f64;
            let expected = 0.25 * count * (count - 1.0);
            assert!((sum - expected).abs() <= 1e-6 * expected.abs(), "{sum} for {expected}");
        }
    }
}
