//! Binary cross entropy, as `torch.nn.BCEWithLogitsLoss` with targets of 0 and 1.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, LossValue, check_weights, fits};
use crate::kernel::binary::{cross_entropy, probabilities};
use crate::setting::Problems;
use crate::target::{Targets, TaskKind};
use crate::{Error, Result};

/// Of two classes one output z tells: it counts −ln σ(z) for a sample of the second and −ln (1 − σ(z)) for one of
/// the first. With more classes each has an output, and is the second against all others. The mean is over
/// samples and outputs, in nats.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BceWithLogitsConfig {
    /// How much −ln σ(z) counts where the class is there: a list of one number, or of one for each output.
    /// Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 0)))]
    pub pos_weight: Option<Vec<f64>>,
}

impl Loss for BceWithLogitsConfig {
    fn task(&self) -> TaskKind {
        TaskKind::Classification
    }

    fn check(&self, problems: &mut Problems) {
        check_weights("pos_weight", self.pos_weight.as_deref(), problems);
    }

    /// One with two classes, else one a class.
    fn outputs(&self, classes: usize) -> Result<usize> {
        let outputs = if classes == 2 { 1 } else { classes };
        if let Some(weights) = &self.pos_weight {
            let found =
                fits("loss.pos_weight", [1, outputs].contains(&weights.len()), weights.len(), classes);
            let one = |error| Error::Request(format!("{error}, told apart by one output"));
            found.map_err(|error| if outputs == 1 { one(error) } else { error })?;
        }
        Ok(outputs)
    }

    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue> {
        let positive = self.pos_weight.as_deref().unwrap_or(&[1.0]);
        let found = cross_entropy(outputs, targets.classes()?, positive, want_gradient)?;
        Ok(LossValue::new(found, (outputs.dim(1)? * outputs.dim(2)?) as f64))
    }

    fn probabilities(&self, outputs: &Tensor) -> Result<Option<Tensor>> {
        probabilities(outputs).map(Some)
    }

    fn scores(&self, outputs: &Tensor) -> Result<Tensor> {
        // A single logit is compared with nothing: its sign tells.
        if outputs.dim(2)? == 1 { probabilities(outputs) } else { Ok(outputs.clone()) }
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::check_reference;
    use super::*;

    fn config(pos_weight: &[f64]) -> BceWithLogitsConfig {
        BceWithLogitsConfig { pos_weight: (!pos_weight.is_empty()).then(|| pos_weight.to_vec()) }
    }

    /// ```python
    /// # PyTorch 2.15
    /// def loss(rows, targets, pos_weight=None):
    ///     x = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    ///     weight = None if pos_weight is None else torch.tensor(pos_weight, dtype=torch.float64)
    ///     value = F.binary_cross_entropy_with_logits(x, targets, pos_weight=weight)
    ///     value.backward()
    ///     return value.item(), x.grad.flatten().tolist()
    ///
    /// z = [[0.5], [-1.25], [200.0], [-200.0], [200.0], [-200.0]]
    /// t = torch.tensor([[1.0], [0.0], [1.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
    /// loss(z, t)
    /// loss(z, t, [2.5])
    /// ```
    #[test]
    fn a_single_logit_is_that_of_pytorch() {
        let z = [0.5, -1.25, 200.0, -200.0, 200.0, -200.0];
        let targets = Targets::Classes(vec![1, 0, 1, 0, 0, 1]);
        let sixth = 0.16666666666666666;
        let gradient = [-0.0629234447996909, 0.03711668980421814, 0.0, 2.306494211227896e-88, sixth, -sixth];
        check_reference(&config(&[]), &z, 1, &targets, 66.78766767758758, &gradient);
        let gradient = [
            -0.15730861199922727,
            0.03711668980421814,
            0.0,
            2.306494211227896e-88,
            sixth,
            -0.4166666666666667,
        ];
        check_reference(&config(&[2.5]), &z, 1, &targets, 116.9061869236326, &gradient);
    }

    /// ```python
    /// # PyTorch 2.15, with `loss` from above
    /// rows = [[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]]
    /// hot = F.one_hot(torch.tensor([2, 1, 0]), 3).double()
    /// loss(rows, hot)
    /// loss(rows, hot, [0.5, 2.0, 1.25])
    /// ```
    #[test]
    fn one_logit_a_class_is_that_of_pytorch() {
        let rows = [0.5, -1.25, 2.0, 3.0, 0.1, -0.7, -0.3, 0.2, 0.25];
        let targets = Targets::Classes(vec![2, 1, 0]);
        let gradient = [
            0.06916214791131718,
            0.02474445986947876,
            -0.013244769113568632,
            0.10584156964693704,
            -0.05278009028011778,
            0.03686802531464821,
            -0.06382694631240654,
            0.061092666368053106,
            0.062464055653977564,
        ];
        check_reference(&config(&[]), &rows, 3, &targets, 0.8808375189811317, &gradient);
        let gradient = [
            0.06916214791131718,
            0.02474445986947876,
            -0.01655596139196078,
            0.10584156964693704,
            -0.10556018056023556,
            0.03686802531464821,
            -0.03191347315620327,
            0.061092666368053106,
            0.062464055653977564,
        ];
        check_reference(&config(&[0.5, 2.0, 1.25]), &rows, 3, &targets, 0.9084987457144708, &gradient);
    }
}
