//! Steps along signs, as in the paper of Lion.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_betas, check_decay, check_lr};
use crate::Result;
use crate::kernel::update::{LionRun, lion};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr · (sign(β₁ · m + (1 − β₁) · gradient) + `weight_decay` · θ), then m ← β₂ · m + (1 − β₂) · gradient.
///
/// Source: Chen et al., "Symbolic discovery of optimization algorithms", `NeurIPS` 2023.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LionConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How much of the momentum goes into the direction of a step, and how much of it a step keeps.
    #[schemars(extend("items" = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}), with = "[f64; 2]")]
    pub betas: (f64, f64),
    /// The part of every parameter that a step at a learning rate of 1 takes away.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

impl Default for LionConfig {
    fn default() -> Self {
        Self { lr: 1e-4, betas: (0.9, 0.99), weight_decay: 0.0 }
    }
}

impl Rule for LionConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, _cycles_momentum: bool) -> u64 {
        1
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self, problems: &mut Problems) {
        check_lr(self.lr, problems);
        check_betas(self.betas, problems);
        check_decay(self.weight_decay, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let mean = |value: &Tensor| Ok(Mean(value.zeros_like()?));
        Ok(Box::new(Lion { config: self.clone(), slots: Slots::new(grouping, mean)? }))
    }
}

/// The momentum of one parameter.
struct Mean(Tensor);

impl Buffers for Mean {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("exp_avg", &self.0)]
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        vec![("exp_avg", &mut self.0)]
    }
}

struct Lion {
    config: LionConfig,
    slots: Slots<Mean>,
}

impl Optimizer for Lion {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let betas = self.config.betas;
        self.slots.advance();
        let scalars = |_, pace: &Pace, weight_decay: f64| {
            let betas = (pace.momentum.unwrap_or(betas.0), betas.1);
            LionRun { shrink: 1.0 - pace.rate * weight_decay, rate: pace.rate, betas }
        };
        self.slots.update(parameters, paces, scalars, |value, gradient, Mean(mean), runs| {
            lion(value, gradient, mean, runs)
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}
