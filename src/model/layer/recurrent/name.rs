//! What `PyTorch` calls the weights of recurrent layers, and how their initial values are told apart.

use std::sync::LazyLock;

use super::MAX_LAYERS;

/// In `PyTorch`'s order.
const PARTS: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

/// All names that there are, so that asking for them in every step makes no text.
static NAMES: LazyLock<Vec<[String; 4]>> = LazyLock::new(|| {
    let places = (0..MAX_LAYERS).flat_map(|layer| [(layer, ""), (layer, "_reverse")]);
    places.map(|(layer, direction)| PARTS.map(|part| format!("{part}_l{layer}{direction}"))).collect()
});

/// One direction of one layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub layer: usize,
    pub reverse: bool,
}

impl Place {
    /// `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, or `…_l0_reverse`.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES[self.number()].iter().map(String::as_str)
    }

    fn number(self) -> usize {
        2 * self.layer + usize::from(self.reverse)
    }

    /// What keys the initial values of this place in the `ordinal`th recurrent layer of a model.
    pub(super) fn ordinal(self, ordinal: u32) -> u32 {
        /// Places of one recurrent layer: twice [`MAX_LAYERS`], rounded up.
        const PLACES: u32 = 256;
        const { assert!(2 * MAX_LAYERS <= PLACES as usize) };
        ordinal * PLACES + self.number() as u32
    }
}
