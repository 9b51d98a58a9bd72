//! The Huber loss, as `torch.nn.HuberLoss`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, LossValue};
use crate::Result;
use crate::kernel::distance::{Distance, distance};
use crate::setting::Problems;
use crate::target::{Targets, TaskKind};

/// With d = output − target: d² / 2 up to |d| = `delta`, and `delta` (|d| − `delta` / 2) beyond.
///
/// Source: P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35, 1964.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HuberConfig {
    /// The error at which the parabola goes over into a line.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub delta: f64,
}

impl Default for HuberConfig {
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Loss for HuberConfig {
    fn task(&self) -> TaskKind {
        TaskKind::Regression
    }

    fn check(&self, problems: &mut Problems) {
        let delta = self.delta;
        problems.require(delta > 0.0 && delta.is_finite(), "delta", delta, "a number above 0");
    }

    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue> {
        let kind = Distance::Huber { delta: self.delta };
        let found = distance(outputs, targets.values()?, kind, want_gradient)?;
        Ok(LossValue::new(found, outputs.dim(1)? as f64))
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::check_reference;
    use super::*;

    /// ```python
    /// # PyTorch 2.15
    /// def loss(criterion):
    ///     x = torch.tensor([[0.5], [-1.25], [3.0], [0.25], [7.5], [-1.0]], dtype=torch.float64, requires_grad=True)
    ///     value = criterion(x, torch.tensor([[1.0], [-1.0], [0.5], [0.25], [-2.0], [0.0]], dtype=torch.float64))
    ///     value.backward()
    ///     return value.item(), x.grad.flatten().tolist()
    ///
    /// loss(torch.nn.HuberLoss())
    /// loss(torch.nn.HuberLoss(delta=0.3))
    /// ```
    #[test]
    fn value_and_gradient_are_those_of_pytorch() {
        let x = [0.5, -1.25, 3.0, 0.25, 7.5, -1.0];
        let targets = Targets::Values(vec![1.0, -1.0, 0.5, 0.25, -2.0, 0.0]);
        let sixth = 0.16666666666666666;
        let gradient = [-0.08333333333333333, -0.041666666666666664, sixth, 0.0, sixth, -sixth];
        check_reference(&HuberConfig::default(), &x, 1, &targets, 1.9427083333333333, &gradient);
        let gradient = [-0.05, -0.041666666666666664, 0.05, 0.0, 0.05, -0.05];
        check_reference(&HuberConfig { delta: 0.3 }, &x, 1, &targets, 0.6502083333333333, &gradient);
    }
}
