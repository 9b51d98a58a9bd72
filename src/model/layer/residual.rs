//! A block whose input is added to its output: y = layers(x) + shortcut(x) (He et al., 2016).
//!
//! The block itself is carried out by the list of layers that holds it, `model::chain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerConfig;
use super::{Layer, LayerSettings};
use crate::model::initializer::Initializer;
use crate::model::shapes;
use crate::setting::Problems;
use crate::{Error, Result};

/// Layers whose input is added to their output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResidualConfig {
    /// What the input goes through; its shape must come out as that of the shortcut.
    #[schemars(length(min = 1))]
    pub layers: Vec<LayerConfig>,
    /// What the input goes through before it is added; nothing unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<Vec<LayerConfig>>,
}

impl LayerSettings for ResidualConfig {
    /// Refuses what no data would make right, in any of the layers.
    fn check(&self, problems: &mut Problems) {
        if self.layers.is_empty() {
            problems.refuse("layers", "`layers` is empty", "expected a layer or more");
        }
        problems.within("layers", |problems| check_list(&self.layers, problems));
        if let Some(shortcut) = &self.shortcut {
            problems.within("shortcut", |problems| check_list(shortcut, problems));
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        shapes::residual(self, "residual", input, &mut |_, _, _| Ok(()))
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Err(Error::Bug("a residual block is built by the list that holds it".into()))
    }
}

/// Refuses wrong settings of any layer of a list; each is named by its entry.
pub(in crate::model) fn check_list(layers: &[LayerConfig], problems: &mut Problems) {
    for (index, layer) in layers.iter().enumerate() {
        problems.within_entry(index, |problems| layer.check(problems));
    }
}
