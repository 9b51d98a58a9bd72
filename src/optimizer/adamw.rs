//! Adam with decoupled weight decay, as `torch.optim.AdamW`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adam::{AdamConfig, Decay};
use super::grouping::Grouping;
use super::{Optimizer, Result, Rule};
use crate::setting::Problems;

/// As [`AdamConfig`], but θ ← θ − lr · `weight_decay` · θ before the step, and g is the gradient alone.
///
/// Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// How much of the mean and of the mean square a step keeps.
    #[schemars(extend("items" = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}), with = "[f64; 2]")]
    pub betas: (f64, f64),
    /// Added to the denominator.
    #[schemars(range(min = 0))]
    pub eps: f64,
    /// The part of every parameter that a step at a learning rate of 1 takes away.
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
    /// Whether the largest v so far stands in the place of v.
    pub amsgrad: bool,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        let AdamConfig { lr, betas, eps, amsgrad, .. } = AdamConfig::default();
        Self { lr, betas, eps, weight_decay: 0.01, amsgrad }
    }
}

impl Rule for AdamWConfig {
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
        self.adam().check(problems);
    }

    fn build(&self, grouping: &Grouping<'_>, _cycles_momentum: bool) -> Result<Box<dyn Optimizer>> {
        self.adam().build_with(Decay::Decoupled, grouping)
    }
}

impl AdamWConfig {
    fn adam(&self) -> AdamConfig {
        let Self { lr, betas, eps, weight_decay, amsgrad } = *self;
        AdamConfig { lr, betas, eps, weight_decay, amsgrad }
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::trajectory::check_optimizer;

    /// ```python
    /// trajectory(lambda p: torch.optim.AdamW(p, lr=0.1))
    /// trajectory(lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.9), weight_decay=0.3, amsgrad=True))
    /// ```
    #[test]
    fn plain_and_with_amsgrad() {
        check_optimizer(
            "kind = 'adamw'\nlr = 0.1",
            [
                [-0.10570566650201997, 0.03895419541953944, 0.38169791280758014, -0.019691987517423112],
                [-0.10570566356182098, 0.038954101502895355, 0.3816981315612793, -0.01969197951257229],
            ],
        );
        check_optimizer(
            "kind = 'adamw'\nlr = 0.1\nbetas = [0.8, 0.9]\nweight_decay = 0.3\namsgrad = true",
            [
                [0.009066058509176064, 0.05800369736204178, 0.17177080576114917, -0.04654497761773784],
                [0.00906604528427124, 0.05800369381904602, 0.17177093029022217, -0.04654495790600777],
            ],
        );
    }
}
