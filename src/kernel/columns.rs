//! Sums over the rows of a matrix, column by column: bias gradients and batch statistics.

use super::Element;

/// Rows that are added in the number type itself before the sum goes on in `f64`: the error stays that of a
/// short sum, at a sixteenth of the cost of wide additions. The order is fixed, whatever the thread count.
const BLOCK: usize = 16;

/// `N` sums of each of `width` columns over `rows` rows; `add(row, partial)` adds one row to all of them.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
pub(super) fn column_sums<T: Element, const N: usize>(
    rows: usize,
    width: usize,
    add: impl Fn(usize, &mut [Vec<T>; N]),
) -> [Vec<f64>; N] {
    let mut totals: [Vec<f64>; N] = std::array::from_fn(|_| vec![0.0; width]);
    let mut partial: [Vec<T>; N] = std::array::from_fn(|_| vec![T::ZERO; width]);
    for first in (0..rows).step_by(BLOCK) {
        for row in first..rows.min(first + BLOCK) {
            add(row, &mut partial);
        }
        for (totals, partial) in totals.iter_mut().zip(&mut partial) {
            for (total, part) in totals.iter_mut().zip(partial) {
                *total += part.wide();
                *part = T::ZERO;
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_every_row_once_and_stays_accurate_over_many() {
        let (rows, width) = (100_003, 2);
        let [sums] = column_sums::<f32, 1>(rows, width, |row, [sum]| {
            sum[0] += 0.1;
            sum[1] += (row % 2) as f32;
        });
        assert!((sums[0] - rows as f64 * 0.1).abs() < 1e-2, "{}", sums[0]);
        assert!((sums[1] - (rows / 2) as f64).abs() < 1e-9, "{}", sums[1]);
    }
}
