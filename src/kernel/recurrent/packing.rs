//! The real steps of sequences of different lengths, step by step and without padding.
//!
//! Sequences are ordered from the longest to the shortest, so that those with a step t are the first ones:
//! the rows of a step lie side by side, and a product over them never sees padding. This is the layout of
//! `torch.nn.utils.rnn.pack_padded_sequence(enforce_sorted=False)`.

use std::ops::Range;

/// Where which step of which sequence lies.
#[derive(Debug, Clone)]
pub(super) struct Packing {
    /// The sequence in the batch at each position, the longest first; equal lengths keep their order.
    order: Vec<usize>,
    /// The real steps of the sequence at each position.
    lengths: Vec<usize>,
    /// The first row of each step, and behind the last step the number of rows.
    starts: Vec<usize>,
}

impl Packing {
    /// Of sequences with these lengths.
    pub(super) fn new(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|sequence| std::cmp::Reverse(lengths[*sequence]));
        let sorted: Vec<usize> = order.iter().map(|sequence| lengths[*sequence]).collect();
        let steps = sorted.first().copied().unwrap_or(0);
        let mut starts = Vec::with_capacity(steps + 1);
        starts.push(0);
        let mut alive = sorted.len();
        for step in 0..steps {
            while alive > 0 && sorted[alive - 1] <= step {
                alive -= 1;
            }
            starts.push(starts[step] + alive);
        }
        Self { order, lengths: sorted, starts }
    }

    /// The longest sequence's steps.
    pub(super) fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// All real steps of all sequences.
    pub(super) fn rows(&self) -> usize {
        self.starts[self.steps()]
    }

    /// How many sequences there are, those without a step among them.
    pub(super) fn sequences(&self) -> usize {
        self.order.len()
    }

    /// The rows of a step.
    pub(super) fn at(&self, step: usize) -> Range<usize> {
        self.starts[step]..self.starts[step + 1]
    }

    /// The rows that hold the state before `step`, those of the sequences that have one: their positions are the
    /// first among those of `step`. `reverse` runs from the last step to the first.
    pub(super) fn before(&self, step: usize, reverse: bool) -> Range<usize> {
        if reverse {
            if step + 1 < self.steps() { self.at(step + 1) } else { 0..0 }
        } else if step > 0 {
            let start = self.starts[step - 1];
            start..start + self.at(step).len()
        } else {
            0..0
        }
    }

    /// Whether every sequence has as many steps as the longest.
    pub(super) fn is_even(&self) -> bool {
        self.rows() == self.steps() * self.sequences()
    }

    /// (Sequence in the batch, steps) at every position.
    pub(super) fn positions(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.order.iter().copied().zip(self.lengths.iter().copied())
    }

    /// The row of a step of the sequence at a position.
    pub(super) fn row(&self, position: usize, step: usize) -> usize {
        self.starts[step] + position
    }

    /// (Row, sequence in the batch, step) of every row, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.steps()).flat_map(move |step| {
            self.at(step).zip(&self.order).map(move |(row, sequence)| (row, *sequence, step))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lie_side_by_side_from_the_longest_sequence_on() {
        let packing = Packing::new(&[2, 0, 3, 2]);
        assert_eq!((packing.steps(), packing.rows(), packing.sequences()), (3, 7, 4));
        let places: Vec<(usize, usize, usize)> = packing.places().collect();
        let expected = [(0, 2, 0), (1, 0, 0), (2, 3, 0), (3, 2, 1), (4, 0, 1), (5, 3, 1), (6, 2, 2)];
        assert_eq!(places, expected);
        assert_eq!([0, 1, 2].map(|step| packing.before(step, false)), [0..0, 0..3, 3..4]);
        assert_eq!([0, 1, 2].map(|step| packing.before(step, true)), [3..6, 6..7, 0..0]);
        assert_eq!(packing.positions().collect::<Vec<_>>(), [(2, 3), (0, 2), (3, 2), (1, 0)]);
        assert_eq!(packing.row(1, 1), 4);
        assert!(!packing.is_even() && Packing::new(&[3, 3]).is_even());
        assert_eq!(Packing::new(&[0, 0]).rows(), 0);
        assert_eq!(Packing::new(&[]).steps(), 0);
    }
}
