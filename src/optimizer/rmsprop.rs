//! Division by a running root mean square, as `torch.optim.RMSprop`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_decay, check_lr, check_not_negative};
use crate::Result;
use crate::kernel::update::{Averages, RmspropRun, rmsprop};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr · b with b ← momentum · b + g / (√v + eps), v the running mean of g², and
/// g = gradient + `weight_decay` · θ; centered with v − (mean of g)² for v.
///
/// Source: Hinton, lecture 6 of "Neural networks for machine learning", 2012; centered: Graves, "Generating
/// sequences with recurrent neural networks", 2013. In the form of `torch.optim.RMSprop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RmspropConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How much of the mean square a step keeps.
    #[schemars(range(min = 0, max = 1))]
    pub alpha: f64,
    /// Added to the denominator.
    #[schemars(range(min = 0))]
    pub eps: f64,
    /// L2 penalty, on every parameter.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// The part of the earlier steps that goes into a step; 0 keeps no buffer.
    #[schemars(range(min = 0))]
    pub momentum: f64,
    /// Whether the square of the mean gradient is taken off the mean square.
    pub centered: bool,
}

impl Default for RmspropConfig {
    fn default() -> Self {
        Self { lr: 1e-2, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false }
    }
}

impl Rule for RmspropConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, cycles_momentum: bool) -> u64 {
        1 + u64::from(self.centered) + u64::from(self.momentum > 0.0 || cycles_momentum)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self, problems: &mut Problems) {
        check_lr(self.lr, problems);
        let holds = (0.0..=1.0).contains(&self.alpha);
        problems.require(holds, "alpha", self.alpha, "a number from 0 to 1");
        check_not_negative("eps", self.eps, problems);
        check_decay(self.weight_decay, problems);
        check_not_negative("momentum", self.momentum, problems);
    }

    fn build(&self, grouping: &Grouping<'_>, cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let moves = self.momentum > 0.0 || cycles_momentum;
        let averages = |value: &Tensor| -> Result<Averages> {
            Ok(Averages {
                square: value.zeros_like()?,
                mean: self.centered.then(|| value.zeros_like()).transpose()?,
                momentum: moves.then(|| value.zeros_like()).transpose()?,
            })
        };
        Ok(Box::new(Rmsprop { config: self.clone(), slots: Slots::new(grouping, averages)? }))
    }
}

impl Buffers for Averages {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        let mut named = vec![("square_avg", &self.square)];
        named.extend(self.mean.iter().map(|mean| ("grad_avg", mean)));
        named.extend(self.momentum.iter().map(|momentum| ("momentum_buffer", momentum)));
        named
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        let mut named = vec![("square_avg", &mut self.square)];
        named.extend(self.mean.iter_mut().map(|mean| ("grad_avg", mean)));
        named.extend(self.momentum.iter_mut().map(|momentum| ("momentum_buffer", momentum)));
        named
    }
}

struct Rmsprop {
    config: RmspropConfig,
    slots: Slots<Averages>,
}

impl Optimizer for Rmsprop {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let RmspropConfig { alpha, eps, momentum, .. } = self.config;
        self.slots.advance();
        let scalars = |_, pace: &Pace, penalty: f64| {
            let momentum = pace.momentum.unwrap_or(momentum);
            RmspropRun { penalty, rate: pace.rate, alpha, eps, momentum }
        };
        self.slots.update(parameters, paces, scalars, rmsprop)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.slots.load(state)
    }
}
