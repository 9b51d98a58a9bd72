//! The combinations of a sweep: axes along dimensions, one space after the other.

use super::axis::Axis;

/// Axes, and the dimensions that they move along: all combinations of those.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Space {
    /// In the order in which they were written.
    pub axes: Vec<Axis>,
    /// The last is fastest.
    pub dimensions: Vec<Dimension>,
}

/// Along which one or more axes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension {
    /// The number of values of each of its axes.
    pub length: usize,
    /// What made it.
    pub origin: Origin,
    /// Whether it belongs to an entry of `union` and not to what stands beside it.
    pub in_union: bool,
}

/// What makes a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A key of the grid.
    Grid,
    /// One entry of `zip`.
    Zip,
    /// The random part, with its seed.
    Random(u64),
    /// The folds of the data.
    Folds,
    /// The seeds.
    Seeds,
    /// A table of runs.
    Rows,
}

impl Space {
    /// How many combinations there are.
    pub fn count(&self) -> u128 {
        self.dimensions
            .iter()
            .fold(1, |product: u128, dimension| product.saturating_mul(dimension.length as u128))
    }

    /// The first combination: one position a dimension.
    pub fn first(&self) -> Option<Vec<usize>> {
        self.dimensions.iter().all(|dimension| dimension.length > 0).then(|| vec![0; self.dimensions.len()])
    }

    /// Moves to the next combination; false behind the last.
    pub fn advance(&self, positions: &mut [usize]) -> bool {
        for (position, dimension) in positions.iter_mut().zip(&self.dimensions).rev() {
            *position += 1;
            if *position < dimension.length {
                return true;
            }
            *position = 0;
        }
        false
    }

    /// Adds axes that move together along a new dimension.
    pub fn push(&mut self, axes: impl IntoIterator<Item = Axis>, length: usize, origin: Origin) {
        let dimension = self.dimensions.len();
        self.axes.extend(axes.into_iter().map(|axis| Axis { dimension, ..axis }));
        self.dimensions.push(Dimension { length, origin, in_union: false });
    }

    /// Takes out the axes that `keep` refuses, and the dimensions along which nothing is left to move.
    pub fn retain(&mut self, keep: impl FnMut(&Axis) -> bool) {
        self.axes.retain(keep);
        let used = |dimension: &usize| self.axes.iter().any(|axis| axis.dimension == *dimension);
        let kept: Vec<usize> = (0..self.dimensions.len()).filter(used).collect();
        for axis in &mut self.axes {
            axis.dimension = kept.iter().position(|old| *old == axis.dimension).unwrap_or_default();
        }
        self.dimensions = kept.into_iter().map(|old| self.dimensions[old]).collect();
    }

    /// Adds the axes and the dimensions of an entry of `union`.
    pub fn join(&mut self, other: Self) {
        let offset = self.dimensions.len();
        self.axes
            .extend(other.axes.into_iter().map(|axis| Axis { dimension: axis.dimension + offset, ..axis }));
        let inner = other.dimensions.into_iter().map(|dimension| Dimension { in_union: true, ..dimension });
        self.dimensions.extend(inner);
    }
}
