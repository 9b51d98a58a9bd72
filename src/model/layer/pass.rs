//! What the layers of a model are told about a pass through them.

/// What a forward pass is for.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// Training or evaluation.
    pub mode: Mode<'a>,
    /// How many steps of each sequence are real, row-major `[R, B]`; what follows is padding. `None` where
    /// every step is real, or where samples are no sequences.
    pub lengths: Option<&'a [u32]>,
}

/// How layers behave in a pass.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// A training step: layers keep what their backward pass needs.
    Training {
        /// The seed of each run.
        seeds: &'a [u64],
        /// Batches taken in before this one; random masks depend on it.
        step: u64,
    },
    /// Nothing is kept, running statistics are used, nothing is dropped.
    Evaluation,
}

impl<'a> Pass<'a> {
    /// An evaluation without padding.
    pub const EVALUATION: Self = Self { mode: Mode::Evaluation, lengths: None };

    /// A training step of the runs with these seeds, without padding.
    pub const fn training(seeds: &'a [u64], step: u64) -> Self {
        Self { mode: Mode::Training { seeds, step }, lengths: None }
    }

    /// The same with the real steps of each sequence.
    #[must_use]
    pub const fn with_lengths(self, lengths: Option<&'a [u32]>) -> Self {
        Self { lengths, ..self }
    }

    /// Whether layers keep what their backward pass needs.
    pub const fn is_training(&self) -> bool {
        matches!(self.mode, Mode::Training { .. })
    }
}
