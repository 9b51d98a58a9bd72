//! A multilayer perceptron: blocks of linear layer, activation and regularizer, and a linear layer at the end.
//!
//! With `layers = n` the widths fall arithmetically: step = trunc((in − out) / n), and the n − 1 hidden
//! widths are in − step, in − 2 step, …: 630, 476, 322, 168 for 784 inputs, 10 outputs and 5 layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::activation::ActivationConfig;
use super::layer::linear::{LinearConfig, MAX_WIDTH};
use super::layer::{LayerConfig, LayerSettings};
use super::regularizer::RegularizerList;
use crate::setting::Problems;

/// Linear layers when neither `layers` nor `hidden` is given.
const DEFAULT_LAYERS: usize = 5;
/// Deeper is a typing error; plain networks stop learning long before.
const MAX_LAYERS: usize = 1000;

/// `kind = "mlp"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(!from, default, deny_unknown_fields)]
pub struct MlpConfig {
    /// How many linear layers there are, hidden widths falling arithmetically; 5 unless `hidden` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_LAYERS))]
    pub layers: Option<usize>,
    /// The hidden widths themselves, in place of `layers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_LAYERS - 1), inner(range(min = 1, max = MAX_WIDTH)))]
    pub hidden: Option<Vec<usize>>,
    /// The nonlinearity behind every hidden linear layer.
    pub activation: ActivationConfig,
    /// What else stands behind every hidden linear layer.
    pub regularizer: RegularizerList,
    /// Which of the two comes first.
    pub activation_position: ActivationPosition,
}

/// The order within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivationPosition {
    /// Linear → activation → regularizer.
    #[default]
    BeforeRegularizer,
    /// Linear → regularizer → activation.
    AfterRegularizer,
}

impl ActivationPosition {
    /// What stands behind the layer with the weights of a block.
    pub(super) fn arrange(
        self,
        activation: &ActivationConfig,
        regularizer: &RegularizerList,
    ) -> Vec<LayerConfig> {
        let activation: Vec<LayerConfig> = activation.layer().into_iter().collect();
        match self {
            Self::BeforeRegularizer => [activation, regularizer.layers()].concat(),
            Self::AfterRegularizer => [regularizer.layers(), activation].concat(),
        }
    }
}

impl Default for MlpConfig {
    fn default() -> Self {
        Written::default().into()
    }
}

/// The keys as they are read: what is absent may depend on another key.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Written {
    layers: Option<usize>,
    hidden: Option<Vec<usize>>,
    activation: ActivationConfig,
    regularizer: RegularizerList,
    activation_position: ActivationPosition,
}

impl From<Written> for MlpConfig {
    fn from(written: Written) -> Self {
        let Written { layers, hidden, activation, regularizer, activation_position } = written;
        let layers = if hidden.is_none() { layers.or(Some(DEFAULT_LAYERS)) } else { layers };
        Self { layers, hidden, activation, regularizer, activation_position }
    }
}

impl MlpConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        if let (Some(_), Some(_)) = (self.layers, &self.hidden) {
            problems.refuse(
                "hidden",
                "`layers` and `hidden` both say how wide the layers are",
                "expected one of the two",
            );
        }
        if let Some(layers) = self.layers {
            let valid = (1..=MAX_LAYERS).contains(&layers);
            problems.require(valid, "layers", layers, "a whole number from 1 to 1000");
        }
        if let Some(hidden) = &self.hidden {
            let valid = hidden.len() < MAX_LAYERS;
            problems.require(valid, "hidden", format!("{} long", hidden.len()), "at most 999 widths");
            problems.within("hidden", |problems| {
                for (index, width) in hidden.iter().enumerate().take(MAX_LAYERS) {
                    problems.within_entry(index, |problems| {
                        if !(1..=MAX_WIDTH).contains(width) {
                            let expected = format!("expected a whole number from 1 to {MAX_WIDTH}");
                            problems.refuse("", format!("a width of {width}"), expected);
                        }
                    });
                }
            });
        }
        problems.within("activation", |problems| self.activation.check(problems));
        problems.within("regularizer", |problems| self.regularizer.check(problems));
    }

    /// The hidden widths between so many inputs and outputs.
    pub fn hidden_widths(&self, inputs: usize, outputs: usize) -> Vec<usize> {
        if let Some(hidden) = &self.hidden {
            return hidden.clone();
        }
        let layers = self.layers.unwrap_or(DEFAULT_LAYERS).clamp(1, MAX_LAYERS);
        // Division truncates towards 0, so every width lies between inputs and outputs and is never below 1.
        let (from, step) = (inputs as i128, (inputs as i128 - outputs as i128) / layers as i128);
        (1..layers as i128).map(|index| (from - step * index) as usize).collect()
    }

    /// The layers themselves.
    pub fn layers(&self, inputs: usize, outputs: usize) -> Vec<LayerConfig> {
        let linear = |out_features| LayerConfig::Linear(LinearConfig::new(out_features));
        let behind = self.activation_position.arrange(&self.activation, &self.regularizer);
        let mut layers = Vec::new();
        for width in self.hidden_widths(inputs, outputs) {
            layers.push(linear(width));
            layers.extend(behind.iter().cloned());
        }
        layers.push(linear(outputs));
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(layers: usize, inputs: usize, outputs: usize) -> Vec<usize> {
        MlpConfig { layers: Some(layers), ..MlpConfig::default() }.hidden_widths(inputs, outputs)
    }

    #[test]
    fn widths_fall_as_in_the_exercise() {
        assert_eq!(widths(5, 784, 10), [630, 476, 322, 168]);
        // (2 − 10) / 3 is −2 after truncation, not −3.
        assert_eq!(widths(3, 2, 10), [4, 6]);
        assert!(widths(1, 784, 10).is_empty());
        assert_eq!(widths(1000, 3, 2), [3; 999]);
        assert_eq!(MlpConfig { hidden: Some(vec![7]), ..MlpConfig::default() }.hidden_widths(1, 1), [7]);
    }

    #[test]
    fn blocks_end_in_a_linear_layer_alone() {
        let names = |config: &MlpConfig| -> Vec<&str> {
            config.layers(4, 2).iter().map(LayerConfig::type_name).collect()
        };
        let mut config = MlpConfig { layers: Some(2), ..MlpConfig::default() };
        assert_eq!(names(&config), ["linear", "activation", "batch_norm", "linear"]);
        config.activation_position = ActivationPosition::AfterRegularizer;
        assert_eq!(names(&config), ["linear", "batch_norm", "activation", "linear"]);
        config.activation = ActivationConfig::None;
        config.regularizer = RegularizerList::new(Vec::new());
        assert_eq!(names(&config), ["linear", "linear"]);
        config.layers = Some(1);
        assert_eq!(names(&config), ["linear"]);
    }
}
