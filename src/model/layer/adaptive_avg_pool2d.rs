//! Means of so many parts of an image, whatever its size (`PyTorch`'s `AdaptiveAvgPool2d`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::avg_pool2d::sides;
use super::pair::Pair;
use super::{Layer, LayerSettings, Pass, images, take_kept};
use crate::kernel::pool::average::{self, Parts};
use crate::model::initializer::Initializer;
use crate::setting::Problems;
use crate::{Error, Result};

/// Means of so many parts of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool2dConfig {
    /// How many parts there are down and across, or one number for both.
    pub output_size: Pair<1>,
}

impl LayerSettings for AdaptiveAvgPool2dConfig {
    /// Refuses sizes out of range.
    fn check(&self, problems: &mut Problems) {
        self.output_size.check("output_size", problems);
    }

    /// The shape of one output sample.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let [channels, ..] = images(input, "adaptive_avg_pool2d")?;
        let [high, wide] = self.output_size.0;
        Ok(vec![channels, high, wide])
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(AdaptiveAvgPool2d::new(self)))
    }
}

/// See the module.
#[derive(Debug)]
pub struct AdaptiveAvgPool2d {
    output_size: [usize; 2],
    /// The parts of the last training pass.
    kept: Option<Parts>,
}

impl AdaptiveAvgPool2d {
    /// Without anything to train.
    pub fn new(config: &AdaptiveAvgPool2dConfig) -> Self {
        Self { output_size: config.output_size.0, kept: None }
    }
}

impl Layer for AdaptiveAvgPool2d {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let parts = Parts::adaptive(sides(input)?, self.output_size)
            .ok_or_else(|| Error::Bug(format!("{} was given {:?}", self.describe(), input.dims())))?;
        let output = average::forward(input, &parts)?;
        self.kept = pass.is_training().then_some(parts);
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let parts = take_kept(&mut self.kept, "a pooling")?;
        need_input_gradient.then(|| average::backward(gradient, &parts)).transpose()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        let channels = input.first().copied().unwrap_or_default();
        vec![channels, self.output_size[0], self.output_size[1]]
    }

    fn describe(&self) -> String {
        format!("AdaptiveAvgPool2d({})", Pair::<1>(self.output_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for (size, name) in [([1, 1], "AdaptiveAvgPool2d(1)"), ([3, 7], "AdaptiveAvgPool2d([3, 7])")] {
            let config = LayerConfig::AdaptiveAvgPool2d(AdaptiveAvgPool2dConfig { output_size: Pair(size) });
            assert_gradients(&config, &[2, 5, 4]);
            assert_contract(&config, &[2, 5, 4]);
            assert_eq!(build(&config, &[2, 5, 4], 1).describe(), name);
        }
    }
}
