//! Optimizers: how a parameter follows its gradient.
//!
//! Each file holds one: its configuration, what it refuses, its saved state and its tests. The arithmetic
//! lies in [`kernel::update`](crate::kernel::update); learning rates come with every step, from a schedule.

mod adam;
mod adamw;
mod sgd;
mod slots;
#[cfg(test)]
mod trajectory;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use adam::AdamConfig;
pub use adamw::AdamWConfig;
pub use sgd::SgdConfig;

use crate::Result;
use crate::model::Parameter;
use crate::setting::{self, Kind, Problems};

/// The settings under `optimizer`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = setting::by_kind::<Self>)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent.
    Sgd(SgdConfig),
    /// Adam, with weight decay as an L2 penalty.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl Kind for OptimizerConfig {
    const KINDS: &'static [&'static str] = &["sgd", "adam", "adamw"];
    const DEFAULT: Option<&'static str> = Some("adam");

    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "sgd" => SgdConfig::deserialize(rest).map(Self::Sgd),
            "adamw" => AdamWConfig::deserialize(rest).map(Self::AdamW),
            _ => AdamConfig::deserialize(rest).map(Self::Adam),
        }
    }

    fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "sgd" => setting::keys_of::<SgdConfig>(),
            "adamw" => setting::keys_of::<AdamWConfig>(),
            _ => setting::keys_of::<AdamConfig>(),
        }
    }
}

impl<'de> Deserialize<'de> for OptimizerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        setting::read_kind(deserializer)
    }
}

impl OptimizerConfig {
    /// The learning rate that a schedule starts from.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd(config) => config.lr,
            Self::Adam(config) => config.lr,
            Self::AdamW(config) => config.lr,
        }
    }

    /// Refuses what `torch.optim` refuses, a learning rate of 0 and numbers that are not finite.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Sgd(config) => config.check(problems),
            Self::Adam(config) => config.check(problems),
            Self::AdamW(config) => config.check(problems),
        }
    }

    /// The optimizer for `parameters`, whose order is that of every later call; state only for the trainable.
    pub fn build(&self, parameters: &[&Parameter]) -> Result<Box<dyn Optimizer>> {
        match self {
            Self::Sgd(config) => config.build(parameters),
            Self::Adam(config) => config.build(parameters),
            Self::AdamW(config) => config.build(parameters),
        }
    }
}

/// A rule that moves parameters along their gradients.
pub trait Optimizer: Send {
    /// Moves every trainable parameter once; `rates` holds a learning rate for each of the R runs.
    ///
    /// # Errors
    /// [`Error::Bug`](crate::Error::Bug) if a trainable parameter has no gradient, or if the parameters are not
    /// those that the optimizer was built for.
    fn step(&mut self, parameters: &mut [&mut Parameter], rates: &[f64]) -> Result<()>;

    /// All that a resume needs: `step` (i64, the steps taken) and the buffers by the index of their parameter,
    /// `0.exp_avg`. The tensors may share storage with the optimizer: the next step changes them.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Takes on what [`state`](Self::state) once gave, in any order.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) if a tensor is missing, unknown, or of another shape or type;
    /// the optimizer is then as before.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}

fn check_lr(lr: f64, problems: &mut Problems) {
    problems.require(lr > 0.0 && lr.is_finite(), "lr", lr, "a number above 0");
}

fn check_decay(weight_decay: f64, problems: &mut Problems) {
    let holds = weight_decay >= 0.0 && weight_decay.is_finite();
    problems.require(holds, "weight_decay", weight_decay, "a number, 0 or more");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> OptimizerConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        read(text).check(&mut problems);
        problems.into_found().iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in OptimizerConfig::KINDS {
            let config = read(&format!("kind = '{kind}'"));
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written), config);
            let keys: Vec<&str> =
                written.lines().skip(1).filter_map(|line| line.split(" = ").next()).collect();
            assert_eq!(keys, OptimizerConfig::keys(kind));
            assert_eq!(problems(&written), [""; 0]);
            assert!((config.lr() - 1e-3).abs() < f64::EPSILON);
        }
        assert_eq!(read(""), OptimizerConfig::default());
    }

    #[test]
    fn defaults_are_those_of_pytorch() {
        let moments = "lr = 0.001\nbetas = [0.9, 0.999]\neps = 1e-8\n";
        assert_eq!(
            read("kind = 'adam'"),
            read(&format!("kind = 'adam'\n{moments}weight_decay = 0\namsgrad = false"))
        );
        assert_eq!(
            read("kind = 'adamw'"),
            read(&format!("kind = 'adamw'\n{moments}weight_decay = 0.01\namsgrad = false"))
        );
        let sgd = "lr = 0.001\nmomentum = 0\ndampening = 0\nnesterov = false\nweight_decay = 0";
        assert_eq!(read("kind = 'sgd'"), read(&format!("kind = 'sgd'\n{sgd}")));
    }

    #[test]
    fn what_cannot_work_is_refused_at_its_key() {
        assert_eq!(problems("lr = 0\nweight_decay = -1"), ["lr", "weight_decay"]);
        assert_eq!(problems("kind = 'adamw'\nlr = nan\neps = -1e-9"), ["lr", "eps"]);
        assert_eq!(problems("betas = [1.0, -0.1]"), ["betas[0]", "betas[1]"]);
        assert_eq!(problems("kind = 'sgd'\nlr = inf\nweight_decay = inf"), ["lr", "weight_decay"]);
        assert_eq!(problems("kind = 'sgd'\nmomentum = -0.1\ndampening = inf"), ["momentum", "dampening"]);
        assert_eq!(problems("kind = 'sgd'\nnesterov = true"), ["nesterov"]);
        assert_eq!(problems("kind = 'sgd'\nnesterov = true\nmomentum = 0.9\ndampening = 0.1"), ["nesterov"]);
        assert_eq!(problems("kind = 'sgd'\nnesterov = true\nmomentum = 0.9"), [""; 0]);
    }
}
