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
    if left.columns == 0 {
        out.fill(T::ZERO);
        return;
    }
    // SAFETY: `out` has room for the product, and nothing else borrows it.
    unsafe { product(out.as_mut_ptr(), right.columns, false, left, right) };
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
