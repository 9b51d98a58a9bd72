//! What a layer needs memory for beside its weights.

/// What a layer holds on to, and what it works in, for one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Which of the tensors that come and go a training pass keeps for its backward pass.
    pub keeps: Keeps,
    /// Whether the output is the input in another shape.
    pub is_view: bool,
    /// Numbers that a training pass keeps beside that.
    pub beside: u64,
    /// Numbers that the backward pass works in beside the gradients of input and output.
    pub backward: u64,
    /// Numbers that an evaluation works in beside input and output.
    pub evaluation: u64,
}

/// A tensor that a training pass keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeps {
    /// None.
    #[default]
    Nothing,
    /// The input; it costs nothing where the layer before keeps it as its output.
    Input,
    /// The output.
    Output,
}

impl Memory {
    /// Of a layer that keeps no more than this.
    pub const fn keeping(keeps: Keeps) -> Self {
        Self { keeps, is_view: false, beside: 0, backward: 0, evaluation: 0 }
    }

    /// Of a layer that hands its input on.
    pub const fn view() -> Self {
        Self { is_view: true, ..Self::keeping(Keeps::Nothing) }
    }
}

/// The numbers in a batch of samples of this shape.
pub fn numbers(batch: u64, sample: &[usize]) -> u64 {
    sample.iter().fold(batch, |product, side| product.saturating_mul(*side as u64))
}
