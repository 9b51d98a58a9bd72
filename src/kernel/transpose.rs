//! The transpose of a matrix, with gaps between its rows.

use crate::kernel::Element;

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
#[expect(clippy::float_cmp, reason = "numbers are moved and not computed")]
mod tests {
    use super::*;

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
