//! How a matrix lies in a slice.

/// A matrix whose numbers lie in a slice, row by row or column by column.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernel) struct Matrix<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_step: isize,
    pub(super) column_step: isize,
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

    /// Whether no other number lies between its own.
    pub fn is_dense(&self) -> bool {
        self.numbers.len() == self.rows * self.columns
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
pub(super) fn extent(rows: usize, columns: usize, step: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    assert!(step >= columns || rows == 1, "rows do not overlap");
    (rows - 1) * step + columns
}
