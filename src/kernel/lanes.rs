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

/// `N` sums over many pairs of slices, one after the other.
///
/// The lanes stay side by side from slice to slice, so that short slices cost no sum across them.
#[derive(Clone)]
pub(super) struct Running<T, const N: usize> {
    lanes: [[T; WIDE]; N],
    totals: [[f64; WIDE]; N],
    /// Numbers that are in `lanes` and not yet in `totals`, at most.
    count: usize,
}

/// Lanes of [`Running`]: additions to twice as many do not wait for each other.
const WIDE: usize = 2 * LANES;

impl<T: Element, const N: usize> Running<T, N> {
    /// Sums of nothing.
    pub fn new() -> Self {
        Self { lanes: [[T::ZERO; WIDE]; N], totals: [[0.0; WIDE]; N], count: 0 }
    }

    /// Adds `terms` of each pair of numbers of two slices of one length.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn add(&mut self, x: &[T], y: &[T], terms: impl Fn(T, T) -> [T; N]) {
        for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
            if self.count + x.len() > BLOCK {
                self.settle();
            }
            self.count += x.len();
            let mut lanes = self.lanes;
            let ((xs, x), (ys, y)) = (x.as_chunks::<WIDE>(), y.as_chunks::<WIDE>());
            for (x, y) in xs.iter().zip(ys) {
                for lane in 0..WIDE {
                    let terms = terms(x[lane], y[lane]);
                    for sum in 0..N {
                        lanes[sum][lane] += terms[sum];
                    }
                }
            }
            for (lane, (x, y)) in x.iter().zip(y).enumerate() {
                let terms = terms(*x, *y);
                for sum in 0..N {
                    lanes[sum][lane] += terms[sum];
                }
            }
            self.lanes = lanes;
        }
    }

    /// The sums.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn finish(mut self) -> [f64; N] {
        self.settle();
        self.totals.map(|totals| totals.iter().sum())
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn settle(&mut self) {
        for (totals, lanes) in self.totals.iter_mut().zip(&mut self.lanes) {
            for (total, lane) in totals.iter_mut().zip(lanes) {
                *total += lane.wide();
                *lane = T::ZERO;
            }
        }
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_sums_go_on_from_slice_to_slice_and_stay_accurate() {
        for length in [1usize, 15, 31, 32, 33, 49, 1024, 1025, 5000] {
            let mut running = Running::<f32, 2>::new();
            let x: Vec<f32> = (0..length).map(|i| i as f32 * 0.25).collect();
            for _ in 0..70 {
                running.add(&x, &x, |x, y| [x + y, 0.1]);
            }
            let count = length as f64;
            let expected = 70.0 * 0.25 * count * (count - 1.0);
            let [sum, tenths] = running.finish();
            assert!((sum - expected).abs() <= 1e-6 * expected.abs(), "{sum} for {expected}");
            assert!((tenths - 7.0 * count).abs() <= 1e-5 * count, "{tenths} for {count}");
        }
    }

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
