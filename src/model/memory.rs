//! How much memory a model needs, counted without building it.

use super::config::ModelConfig;
use super::layer::LayerConfig;
use super::layer::memory::{Keeps, Memory, numbers};
use super::layer::residual::ResidualConfig;
use super::transfer::is_below;
use crate::Result;
use crate::sample::SampleShape;

/// Tensors of the size of the outputs that a step holds beside those of the layers: the outputs themselves, what the
/// loss makes of them, and their gradient.
const OF_OUTPUTS: u64 = 4;

/// What passes through a model at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Samples.
    pub batch: u64,
    /// The part of the longest sequence that sequences have in the mean; 1 for other samples. Padding is passed on, but
    /// nothing is kept of it.
    pub fullness: f64,
    /// What for.
    pub purpose: Purpose,
}

/// What batches pass through a model for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Forward and backward.
    Training,
    /// Forward only.
    Evaluation,
}

impl ModelConfig {
    /// The numbers in all weights, and in those of them that are trained.
    ///
    /// # Errors
    /// As [`parameter_count`](Self::parameter_count).
    pub fn weight_counts(&self, input: &SampleShape, outputs: usize) -> Result<(u64, u64)> {
        let (mut all, mut trained) = (0u64, 0u64);
        self.walk(input, outputs, &mut |layer, name, shape| {
            let count = layer.parameter_count(shape)?;
            all = all.saturating_add(count);
            if !self.common.freeze.iter().any(|prefix| is_below(name, prefix)) {
                trained = trained.saturating_add(count);
            }
            Ok(())
        })?;
        Ok((all, trained))
    }

    /// The most numbers that a pass holds at once beside the weights and their gradients, the samples included.
    ///
    /// # Errors
    /// As [`parameter_count`](Self::parameter_count).
    pub fn pass_numbers(&self, input: &SampleShape, outputs: usize, load: Load) -> Result<u64> {
        let layers = self.kind.layers(input, outputs)?;
        let shape = self.kind.first_shape(input);
        let samples = numbers(load.batch, &shape);
        let mut pass = Tape { load, held: samples, is_held: true, trains_before: false, peak: samples };
        let output = pass.layers(&layers, shape, 0)?;
        Ok(pass.peak.saturating_add(numbers(load.batch, &output).saturating_mul(OF_OUTPUTS)))
    }
}

/// A pass on its way through the layers.
struct Tape {
    load: Load,
    /// Numbers that stay until the backward pass has been through their layer.
    held: u64,
    /// Whether the current activation is among them.
    is_held: bool,
    /// Whether a layer before needs a gradient.
    trains_before: bool,
    /// The most so far.
    peak: u64,
}

impl Tape {
    /// Goes through a list; `beside` are numbers that stay for its whole length. Gives the shape behind it.
    fn layers(&mut self, layers: &[LayerConfig], input: Vec<usize>, beside: u64) -> Result<Vec<usize>> {
        let mut shape = input;
        for layer in layers {
            shape = match layer {
                LayerConfig::Residual(config) => self.residual(config, &shape, beside)?,
                layer => {
                    let output = layer.output_shape(&shape)?;
                    self.layer(layer, &shape, &output, beside)?;
                    output
                }
            };
        }
        Ok(shape)
    }

    fn layer(&mut self, layer: &LayerConfig, input: &[usize], output: &[usize], beside: u64) -> Result<()> {
        let Load { batch, fullness, purpose } = self.load;
        let mut memory = layer.memory(input, batch)?;
        if memory.is_view {
            return Ok(());
        }
        for numbers in [&mut memory.beside, &mut memory.backward, &mut memory.evaluation] {
            *numbers = (*numbers as f64 * fullness) as u64;
        }
        let (x, y) = (numbers(batch, input), numbers(batch, output));
        let unheld = if self.is_held { 0 } else { x };
        match purpose {
            Purpose::Evaluation => self.reach(&[unheld, y, memory.evaluation, beside]),
            Purpose::Training => self.train(layer, &memory, [x, y, unheld], input, beside)?,
        }
        self.is_held = purpose == Purpose::Training && memory.keeps == Keeps::Output;
        Ok(())
    }

    /// The forward pass of a training, and the backward pass as it will be here.
    fn train(
        &mut self,
        layer: &LayerConfig,
        memory: &Memory,
        [x, y, unheld]: [u64; 3],
        input: &[usize],
        beside: u64,
    ) -> Result<()> {
        self.reach(&[unheld, y, memory.beside, beside]);
        let kept = match memory.keeps {
            Keeps::Nothing => 0,
            Keeps::Input => unheld,
            Keeps::Output => y,
        };
        self.held = self.held.saturating_add(kept).saturating_add(memory.beside);
        let of_input = if self.trains_before { x } else { 0 };
        self.trains_before |= layer.parameter_count(input)? > 0;
        self.reach(&[y, of_input, memory.backward, beside]);
        Ok(())
    }

    /// The input of a block stays until it is added, and so does the gradient of its output on the way back.
    fn residual(&mut self, config: &ResidualConfig, input: &[usize], beside: u64) -> Result<Vec<usize>> {
        let output = LayerConfig::Residual(config.clone()).output_shape(input)?;
        let unheld = if self.is_held { 0 } else { numbers(self.load.batch, input) };
        let both = unheld.saturating_add(numbers(self.load.batch, &output)).saturating_add(beside);
        let was_held = self.is_held;
        self.layers(&config.layers, input.to_vec(), both)?;
        if let Some(shortcut) = &config.shortcut {
            self.is_held = was_held;
            self.layers(shortcut, input.to_vec(), both)?;
        }
        self.is_held = false;
        Ok(output)
    }

    fn reach(&mut self, more: &[u64]) {
        let now = more.iter().fold(self.held, |sum, more| sum.saturating_add(*more));
        self.peak = self.peak.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    fn read(text: &str) -> ModelConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    fn passes(text: &str, input: &[usize], batch: u64) -> [u64; 2] {
        let count = |purpose| {
            let load = Load { batch, fullness: 1.0, purpose };
            read(text).pass_numbers(&input.into(), 1, load).unwrap()
        };
        [count(Purpose::Training), count(Purpose::Evaluation)]
    }

    /// By hand, for 10 samples of 2: Linear(2, 3) → `LeakyReLU` → `BatchNorm` → Linear(3, 1). Behind the activation its input
    /// is kept, behind the norm that too, behind the last layer 20 + 30 + 30 + 30; then the gradients of its output and of
    /// its input, and four tensors of 10 outputs.
    #[test]
    fn what_layers_keep_is_counted_once() {
        let mlp = "kind = 'mlp'\nhidden = [3]";
        assert_eq!(passes(mlp, &[2], 10), [110 + 10 + 30 + 40, 20 + 30 + 30 + 40]);
        // ReLU keeps its output, which the next layer shares.
        let relu = "kind = 'mlp'\nhidden = [3]\nactivation = 'relu'\nregularizer = 'none'";
        assert_eq!(passes(relu, &[2], 10)[0], (20 + 30) + 30 + 30 + 40);
        let dropout =
            "kind = 'mlp'\nhidden = [3]\nactivation = 'none'\nregularizer = { kind = 'dropout', p = 0 }";
        assert_eq!(passes(dropout, &[2], 10)[0], (20 + 30) + 10 + 30 + 40);
    }

    #[test]
    fn every_layer_has_its_share_and_no_size_overflows() {
        let image = [3, 8, 8];
        let layers = |list: &str| format!("kind = 'sequential'\nlayers = [{list}, 'flatten', 'linear']");
        let least = passes(&layers("'relu'"), &image, 4);
        for list in [
            "{ kind = 'conv2d', out_channels = 8, kernel_size = 3, padding = 1 }",
            "'relu', { kind = 'max_pool2d', kernel_size = 1 }",
            "'relu', 'batch_norm'",
            "'relu', 'layer_norm', 'softmax'",
            "'relu', { kind = 'residual', layers = ['relu', 'batch_norm'] }",
        ] {
            let [training, evaluation] = passes(&layers(list), &image, 4);
            assert!(training > least[0] && evaluation >= least[1], "{list}");
        }
        let rnn = "kind = 'rnn'\ncell = 'lstm'\nhidden_size = 16";
        let steps = |steps: usize| passes(rnn, &[steps, 4], 8);
        assert!(steps(20)[0] > 9 * steps(2)[0]);
        // An evaluation goes through long sequences a few at a time.
        let long = passes(rnn, &[100_000, 4], 1024);
        assert!(long[1] < long[0] / 20, "{long:?}");
        let [most, _] = passes("kind = 'mlp'\nhidden = [16777216]", &[1 << 20], u64::MAX);
        assert_eq!(most, u64::MAX);
    }

    #[test]
    fn frozen_weights_are_not_trained() {
        let mut config = read("kind = 'mlp'\nhidden = [3]\nregularizer = 'none'");
        assert_eq!(config.weight_counts(&[2].as_slice().into(), 1).unwrap(), (13, 13));
        config.common.freeze = vec!["layers.0".into()];
        assert_eq!(config.weight_counts(&[2].as_slice().into(), 1).unwrap(), (13, 4));
    }
}
