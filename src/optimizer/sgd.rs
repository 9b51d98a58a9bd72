//! Stochastic gradient descent with momentum, as `torch.optim.SGD`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::slots::{Buffers, Slots};
use super::{Optimizer, Pace, Rule, check_decay, check_lr};
use crate::Result;
use crate::kernel::update::{Momentum, SgdRun, sgd};
use crate::model::Parameter;
use crate::setting::Problems;

/// θ ← θ − lr · b with b ← momentum · b + (1 − dampening) · (gradient + `weight_decay` · θ).
///
/// The first b is the whole gradient. Source: Sutskever et al., "On the importance of initialization and
/// momentum in deep learning", ICML 2013, in the form of `torch.optim.SGD`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// The part of the earlier steps that goes into a step; 0 keeps no buffer.
    #[schemars(range(min = 0))]
    pub momentum: f64,
    /// The part of a gradient that does not go into the momentum.
    pub dampening: f64,
    /// Whether a step goes along gradient + momentum · b instead of b.
    pub nesterov: bool,
    /// L2 penalty, on every parameter.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { lr: 1e-3, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl Rule for SgdConfig {
    fn lr(&self) -> f64 {
        self.lr
    }

    fn buffers(&self, cycles_momentum: bool) -> u64 {
        u64::from(self.momentum > 0.0 || cycles_momentum)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self, problems: &mut Problems) {
        let Self { lr, momentum, dampening, nesterov, weight_decay } = *self;
        check_lr(lr, problems);
        let holds = momentum >= 0.0 && momentum.is_finite();
        problems.require(holds, "momentum", momentum, "a number, 0 or more");
        problems.require(dampening.is_finite(), "dampening", dampening, "a number");
        check_decay(weight_decay, problems);
        if nesterov && (momentum <= 0.0 || dampening != 0.0) {
            let message = format!("`nesterov` with momentum {momentum} and dampening {dampening}");
            problems.refuse("nesterov", message, "needs `momentum` above 0 and `dampening` 0");
        }
    }

    fn build(&self, grouping: &Grouping<'_>, cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        let keeps = self.momentum != 0.0 || cycles_momentum;
        let buffer =
            |value: &Tensor| -> Result<Buffer> { Ok(Buffer(keeps.then(|| value.zeros_like()).transpose()?)) };
        Ok(Box::new(Sgd { config: self.clone(), slots: Slots::new(grouping, buffer)? }))
    }
}

/// The momentum of one parameter, if there is any.
struct Buffer(Option<Tensor>);

impl Buffers for Buffer {
    fn named(&self) -> Vec<(&'static str, &Tensor)> {
        self.0.iter().map(|tensor| ("momentum_buffer", tensor)).collect()
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        self.0.iter_mut().map(|tensor| ("momentum_buffer", tensor)).collect()
    }
}

struct Sgd {
    config: SgdConfig,
    slots: Slots<Buffer>,
}

impl Optimizer for Sgd {
    fn step(&mut self, parameters: &mut [&mut Parameter], paces: &[Pace]) -> Result<()> {
        let SgdConfig { momentum, dampening, nesterov, .. } = self.config;
        let first = self.slots.advance() == 1;
        let scalars = |_, pace: &Pace, decay: f64| {
            let momentum = pace.momentum.unwrap_or(momentum);
            SgdRun { rate: pace.rate, decay, momentum, dampening }
        };
        self.slots.update(parameters, paces, scalars, |value, gradient, Buffer(buffer), runs| {
            let momentum = buffer.as_mut().map(|buffer| Momentum { buffer, first, nesterov });
            sgd(value, gradient, momentum, runs)
        })
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
    /// trajectory(lambda p: torch.optim.SGD(p, lr=0.1))
    /// trajectory(lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2))
    /// ```
    #[test]
    fn plain() {
        check_optimizer(
            "kind = 'sgd'\nlr = 0.1",
            [
                [0.194436162543512, -0.04428623409524934, 0.12459343645923979, -0.40131101441264155],
                [0.19443614780902863, -0.044286251068115234, 0.1245933547616005, -0.4013110101222992],
            ],
        );
        check_optimizer(
            "kind = 'sgd'\nlr = 0.1\nweight_decay = 0.2",
            [
                [0.17442542347775797, -0.0575063717974058, 0.03703820144386072, -0.39283467914226267],
                [0.1744254231452942, -0.057506363838911057, 0.0370381660759449, -0.39283469319343567],
            ],
        );
    }

    /// ```python
    /// trajectory(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    /// trajectory(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.4, weight_decay=0.2))
    /// ```
    #[test]
    fn with_momentum() {
        check_optimizer(
            "kind = 'sgd'\nlr = 0.1\nmomentum = 0.9",
            [
                [0.41118654460142384, 1.9908941315308217, 0.6864028150736837, -1.967421514576597],
                [0.41118648648262024, 1.9908937215805054, 0.6864026188850403, -1.9674216508865356],
            ],
        );
        check_optimizer(
            "kind = 'sgd'\nlr = 0.1\nmomentum = 0.9\ndampening = 0.4\nweight_decay = 0.2",
            [
                [0.27736138689890105, 1.168726778169447, 0.6530411292187384, -0.33186377609909995],
                [0.27736136317253113, 1.1687268018722534, 0.6530411243438721, -0.3318639099597931],
            ],
        );
    }

    /// ```python
    /// trajectory(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.2))
    /// ```
    #[test]
    fn with_nesterov() {
        check_optimizer(
            "kind = 'sgd'\nlr = 0.1\nmomentum = 0.9\nnesterov = true\nweight_decay = 0.2",
            [
                [0.40869332595015134, -0.3440088086995646, -0.030139334858262565, -1.2571839285426505],
                [0.4086933135986328, -0.34400877356529236, -0.030139338225126266, -1.2571837902069092],
            ],
        );
    }
}
