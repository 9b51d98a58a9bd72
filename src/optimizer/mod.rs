//! Optimizers: how a parameter follows its gradient.
//!
//! Each file holds one: its configuration, what it refuses, its saved state and its tests. The arithmetic
//! lies in [`kernel::update`](crate::kernel::update); learning rates come with every step, from a schedule.

mod adadelta;
mod adagrad;
mod adam;
mod adamw;
mod grouping;
mod lion;
mod nadam;
mod radam;
mod rmsprop;
mod settings;
mod sgd;
mod slots;
#[cfg(test)]
mod trajectory;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use adadelta::AdadeltaConfig;
pub use adagrad::AdagradConfig;
pub use adam::AdamConfig;
pub use adamw::AdamWConfig;
pub use lion::LionConfig;
pub use nadam::NadamConfig;
pub use radam::RadamConfig;
pub use rmsprop::RmspropConfig;
pub use settings::{GroupConfig, OptimizerConfig, OptimizerSettings};
pub use sgd::SgdConfig;

use self::grouping::Grouping;
use crate::Result;
use crate::model::Parameter;
use crate::setting::{self, Problems, kind};

/// The rule of the table `optimizer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = setting::by_kind::<Self>)]
pub enum RuleConfig {
    /// Stochastic gradient descent.
    Sgd(SgdConfig),
    /// Adam, with weight decay as an L2 penalty.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
    /// Adam that looks ahead along its momentum.
    Nadam(NadamConfig),
    /// Adam whose first steps, of too uncertain a size, are those of a momentum.
    Radam(RadamConfig),
    /// Gradients divided by the root of the running mean of their squares.
    Rmsprop(RmspropConfig),
    /// Gradients divided by the root of the sum of their squares.
    Adagrad(AdagradConfig),
    /// Steps whose size follows from that of the steps before.
    Adadelta(AdadeltaConfig),
    /// Steps of one size along the signs of a momentum.
    Lion(LionConfig),
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

kind!(RuleConfig, default = "adam");

impl RuleConfig {
    /// The settings of the rule.
    fn rule(&self) -> &dyn Rule {
        match self {
            Self::Sgd(config) => config,
            Self::Adam(config) => config,
            Self::AdamW(config) => config,
            Self::Nadam(config) => config,
            Self::Radam(config) => config,
            Self::Rmsprop(config) => config,
            Self::Adagrad(config) => config,
            Self::Adadelta(config) => config,
            Self::Lion(config) => config,
        }
    }

    /// Whether there is a momentum, or a first beta, that a schedule can change.
    pub fn has_momentum(&self) -> bool {
        self.rule().has_momentum()
    }
}

/// What the settings of a rule have to say.
trait Rule {
    /// The learning rate that a schedule starts from.
    fn lr(&self) -> f64;

    /// The weight decay of the parameters in no group.
    fn weight_decay(&self) -> f64;

    /// Whether there is a momentum, or a first beta, that a schedule can change.
    fn has_momentum(&self) -> bool {
        true
    }

    /// Numbers that are kept for each one that is trained.
    fn buffers(&self, cycles_momentum: bool) -> u64;

    /// Refuses what `torch.optim` refuses, a learning rate of 0 and numbers that are not finite.
    fn check(&self, problems: &mut Problems);

    /// The optimizer. With `cycles_momentum` every step brings a momentum of its own.
    fn build(&self, grouping: &Grouping<'_>, cycles_momentum: bool) -> Result<Box<dyn Optimizer>>;
}

/// What a schedule says of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The learning rate.
    pub rate: f64,
    /// What stands in the place of the configured momentum, or of the first beta.
    pub momentum: Option<f64>,
}

/// A rule that moves parameters along their gradients.
pub trait Optimizer: Send {
    /// Moves every trainable parameter once; `paces` holds, for the parameters in no group and then for each
    /// group, one for each of the R runs.
    ///
    /// # Errors
    /// [`Error::Bug`](crate::Error::Bug) if a trainable parameter has no gradient, or if the parameters are not
    /// those that the optimizer was built for.
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()>;

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
    check_not_negative("weight_decay", weight_decay, problems);
}

fn check_not_negative(key: &str, value: f64, problems: &mut Problems) {
    problems.require(value >= 0.0 && value.is_finite(), key, value, "a number, 0 or more");
}

/// Refuses betas that would keep everything or more.
fn check_betas(betas: (f64, f64), problems: &mut Problems) {
    problems.within("betas", |problems| {
        for (index, beta) in [betas.0, betas.1].into_iter().enumerate() {
            if !(0.0..1.0).contains(&beta) {
                problems.within_entry(index, |problems| {
                    let expected = "expected a number from 0 to below 1";
                    problems.refuse("", format!("an entry of `betas` is {beta}"), expected);
                });
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Kind;

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
        for kind in RuleConfig::kinds() {
            let config = read(&format!("kind = '{kind}'"));
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written), config);
            let keys: Vec<&str> =
                written.lines().skip(1).filter_map(|line| line.split(" = ").next()).collect();
            assert_eq!(keys, [RuleConfig::keys(kind), &["decay_bias"]].concat());
            assert_eq!(problems(&written), [""; 0]);

            let groups =
                "decay_bias = false\ngroups = [{ match = 'layers.0', lr = 0.5 }, { match = 'layers.1' }]";
            let config = read(&format!("kind = '{kind}'\nlr = 0.25\n{groups}"));
            assert_eq!(read(&toml::to_string(&config).unwrap()), config);
            assert_eq!(config.rates(), [0.25, 0.5, 0.25]);
        }
        assert_eq!(read(""), OptimizerConfig::default());
    }

    /// Those of `torch.optim`, but that SGD has a learning rate as well; Lion's are those of its paper's code.
    #[test]
    fn defaults_are_those_of_pytorch() {
        let moments = "betas = [0.9, 0.999]\neps = 1e-8\n";
        for (kind, defaults) in [
            ("sgd", "lr = 0.001\nmomentum = 0\ndampening = 0\nnesterov = false\nweight_decay = 0"),
            ("adam", &format!("{moments}lr = 0.001\nweight_decay = 0\namsgrad = false")),
            ("adamw", &format!("{moments}lr = 0.001\nweight_decay = 0.01\namsgrad = false")),
            ("nadam", &format!("{moments}lr = 0.002\nweight_decay = 0\nmomentum_decay = 0.004")),
            ("radam", &format!("{moments}lr = 0.001\nweight_decay = 0")),
            (
                "rmsprop",
                "lr = 0.01\nalpha = 0.99\neps = 1e-8\nweight_decay = 0\nmomentum = 0\ncentered = false",
            ),
            (
                "adagrad",
                "lr = 0.01\nlr_decay = 0\nweight_decay = 0\ninitial_accumulator_value = 0\neps = 1e-10",
            ),
            ("adadelta", "lr = 1\nrho = 0.9\neps = 1e-6\nweight_decay = 0"),
            ("lion", "lr = 1e-4\nbetas = [0.9, 0.99]\nweight_decay = 0"),
        ] {
            let short = format!("kind = '{kind}'");
            let long = format!("{short}\n{defaults}\ndecay_bias = true\ngroups = []");
            assert_eq!(read(&short), read(&long), "{kind}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_at_its_key() {
        for (text, at) in [
            ("lr = 0\nweight_decay = -1", &["lr", "weight_decay"][..]),
            ("kind = 'adamw'\nlr = nan\neps = -1e-9", &["lr", "eps"]),
            ("betas = [1.0, -0.1]", &["betas[0]", "betas[1]"]),
            ("kind = 'sgd'\nlr = inf\nweight_decay = inf", &["lr", "weight_decay"]),
            ("kind = 'sgd'\nmomentum = -0.1\ndampening = inf", &["momentum", "dampening"]),
            ("kind = 'sgd'\nnesterov = true", &["nesterov"]),
            ("kind = 'sgd'\nnesterov = true\nmomentum = 0.9\ndampening = 0.1", &["nesterov"]),
            ("kind = 'sgd'\nnesterov = true\nmomentum = 0.9", &[]),
            (
                "kind = 'nadam'\nlr = 0\nbetas = [1, 0]\neps = -1\nweight_decay = -1\nmomentum_decay = -1",
                &["lr", "betas[0]", "eps", "weight_decay", "momentum_decay"],
            ),
            (
                "kind = 'radam'\nlr = -1\nbetas = [0, 1]\neps = nan\nweight_decay = inf",
                &["lr", "betas[1]", "eps", "weight_decay"],
            ),
            (
                "kind = 'rmsprop'\nlr = 0\nalpha = 1.1\neps = -1\nweight_decay = -1\nmomentum = -1",
                &["lr", "alpha", "eps", "weight_decay", "momentum"],
            ),
            (
                "kind = 'adagrad'\nlr = 0\nlr_decay = -1\nweight_decay = -1\ninitial_accumulator_value = -1\neps = -1",
                &["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
            ),
            (
                "kind = 'adadelta'\nlr = 0\nrho = -0.1\neps = -1\nweight_decay = -1",
                &["lr", "rho", "eps", "weight_decay"],
            ),
            (
                "kind = 'lion'\nlr = 0\nbetas = [1, 1]\nweight_decay = -1",
                &["lr", "betas[0]", "betas[1]", "weight_decay"],
            ),
            (
                "groups = [{ match = 'layers.0' }, { match = '', lr = 0, weight_decay = -1 }]",
                &["groups[1].match", "groups[1].lr", "groups[1].weight_decay"],
            ),
        ] {
            assert_eq!(problems(text), at, "{text}");
        }
    }

    #[test]
    fn a_group_without_a_parameter_is_refused() {
        let names = ["layers.0.weight", "layers.0.bias", "layers.01.weight"];
        let refused = |groups: &str| {
            let checked = read(&format!("groups = [{groups}]")).check_names(&names);
            checked.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(refused("{ match = 'layers.0' }, { match = 'layers.01.weight' }"), "");
        assert_eq!(
            refused("{ match = 'layers.0' }, { match = 'layers.2' }"),
            "optimizer.groups[1] matches no parameter that is trained: there is no \"layers.2\" among layers.0.weight, \
             layers.0.bias, layers.01.weight"
        );
        assert_eq!(
            refused("{ match = 'layers' }, { match = 'layers.0.bias' }"),
            "optimizer.groups[1] is left without a parameter: the groups before it take all of \"layers.0.bias\""
        );
    }
}
