//! Adam that looks ahead along its momentum, as `torch.optim.NAdam`.

use candle_core::{DType, Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adam::moments;
use super::grouping::Grouping;
use super::slots::{Slots, refuse};
use super::{Optimizer, Pace, Rule, check_betas, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{Moments, NadamRun, nadam};
use crate::model::Parameter;
use crate::setting::Problems;

/// The name of the product of the momenta in a saved state.
const PRODUCT: &str = "mu_product";
/// The momentum of step t is β₁ · (1 − ½ · 0.96 ^ (t · `momentum_decay`)).
const WARMING: f64 = 0.96;

/// θ ← θ − lr · ((1 − μₜ) / (1 − ∏μ) · g + μₜ₊₁ / (1 − ∏μ · μₜ₊₁) · m) / (√v̂ + eps) with
/// μₜ = β₁ · (1 − ½ · 0.96 ^ (t · `momentum_decay`)), ∏μ their product up to t, and m, v̂ and g as in Adam.
///
/// Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, in the form of
/// `torch.optim.NAdam`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NadamConfig {
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
    /// How fast the momentum comes to its full size.
    #[schemars(range(min = 0))]
    pub momentum_decay: f64,
}

impl Default for NadamConfig {
    fn default() -> Self {
        Self { lr: 2e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, momentum_decay: 4e-3 }
    }
}

impl Rule for NadamConfig {
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
        check_not_negative("momentum_decay", self.momentum_decay, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let runs = grouping.parameters.first().map_or(1, |first| first.value.dims()[0]);
        let slots = Slots::new(grouping, |value| moments(value, false))?;
        Ok(Box::new(Nadam { config: self.clone(), slots, products: vec![1.0; runs] }))
    }
}

impl NadamConfig {
    /// μ of a step, from 1.
    fn momentum(&self, beta: f64, step: f64) -> f64 {
        beta * (1.0 - 0.5 * libm::pow(WARMING, step * self.momentum_decay))
    }
}

struct Nadam {
    config: NadamConfig,
    slots: Slots<Moments>,
    /// The product of the momenta of all steps, one a run. It is no function of the step where a schedule
    /// changes the momentum.
    products: Vec<f64>,
}

impl Optimizer for Nadam {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let Self { config, slots, products } = self;
        let step = slots.advance() as f64;
        let beta = |pace: &Pace| pace.momentum.unwrap_or(config.betas.0);
        // The momentum of a step is the same for every group.
        for (product, pace) in products.iter_mut().zip(paces) {
            *product *= config.momentum(beta(pace), step);
        }
        let second_correction = 1.0 - libm::pow(config.betas.1, step);
        let scalars = |run: usize, pace: &Pace, penalty: f64| {
            let betas = (beta(pace), config.betas.1);
            let (now, next) = (config.momentum(betas.0, step), config.momentum(betas.0, step + 1.0));
            let product = products.get(run).copied().unwrap_or(1.0);
            let gradient_size = pace.rate * (1.0 - now) / (1.0 - product);
            let moment_size = pace.rate * next / (1.0 - product * next);
            NadamRun { penalty, betas, eps: config.eps, gradient_size, moment_size, second_correction }
        };
        slots.update(parameters, paces, scalars, nadam)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.slots.save()?;
        state.push((PRODUCT.to_owned(), Tensor::new(self.products.as_slice(), &Device::Cpu)?));
        Ok(state)
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let (own, rest): (Vec<_>, Vec<_>) = state.iter().cloned().partition(|(name, _)| name == PRODUCT);
        let Some((_, saved)) = own.first() else { return Err(refuse(&format!("`{PRODUCT}` is missing"))) };
        if saved.dims() != [self.products.len()] || saved.dtype() != DType::F64 {
            return Err(refuse(&format!("`{PRODUCT}` is not one f64 number for each run")));
        }
        let products = saved.to_vec1::<f64>()?;
        self.slots.load(&rest)?;
        self.products = products;
        Ok(())
    }
}
