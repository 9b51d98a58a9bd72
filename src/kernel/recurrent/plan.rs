//! What a pass is over, and what follows from it.

use std::ops::Range;

use super::{Cell, Dropout, Pooling, Stack, Weights};
use crate::kernel::dropout::RunMask;
use crate::rng::{Purpose, Stream};
use crate::{Error, Result};

/// A pass with all that it is over.
pub(super) struct Plan<'a> {
    pub cell: Cell,
    pub hidden: usize,
    pub bidirectional: bool,
    pub pooling: Pooling,
    pub weights: &'a [Weights<'a>],
    /// The real steps of each sequence, row-major `[R, B]`.
    pub lengths: &'a [usize],
    pub dropout: Option<&'a Dropout>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        stack: Stack,
        weights: &'a [Weights<'a>],
        lengths: &'a [usize],
        dropout: Option<&'a Dropout>,
    ) -> Self {
        let Stack { cell, hidden, bidirectional, pooling } = stack;
        Self { cell, hidden, bidirectional, pooling, weights, lengths, dropout }
    }

    pub(super) fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    pub(super) fn layers(&self) -> usize {
        self.weights.len() / self.directions()
    }

    /// The places among the weights of a layer's directions.
    pub(super) fn directions_of(&self, layer: usize) -> Range<usize> {
        layer * self.directions()..(layer + 1) * self.directions()
    }

    /// D · H.
    pub(super) fn outputs(&self) -> usize {
        self.directions() * self.hidden
    }

    /// Numbers in the output of one sequence.
    pub(super) fn output_numbers(&self, steps: usize) -> usize {
        if self.pooling == Pooling::None { steps * self.outputs() } else { self.outputs() }
    }

    pub(super) fn output_shape(&self, runs: usize, batch: usize, steps: usize) -> Vec<usize> {
        match self.pooling {
            Pooling::None => vec![runs, batch, steps, self.outputs()],
            _ => vec![runs, batch, self.outputs()],
        }
    }

    /// Holds weights to the input and to one another.
    pub(super) fn check(&self, [runs, _, _, inputs]: [usize; 4]) -> Result<()> {
        let rows = self.cell.gates() * self.hidden;
        let fits = |number: usize, weights: &Weights<'_>| {
            let inputs = if number < self.directions() { inputs } else { self.outputs() };
            weights.ih.dims() == [runs, rows, inputs]
                && weights.hh.dims() == [runs, rows, self.hidden]
                && weights.bias.is_none_or(|bias| bias.iter().all(|bias| bias.dims() == [runs, rows]))
        };
        let is_whole = !self.weights.is_empty() && self.weights.len().is_multiple_of(self.directions());
        let draws = |one: &Dropout| one.rates.len() == runs && one.seeds.len() == runs;
        let fit = self.weights.iter().enumerate().all(|(number, weights)| fits(number, weights));
        if self.hidden > 0 && is_whole && fit && self.dropout.is_none_or(draws) {
            return Ok(());
        }
        Err(Error::Bug("a recurrent layer's weights do not fit its input or one another".into()))
    }
}

impl Dropout {
    /// Behind the layer `layer`, in the order of packed rows; none where nothing is dropped.
    pub(super) fn mask(&self, run: usize, layer: usize) -> Option<RunMask> {
        /// Sets these streams apart from those of dropout layers, whose second coordinate is their ordinal alone.
        const BETWEEN_LAYERS: u32 = 1 << 31;
        const BITS_OF_LAYER: u32 = 8;
        let rate = self.rates[run];
        let place = BETWEEN_LAYERS | (self.ordinal << BITS_OF_LAYER) | layer as u32;
        let stream = Stream::new(self.seeds[run], Purpose::Dropout, self.step as u32, place);
        (rate != 0.0).then(|| RunMask::new(stream, rate))
    }
}
