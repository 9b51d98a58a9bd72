//! Softmax and its logarithm over the last dimension (`PyTorch`'s `Softmax` and `LogSoftmax` with `dim=-1`).

use candle_core::Tensor;

use super::memory::{Keeps, Memory};
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::row_softmax::{self, Scale};
use crate::model::initializer::Initializer;
use crate::{Error, Result};

/// See the module.
#[derive(Debug)]
pub struct Softmax {
    scale: Scale,
    /// The output of the last training pass.
    kept: Option<Tensor>,
}

impl Softmax {
    /// Without anything to train.
    pub fn new(scale: Scale) -> Self {
        Self { scale, kept: None }
    }
}

impl LayerSettings for Scale {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        if input.is_empty() {
            return Err(Error::Request("a softmax needs samples with a dimension".to_owned()));
        }
        Ok(input.to_vec())
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Output))
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Softmax::new(*self)))
    }
}

impl Layer for Softmax {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let output = row_softmax::forward(input, self.scale)?;
        self.kept = pass.is_training().then(|| output.clone());
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let output = take_kept(&mut self.kept, "a softmax")?;
        need_input_gradient.then(|| row_softmax::backward(&output, gradient, self.scale)).transpose()
    }

    fn describe(&self) -> String {
        match self.scale {
            Scale::Linear => "Softmax".to_owned(),
            Scale::Log => "LogSoftmax".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for (config, name) in [(LayerConfig::Softmax, "Softmax"), (LayerConfig::LogSoftmax, "LogSoftmax")] {
            assert_gradients(&config, &[3]);
            assert_gradients(&config, &[2, 4]);
            assert_contract(&config, &[2, 4]);
            assert_eq!(build(&config, &[3], 1).describe(), name);
        }
    }
}
