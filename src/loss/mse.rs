//! The squared error, as `torch.nn.MSELoss`.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, LossValue};
use crate::Result;
use crate::kernel::distance::{Distance, distance};
use crate::target::{Targets, TaskKind};

/// (output − target)².
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MseConfig {}

impl Loss for MseConfig {
    fn task(&self) -> TaskKind {
        TaskKind::Regression
    }

    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue> {
        let found = distance(outputs, targets.values()?, Distance::Squared, want_gradient)?;
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
    /// loss(torch.nn.MSELoss())
    /// ```
    #[test]
    fn value_and_gradient_are_those_of_pytorch() {
        let x = [0.5, -1.25, 3.0, 0.25, 7.5, -1.0];
        let targets = Targets::Values(vec![1.0, -1.0, 0.5, 0.25, -2.0, 0.0]);
        let gradient = [
            -0.16666666666666666,
            -0.08333333333333333,
            0.8333333333333333,
            0.0,
            3.1666666666666665,
            -0.3333333333333333,
        ];
        check_reference(&MseConfig {}, &x, 1, &targets, 16.302083333333332, &gradient);
    }
}
