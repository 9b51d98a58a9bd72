//! Products of matrices that lie in slices: transposed by their steps and not by a copy.
//!
//! Large products of f32 go to AMX tiles where the processor has them ([`tiles`]), all others to the `gemm` crate.
//! Sums run in a fixed order: any number of threads gives the same bits.

mod fixed;
mod matrix;
mod tiles;

use gemm::Parallelism;

pub(super) use fixed::Fixed;
pub(super) use matrix::Matrix;

use super::{Element, threads};
use matrix::extent;

/// `out += left right`, `out` row by row.
pub(super) fn add_product<T: Element>(out: &mut [T], left: Matrix<'_, T>, right: Matrix<'_, T>) {
    assert_eq!(out.len(), left.rows * right.columns, "the sum has the shape of the product");
    add_product_apart(out, right.columns, left, right);
}

/// As [`add_product`], with the beginnings of the rows of `out` `step` numbers apart; what lies between them stays.
pub(super) fn add_product_apart<T: Element>(
    out: &mut [T],
    step: usize,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) {
    let out = &mut out[..extent(left.rows, right.columns, step)];
    // SAFETY: `out` is initialised, reaches to the last number of the product, and nothing else borrows it.
    unsafe { product(out.as_mut_ptr(), step, true, left, right) };
}

/// `out = left right`, `out` row by row.
pub(super) fn set_product<T: Element>(out: &mut [T], left: Matrix<'_, T>, right: Matrix<'_, T>) {
    assert_eq!(out.len(), left.rows * right.columns, "the result has the shape of the product");
    set_product_apart(out, right.columns, left, right);
}

/// As [`set_product`], with the beginnings of the rows of `out` `step` numbers apart; what lies between them stays.
pub(super) fn set_product_apart<T: Element>(
    out: &mut [T],
    step: usize,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) {
    let out = &mut out[..extent(left.rows, right.columns, step)];
    if left.columns == 0 {
        out.chunks_mut(step.max(1)).for_each(|row| row[..right.columns].fill(T::ZERO));
        return;
    }
    // SAFETY: `out` reaches to the last number of the product, and nothing else borrows it.
    unsafe { product(out.as_mut_ptr(), step, false, left, right) };
}

/// Appends `left right` to `out`, row by row.
pub(super) fn append_product<T: Element>(out: &mut Vec<T>, left: Matrix<'_, T>, right: Matrix<'_, T>) {
    let length = left.rows * right.columns;
    if left.columns == 0 {
        out.resize(out.len() + length, T::ZERO);
        return;
    }
    out.reserve(length);
    // SAFETY: there is room for `length` numbers behind the last one; a product over at least one column
    // that does not read its destination writes all of them, so they are initialised afterwards.
    unsafe {
        product(out.as_mut_ptr().add(out.len()), right.columns, false, left, right);
        out.set_len(out.len() + length);
    }
}

/// Writes `left right` to `out`, row by row, added to what stands there if `add`.
///
/// # Safety
/// `out` is valid for writes of the numbers of `left.rows` rows that begin `step` apart and have
/// `right.columns` each, which nothing else borrows; with `add` they are initialised.
unsafe fn product<T: Element>(
    out: *mut T,
    step: usize,
    add: bool,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) {
    assert_eq!(left.columns, right.rows, "a product needs matrices that fit");
    let (rows, columns, depth) = (left.rows, right.columns, left.columns);
    if rows == 0 || columns == 0 || depth == 0 {
        return;
    }
    // SAFETY: the caller vouches for `out`.
    if unsafe { tiles::product(out, step, add, left, right) } {
        return;
    }
    let parallelism = match threads() {
        1 => Parallelism::None,
        count => Parallelism::Rayon(count),
    };
    // SAFETY: the caller vouches for `out`; the steps of `left` and `right` stay within their slices, whose
    // lengths `Matrix::apart` has checked. `Element` is implemented for f32 and f64 alone, which gemm knows.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out,
            1,
            step.cast_signed(),
            add,
            left.numbers.as_ptr(),
            left.column_step,
            left.row_step,
            right.numbers.as_ptr(),
            right.column_step,
            right.row_step,
            if add { T::ONE } else { T::ZERO },
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums and products of small whole numbers are exact")]
mod tests {
    use super::*;
    use crate::kernel::checks::on_threads;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn products_reach_into_parts_of_matrices() {
        // The middle two columns of a 2 × 4 matrix, times a 2 × 2 one, into the last columns of a 2 × 3 one.
        let left = Matrix::apart(&[1.0, 2.0, 9.0, 0.0, 3.0, 4.0, 9.0], 2, 2, 4);
        let right = Matrix::rows(&[5.0, 6.0, 7.0, 8.0], 2, 2);
        let mut out = [1.0; 6];
        set_product_apart(&mut out[1..], 3, left, right);
        assert_eq!(out, [1.0, 19.0, 22.0, 1.0, 43.0, 50.0]);
        add_product_apart(&mut out[1..], 3, left, right.transposed());
        assert_eq!(out, [1.0, 36.0, 45.0, 1.0, 82.0, 103.0]);
        // A sum of nothing is 0.
        set_product_apart(&mut out[1..], 3, Matrix::rows(&[], 2, 0), Matrix::rows(&[], 0, 2));
        assert_eq!(out, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    /// Rows, columns and depth: of several parts, at edges and in the middle of tiles, and too small for them.
    const SIZES: [[usize; 3]; 10] = [
        [160, 160, 64],
        [143, 150, 30],
        [95, 301, 1100],
        [301, 95, 33],
        [33, 63, 130],
        [64, 200, 45],
        [200, 64, 45],
        [260, 330, 1030],
        [1, 300, 1000],
        [300, 20, 3],
    ];

    fn random(count: usize, seed: u64) -> Vec<f32> {
        let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).draws();
        // Over many powers of two, so that parts of numbers have something to lose.
        (0..count).map(|_| (draws.normal() * 2f64.powf(8.0 * draws.uniform() - 4.0)) as f32).collect()
    }

    /// A matrix in either layout, its rows apart by a few numbers more than they have.
    fn view(numbers: &[f32], [rows, columns]: [usize; 2], is_turned: bool) -> Matrix<'_, f32> {
        if is_turned {
            Matrix::apart(numbers, columns, rows, rows + 3).transposed()
        } else {
            Matrix::apart(numbers, rows, columns, columns + 3)
        }
    }

    fn at(matrix: &Matrix<'_, f32>, row: usize, column: usize) -> f64 {
        let steps = [matrix.row_step, matrix.column_step].map(isize::unsigned_abs);
        f64::from(matrix.numbers[row * steps[0] + column * steps[1]])
    }

    /// `start + left right` in f64, and a bound for the rounding errors of a product in f32.
    fn exact(start: f64, left: &Matrix<'_, f32>, right: &Matrix<'_, f32>, at_row: [usize; 2]) -> [f64; 2] {
        let [row, column] = at_row;
        let terms = (0..left.columns).map(|place| at(left, row, place) * at(right, place, column));
        let (sum, size) =
            terms.fold((start, start.abs()), |(sum, size), term| (sum + term, size + term.abs()));
        [sum, size * f64::from(f32::EPSILON) * (left.columns as f64).sqrt()]
    }

    #[test]
    fn products_are_as_accurate_as_f32_in_every_layout_and_size() {
        let drawn = (0..20).map(|seed| {
            let mut draws = Stream::new(seed, Purpose::Synthetic, 7, 0).draws();
            [300, 300, 150].map(|most| 1 + draws.below(most) as usize)
        });
        for (index, [rows, columns, depth]) in SIZES.into_iter().chain(drawn).enumerate() {
            for layout in 0..4 {
                let (left_turned, right_turned) = (layout & 1 == 1, layout & 2 == 2);
                let seed = index as u64;
                let left = random((rows + 3) * (depth + 3), seed);
                let right = random((columns + 3) * (depth + 3), seed + 100);
                let left = view(&left, [rows, depth], left_turned);
                let right = view(&right, [depth, columns], right_turned);
                let step = columns + 2;
                let start = random(rows * step, seed + 200);
                let fixed = Fixed::new(right, rows);
                let mut outs = [start.clone(), start.clone(), start.clone(), start.clone()];
                set_product_apart(&mut outs[0], step, left, right);
                add_product_apart(&mut outs[1], step, left, right);
                fixed.set_product_apart(&mut outs[2], step, left);
                fixed.add_product_apart(&mut outs[3], step, left);
                for (place, start) in start.iter().enumerate() {
                    let (row, column) = (place / step, place % step);
                    for (number, out) in outs.iter().enumerate() {
                        if column >= columns {
                            assert_eq!(out[place], *start, "between rows");
                        } else if (row * 7 + column) % 5 == 0 {
                            let start = if number % 2 == 0 { 0.0 } else { f64::from(*start) };
                            let [exact, bound] = exact(start, &left, &right, [row, column]);
                            let apart = (f64::from(out[place]) - exact).abs();
                            assert!(apart <= bound, "{rows} × {columns} × {depth}: {apart:e} > {bound:e}");
                        }
                    }
                }
            }
        }
    }

    /// What makes it right to call products on tiles products of f32.
    #[test]
    fn errors_are_no_larger_than_those_of_a_sum_in_f32() {
        let [rows, columns, depth] = [160, 150, 500];
        let (left, right) = (random(rows * depth, 1), random(depth * columns, 2));
        let mut out = vec![0.0; rows * columns];
        let (left, right) = (Matrix::rows(&left, rows, depth), Matrix::rows(&right, depth, columns));
        set_product(&mut out, left, right);
        let mut squares = [0.0; 2];
        for (place, found) in out.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let [exact, _] = exact(0.0, &left, &right, [row, column]);
            let term = |place: usize| (at(&left, row, place) * at(&right, place, column)) as f32;
            let plain: f32 = (0..depth).map(term).sum();
            for (square, found) in squares.iter_mut().zip([*found, plain]) {
                *square += (f64::from(found) - exact).powi(2);
            }
        }
        assert!(squares[0] <= squares[1], "{:e} {:e}", squares[0].sqrt(), squares[1].sqrt());
    }

    #[test]
    fn every_thread_count_gives_the_same_bits() {
        let [rows, columns, depth] = [260, 330, 1030];
        let (left, right) = (random((rows + 3) * (depth + 3), 1), random((columns + 3) * (depth + 3), 2));
        let product = || {
            let mut out = Vec::new();
            for layout in [false, true] {
                let (left, right) =
                    (view(&left, [rows, depth], layout), view(&right, [depth, columns], layout));
                append_product(&mut out, left, right);
                let mut again = vec![0.0; rows * columns];
                Fixed::new(right, rows).set_product_apart(&mut again, columns, left);
                out.extend(again);
            }
            out
        };
        let alone = product();
        let together = on_threads(3, product);
        assert!(alone.iter().map(|x| x.to_bits()).eq(together.iter().map(|x| x.to_bits())));
    }

    #[test]
    fn what_is_no_number_shows_and_stays_in_its_rows_and_columns() {
        let mut left = vec![1.0f32; 160 * 128];
        let right = vec![0.5f32; 128 * 160];
        left[3 * 128 + 5] = f32::NAN;
        left[9 * 128 + 127] = f32::INFINITY;
        let mut out = vec![0.0; 160 * 160];
        set_product(&mut out, Matrix::rows(&left, 160, 128), Matrix::rows(&right, 128, 160));
        for (row, out) in out.chunks_exact(160).enumerate() {
            let is_number = ![3, 9].contains(&row);
            assert!(out.iter().all(|x| if is_number { *x == 64.0 } else { !x.is_finite() }), "row {row}");
        }
    }
}
