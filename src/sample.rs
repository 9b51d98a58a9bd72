//! What a sample looks like to a model: the ground that data and models stand on together.

use std::fmt;

/// The shape of the samples that a model is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub enum SampleShape {
    /// Numbers in this shape: `[C, H, W]` of an image, `[F]` of a row of a table.
    Numbers(Vec<usize>),
    /// A sequence of tokens, numbers below `vocabulary`; 0 is padding.
    Tokens {
        /// How many different tokens there are, padding among them.
        vocabulary: usize,
        /// The length of the longest sequence. A batch is as long as its own longest.
        longest: usize,
    },
}

impl SampleShape {
    /// The sizes; of a sequence its greatest length.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::Numbers(dims) => dims.clone(),
            Self::Tokens { longest, .. } => vec![*longest],
        }
    }

    /// How many numbers a sample has; what does not fit a `usize` is refused as too large later.
    pub fn numbers(&self) -> usize {
        self.dims().iter().fold(1, |size, side| size.saturating_mul(*side))
    }
}

impl From<&[usize]> for SampleShape {
    /// Numbers in this shape.
    fn from(dims: &[usize]) -> Self {
        Self::Numbers(dims.to_vec())
    }
}

impl fmt::Display for SampleShape {
    /// `[1, 28, 28]`, or `sequences of up to 40 of 1000 tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(dims) => write!(f, "{dims:?}"),
            Self::Tokens { vocabulary, longest } => {
                write!(f, "sequences of up to {longest} of {vocabulary} tokens")
            }
        }
    }
}
