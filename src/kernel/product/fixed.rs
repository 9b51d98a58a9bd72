//! A right operand that many products share.

use super::matrix::{Matrix, extent};
use super::tiles::Packed;
use super::{add_product_apart, set_product_apart};
use crate::kernel::Element;
use crate::kernel::transpose::transposed;

/// Numbers between the rows of a copy: without them the rows of common sizes, powers of 2, would fall into the same few
/// places of the cache.
const GAP: usize = 16;

/// A right operand that is multiplied with again and again, as the weight of a recurrent layer is at every step:
/// what a product does to it first is done once.
#[derive(Debug)]
pub(in crate::kernel) struct Fixed<'a, T> {
    matrix: Matrix<'a, T>,
    prepared: Prepared<T>,
}

#[derive(Debug)]
enum Prepared<T> {
    /// For tiles.
    Packed(Packed),
    /// Row by row, where the matrix lies column by column, with a [`GAP`] behind each row.
    Copied(Vec<T>),
    /// The matrix is as good as it lies.
    Nothing,
}

impl<'a, T: Element> Fixed<'a, T> {
    /// For left operands of about so many rows.
    pub fn new(matrix: Matrix<'a, T>, rows: usize) -> Self {
        let prepared = match Packed::new(&matrix, rows) {
            Some(packed) => Prepared::Packed(packed),
            None if matrix.row_step == 1 && matrix.is_dense() => {
                let (height, width) = (matrix.rows, matrix.columns);
                Prepared::Copied(transposed(matrix.numbers, width, height, width + GAP))
            }
            None => Prepared::Nothing,
        };
        Self { matrix, prepared }
    }

    /// `out += left self`, with the beginnings of the rows of `out` `step` numbers apart.
    pub fn add_product_apart(&self, out: &mut [T], step: usize, left: Matrix<'_, T>) {
        self.product(out, step, true, left);
    }

    /// `out = left self`, as [`add_product_apart`](Self::add_product_apart).
    pub fn set_product_apart(&self, out: &mut [T], step: usize, left: Matrix<'_, T>) {
        self.product(out, step, false, left);
    }

    fn product(&self, out: &mut [T], step: usize, add: bool, left: Matrix<'_, T>) {
        if let Prepared::Packed(packed) = &self.prepared {
            let out = &mut out[..extent(left.rows, self.matrix.columns, step)];
            assert_eq!(left.columns, self.matrix.rows, "a product needs matrices that fit");
            // SAFETY: `out` is initialised, reaches to the last number of the product, and nothing else borrows it.
            if unsafe { packed.product(out.as_mut_ptr(), step, add, left) } {
                return;
            }
        }
        let matrix = match &self.prepared {
            Prepared::Copied(copy) => {
                Matrix::apart(copy, self.matrix.rows, self.matrix.columns, self.matrix.columns + GAP)
            }
            Prepared::Packed(_) | Prepared::Nothing => self.matrix,
        };
        if add {
            add_product_apart(out, step, left, matrix);
        } else {
            set_product_apart(out, step, left, matrix);
        }
    }
}
