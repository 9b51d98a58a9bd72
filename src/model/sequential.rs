//! Layers in the order in which they are written; the sizes of their inputs are inferred.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::LayerConfig;
use super::layer::linear::LinearConfig;
use super::layer::residual::check_list;
use crate::sample::SampleShape;
use crate::setting::Problems;
use crate::{Error, Result};

/// `kind = "sequential"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequentialConfig {
    /// The layers in their order, each a table with a `kind`, or the name of a kind.
    #[schemars(length(min = 1))]
    pub layers: Vec<LayerConfig>,
}

impl SequentialConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        if self.layers.is_empty() {
            problems.refuse("layers", "`layers` is empty", "expected a layer or more");
        }
        problems.within("layers", |problems| {
            check_list(&self.layers, problems);
            check_widths(&self.layers, self.last_linear(), problems);
        });
    }

    fn last_linear(&self) -> Option<usize> {
        self.layers.iter().rposition(|layer| matches!(layer, LayerConfig::Linear(_)))
    }

    /// The layers themselves; the last linear one has so many outputs unless it says otherwise, and an embedding
    /// as many rows as `input` has tokens.
    ///
    /// # Errors
    /// [`Error::Request`] for tokens without an embedding, and for an embedding without tokens.
    pub fn layers(&self, input: &SampleShape, outputs: usize) -> Result<Vec<LayerConfig>> {
        let mut layers = self.layers.clone();
        match layers.first_mut() {
            Some(LayerConfig::Embedding(config)) => *config = config.for_samples(input)?,
            _ if matches!(input, SampleShape::Tokens { .. }) => {
                return Err(Error::Request(format!(
                    "samples are {input}: `model.layers` must begin with an embedding"
                )));
            }
            _ => {}
        }
        if let Some(last) = self.last_linear()
            && let LayerConfig::Linear(LinearConfig { out_features: open @ None, .. }) = &mut layers[last]
        {
            *open = Some(outputs);
        }
        Ok(layers)
    }
}

/// Refuses linear layers without a width but for that at `open`.
fn check_widths(layers: &[LayerConfig], open: Option<usize>, problems: &mut Problems) {
    for (index, layer) in layers.iter().enumerate() {
        problems.within_entry(index, |problems| match layer {
            LayerConfig::Linear(LinearConfig { out_features: None, .. }) if open != Some(index) => {
                problems.refuse(
                    "",
                    "`out_features` is not set",
                    "expected it of every linear layer but the last of `model.layers`",
                );
            }
            LayerConfig::Residual(config) => {
                problems.within("layers", |problems| check_widths(&config.layers, None, problems));
                let shortcut = config.shortcut.as_deref().unwrap_or_default();
                problems.within("shortcut", |problems| check_widths(shortcut, None, problems));
            }
            _ => {}
        });
    }
}
