//! Fused tensor operations with exact gradients.
//!
//! Every operation takes a leading run axis R: R parameter sets that are trained at once, R = 1 for a run on
//! its own. Activations are `[R, B, …]`, weights `[R, out, in]`. On the CPU an operation works on slices,
//! compiled once for each instruction set and chosen at run time ([`simd`]); on other devices it is composed
//! of candle's operations ([`composed`](self) files say how), and the same composition is the reference that
//! the tests compare the slices with. Nothing here knows of layers, optimizers or data.

pub mod activation;
pub mod batch_norm;
pub mod binary;
#[cfg(test)]
pub(crate) mod checks;
mod columns;
pub mod conv2d;
mod curve;
pub mod distance;
pub mod dropout;
mod element;
pub mod embedding;
pub mod gradient;
mod lanes;
pub mod layer_norm;
pub mod linear;
mod measured;
mod parts;
pub mod pool;
mod product;
pub mod recurrent;
pub mod row_softmax;
mod storage;
mod transpose;
pub mod window;

pub mod finite;
pub mod softmax;
pub mod update;

pub use element::Element;
pub use measured::Measured;
pub use storage::{is_cpu, read, write};

use std::cell::Cell;

/// Evaluates `$body` with `$T` as the number type of `$tensor`.
macro_rules! with_element {
    ($tensor:expr, $T:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => Err($crate::Error::Bug(format!("a kernel was given numbers of type {other:?}"))),
        }
    };
}
use with_element;

thread_local! {
    static THREADS: Cell<usize> = const { Cell::new(1) };
}

/// Sets how many threads the operations called from this thread may use; the others come from the rayon
/// pool that this thread belongs to.
pub fn set_threads(count: usize) {
    THREADS.set(count.max(1));
}

/// What [`set_threads`] last said on this thread; 1 at first.
pub fn threads() -> usize {
    THREADS.get()
}

/// Computes two things on two threads, each on one alone, if more than one may be used.
fn both<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    let count = threads();
    if count == 1 {
        return (first(), second());
    }
    let result = rayon::join(
        move || {
            set_threads(1);
            first()
        },
        move || {
            set_threads(1);
            second()
        },
    );
    set_threads(count);
    result
}

/// Runs `op` compiled for the best instruction set of this CPU.
///
/// The loops must be written inside the closure, or in `#[inline(always)]` functions called from it, and the closure
/// carries `#[inline(always)]` itself: what is not inlined is compiled for the least of all CPUs. The loops
/// give the same bits on every instruction set, since Rust never contracts or reorders float operations.
pub fn simd<R>(op: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(op)
}
