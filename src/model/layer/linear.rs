//! y = x wᵀ + b with w `[R, out, in]` and b `[R, out]` (`PyTorch`'s `Linear`).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Layer, Pass, take_kept, width};
use crate::kernel::linear::{self, Need};
use crate::model::Parameter;
use crate::model::initializer::{Initializer, Role};
use crate::setting::Problems;
use crate::{Error, Result};

/// The largest width of a layer: beyond it sizes would overflow long before memory could hold them.
pub const MAX_WIDTH: usize = 1 << 24;

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Numbers in an output sample.
    pub out_features: usize,
    /// Whether b is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

impl LinearConfig {
    /// Refuses widths that are 0 or absurd.
    pub fn check(&self, problems: &mut Problems) {
        let out = self.out_features;
        problems.require(
            (1..=MAX_WIDTH).contains(&out),
            "out_features",
            out,
            "a whole number from 1 to 16777216",
        );
    }

    /// (in, out) for input samples of shape `input`.
    pub fn sizes(&self, input: &[usize]) -> Result<(usize, usize)> {
        let inputs = width(input, "a linear layer")?;
        for size in [inputs, self.out_features] {
            if !(1..=MAX_WIDTH).contains(&size) {
                return Err(Error::Request(format!(
                    "a linear layer cannot be {size} wide: widths go from 1 to {MAX_WIDTH}"
                )));
            }
        }
        Ok((inputs, self.out_features))
    }

    /// in · out + out.
    pub fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let (inputs, outputs) = self.sizes(input)?;
        // Both are below 2²⁴, so their product fits.
        Ok((inputs as u64 + u64::from(self.bias)) * outputs as u64)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Linear {
    weight: Parameter,
    bias: Option<Parameter>,
    /// The input of the last training pass.
    kept: Option<Tensor>,
}

impl Linear {
    /// With initial weights from `init`.
    pub fn build(
        config: &LinearConfig,
        input: &[usize],
        ordinal: u32,
        init: &Initializer<'_>,
    ) -> Result<Self> {
        let (inputs, outputs) = config.sizes(input)?;
        let weight = init.weight(ordinal, Role::LinearWeight, &[outputs, inputs], [inputs, outputs])?;
        let bias = config
            .bias
            .then(|| init.bias(ordinal, Role::LinearBias, &[outputs], inputs))
            .transpose()?
            .map(Parameter::new);
        Ok(Self { weight: Parameter::new(weight), bias, kept: None })
    }
}

impl Layer for Linear {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.kept = pass.is_training().then(|| input.clone());
        linear::forward(input, &self.weight.value, self.bias.as_ref().map(|bias| &bias.value))
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let input = take_kept(&mut self.kept, "a linear layer")?;
        let need = Need {
            weight: self.weight.trainable,
            bias: self.bias.as_ref().is_some_and(|bias| bias.trainable),
            input: need_input_gradient,
        };
        let gradients = linear::backward(&input, &self.weight.value, gradient, need)?;
        self.weight.gradient = gradients.weight;
        if let Some(bias) = &mut self.bias {
            bias.gradient = gradients.bias;
        }
        Ok(gradients.input)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        let bias = self.bias.as_ref().map(|bias| ("bias", bias));
        std::iter::once(("weight", &self.weight)).chain(bias).collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        let bias = self.bias.as_mut().map(|bias| ("bias", bias));
        std::iter::once(("weight", &mut self.weight)).chain(bias).collect()
    }

    fn output_shape(&self, _input: &[usize]) -> Vec<usize> {
        vec![self.weight.value.dims()[1]]
    }

    fn describe(&self) -> String {
        let dims = self.weight.value.dims();
        let bias = if self.bias.is_some() { "" } else { ", bias=False" };
        format!("Linear({}, {}{bias})", dims[2], dims[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    fn config(bias: bool) -> LayerConfig {
        LayerConfig::Linear(LinearConfig { out_features: 4, bias })
    }

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for bias in [true, false] {
            assert_gradients(&config(bias), &[3]);
            assert_contract(&config(bias), &[3]);
        }
    }

    #[test]
    fn names_are_those_of_pytorch() {
        assert_eq!(build(&config(true), &[3], 1).describe(), "Linear(3, 4)");
        assert_eq!(build(&config(false), &[3], 1).describe(), "Linear(3, 4, bias=False)");
        let layer = build(&config(true), &[3], 1);
        let names: Vec<&str> = layer.parameters().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["weight", "bias"]);
    }

    #[test]
    fn shapes_that_are_not_flat_and_widths_of_zero_are_refused() {
        assert!(config(true).output_shape(&[1, 3]).is_err());
        assert!(config(true).output_shape(&[0]).is_err());
        let none = LinearConfig { out_features: 0, bias: true };
        assert!(none.parameter_count(&[3]).is_err());
        let mut problems = Problems::default();
        none.check(&mut problems);
        assert_eq!(problems.into_found().len(), 1);
    }
}
