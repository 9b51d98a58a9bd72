//! Element-wise nonlinearities; [`kernel::activation`](crate::kernel::activation) has the formulas.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LayerSettings;
use super::memory::{Keeps, Memory};
use super::{Layer, LayerConfig, Pass, take_kept};
use crate::kernel::activation::{self, Activation};
use crate::model::initializer::Initializer;
use crate::setting::{Problems, by_kind, kind};
use crate::{Error, Result};

/// x below 0 is scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeakyReluConfig {
    /// The slope below 0.
    pub negative_slope: f64,
}

impl Default for LeakyReluConfig {
    fn default() -> Self {
        Self { negative_slope: 0.01 }
    }
}

/// x below 0 goes to −α exponentially.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EluConfig {
    /// α, the negative limit.
    pub alpha: f64,
}

impl Default for EluConfig {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

/// A smooth relu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SoftplusConfig {
    /// How sharp the bend is.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub beta: f64,
    /// Where βx exceeds it, the function is x.
    pub threshold: f64,
}

impl Default for SoftplusConfig {
    fn default() -> Self {
        Self { beta: 1.0, threshold: 20.0 }
    }
}

/// Which nonlinearity stands behind a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum ActivationConfig {
    /// No layer at all.
    None,
    /// `PyTorch`'s `ReLU`.
    Relu,
    /// `PyTorch`'s `LeakyReLU`.
    LeakyRelu(LeakyReluConfig),
    /// `PyTorch`'s `ELU`.
    Elu(EluConfig),
    /// `PyTorch`'s `GELU`, exact.
    Gelu,
    /// `PyTorch`'s `SiLU`.
    Silu,
    /// `PyTorch`'s `Sigmoid`.
    Sigmoid,
    /// `PyTorch`'s `Tanh`.
    Tanh,
    /// `PyTorch`'s `Softplus`.
    Softplus(SoftplusConfig),
}

impl Default for ActivationConfig {
    fn default() -> Self {
        Self::LeakyRelu(LeakyReluConfig::default())
    }
}

kind!(ActivationConfig, default = "leaky_relu");

impl ActivationConfig {
    /// The layer; none for `none`.
    pub fn layer(&self) -> Option<LayerConfig> {
        Some(match self {
            Self::None => return None,
            Self::Relu => LayerConfig::Relu,
            Self::LeakyRelu(config) => LayerConfig::LeakyRelu(config.clone()),
            Self::Elu(config) => LayerConfig::Elu(config.clone()),
            Self::Gelu => LayerConfig::Gelu,
            Self::Silu => LayerConfig::Silu,
            Self::Sigmoid => LayerConfig::Sigmoid,
            Self::Tanh => LayerConfig::Tanh,
            Self::Softplus(config) => LayerConfig::Softplus(config.clone()),
        })
    }

    /// The function; none for `none`.
    pub fn function(&self) -> Option<Activation> {
        Some(match self {
            Self::None => return None,
            Self::Relu => Activation::Relu,
            Self::LeakyRelu(config) => Activation::LeakyRelu { negative_slope: config.negative_slope },
            Self::Elu(config) => Activation::Elu { alpha: config.alpha },
            Self::Gelu => Activation::Gelu,
            Self::Silu => Activation::Silu,
            Self::Sigmoid => Activation::Sigmoid,
            Self::Tanh => Activation::Tanh,
            Self::Softplus(config) => Activation::Softplus { beta: config.beta, threshold: config.threshold },
        })
    }
}

impl LayerSettings for ActivationConfig {
    fn counted_as(&self) -> Option<&'static str> {
        Some("activation")
    }

    /// Refuses constants that are not finite.
    fn check(&self, problems: &mut Problems) {
        match self {
            Self::LeakyRelu(LeakyReluConfig { negative_slope: slope }) => {
                problems.require(slope.is_finite(), "negative_slope", slope, "a finite number");
            }
            Self::Elu(EluConfig { alpha }) => {
                problems.require(alpha.is_finite(), "alpha", alpha, "a finite number");
            }
            Self::Softplus(SoftplusConfig { beta, threshold }) => {
                problems.require(*beta > 0.0 && beta.is_finite(), "beta", beta, "a finite number above 0");
                problems.require(threshold.is_finite(), "threshold", threshold, "a finite number");
            }
            Self::None | Self::Relu | Self::Gelu | Self::Silu | Self::Sigmoid | Self::Tanh => {}
        }
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        let keeps =
            if self.function().is_some_and(Activation::keeps_output) { Keeps::Output } else { Keeps::Input };
        Ok(Memory::keeping(keeps))
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        match self.function() {
            Some(function) => Ok(Box::new(ActivationLayer::new(function))),
            None => Err(Error::Bug("`none` is no layer".into())),
        }
    }
}

/// An [`Activation`] as a layer.
#[derive(Debug)]
pub struct ActivationLayer {
    activation: Activation,
    /// Input or output of the last training pass, whichever the derivative is taken from.
    kept: Option<Tensor>,
}

impl ActivationLayer {
    /// Without anything to train.
    pub fn new(activation: Activation) -> Self {
        Self { activation, kept: None }
    }
}

impl Layer for ActivationLayer {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let output = activation::forward(input, self.activation)?;
        self.kept = pass
            .is_training()
            .then(|| if self.activation.keeps_output() { output.clone() } else { input.clone() });
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let kept = take_kept(&mut self.kept, "an activation")?;
        need_input_gradient.then(|| activation::backward(&kept, gradient, self.activation)).transpose()
    }

    fn describe(&self) -> String {
        match self.activation {
            Activation::Relu => "ReLU".to_owned(),
            Activation::LeakyRelu { negative_slope } => format!("LeakyReLU({negative_slope})"),
            Activation::Elu { alpha } => format!("ELU({alpha})"),
            Activation::Gelu => "GELU".to_owned(),
            Activation::Silu => "SiLU".to_owned(),
            Activation::Sigmoid => "Sigmoid".to_owned(),
            Activation::Tanh => "Tanh".to_owned(),
            Activation::Softplus { beta, threshold } => format!("Softplus({beta}, {threshold})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};
    use crate::setting;
    use crate::setting::Kind;

    #[test]
    fn every_kind_is_read_has_exact_gradients_and_keeps_the_contract() {
        let mut texts = Vec::new();
        for kind in ActivationConfig::kinds() {
            let config: ActivationConfig = setting::read(&toml::Value::from(*kind)).unwrap();
            let Some(layer) = config.layer() else {
                assert_eq!((*kind, config.function()), ("none", None));
                continue;
            };
            assert_eq!((layer.kind(), layer.type_name()), (*kind, "activation"));
            assert_eq!(setting::read::<LayerConfig>(&toml::Value::from(*kind)).unwrap(), layer);
            assert_gradients(&layer, &[3]);
            assert_contract(&layer, &[2, 3]);
            texts.push(build(&layer, &[3], 1).describe());
        }
        let expected =
            ["ReLU", "LeakyReLU(0.01)", "ELU(1)", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus(1, 20)"];
        assert_eq!(texts, expected);
    }
}
