//! Steps in the unit of the parameter, as `torch.optim.Adadelta`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{AdadeltaRun, Deltas, adadelta};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr · d with d = g · √(u + eps) / √(v + eps), where v and u are the running means of g² and of d²,
/// and g = gradient + `weight_decay` · θ.
///
/// Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdadeltaConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How much of the means a step keeps.
    #[schemars(range(min = 0, max = 1))]
    pub rho: f64,
    /// Added to both means before their roots are taken.
    #[schemars(range(min = 0))]
    pub eps: f64,
    /// L2 penalty, on every parameter.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

impl Default for AdadeltaConfig {
    fn default() -> Self {
        Self { lr: 1.0, rho: 0.9, eps: 1e-6, weight_decay: 0.0 }
    }
}

impl Rule for AdadeltaConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, _cycles_momentum: bool) -> u64 {
        2
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn has_momentum(&self) -> bool {
        false
    }

    fn check(&self, problems: &mut Problems) {
        check_lr(self.lr, problems);
        problems.require((0.0..=1.0).contains(&self.rho), "rho", self.rho, "a number from 0 to 1");
        check_not_negative("eps", self.eps, problems);
        check_decay(self.weight_decay, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let deltas = |value: &Tensor| -> Result<Deltas> {
            Ok(Deltas { square: value.zeros_like()?, step: value.zeros_like()? })
        };
        Ok(Box::new(Adadelta { config: self.clone(), slots: Slots::new(grouping, deltas)? }))
    }
}

impl Buffers for Deltas {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("square_avg", &self.square), ("acc_delta", &self.step)]
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        vec![("square_avg", &mut self.square), ("acc_delta", &mut self.step)]
    }
}

struct Adadelta {
    config: AdadeltaConfig,
    slots: Slots<Deltas>,
}

impl Optimizer for Adadelta {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let AdadeltaConfig { rho, eps, .. } = self.config;
        self.slots.advance();
        let scalars = |_, pace: &Pace, penalty: f64| AdadeltaRun { penalty, rate: pace.rate, rho, eps };
        self.slots.update(parameters, paces, scalars, adadelta)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}
