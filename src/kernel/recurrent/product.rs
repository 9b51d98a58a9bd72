//! Matrix products that read and write parts of larger matrices: some columns of them, some rows.

use gemm::Parallelism;

use crate::kernel::{Element, threads};

/// A matrix in a slice, `row_step` and `column_step` numbers from one row and column to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a, T> {
    numbers: &'a [T],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a, T> View<'a, T> {
    /// `rows × columns` numbers, row by row, the rows `step` numbers apart.
    pub(super) fn of(numbers: &'a [T], rows: usize, columns: usize, step: usize) -> Self {
        assert!(numbers.len() >= extent(rows, columns, step), "a matrix lies within its numbers");
        Self { numbers, rows, columns, row_step: step, column_step: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            numbers: self.numbers,
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }
}

/// How many numbers such a matrix reaches over.
fn extent(rows: usize, columns: usize, step: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * step + columns }
}

/// Writes `left right` to `out`, whose rows are `step` numbers apart, or adds it to what stands there.
pub(super) fn multiply<T: Element>(
    out: &mut [T],
    step: usize,
    add: bool,
    left: View<'_, T>,
    right: View<'_, T>,
) {
    assert_eq!(left.columns, right.rows, "a product needs matrices that fit");
    let (rows, columns, depth) = (left.rows, right.columns, left.columns);
    assert!(step >= columns && out.len() >= extent(rows, columns, step), "the product has room");
    let parallelism = match threads() {
        1 => Parallelism::None,
        count => Parallelism::Rayon(count),
    };
    // SAFETY: the assertions here and in `View::of` keep every access within its slice, and rows of `out` do
    // not overlap. `Element` is implemented for f32 and f64 alone, which gemm knows.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            step.cast_signed(),
            add,
            left.numbers.as_ptr(),
            left.column_step.cast_signed(),
            left.row_step.cast_signed(),
            right.numbers.as_ptr(),
            right.column_step.cast_signed(),
            right.row_step.cast_signed(),
            if add { T::ONE } else { T::ZERO },
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The transpose of `rows × columns` numbers, its rows `step` numbers apart with zeros between them.
pub(super) fn transposed<T: Element>(numbers: &[T], rows: usize, columns: usize, step: usize) -> Vec<T> {
    /// Rows that are read side by side, so that whole cache lines are written.
    const BLOCK: usize = 16;
    let mut out = vec![T::ZERO; step * columns];
    for first in (0..rows).step_by(BLOCK) {
        let last = rows.min(first + BLOCK);
        for column in 0..columns {
            for (out, row) in out[column * step..][first..last].iter_mut().zip(first..last) {
                *out = numbers[row * columns + column];
            }
        }
    }
    out
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums and products of small whole numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn products_reach_into_parts_of_matrices() {
        // The middle two columns of a 2 × 4 matrix, times a 2 × 2 one, into the last columns of a 2 × 3 one.
        let left = [0.0, 1.0, 2.0, 9.0, 0.0, 3.0, 4.0, 9.0];
        let right = [5.0, 6.0, 7.0, 8.0];
        let mut out = [1.0; 6];
        multiply(&mut out[1..], 3, false, View::of(&left[1..], 2, 2, 4), View::of(&right, 2, 2, 2));
        assert_eq!(out, [1.0, 19.0, 22.0, 1.0, 43.0, 50.0]);
        multiply(
            &mut out[1..],
            3,
            true,
            View::of(&left[1..], 2, 2, 4),
            View::of(&right, 2, 2, 2).transposed(),
        );
        assert_eq!(out, [1.0, 36.0, 45.0, 1.0, 82.0, 103.0]);
    }

    #[test]
    fn a_transpose_holds_every_number_once() {
        let numbers: Vec<f64> = (0..35 * 3).map(f64::from).collect();
        let turned = transposed(&numbers, 35, 3, 35);
        assert_eq!(turned[..3], [0.0, 3.0, 6.0]);
        assert_eq!(turned[35 + 20], 61.0);
        assert_eq!(transposed(&turned, 3, 35, 3), numbers);
        let apart = transposed(&numbers, 35, 3, 40);
        assert_eq!((apart[34], apart[35], apart[40 + 20]), (102.0, 0.0, 61.0));
    }
}
