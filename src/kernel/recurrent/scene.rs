//! One direction of one layer over packed sequences, and where its gates lie.

use std::ops::Range;

use super::Cell;
use super::cell::gates_of;
use super::packing::Packing;

/// What both passes of a direction are over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub cell: Cell,
    pub packing: &'a Packing,
    pub hidden: usize,
    /// Numbers in a row of the input.
    pub inputs: usize,
    /// Numbers in a row of the output, in which this direction's h begins at `column`.
    pub outputs: usize,
    pub column: usize,
    pub reverse: bool,
}

/// A part of the weight's rows, and the column of the gates that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub row: usize,
    pub rows: usize,
    pub column: usize,
}

impl Scene<'_> {
    /// Numbers in a row of gates.
    pub(super) fn width(&self) -> usize {
        gates_of(self.cell) * self.hidden
    }

    /// Rows of a weight.
    pub(super) fn weight_rows(&self) -> usize {
        self.cell.gates() * self.hidden
    }

    /// Which rows of the input's weight belong where.
    pub(super) fn input_blocks(&self) -> Vec<Block> {
        let hidden = self.hidden;
        match self.cell {
            // r and z stand behind n, for which the state's part stays on its own.
            Cell::Gru => vec![
                Block { row: 0, rows: 2 * hidden, column: hidden },
                Block { row: 2 * hidden, rows: hidden, column: 0 },
            ],
            _ => vec![Block { row: 0, rows: self.weight_rows(), column: 0 }],
        }
    }

    /// Where the products with the state go.
    pub(super) fn state_column(&self) -> usize {
        self.width() - self.weight_rows()
    }

    /// The steps in the order in which they are computed.
    pub(super) fn order(&self) -> Box<dyn DoubleEndedIterator<Item = usize>> {
        let steps = 0..self.packing.steps();
        if self.reverse { Box::new(steps.rev()) } else { Box::new(steps) }
    }

    pub(super) fn rows_of<'a, T>(&self, all: &'a [T], rows: Range<usize>, width: usize) -> &'a [T] {
        debug_assert!(rows.end <= self.packing.rows(), "a row is one of those that are packed");
        if all.is_empty() { all } else { &all[rows.start * width..rows.end * width] }
    }
}
