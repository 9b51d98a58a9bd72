//! Adam, as `torch.optim.Adam`, and the machine that it shares with `AdamW`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_betas, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{AdamRun, Moments, adam};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr · m̂ / (√v̂ + eps), where m̂ and v̂ are the running means of g and g², freed of their bias
/// towards zero, and g = gradient + `weight_decay` · θ.
///
/// Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; for `amsgrad` Reddi et al.,
/// "On the convergence of Adam and beyond", ICLR 2018.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How much of the mean and of the mean square a step keeps.
    #[schemars(extend("items" = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}), with = "[f64; 2]")]
    pub betas: (f64, f64),
    /// Added to the denominator.
    #[schemars(range(min = 0))]
    pub eps: f64,
    /// L2 penalty, on every parameter.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// Whether the largest v so far stands in the place of v.
    pub amsgrad: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }
}

impl Rule for AdamConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, _cycles_momentum: bool) -> u64 {
        2 + u64::from(self.amsgrad)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self, problems: &mut Problems) {
        check_lr(self.lr, problems);
        check_betas(self.betas, problems);
        check_not_negative("eps", self.eps, problems);
        check_decay(self.weight_decay, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        self.build_with(Decay::Penalty, grouping)
    }
}

impl AdamConfig {
    /// The optimizer with `weight_decay` in the role `decay`.
    pub(super) fn build_with(&self, decay: Decay, grouping: &Grouping<'_>) -> Result<Box<dyn Optimizer>> {
        let slots = Slots::new(grouping, |value| moments(value, self.amsgrad))?;
        Ok(Box::new(Adam { config: self.clone(), decay, slots }))
    }
}

/// No moments yet.
pub(super) fn moments(value: &Tensor, amsgrad: bool) -> Result<Moments> {
    Ok(Moments {
        first: value.zeros_like()?,
        second: value.zeros_like()?,
        peak: amsgrad.then(|| value.zeros_like()).transpose()?,
    })
}

/// What `weight_decay` does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Decay {
    /// It adds to the gradient.
    Penalty,
    /// It shrinks the value before the step and leaves the moments alone.
    Decoupled,
}

impl Buffers for Moments {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        let mut named = vec![("exp_avg", &self.first), ("exp_avg_sq", &self.second)];
        named.extend(self.peak.iter().map(|peak| ("max_exp_avg_sq", peak)));
        named
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        let mut named = vec![("exp_avg", &mut self.first), ("exp_avg_sq", &mut self.second)];
        named.extend(self.peak.iter_mut().map(|peak| ("max_exp_avg_sq", peak)));
        named
    }
}

struct Adam {
    config: AdamConfig,
    decay: Decay,
    slots: Slots<Moments>,
}

impl Optimizer for Adam {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let AdamConfig { betas, eps, .. } = self.config;
        let decay = self.decay;
        let step = self.slots.advance() as f64;
        let root_correction = 1.0 / (1.0 - libm::pow(betas.1, step)).sqrt();
        let scalars = |_, pace: &Pace, weight_decay: f64| {
            let (shrink, penalty) = match decay {
                Decay::Penalty => (1.0, weight_decay),
                Decay::Decoupled => (1.0 - pace.rate * weight_decay, 0.0),
            };
            let betas = (pace.momentum.unwrap_or(betas.0), betas.1);
            let step_size = pace.rate / (1.0 - libm::pow(betas.0, step));
            AdamRun { shrink, penalty, betas, eps, step_size, root_correction }
        };
        self.slots.update(parameters, paces, scalars, adam)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::trajectory::check_optimizer;

    /// ```python
    /// trajectory(lambda p: torch.optim.Adam(p, lr=0.1))
    /// trajectory(lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.2))
    /// ```
    #[test]
    fn plain_and_with_penalty() {
        check_optimizer(
            "lr = 0.1",
            [
                [-0.10584747052877883, 0.03125336997969215, 0.3990993143845712, -0.019428606763582656],
                [-0.10584745556116104, 0.0312533974647522, 0.39909934997558594, -0.01942860148847103],
            ],
        );
        check_optimizer(
            "lr = 0.1\nbetas = [0.8, 0.9]\neps = 1e-3\nweight_decay = 0.2",
            [
                [-0.009946271416202766, -0.009006348480557043, 0.37509749772666306, -0.04297921657381522],
                [-0.009946301579475403, -0.009006299078464508, 0.37509751319885254, -0.042979225516319275],
            ],
        );
    }

    /// ```python
    /// trajectory(lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.9), amsgrad=True))
    /// ```
    #[test]
    fn with_amsgrad() {
        check_optimizer(
            "lr = 0.1\nbetas = [0.8, 0.9]\namsgrad = true",
            [
                [0.008881202645943533, -0.09763605560407651, 0.5094135690144798, -0.03740349967792442],
                [0.008881203830242157, -0.09763599932193756, 0.509413480758667, -0.03740352392196655],
            ],
        );
    }
}
