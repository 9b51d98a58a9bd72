//! The number types that kernels compute in.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, WithDType};

/// `f32` for training, `f64` for checks of gradients and references.
pub trait Element:
    WithDType
    + Copy
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// The value, exactly.
    fn wide(self) -> f64;
    /// The square root, correctly rounded.
    #[must_use]
    fn root(self) -> Self;
    /// The numbers of a CPU storage of this type, for writing.
    fn as_mut_slice(storage: &mut CpuStorage) -> candle_core::Result<&mut [Self]>;
    /// e to the power of `self`.
    #[must_use]
    fn exponential(self) -> Self;
    /// The natural logarithm.
    #[must_use]
    fn logarithm(self) -> Self;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            fn as_mut_slice(storage: &mut CpuStorage) -> candle_core::Result<&mut [Self]> {
                match storage {
                    CpuStorage::$variant(numbers) => Ok(numbers),
                    other => Err(candle_core::Error::UnexpectedDType {
                        msg: "writing in place",
                        expected: <$type>::DTYPE,
                        got: other.dtype(),
                    }),
                }
            }
            #[inline(always)]
            fn exponential(self) -> Self {
                self.exp()
            }
            #[inline(always)]
            fn logarithm(self) -> Self {
                self.ln()
            }
        }
    };
}

element!(f32, F32);
element!(f64, F64);
