//! All numbers of a sample in a row (`PyTorch`'s `Flatten`).

use candle_core::Tensor;

use super::memory::Memory;
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::Result;
use crate::model::initializer::Initializer;

/// See the module.
#[derive(Debug, Default)]
pub struct Flatten {
    /// The shape of the last training pass's input.
    kept: Option<Vec<usize>>,
}

impl LayerSettings for Flatten {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(vec![input.iter().fold(1usize, |product, side| product.saturating_mul(*side))])
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::view())
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Self::default()))
    }
}

impl Layer for Flatten {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.kept = pass.is_training().then(|| input.dims().to_vec());
        let (runs, batch) = (input.dim(0)?, input.dim(1)?);
        let numbers: usize = input.dims()[2..].iter().product();
        Ok(input.reshape((runs, batch, numbers))?)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let shape = take_kept(&mut self.kept, "a flattening")?;
        Ok(need_input_gradient.then(|| gradient.reshape(shape)).transpose()?)
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        vec![input.iter().product()]
    }

    fn describe(&self) -> String {
        "Flatten".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for shape in [&[2, 3, 2][..], &[4]] {
            assert_gradients(&LayerConfig::Flatten, shape);
            assert_contract(&LayerConfig::Flatten, shape);
        }
        assert_eq!(build(&LayerConfig::Flatten, &[2, 3], 1).describe(), "Flatten");
    }
}
