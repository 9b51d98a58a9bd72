//! y = x wᵀ + b with w `[R, out, in]` and b `[R, out]`, over the last dimension of x (`PyTorch`'s `Linear`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::{Keeps, Memory};
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::linear::{self, Need};
use crate::model::Parameter;
use crate::model::initializer::{Initializer, Role};
use crate::setting::Problems;
use crate::{Error, Result};

/// The largest width of a layer: beyond it sizes would overflow long before memory could hold them.
pub const MAX_WIDTH: usize = 1 << 24;

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Numbers in an output; of the last linear layer as many as the loss wants, unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub out_features: Option<usize>,
    /// Whether b is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

impl LinearConfig {
    /// With a bias.
    pub fn new(out_features: usize) -> Self {
        Self { out_features: Some(out_features), bias: true }
    }

    /// (in, out) for input samples of shape `input`.
    pub fn sizes(&self, input: &[usize]) -> Result<(usize, usize)> {
        let (Some(inputs), Some(outputs)) = (input.last().copied(), self.out_features) else {
            let lacks = if input.is_empty() { "samples with a dimension" } else { "`out_features`" };
            return Err(Error::Request(format!("linear needs {lacks}")));
        };
        for size in [inputs, outputs] {
            if !(1..=MAX_WIDTH).contains(&size) {
                return Err(Error::Request(format!(
                    "linear cannot be {size} wide: widths go from 1 to {MAX_WIDTH}"
                )));
            }
        }
        Ok((inputs, outputs))
    }
}

impl LayerSettings for LinearConfig {
    /// Refuses widths that are 0 or absurd.
    fn check(&self, problems: &mut Problems) {
        if let Some(out) = self.out_features {
            problems.require(
                (1..=MAX_WIDTH).contains(&out),
                "out_features",
                out,
                "a whole number from 1 to 16777216",
            );
        }
    }

    /// The shape of one output sample.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (_, outputs) = self.sizes(input)?;
        Ok(with_last(input, outputs))
    }

    /// in · out + out.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let (inputs, outputs) = self.sizes(input)?;
        // Both are below 2²⁴, so their product fits.
        Ok((inputs as u64 + u64::from(self.bias)) * outputs as u64)
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Input))
    }

    fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Linear::build(self, input, ordinal, init)?))
    }
}

/// `shape` with another last side.
fn with_last(shape: &[usize], last: usize) -> Vec<usize> {
    let leading = shape.split_last().map_or(&[][..], |(_, leading)| leading);
    leading.iter().copied().chain([last]).collect()
}

/// See the module.
#[derive(Debug)]
pub struct Linear {
    weight: Parameter,
    bias: Option<Parameter>,
    /// The input of the last training pass, `[R, …, in]`.
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

/// `[R, M, in]`: what stands before the last dimension as rows.
fn rows(tensor: &Tensor) -> Result<Tensor> {
    if tensor.rank() == 3 {
        return Ok(tensor.clone());
    }
    let last = tensor.rank().saturating_sub(1);
    Ok(tensor.reshape((
        tensor.dim(0)?,
        tensor.dims()[1..last].iter().product::<usize>(),
        tensor.dim(last)?,
    ))?)
}

impl Layer for Linear {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.kept = pass.is_training().then(|| input.clone());
        let bias = self.bias.as_ref().map(|bias| &bias.value);
        let output = linear::forward(&rows(input)?, &self.weight.value, bias)?;
        if input.rank() == output.rank() {
            return Ok(output);
        }
        Ok(output.reshape(with_last(input.dims(), self.weight.value.dim(1)?))?)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let input = take_kept(&mut self.kept, "a linear layer")?;
        let need = Need {
            weight: self.weight.trainable,
            bias: self.bias.as_ref().is_some_and(|bias| bias.trainable),
            input: need_input_gradient,
        };
        let gradients = linear::backward(&rows(&input)?, &self.weight.value, &rows(gradient)?, need)?;
        self.weight.gradient = gradients.weight;
        if let Some(bias) = &mut self.bias {
            bias.gradient = gradients.bias;
        }
        Ok(gradients.input.map(|dx| dx.reshape(input.dims())).transpose()?)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        let bias = self.bias.as_ref().map(|bias| ("bias", bias));
        std::iter::once(("weight", &self.weight)).chain(bias).collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        let bias = self.bias.as_mut().map(|bias| ("bias", bias));
        std::iter::once(("weight", &mut self.weight)).chain(bias).collect()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        with_last(input, self.weight.value.dims()[1])
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
        LayerConfig::Linear(LinearConfig { bias, ..LinearConfig::new(4) })
    }

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for bias in [true, false] {
            for shape in [&[3][..], &[2, 3], &[2, 1, 3]] {
                assert_gradients(&config(bias), shape);
                assert_contract(&config(bias), shape);
            }
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
    fn widths_of_zero_and_missing_ones_are_refused() {
        assert_eq!(config(true).output_shape(&[1, 3]).unwrap(), [1, 4]);
        assert!(config(true).output_shape(&[0]).is_err());
        assert!(config(true).output_shape(&[]).is_err());
        let open = LinearConfig { out_features: None, bias: true };
        assert!(open.parameter_count(&[3]).is_err());
        let none = LinearConfig::new(0);
        assert!(none.parameter_count(&[3]).is_err());
        let mut problems = Problems::default();
        none.check(&mut problems);
        open.check(&mut problems);
        assert_eq!(problems.into_found().len(), 1);
    }
}
