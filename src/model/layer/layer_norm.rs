//! Normalisation of every sample by itself (`PyTorch`'s `LayerNorm`).
//!
//! Flat samples and images are normalised as a whole, `normalized_shape` being their shape; of sequences
//! `[T, F]` every step is.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::{Keeps, Memory};
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::layer_norm::{self, Affine, Moments};
use crate::model::Parameter;
use crate::model::initializer::Initializer;
use crate::setting::Problems;
use crate::{Error, Result};

/// Normalisation of every sample by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerNormConfig {
    /// Added to the variance before its root is taken.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub eps: f64,
    /// Whether normalised numbers have a weight and a bias each.
    pub elementwise_affine: bool,
}

impl Default for LayerNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, elementwise_affine: true }
    }
}

impl LayerNormConfig {
    /// What is normalised at once of input samples of shape `input`.
    fn normalized_shape(input: &[usize]) -> Result<&[usize]> {
        let shape = match input {
            [_, features] => std::slice::from_ref(features),
            shape => shape,
        };
        if shape.is_empty() || shape.contains(&0) {
            return Err(Error::Request(format!("layer_norm needs numbers to normalise, but gets {input:?}")));
        }
        Ok(shape)
    }
}

impl LayerSettings for LayerNormConfig {
    /// Refuses what would divide by zero.
    fn check(&self, problems: &mut Problems) {
        let eps = self.eps;
        problems.require(eps > 0.0 && eps.is_finite(), "eps", eps, "a finite number above 0");
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Self::normalized_shape(input).map(|_| input.to_vec())
    }

    /// A weight and a bias for each number that is normalised at once.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let numbers = Self::normalized_shape(input)?.iter();
        let numbers = numbers.fold(1u64, |product, side| product.saturating_mul(*side as u64));
        Ok(if self.elementwise_affine { numbers.saturating_mul(2) } else { 0 })
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Input))
    }

    fn build(&self, input: &[usize], _ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(LayerNorm::build(self, input, init)?))
    }
}

/// See the module.
#[derive(Debug)]
pub struct LayerNorm {
    eps: f64,
    normalized_shape: Vec<usize>,
    /// Weight and bias.
    affine: Option<[Parameter; 2]>,
    /// The input of the last training pass as rows, and their moments.
    kept: Option<(Tensor, Moments)>,
}

impl LayerNorm {
    /// Weight 1, bias 0.
    pub fn build(config: &LayerNormConfig, input: &[usize], init: &Initializer<'_>) -> Result<Self> {
        let shape = LayerNormConfig::normalized_shape(input)?.to_vec();
        let affine = config
            .elementwise_affine
            .then(|| {
                Ok::<_, Error>([Parameter::new(init.ones(&shape)?), Parameter::new(init.zeros(&shape)?)])
            })
            .transpose()?;
        Ok(Self { eps: config.eps, normalized_shape: shape, affine, kept: None })
    }

    /// Weight and bias as rows `[R, N]`.
    fn affine_rows(&self) -> Result<Option<[Tensor; 2]>> {
        let rows = |one: &Parameter| -> Result<Tensor> { Ok(one.value.flatten_from(1)?) };
        self.affine.as_ref().map(|[weight, bias]| Ok([rows(weight)?, rows(bias)?])).transpose()
    }

    /// `[R, M, N]`, a row for all that is normalised at once.
    fn rows(&self, tensor: &Tensor) -> Result<Tensor> {
        let numbers: usize = self.normalized_shape.iter().product();
        let runs = tensor.dim(0)?;
        let rows = tensor.elem_count() / (runs * numbers).max(1);
        Ok(tensor.contiguous()?.reshape((runs, rows, numbers))?)
    }
}

fn lent(affine: Option<&[Tensor; 2]>) -> Option<Affine<'_>> {
    affine.map(|[weight, bias]| Affine { weight, bias })
}

impl Layer for LayerNorm {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let rows = self.rows(input)?;
        let affine = self.affine_rows()?;
        let (output, moments) = layer_norm::forward(&rows, lent(affine.as_ref()), self.eps)?;
        self.kept = pass.is_training().then_some((rows, moments));
        Ok(output.reshape(input.dims())?)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let (rows, moments) = take_kept(&mut self.kept, "a layer norm")?;
        let affine = self.affine_rows()?;
        let dy = self.rows(gradient)?;
        let found = layer_norm::backward(&rows, lent(affine.as_ref()), &moments, &dy, need_input_gradient)?;
        if let (Some(parameters), Some((weight, bias))) = (&mut self.affine, found.affine) {
            for (one, gradient) in parameters.iter_mut().zip([weight, bias]) {
                let shaped = gradient.reshape(one.value.dims())?;
                one.gradient = one.trainable.then_some(shaped);
            }
        }
        Ok(found.input.map(|dx| dx.reshape(gradient.dims())).transpose()?)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        ["weight", "bias"].into_iter().zip(self.affine.iter().flatten()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        ["weight", "bias"].into_iter().zip(self.affine.iter_mut().flatten()).collect()
    }

    fn describe(&self) -> String {
        let shape = match self.normalized_shape.as_slice() {
            [width] => width.to_string(),
            shape => format!("{shape:?}"),
        };
        let affine = if self.affine.is_some() { "" } else { ", elementwise_affine=False" };
        format!("LayerNorm({shape}{affine})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for elementwise_affine in [true, false] {
            let config = LayerConfig::LayerNorm(LayerNormConfig { elementwise_affine, ..Default::default() });
            for shape in [&[4][..], &[3, 4], &[2, 3, 2]] {
                assert_gradients(&config, shape);
                assert_contract(&config, shape);
            }
        }
    }

    #[test]
    fn names_are_those_of_pytorch_in_short() {
        let config = LayerConfig::LayerNorm(LayerNormConfig::default());
        assert_eq!(build(&config, &[4], 1).describe(), "LayerNorm(4)");
        assert_eq!(build(&config, &[7, 4], 1).describe(), "LayerNorm(4)");
        assert_eq!(build(&config, &[2, 3, 5], 1).describe(), "LayerNorm([2, 3, 5])");
        let plain = LayerNormConfig { elementwise_affine: false, ..Default::default() };
        let layer = build(&LayerConfig::LayerNorm(plain), &[4], 1);
        assert_eq!(layer.describe(), "LayerNorm(4, elementwise_affine=False)");
        assert!(config.parameter_count(&[0]).is_err());
    }
}
