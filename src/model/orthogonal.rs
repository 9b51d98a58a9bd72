//! Random matrices with orthonormal rows or columns (`torch.nn.init.orthogonal_`).
//!
//! A matrix of standard normal numbers is made orthogonal row by row, or column by column where there are more
//! rows than columns: Q of its decomposition Q R whose R has a positive diagonal, as `PyTorch` makes it. Gram and
//! Schmidt's way, each vector twice: that is as accurate as reflections (Giraud et al., 2005). In `f64`, on the
//! CPU, sums in a fixed order: the same on every device.

use crate::kernel::simd;
use crate::rng::Stream;

/// Sums that are kept side by side, so that a product vectorises.
const LANES: usize = 8;

/// `rows × columns` numbers, row by row.
pub(super) fn draw(stream: Stream, rows: usize, columns: usize) -> Vec<f64> {
    let mut draws = stream.draws();
    let drawn: Vec<f64> = (0..rows * columns).map(|_| draws.normal()).collect();
    if rows <= columns {
        let mut vectors = drawn;
        simd(
            #[inline(always)]
            || orthonormalize(&mut vectors, columns),
        );
        return vectors;
    }
    let mut vectors = transposed(&drawn, rows, columns);
    simd(
        #[inline(always)]
        || orthonormalize(&mut vectors, rows),
    );
    transposed(&vectors, columns, rows)
}

fn transposed(numbers: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|index| numbers[index % rows * columns + index / rows]).collect()
}

/// Makes vectors of `length` numbers, no more of them than that, orthonormal in their order.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn orthonormalize(vectors: &mut [f64], length: usize) {
    for index in 0..vectors.len().checked_div(length).unwrap_or(0) {
        let (before, rest) = vectors.split_at_mut(index * length);
        let vector = &mut rest[..length];
        for _ in 0..2 {
            for other in before.chunks_exact(length) {
                let along = dot(other, vector);
                for (number, other) in vector.iter_mut().zip(other) {
                    *number -= along * other;
                }
            }
            let norm = dot(vector, vector).sqrt();
            for number in vector.iter_mut() {
                *number /= norm;
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (mut lefts, mut rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    for (left, right) in (&mut lefts).zip(&mut rights) {
        for lane in 0..LANES {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest = lefts.remainder().iter().zip(rights.remainder());
    lanes.iter().sum::<f64>() + rest.map(|(left, right)| left * right).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn stream() -> Stream {
        Stream::new(3, Purpose::Init, 0, 0x0101)
    }

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for (rows, columns) in [(1, 1), (5, 9), (9, 5), (40, 40), (128, 27), (0, 3)] {
            let q = draw(stream(), rows, columns);
            let (vectors, length) =
                if rows <= columns { (q, columns) } else { (transposed(&q, rows, columns), rows) };
            let vectors: Vec<&[f64]> = vectors.chunks_exact(length).collect();
            assert_eq!(vectors.len(), rows.min(columns));
            for (index, left) in vectors.iter().enumerate() {
                for (other, right) in vectors.iter().enumerate() {
                    let expected = if index == other { 1.0 } else { 0.0 };
                    assert!((dot(left, right) - expected).abs() < 1e-14, "{rows} {columns} {index} {other}");
                }
            }
        }
    }

    /// ```python
    /// # PyTorch 2.15: what orthogonal_ does with numbers that are drawn
    /// a = torch.tensor([[0.5, -1., 2.], [1.5, 0.25, -0.75]], dtype=torch.float64)
    /// q, r = torch.linalg.qr(a.t()); print((q * r.diagonal().sign()).t())
    /// ```
    #[test]
    fn the_decomposition_is_that_of_pytorch() {
        let mut vectors = vec![0.5, -1.0, 2.0, 1.5, 0.25, -0.75];
        orthonormalize(&mut vectors, 3);
        let expected = [
            0.218_217_890_236,
            -0.436_435_780_472,
            0.872_871_560_944,
            0.973_625_370_756_4,
            0.036_329_304_879,
            -0.225_241_690_249_6,
        ];
        for (found, expected) in vectors.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{vectors:?}");
        }
    }
}
