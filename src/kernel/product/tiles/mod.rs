//! Products of f32 matrices on AMX tiles, as accurate as products in f32.
//!
//! The tile unit multiplies numbers of bf16, exactly, and adds the products up in f32, many times as fast as vector
//! instructions compute in f32. A number of f32 is a sum of three of bf16, each the nearest to what the ones before
//! it left. Of the nine products of two such sums, the tiles compute the six largest; the other three are together at
//! most 2⁻²⁴ of the whole, half a unit in the last place. (Henry, Tang and Heinecke, "Leveraging the bfloat16
//! Artificial Intelligence Datatype For Higher-Precision Computations", 2019.)
//!
//! Numbers below 10⁻³³ lose digits, since the unit takes tiny parts for 0, and a number that is infinite or beyond
//! 3.39 · 10³⁸ gives NaN.
//!
//! The side with fewer lines is split and laid out in parts that stay in the second cache, and the other one goes by
//! in pairs of panels. Which parts there are depends on the sizes alone, and each number of the result is summed up
//! in the order of the depth.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod multiply;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod panel;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod stream;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use stream::{Packed, product};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) use absent::{Packed, product};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod absent {
    use crate::kernel::Element;
    use crate::kernel::product::Matrix;

    /// There is none.
    #[derive(Debug)]
    pub enum Packed {}

    impl Packed {
        pub fn new<T: Element>(_: &Matrix<'_, T>, _: usize) -> Option<Self> {
            None
        }

        pub unsafe fn product<T: Element>(&self, _: *mut T, _: usize, _: bool, _: Matrix<'_, T>) -> bool {
            match *self {}
        }
    }

    pub unsafe fn product<T: Element>(
        _: *mut T,
        _: usize,
        _: bool,
        _: Matrix<'_, T>,
        _: Matrix<'_, T>,
    ) -> bool {
        false
    }
}
