//! A learned row of numbers for each token (`PyTorch`'s `Embedding`): ids `[R, B, T]`, w `[R, V, E]`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear::MAX_WIDTH;
use super::memory::{Keeps, Memory};
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::embedding;
use crate::model::Parameter;
use crate::model::init::Distribution;
use crate::model::initializer::{Initializer, Role};
use crate::sample::SampleShape;
use crate::setting::Problems;
use crate::{Error, Result};

/// A learned row of numbers for each token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// How many different tokens there are; as many as the data has unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub num_embeddings: Option<usize>,
    /// Numbers for each token.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub embedding_dim: usize,
    /// The token that means nothing: its numbers are 0 and stay so.
    #[serde(default)]
    pub padding_idx: usize,
}

impl EmbeddingConfig {
    /// For the tokens of the data, with 0 as padding.
    pub fn new(embedding_dim: usize) -> Self {
        Self { num_embeddings: None, embedding_dim, padding_idx: 0 }
    }

    /// The same with `num_embeddings` taken from samples of shape `input`, which come to this layer as they are.
    ///
    /// # Errors
    /// [`Error::Request`] if they are no tokens, or more different ones than `num_embeddings`.
    pub fn for_samples(&self, input: &SampleShape) -> Result<Self> {
        let SampleShape::Tokens { vocabulary, .. } = *input else {
            return Err(Error::Request(format!(
                "an embedding needs sequences of tokens, but samples are {input}"
            )));
        };
        let rows = self.num_embeddings.unwrap_or(vocabulary);
        if rows < vocabulary {
            return Err(Error::Request(format!(
                "num_embeddings is {rows}, but the data has {vocabulary} different tokens: leave it out"
            )));
        }
        Ok(Self { num_embeddings: Some(rows), ..self.clone() })
    }

    /// V and E for samples of shape `[T]`.
    fn sizes(&self, input: &[usize]) -> Result<(usize, usize)> {
        let [_] = input else {
            return Err(Error::Request(format!(
                "an embedding needs sequences of tokens, but samples have the shape {input:?}"
            )));
        };
        let rows = self.num_embeddings.ok_or_else(|| {
            Error::Request("an embedding that is not the first layer needs num_embeddings".into())
        })?;
        for size in [rows, self.embedding_dim] {
            if !(1..=MAX_WIDTH).contains(&size) {
                return Err(Error::Request(format!(
                    "an embedding cannot have the size {size}: sizes go from 1 to {MAX_WIDTH}"
                )));
            }
        }
        if self.padding_idx >= rows {
            let padding = self.padding_idx;
            return Err(Error::Request(format!("padding_idx is {padding}, but there are {rows} tokens")));
        }
        Ok((rows, self.embedding_dim))
    }
}

impl LayerSettings for EmbeddingConfig {
    /// Refuses sizes that are 0 or absurd, and padding that is no token.
    fn check(&self, problems: &mut Problems) {
        let valid = 1..=MAX_WIDTH;
        let expected = "a whole number from 1 to 16777216";
        if let Some(count) = self.num_embeddings {
            problems.require(valid.contains(&count), "num_embeddings", count, expected);
        }
        problems.require(valid.contains(&self.embedding_dim), "embedding_dim", self.embedding_dim, expected);
        let tokens = self.num_embeddings.unwrap_or(MAX_WIDTH);
        problems.require(self.padding_idx < tokens, "padding_idx", self.padding_idx, "one of the tokens");
    }

    /// `[T, E]`.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (_, width) = self.sizes(input)?;
        Ok(vec![input[0], width])
    }

    /// V · E.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let (rows, width) = self.sizes(input)?;
        Ok(rows as u64 * width as u64)
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Input))
    }

    fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Embedding::build(self, input, ordinal, init)?))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Embedding {
    weight: Parameter,
    padding: usize,
    /// The ids of the last training pass.
    kept: Option<Tensor>,
}

impl Embedding {
    /// With initial weights from `init`, N(0, 1) by default, and 0 for padding.
    pub fn build(
        config: &EmbeddingConfig,
        input: &[usize],
        ordinal: u32,
        init: &Initializer<'_>,
    ) -> Result<Self> {
        let (rows, width) = config.sizes(input)?;
        let default = Distribution::Normal { mean: 0.0, std: 1.0 };
        let role = Role::EmbeddingWeight;
        let weight = init.weight_or(default, ordinal, role, &[rows, width], [width, rows])?;
        let padding = config.padding_idx;
        let parts = [
            weight.narrow(1, 0, padding)?,
            init.zeros(&[1, width])?,
            weight.narrow(1, padding + 1, rows - padding - 1)?,
        ];
        let parts: Vec<&Tensor> = parts.iter().filter(|part| part.elem_count() > 0).collect();
        let weight = Tensor::cat(&parts, 1)?.copy()?;
        Ok(Self { weight: Parameter::new(weight), padding, kept: None })
    }
}

impl Layer for Embedding {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.kept = pass.is_training().then(|| input.clone());
        embedding::forward(input, &self.weight.value)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let ids = take_kept(&mut self.kept, "an embedding")?;
        if need_input_gradient {
            return Err(Error::Bug("an embedding has no gradient of its input".into()));
        }
        self.weight.gradient = if self.weight.trainable {
            Some(embedding::backward(&ids, gradient, self.weight.value.dims(), self.padding)?)
        } else {
            None
        };
        Ok(None)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        vec![("weight", &self.weight)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        vec![("weight", &mut self.weight)]
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        input.iter().copied().chain([self.weight.value.dims()[2]]).collect()
    }

    fn describe(&self) -> String {
        let dims = self.weight.value.dims();
        format!("Embedding({}, {}, padding_idx={})", dims[1], dims[2], self.padding)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::kernel::checks::{assert_close, differences, dot, normal, numbers};
    use crate::model::InitConfig;
    use crate::model::LayerConfig;
    use crate::model::init::XavierConfig;
    use crate::model::layer::checks::build;

    const TOKENS: SampleShape = SampleShape::Tokens { vocabulary: 5, longest: 3 };

    fn config() -> EmbeddingConfig {
        EmbeddingConfig::new(2).for_samples(&TOKENS).unwrap()
    }

    fn ids(ids: &[u32], shape: &[usize]) -> Tensor {
        Tensor::from_slice(ids, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_gradient_is_exact_and_padding_has_none() {
        let mut layer = build(&LayerConfig::Embedding(config()), &[3], 2);
        let ids = ids(&[1, 3, 0, 2, 2, 1, 4, 0, 0, 1, 4, 3], &[2, 2, 3]);
        let pass = Pass::training(&[1, 2], 0);
        let y = layer.forward(&ids, &pass).unwrap();
        let dy = normal(1, y.dims(), DType::F64);
        assert!(layer.backward(&dy, false).unwrap().is_none());
        assert!(layer.backward(&dy, false).is_err(), "what was kept is used up");
        let found = numbers(layer.parameters()[0].1.gradient.as_ref().unwrap());
        let start = layer.parameters()[0].1.value.clone();
        let expected = differences(&start, |value| {
            layer.parameters_mut()[0].1.value = value.clone();
            dot(&layer.forward(&ids, &Pass::EVALUATION).unwrap(), &dy)
        });
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let is_padding = index / 2 % 5 == 0;
            assert_close(&[*found], &[if is_padding { 0.0 } else { expected }], 1e-8);
        }
    }

    #[test]
    fn rows_begin_as_in_pytorch_and_padding_at_zero() {
        let many = EmbeddingConfig { num_embeddings: Some(2000), embedding_dim: 10, padding_idx: 7 };
        for (init, std) in
            [(InitConfig::Default, 1.0), (InitConfig::XavierNormal(XavierConfig::default()), 0.0315)]
        {
            let initializer = Initializer::new(&init, &[3], DType::F64, &Device::Cpu);
            let layer = Embedding::build(&many, &[4], 0, &initializer).unwrap();
            let weight = numbers(&layer.weight.value);
            assert!(weight[70..80].iter().all(|x| *x == 0.0) && weight[60..70].iter().all(|x| *x != 0.0));
            let found = (weight.iter().map(|x| x * x).sum::<f64>() / 19_990.0).sqrt();
            assert!((found / std - 1.0).abs() < 0.03, "{found}");
        }
    }

    #[test]
    fn what_is_not_tokens_is_refused() {
        assert_eq!(config().num_embeddings, Some(5));
        assert_eq!(config().output_shape(&[3]).unwrap(), [3, 2]);
        assert_eq!(config().parameter_count(&[3]).unwrap(), 10);
        assert!(EmbeddingConfig::new(2).for_samples(&SampleShape::Numbers(vec![3])).is_err());
        assert!(EmbeddingConfig::new(2).output_shape(&[3]).is_err(), "a count is missing");
        assert!(config().output_shape(&[3, 2]).is_err());
        let few = EmbeddingConfig { num_embeddings: Some(4), ..config() };
        assert!(few.for_samples(&TOKENS).is_err());
        let mut layer = build(&LayerConfig::Embedding(config()), &[3], 1);
        assert_eq!(layer.describe(), "Embedding(5, 2, padding_idx=0)");
        let outside = layer.forward(&ids(&[5], &[1, 1, 1]), &Pass::EVALUATION);
        assert!(matches!(outside, Err(Error::Request(_))));
    }

    #[test]
    fn wrong_settings_are_reported_at_their_keys() {
        let mut problems = Problems::default();
        EmbeddingConfig { num_embeddings: Some(0), embedding_dim: 0, padding_idx: 3 }.check(&mut problems);
        let found: Vec<String> = problems.into_found().iter().map(|one| one.path.to_string()).collect();
        assert_eq!(found, ["num_embeddings", "embedding_dim", "padding_idx"]);
    }
}
