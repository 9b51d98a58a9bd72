//! The `[model]` table: an architecture by its `kind`, and what every architecture has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cnn::CnnConfig;
use super::init::InitConfig;
use super::layer::LayerConfig;
use super::layer::batch_norm::BatchNormConfig;
use super::mlp::MlpConfig;
use super::rnn::RnnConfig;
use super::sequential::SequentialConfig;
use super::shapes::{self, Visit};
use super::transfer::{Match, is_below};
use crate::sample::SampleShape;
use crate::setting::{Flat, Problems, by_kind, kind};
use crate::{Error, Result};

/// More numbers to train than this are a mistake: their sizes in bytes would come near to overflow.
const MAX_PARAMETERS: u64 = 1 << 40;

/// The `[model]` table.
pub type ModelConfig = Flat<ModelSettings, ArchitectureConfig>;

/// What every architecture has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// How the weights begin.
    pub init: InitConfig,
    /// What takes the place of the initial weights: a safetensors file, a `PyTorch` state dict (`.pt`), a run's
    /// folder, or a run by its name, `run:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Whether every tensor of the file and of the model must find its counterpart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub strict: Option<bool>,
    /// Beginnings of names in the file and what they are called here: `{ "features" = "layers" }`. Each begins at
    /// least one name; the longest counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("default" = {}))]
    pub rename: BTreeMap<String, String>,
    /// What decides which tensor goes where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "name"))]
    pub r#match: Option<Match>,
    /// Layers that are not trained, by the beginnings of the names of their weights; a batch norm among them
    /// stays in evaluation mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub freeze: Vec<String>,
}

/// The kinds of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = by_kind::<Self>)]
pub enum ArchitectureConfig {
    /// Blocks of linear layers.
    Mlp(MlpConfig),
    /// Blocks of convolutions, and linear layers behind them.
    Cnn(CnnConfig),
    /// Recurrent layers over sequences, and a linear layer.
    Rnn(RnnConfig),
    /// Layers as they are listed.
    Sequential(SequentialConfig),
}

kind!(ArchitectureConfig);

impl ArchitectureConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Mlp(config) => config.check(problems),
            Self::Cnn(config) => config.check(problems),
            Self::Sequential(config) => config.check(problems),
            Self::Rnn(config) => config.check(problems),
        }
    }

    /// The list of layers that this is short for, for samples of shape `input` and so many outputs.
    ///
    /// # Errors
    /// [`Error::Request`] if such samples do not fit.
    pub fn layers(&self, input: &SampleShape, outputs: usize) -> Result<Vec<LayerConfig>> {
        match self {
            Self::Mlp(config) => Ok(config.layers(numbers(input, "an mlp")?, outputs)),
            Self::Cnn(config) => {
                numbers(input, "a cnn")?;
                CnnConfig::check_images(input)?;
                Ok(config.layers(outputs))
            }
            Self::Sequential(config) => config.layers(input, outputs),
            Self::Rnn(config) => config.layers(input, outputs),
        }
    }

    /// The shape that samples of shape `input` have at the first layer.
    pub fn first_shape(&self, input: &SampleShape) -> Vec<usize> {
        match self {
            Self::Mlp(_) => vec![input.numbers()],
            Self::Rnn(_) => RnnConfig::first_shape(input),
            Self::Cnn(_) | Self::Sequential(_) => input.dims(),
        }
    }

    /// Whether images come to the first layer row by row, the channels of a row side by side.
    pub(super) fn reads_rows(&self) -> bool {
        matches!(self, Self::Rnn(_))
    }

    /// What messages call the list of its layers.
    fn list(&self) -> &'static str {
        match self {
            Self::Sequential(_) => "model.layers",
            Self::Mlp(_) | Self::Cnn(_) | Self::Rnn(_) => "layers",
        }
    }
}

impl ModelSettings {
    /// Refuses what says how weights are taken over where there are none.
    fn check(&self, problems: &mut Problems) {
        let set = [
            ("strict", self.strict.is_some()),
            ("rename", !self.rename.is_empty()),
            ("match", self.r#match.is_some()),
        ];
        for (key, _) in set.into_iter().filter(|(_, is_set)| *is_set && self.weights.is_none()) {
            let message = format!("`{key}` says how weights are taken over, but `weights` is not set");
            problems.refuse(key, message, "expected `weights` beside it");
        }
        if self.r#match == Some(Match::Order) && !self.rename.is_empty() {
            let message = "`rename` changes names, but `match = \"order\"` does not look at them";
            problems.refuse("rename", message, "expected one or the other");
        }
    }

    /// The same for a model whose weights come from its own checkpoint.
    #[must_use]
    pub fn without_weights(&self) -> Self {
        Self { weights: None, strict: None, rename: BTreeMap::new(), r#match: None, ..self.clone() }
    }
}

impl ModelConfig {
    /// Refuses what no data would make right.
    pub fn check(&self, problems: &mut Problems) {
        self.kind.check(problems);
        problems.within("init", |problems| self.common.init.check(problems));
        self.common.check(problems);
    }

    /// The numbers in all weights, frozen ones among them, counted without building anything.
    ///
    /// # Errors
    /// [`Error::Request`] if samples do not fit a layer, or outputs not the loss.
    pub fn parameter_count(&self, input: &SampleShape, outputs: usize) -> Result<u64> {
        let mut count = 0u64;
        let output = self.walk(input, outputs, &mut |layer, _, shape| {
            count = count.saturating_add(layer.parameter_count(shape)?);
            Ok(())
        })?;
        if output != [outputs] {
            return Err(Error::Request(format!(
                "{}: the last layer gives {output:?} for samples of {input}, but the loss wants [{outputs}]",
                self.kind.list()
            )));
        }
        if count > MAX_PARAMETERS {
            return Err(Error::Request(format!(
                "the model would have {count} parameters, more than {MAX_PARAMETERS}: make its layers narrower"
            )));
        }
        Ok(count)
    }

    /// Whether a batch of a single sample cannot be trained on: a batch norm would have nothing to normalise over.
    pub fn needs_two_samples(&self, input: &SampleShape, outputs: usize) -> Result<bool> {
        let mut needs = false;
        self.walk(input, outputs, &mut |layer, name, shape| {
            // A frozen one goes by its running statistics.
            let is_frozen = || self.common.freeze.iter().any(|prefix| is_below(name, prefix));
            needs |= matches!(layer, LayerConfig::BatchNorm(_))
                && BatchNormConfig::needs_two_samples(shape)
                && !is_frozen();
            Ok(())
        })?;
        Ok(needs)
    }

    /// The shape of an output sample.
    pub(super) fn walk(
        &self,
        input: &SampleShape,
        outputs: usize,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<usize>> {
        let layers = self.kind.layers(input, outputs)?;
        let mut visit = |layer: &LayerConfig, name: &str, shape: &[usize]| {
            // The longest sequence tells the shape, but a batch is as long as its own longest.
            if matches!((layer, input, shape), (LayerConfig::Flatten, SampleShape::Tokens { .. }, [_, _])) {
                let reason = "flatten needs samples of one size, but sequences are of any length: set `pooling` in the \
                              recurrent layer before it";
                return Err(Error::Request(reason.to_owned()));
            }
            visit(layer, name, shape)
        };
        let walked = shapes::walk(&layers, self.kind.list(), &self.kind.first_shape(input), &mut visit);
        walked.map_err(|error| match (&self.kind, error) {
            // Its layers stand in no file: the keys that they come from are to be changed.
            (ArchitectureConfig::Cnn(_), Error::Request(reason)) => Error::Request(format!(
                "{reason}; `model.channels`, `kernel_size`, `padding` and `pool` decide what becomes of an image"
            )),
            (_, other) => other,
        })
    }
}

/// Numbers in a sample, if it consists of numbers.
fn numbers(input: &SampleShape, what: &str) -> Result<usize> {
    match input {
        SampleShape::Numbers(_) => Ok(input.numbers()),
        SampleShape::Tokens { .. } => Err(Error::Request(format!(
            "{what} needs samples of numbers, but these are {input}: use a model of kind rnn"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    fn read(text: &str) -> Result<ModelConfig, Vec<String>> {
        let value = toml::Value::Table(toml::from_str(text).unwrap());
        let config: ModelConfig = setting::read(&value).map_err(|problems| {
            problems.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>()
        })?;
        let mut problems = Problems::default();
        config.check(&mut problems);
        let found: Vec<String> =
            problems.into_found().into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        if found.is_empty() { Ok(config) } else { Err(found) }
    }

    fn written(config: &ModelConfig) -> String {
        toml::to_string(config).unwrap()
    }

    #[test]
    fn writes_every_default_out_and_reads_it_back() {
        let config = read("kind = 'mlp'").unwrap();
        insta::assert_snapshot!(written(&config), @r#"
        kind = "mlp"
        layers = 5
        activation_position = "before_regularizer"

        [activation]
        kind = "leaky_relu"
        negative_slope = 0.01

        [regularizer]
        kind = "batch_norm"
        eps = 0.00001
        momentum = 0.1

        [init]
        kind = "default"
        "#);
        assert_eq!(read(&written(&config)).unwrap(), config);
    }

    #[test]
    fn every_spelling_survives_being_written() {
        for text in [
            "kind = 'mlp'\nhidden = [4, 3]\nregularizer = 'none'\nactivation = 'none'",
            "kind = 'mlp'\nhidden = []\nregularizer = ['batch_norm', { kind = 'dropout', p = 0.1 }]",
            "kind = 'mlp'\nlayers = 1\nregularizer = { p = 0.25, kind = 'dropout' }\nactivation_position = 'after_regularizer'",
            "kind = 'mlp'\nactivation = { alpha = 2, kind = 'elu' }\nweights = 'a/b.safetensors'",
            "kind = 'mlp'\nactivation = 'softplus'\ninit = { kind = 'kaiming_normal', a = 0.1, mode = 'fan_out', nonlinearity = 'tanh' }",
            "kind = 'mlp'\ninit = 'xavier_uniform'\nregularizer = []",
        ] {
            let config = read(text).unwrap();
            let written = written(&config);
            assert_eq!(read(&written).unwrap(), config, "{written}");
        }
    }

    #[test]
    fn lists_of_one_entry_and_of_nothing_are_spelt_alike() {
        let single = read("kind = 'mlp'\nregularizer = 'dropout'").unwrap();
        let list = read("kind = 'mlp'\nregularizer = ['dropout', 'none']").unwrap();
        assert_eq!(single, list);
        assert_eq!(written(&single), written(&list));
        let none = read("kind = 'mlp'\nregularizer = 'none'").unwrap();
        assert_eq!(written(&none), written(&read("kind = 'mlp'\nregularizer = []").unwrap()));
    }

    #[test]
    fn every_wrong_value_is_reported_with_its_path() {
        let found = read(
            "kind = 'mlp'\nlayers = 0\nactivation = { kind = 'softplus', beta = 0 }\n\
             regularizer = [{ kind = 'dropout', p = 1.5 }, { kind = 'batch_norm', eps = 0.0, momentum = nan }]\n\
             init = { kind = 'normal', std = -1 }",
        )
        .unwrap_err();
        assert_eq!(
            found,
            [
                "layers: `layers` is 0",
                "activation.beta: `beta` is 0",
                "regularizer[0].p: `p` is 1.5",
                "regularizer[1].eps: `eps` is 0",
                "regularizer[1].momentum: `momentum` is NaN",
                "init.std: `std` is -1",
            ]
        );
        let both = read("kind = 'mlp'\nlayers = 3\nhidden = [0]").unwrap_err();
        assert_eq!(both.len(), 2, "{both:?}");
        let single = read("kind = 'mlp'\nregularizer = { kind = 'dropout', p = -1 }").unwrap_err();
        assert_eq!(single, ["regularizer.p: `p` is -1"]);
    }

    #[test]
    fn unknown_names_are_reported_with_their_path() {
        for (text, expected) in [
            ("kind = 'mlp'\nlayer = 3", "layer: unknown key `layer`"),
            ("kind = 'mpl'", "kind: unknown kind \"mpl\""),
            ("kind = 'mlp'\nactivation = 'rely'", "activation: unknown value \"rely\""),
            ("kind = 'mlp'\nactivation = { kind = 'relu', p = 1 }", "activation.p: unknown key `p`"),
            ("kind = 'mlp'\nregularizer = ['dropuot']", "regularizer[0]: unknown value \"dropuot\""),
            (
                "kind = 'mlp'\nregularizer = [{ kind = 'dropout', q = 1 }]",
                "regularizer[0].q: unknown key `q`",
            ),
            ("kind = 'mlp'\ninit = { kind = 'normal', mu = 0 }", "init.mu: unknown key `mu`"),
            ("kind = 'mlp'\nregularizer = 3", "regularizer: wrong value for `regularizer`: 3"),
        ] {
            assert_eq!(read(text).unwrap_err(), [expected], "{text}");
        }
    }

    #[test]
    fn the_exercise_counts_a_million_and_overflowing_sizes_are_refused() {
        let config = read("kind = 'mlp'").unwrap();
        // 784·630 + 630·476 + 476·322 + 322·168 + 168·10, biases, and two numbers a normalised feature.
        let linear = 784 * 630 + 630 * 476 + 476 * 322 + 322 * 168 + 168 * 10;
        let (biases, norms) = (630 + 476 + 322 + 168 + 10, 2 * (630 + 476 + 322 + 168));
        assert_eq!(
            config.parameter_count(&SampleShape::Numbers(vec![1, 28, 28]), 10).unwrap(),
            linear + biases + norms
        );

        for (text, input) in [
            ("kind = 'mlp'", vec![usize::MAX]),
            ("kind = 'mlp'", vec![0]),
            ("kind = 'mlp'\nhidden = [16777216, 16777216]", vec![16_777_216]),
        ] {
            let refused = read(text).unwrap().parameter_count(&SampleShape::Numbers(input.clone()), 10);
            assert!(matches!(refused, Err(Error::Request(_))), "{text} {input:?}");
        }
    }
}
