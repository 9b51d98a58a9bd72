//! A recurrent network: an embedding where samples are tokens, recurrent layers, and a linear layer over what
//! is pooled from the steps.
//!
//! Samples of numbers are sequences as they are if they have the shape `[T, F]`; images `[C, H, W]` are read row by
//! row, `[H, C · W]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::LayerConfig;
use super::layer::embedding::EmbeddingConfig;
use super::layer::linear::{LinearConfig, MAX_WIDTH};
use super::layer::recurrent::{
    ElmanConfig, ElmanNonlinearity, MAX_LAYERS, PoolingConfig, RecurrentConfig, check_sizes,
};
use crate::sample::SampleShape;
use crate::setting::Problems;
use crate::{Error, Result};

/// Numbers for each token when `embedding` is not given.
const DEFAULT_EMBEDDING: usize = 128;

/// `kind = "rnn"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RnnConfig {
    /// What happens at a step.
    pub cell: CellKind,
    /// Numbers for each token, where samples are texts; 128 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub embedding: Option<usize>,
    /// Numbers in the state of each direction.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub hidden_size: usize,
    /// How many recurrent layers are stacked.
    #[schemars(range(min = 1, max = MAX_LAYERS))]
    pub num_layers: usize,
    /// Whether a second direction reads each sequence from its end.
    pub bidirectional: bool,
    /// The probability of a zero between two recurrent layers; without a second layer it does nothing.
    #[schemars(range(min = 0, max = 1))]
    pub dropout: f64,
    /// What the linear layer behind is given of the steps.
    pub pooling: RnnPooling,
}

impl Default for RnnConfig {
    fn default() -> Self {
        Self {
            cell: CellKind::Lstm,
            embedding: None,
            hidden_size: 128,
            num_layers: 1,
            bidirectional: false,
            dropout: 0.0,
            pooling: RnnPooling::Last,
        }
    }
}

/// The sorts of recurrent cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// Elman's network, with tanh.
    Rnn,
    /// A memory behind gates.
    #[default]
    Lstm,
    /// Gated updates.
    Gru,
}

/// What one row is made of out of those of all steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RnnPooling {
    /// The forward state at the last real step, with the backward state at the first.
    #[default]
    Last,
    /// The mean over the real steps.
    Mean,
    /// The maximum over the real steps, number by number.
    Max,
}

impl RnnConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        if let Some(width) = self.embedding {
            let valid = (1..=MAX_WIDTH).contains(&width);
            problems.require(valid, "embedding", width, "a whole number from 1 to 16777216");
        }
        check_sizes(self.hidden_size, self.num_layers, self.dropout, problems);
    }

    /// The layers themselves.
    ///
    /// # Errors
    /// [`Error::Request`] for samples without steps, and for an embedding of numbers.
    pub fn layers(&self, input: &SampleShape, outputs: usize) -> Result<Vec<LayerConfig>> {
        let mut layers = Vec::new();
        match input {
            SampleShape::Tokens { .. } => {
                let embedding = EmbeddingConfig::new(self.embedding.unwrap_or(DEFAULT_EMBEDDING));
                layers.push(LayerConfig::Embedding(embedding.for_samples(input)?));
            }
            SampleShape::Numbers(shape) if !matches!(shape.len(), 2 | 3) => {
                return Err(Error::Request(format!(
                    "an rnn needs sequences: tokens, samples [steps, features] or images [channels, height, \
                     width], but these have the shape {input}; use a model of kind mlp"
                )));
            }
            SampleShape::Numbers(_) if self.embedding.is_some() => {
                return Err(Error::Request(format!(
                    "model.embedding is for tokens, but samples are numbers of the shape {input}: leave it out"
                )));
            }
            SampleShape::Numbers(_) => {}
        }
        layers.push(self.recurrent());
        layers.push(LayerConfig::Linear(LinearConfig { out_features: Some(outputs), bias: true }));
        Ok(layers)
    }

    fn recurrent(&self) -> LayerConfig {
        let Self { hidden_size, num_layers, bidirectional, dropout, .. } = *self;
        let pooling = match self.pooling {
            RnnPooling::Last => PoolingConfig::Last,
            RnnPooling::Mean => PoolingConfig::Mean,
            RnnPooling::Max => PoolingConfig::Max,
        };
        let config = RecurrentConfig { hidden_size, num_layers, bias: true, dropout, bidirectional, pooling };
        match self.cell {
            CellKind::Lstm => LayerConfig::Lstm(config),
            CellKind::Gru => LayerConfig::Gru(config),
            CellKind::Rnn => {
                let nonlinearity = ElmanNonlinearity::Tanh;
                let bias = config.bias;
                LayerConfig::Rnn(ElmanConfig {
                    hidden_size,
                    num_layers,
                    nonlinearity,
                    bias,
                    dropout,
                    bidirectional,
                    pooling,
                })
            }
        }
    }

    /// The shape that samples have at the first layer.
    pub fn first_shape(input: &SampleShape) -> Vec<usize> {
        match input.dims().as_slice() {
            [channels, height, width] => vec![*height, channels.saturating_mul(*width)],
            other => other.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::kernel::checks::{normal, numbers};
    use crate::model::{Model, ModelConfig, Pass};
    use crate::setting;

    const TOKENS: SampleShape = SampleShape::Tokens { vocabulary: 50, longest: 7 };

    fn read(text: &str) -> ModelConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    fn build(text: &str, samples: &SampleShape) -> Result<Model> {
        let config = read(&format!("kind = 'rnn'\n{text}"));
        Model::build(&config, samples, 3, 1, DType::F64, &Device::Cpu)
    }

    fn tokens(ids: &[u32], steps: usize) -> Tensor {
        Tensor::from_slice(ids, (1, ids.len() / steps, steps), &Device::Cpu).unwrap()
    }

    #[test]
    fn tokens_go_through_an_embedding() {
        let model = build("cell = 'gru'\nhidden_size = 8\nbidirectional = true", &TOKENS).unwrap();
        insta::assert_snapshot!(model.summary(), @r"
        Layer     Kind                                           Output    Parameters
        layers.0  Embedding(50, 128, padding_idx=0)              [7, 128]       6,400
        layers.1  GRU(128, 8, bidirectional=True, pooling=last)  [16]           6,624
        layers.2  Linear(16, 3)                                  [3]               51
        Input: sequences of up to 7 of 50 tokens
        Parameters: 13,075, trainable: 13,075
        ");
        let names: Vec<String> = model.tensors().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[0], "layers.0.weight");
        assert_eq!(names[5], "layers.1.weight_ih_l0_reverse");
        assert_eq!(names[9], "layers.2.weight");
    }

    #[test]
    fn batches_may_be_shorter_than_the_longest_and_padding_changes_nothing() {
        let mut model = build("embedding = 4\nhidden_size = 5\npooling = 'mean'", &TOKENS).unwrap();
        let (seeds, lengths) = ([1], [2, 3]);
        let pass = Pass::training(&seeds, 0).with_lengths(Some(&lengths));
        let mut step = |ids: &Tensor| {
            let y = model.forward(ids, &pass).unwrap();
            model.backward(&y).unwrap();
            let gradients = model.weights().into_iter().map(|one| numbers(one.gradient.as_ref().unwrap()));
            (numbers(&y), gradients.collect::<Vec<_>>())
        };
        let short = step(&tokens(&[4, 9, 0, 8, 49, 1], 3));
        assert_eq!(short, step(&tokens(&[4, 9, 0, 0, 0, 8, 49, 1, 0, 0], 5)));
        // Whatever stands at padding is not looked at.
        assert_eq!(short.0, step(&tokens(&[4, 9, 7, 7, 8, 49, 1, 7], 4)).0);
        assert!(short.1[0][..4].iter().all(|gradient| *gradient == 0.0), "padding has no gradient");

        assert!(model.forward(&tokens(&[0; 8], 8), &Pass::EVALUATION).is_err(), "longer than the longest");
        let outside = model.forward(&tokens(&[50], 1), &Pass::EVALUATION);
        assert!(matches!(outside, Err(Error::Request(_))));
        let numbers = Tensor::zeros((1, 1, 3), DType::F64, &Device::Cpu).unwrap();
        assert!(model.forward(&numbers, &Pass::EVALUATION).is_err());
    }

    #[test]
    fn images_are_read_row_by_row() {
        let samples = SampleShape::Numbers(vec![2, 3, 4]);
        let mut images = build("hidden_size = 5", &samples).unwrap();
        assert_eq!(images.summary().rows[0].kind, "LSTM(8, 5, pooling=last)");
        let mut rows = build("hidden_size = 5", &SampleShape::Numbers(vec![3, 8])).unwrap();
        let x = normal(1, &[1, 2, 2, 3, 4], DType::F64);
        let turned = x.permute((0, 1, 3, 2, 4)).unwrap().reshape((1, 2, 3, 8)).unwrap();
        let (found, expected) = (
            images.forward(&x, &Pass::EVALUATION).unwrap(),
            rows.forward(&turned, &Pass::EVALUATION).unwrap(),
        );
        assert_eq!(numbers(&found), numbers(&expected));
        assert_eq!(RnnConfig::first_shape(&SampleShape::Numbers(vec![1, 8, 9])), [8, 9]);
    }

    #[test]
    fn samples_that_are_no_sequences_are_refused() {
        for (text, samples) in [
            ("", SampleShape::Numbers(vec![4])),
            ("", SampleShape::Numbers(vec![1, 2, 3, 4])),
            ("embedding = 3", SampleShape::Numbers(vec![3, 4])),
        ] {
            let found = build(text, &samples);
            assert!(matches!(found, Err(Error::Request(_))), "{text} {samples}");
        }
        let Err(error) = build("", &SampleShape::Numbers(vec![4])) else { panic!("no sequence") };
        let expected = "an rnn needs sequences: tokens, samples [steps, features] or images [channels, height, \
                        width], but these have the shape [4]; use a model of kind mlp";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn wrong_values_are_reported_at_their_keys() {
        let config = read("kind = 'rnn'\nembedding = 0\nhidden_size = 0\nnum_layers = 101\ndropout = 1.1");
        let mut problems = Problems::default();
        config.check(&mut problems);
        let found: Vec<String> = problems.into_found().iter().map(|one| one.path.to_string()).collect();
        assert_eq!(found, ["embedding", "hidden_size", "num_layers", "dropout"]);
        for (text, expected) in [
            ("cell = 'lstn'", "cell: unknown value \"lstn\""),
            ("pooling = 'none'", "pooling: unknown value \"none\""),
            ("hidden = [3]", "hidden: unknown key `hidden`"),
        ] {
            let table = toml::from_str(&format!("kind = 'rnn'\n{text}")).unwrap();
            let found = setting::read::<ModelConfig>(&toml::Value::Table(table)).unwrap_err();
            assert_eq!(format!("{}: {}", found[0].path, found[0].message), expected);
        }
    }
}
