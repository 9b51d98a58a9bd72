//! Division by the root of the sum of all squares, as `torch.optim.Adagrad`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{AdagradRun, adagrad};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr / (1 + (t − 1) · `lr_decay`) · g / (√s + eps), where s is the sum of g² over all steps, and
/// g = gradient + `weight_decay` · θ.
///
/// Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
/// optimization", JMLR 2011.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdagradConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How fast the learning rate falls: by 1 / (1 + steps · this).
    #[schemars(range(min = 0))]
    pub lr_decay: f64,
    /// L2 penalty, on every parameter.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// What the sums of squares begin with.
    #[schemars(range(min = 0))]
    pub initial_accumulator_value: f64,
    /// Added to the denominator.
    #[schemars(range(min = 0))]
    pub eps: f64,
}

impl Default for AdagradConfig {
    fn default() -> Self {
        Self { lr: 1e-2, lr_decay: 0.0, weight_decay: 0.0, initial_accumulator_value: 0.0, eps: 1e-10 }
    }
}

impl Rule for AdagradConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, _cycles_momentum: bool) -> u64 {
        1
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn has_momentum(&self) -> bool {
        false
    }

    fn check(&self, problems: &mut Problems) {
        check_lr(self.lr, problems);
        check_not_negative("lr_decay", self.lr_decay, problems);
        check_decay(self.weight_decay, problems);
        check_not_negative("initial_accumulator_value", self.initial_accumulator_value, problems);
        check_not_negative("eps", self.eps, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let sum =
            |value: &Tensor| Ok(Sum(value.zeros_like()?.affine(1.0, self.initial_accumulator_value)?));
        Ok(Box::new(Adagrad { config: self.clone(), slots: Slots::new(grouping, sum)? }))
    }
}

/// The sum of squares of one parameter.
struct Sum(Tensor);

impl Buffers for Sum {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("sum", &self.0)]
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        vec![("sum", &mut self.0)]
    }
}

struct Adagrad {
    config: AdagradConfig,
    slots: Slots<Sum>,
}

impl Optimizer for Adagrad {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let AdagradConfig { lr_decay, eps, .. } = self.config;
        let before = (self.slots.advance() - 1) as f64;
        let scalars = |_, pace: &Pace, penalty: f64| AdagradRun {
            penalty,
            rate: pace.rate / (1.0 + before * lr_decay),
            eps,
        };
        self.slots.update(parameters, paces, scalars, |value, gradient, Sum(sum), runs| {
            adagrad(value, gradient, sum, runs)
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}
