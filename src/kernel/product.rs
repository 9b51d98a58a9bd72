//! Products of matrices that lie in slices, by the `gemm` crate: transposed by their steps and not by a copy.
//!
//! Sums run in a fixed order: any number of threads gives the same bits.

use gemm::Parallelism;

use super::{Element, threads};

/// A matrix whose numbers lie in a slice, row by row or column by column.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    numbers: &'a [T],
    rows: usize,
    columns: usize,
    row_step: isize,
    column_step: isize,
}

impl<'a, T> Matrix<'a, T> {
    /// The first `rows * columns` numbers, row by row.
    pub fn rows(numbers: &'a [T], rows: usize, columns: usize) -> Self {
        Self::apart(numbers, rows, columns, columns)
    }

    /// As [`rows`](Self::rows), with the beginnings of the rows `step` numbers apart.
    pub fn apart(numbers: &'a [T], rows: usize, columns: usize, step: usize) -> Self {
        let numbers = &numbers[..extent(rows, columns, step)];
        Self { numbers, rows, columns, row_step: step.cast_signed(), column_step: 1 }
    }

    /// All numbers that lie between the first and the last, in their order.
    pub fn numbers(&self) -> &'a [T] {
        self.numbers
    }

    pub fn transposed(self) -> Self {
        Self {
            numbers: self.numbers,
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }
}

/// From the first number of a matrix to behind its last.
fn extent(rows: usize, columns: usize, step: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    assert!(step >= columns || rows == 1, "rows do not overlap");
    (rows - 1) * step + columns
}

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
}
