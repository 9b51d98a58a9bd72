//! Adam with rectified first steps, as `torch.optim.RAdam`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adam::moments;
use super::grouping::Grouping;
use super::slots::Slots;
use super::{Optimizer, Pace, Rule, check_betas, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{AdamRun, Moments, adam};
use crate::model::Parameter;
use crate::setting::Problems;

/// With so few squares in the mean their variance is not known, and no step is divided by it.
const LEAST_LENGTH: f64 = 5.0;

/// θ ← θ − lr · r · m̂ · √(1 − β₂ᵗ) / (√v + eps) once ρₜ = ρ − 2t · β₂ᵗ / (1 − β₂ᵗ) is above 5, before that
/// θ ← θ − lr · m̂; with ρ = 2 / (1 − β₂) − 1 and r² = (ρₜ − 4)(ρₜ − 2)ρ / ((ρ − 4)(ρ − 2)ρₜ), and m̂ and v as in Adam.
///
/// Source: Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadamConfig {
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
}

impl Default for RadamConfig {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }
    }
}

impl Rule for RadamConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, _cycles_momentum: bool) -> u64 {
        2
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
        let slots = Slots::new(grouping, |value| moments(value, false))?;
        Ok(Box::new(Radam { config: self.clone(), slots }))
    }
}

impl RadamConfig {
    /// r · √(1 − β₂ᵗ) of a step, from 1; none where the step is not divided by √v.
    fn rectified(&self, step: f64) -> Option<f64> {
        let beta = self.betas.1;
        let correction = 1.0 - libm::pow(beta, step);
        let whole = 2.0 / (1.0 - beta) - 1.0;
        let length = whole - 2.0 * step * libm::pow(beta, step) / correction;
        let square = (length - 4.0) * (length - 2.0) * whole / ((whole - 4.0) * (whole - 2.0) * length);
        (length > LEAST_LENGTH).then(|| (square * correction).sqrt())
    }
}

struct Radam {
    config: RadamConfig,
    slots: Slots<Moments>,
}

impl Optimizer for Radam {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let Self { config, slots } = self;
        let step = slots.advance() as f64;
        let rectified = config.rectified(step);
        let scalars = |_, pace: &Pace, penalty: f64| {
            let betas = (pace.momentum.unwrap_or(config.betas.0), config.betas.1);
            let rate = pace.rate / (1.0 - libm::pow(betas.0, step));
            // A step of Adam whose denominator is √v + eps, or 1.
            let (step_size, root_correction, eps) = match rectified {
                Some(rectified) => (rate * rectified, 1.0, config.eps),
                None => (rate, 0.0, 1.0),
            };
            AdamRun { shrink: 1.0, penalty, betas, eps, step_size, root_correction }
        };
        slots.update(parameters, paces, scalars, adam)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}
