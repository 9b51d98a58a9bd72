//! The `init` table: how weights begin, as `torch.nn.init` defines it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::{Problems, by_kind, kind};

/// Normal with given moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NormalConfig {
    /// μ.
    pub mean: f64,
    /// σ.
    #[schemars(range(min = 0))]
    pub std: f64,
}

impl Default for NormalConfig {
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0 }
    }
}

/// Glorot and Bengio, 2010.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XavierConfig {
    /// A factor on the standard deviation.
    #[schemars(range(min = 0))]
    pub gain: f64,
}

impl Default for XavierConfig {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

/// He et al., 2015.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KaimingConfig {
    /// The slope below 0 of the `leaky_relu` that follows.
    pub a: f64,
    /// Which fan the variance is divided by.
    pub mode: FanMode,
    /// What follows, which decides the gain.
    pub nonlinearity: Nonlinearity,
}

/// Saxe et al., 2014.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrthogonalConfig {
    /// The length of every row, or of every column where there are more rows.
    #[schemars(range(min = 0))]
    pub gain: f64,
}

impl Default for OrthogonalConfig {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

/// The count that keeps a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FanMode {
    /// Inputs of an output: keeps the activations' variance.
    #[default]
    FanIn,
    /// Outputs of an input: keeps the gradients' variance.
    FanOut,
}

/// What `torch.nn.init.calculate_gain` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// 1.
    Linear,
    /// 1.
    Sigmoid,
    /// 5/3.
    Tanh,
    /// √2.
    Relu,
    /// √(2 / (1 + a²)).
    #[default]
    LeakyRelu,
    /// 3/4.
    Selu,
}

impl Nonlinearity {
    fn gain(self, a: f64) -> f64 {
        match self {
            Self::Linear | Self::Sigmoid => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => std::f64::consts::SQRT_2,
            Self::LeakyRelu => (2.0 / (1.0 + a * a)).sqrt(),
            Self::Selu => 0.75,
        }
    }
}

/// How weights begin. All but `default` set biases to zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum InitConfig {
    /// What `PyTorch`'s constructors do: uniform within `±1/√fan_in`, biases too.
    #[default]
    Default,
    /// N(mean, std²).
    Normal(NormalConfig),
    /// Uniform within `±gain √(6 / (fan_in + fan_out))`.
    XavierUniform(XavierConfig),
    /// Standard deviation `gain √(2 / (fan_in + fan_out))`.
    XavierNormal(XavierConfig),
    /// Uniform within ±√3 gain / √fan.
    KaimingUniform(KaimingConfig),
    /// Standard deviation gain / √fan.
    KaimingNormal(KaimingConfig),
    /// Rows at right angles to one another, or columns where there are more rows, a kernel being a row.
    Orthogonal(OrthogonalConfig),
    /// All zero: nothing tells the units of a layer apart, so only for comparisons.
    Zeros,
}

kind!(InitConfig, default = "default");

impl InitConfig {
    /// Refuses what gives no finite weights.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Normal(NormalConfig { mean, std }) => {
                problems.require(mean.is_finite(), "mean", mean, "a finite number");
                problems.require(*std >= 0.0 && std.is_finite(), "std", std, "a finite number, 0 or more");
            }
            Self::XavierUniform(XavierConfig { gain })
            | Self::XavierNormal(XavierConfig { gain })
            | Self::Orthogonal(OrthogonalConfig { gain }) => {
                problems.require(
                    *gain >= 0.0 && gain.is_finite(),
                    "gain",
                    gain,
                    "a finite number, 0 or more",
                );
            }
            Self::KaimingUniform(config) | Self::KaimingNormal(config) => {
                problems.require(config.a.is_finite(), "a", config.a, "a finite number");
            }
            Self::Default | Self::Zeros => {}
        }
    }

    /// What a weight is drawn from.
    pub(super) fn weight(&self, [fan_in, fan_out]: [usize; 2]) -> Distribution {
        let sum = (fan_in + fan_out) as f64;
        let kaiming = |config: &KaimingConfig| {
            let fan = match config.mode {
                FanMode::FanIn => fan_in,
                FanMode::FanOut => fan_out,
            };
            config.nonlinearity.gain(config.a) / (fan as f64).sqrt()
        };
        match self {
            Self::Default => Distribution::Uniform { bound: 1.0 / (fan_in as f64).sqrt() },
            Self::Normal(config) => Distribution::Normal { mean: config.mean, std: config.std },
            Self::XavierUniform(config) => Distribution::Uniform { bound: config.gain * (6.0 / sum).sqrt() },
            Self::XavierNormal(config) => {
                Distribution::Normal { mean: 0.0, std: config.gain * (2.0 / sum).sqrt() }
            }
            Self::KaimingUniform(config) => Distribution::Uniform { bound: 3f64.sqrt() * kaiming(config) },
            Self::KaimingNormal(config) => Distribution::Normal { mean: 0.0, std: kaiming(config) },
            Self::Orthogonal(config) => Distribution::Orthogonal { gain: config.gain },
            Self::Zeros => Distribution::Zeros,
        }
    }

    /// What the bias beside it is drawn from.
    pub(super) fn bias(&self, fan_in: usize) -> Distribution {
        match self {
            Self::Default => Distribution::Uniform { bound: 1.0 / (fan_in as f64).sqrt() },
            _ => Distribution::Zeros,
        }
    }
}

/// What numbers are drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Distribution {
    /// In [−bound, bound).
    Uniform {
        bound: f64,
    },
    Normal {
        mean: f64,
        std: f64,
    },
    /// From all matrices with orthonormal rows or columns alike, times `gain`.
    Orthogonal {
        gain: f64,
    },
    Zeros,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.nn.init.calculate_gain` of `PyTorch` 2.15.
    #[test]
    fn gains_are_those_of_pytorch() {
        for (nonlinearity, a, gain) in [
            (Nonlinearity::LeakyRelu, 0.0, std::f64::consts::SQRT_2),
            (Nonlinearity::LeakyRelu, 0.2, 1.386_750_490_563_072_8),
            (Nonlinearity::Tanh, 0.0, 1.666_666_666_666_666_7),
            (Nonlinearity::Relu, 0.0, std::f64::consts::SQRT_2),
            (Nonlinearity::Selu, 0.0, 0.75),
            (Nonlinearity::Linear, 0.0, 1.0),
            (Nonlinearity::Sigmoid, 0.0, 1.0),
        ] {
            assert!((nonlinearity.gain(a) - gain).abs() < 1e-15);
        }
    }
}
