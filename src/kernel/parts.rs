//! Vectors that are written part by part, each part once, by one thread or by several.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{Element, threads};

/// A vector of `length` numbers that `write` writes, in whatever order: they are not zeroed first.
///
/// # Safety
/// `write` writes every number that it is lent, unless it panics.
pub(super) unsafe fn written<N: Copy>(length: usize, write: impl FnOnce(&mut [MaybeUninit<N>])) -> Vec<N> {
    let mut numbers = Vec::with_capacity(length);
    write(&mut numbers.spare_capacity_mut()[..length]);
    // SAFETY: there is room for `length` numbers, and the caller vouches for that all of them were written.
    unsafe { numbers.set_len(length) };
    numbers
}

/// Writes all of `out`: `number` of each pair of numbers of `x` and `y`, which are as long.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
pub(super) fn write_each<T: Element>(
    out: &mut [MaybeUninit<T>],
    [x, y]: [&[T]; 2],
    number: impl Fn(T, T) -> T,
) {
    assert!(out.len() == x.len() && out.len() == y.len(), "a part has a number for each of its places");
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        out.write(number(*x, *y));
    }
}

/// Does the work on every part, on as many threads as may be used; parts know nothing of each other. What `room`
/// makes is handed from part to part.
pub(super) fn each<P: Send, R>(
    parts: Vec<P>,
    room: impl Fn() -> R + Send + Sync,
    work: impl Fn(&mut R, P) + Send + Sync,
) {
    if threads() == 1 {
        let mut room = room();
        for part in parts {
            work(&mut room, part);
        }
    } else {
        parts.into_par_iter().for_each_init(room, work);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "whole numbers are exact")]
mod tests {
    use super::*;
    use crate::kernel::checks::on_threads;

    #[test]
    fn parts_are_written_by_any_number_of_threads() {
        let x: Vec<f32> = (0..1000u16).map(f32::from).collect();
        let double = || {
            // SAFETY: the parts of both slices are the same, so each is written.
            unsafe {
                written(x.len(), |out| {
                    let parts = out.chunks_mut(7).zip(x.chunks(7)).collect();
                    each(parts, || (), |(), (out, x)| write_each(out, [x, x], |x, y| x + y));
                })
            }
        };
        let alone = double();
        let together = on_threads(2, double);
        assert_eq!(alone, together);
        assert!(alone.iter().zip(&x).all(|(double, x)| *double == 2.0 * x));
    }
}
