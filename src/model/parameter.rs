//! A tensor that training changes.

use candle_core::Tensor;

/// The weights of one name in all R parameter sets, and their gradient.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// `[R, …]`, contiguous, sharing its storage with nothing else, so that the CPU may update it in place.
    pub value: Tensor,
    /// The gradient that the last backward pass left, of the shape of `value`.
    pub gradient: Option<Tensor>,
    /// Whether training changes it; no gradient is computed otherwise.
    pub trainable: bool,
}

impl Parameter {
    /// A trainable parameter without a gradient yet.
    pub fn new(value: Tensor) -> Self {
        Self { value, gradient: None, trainable: true }
    }
}
