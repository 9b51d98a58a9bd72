//! Cross entropy, as `torch.nn.functional.cross_entropy` with class indices.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, LossValue, check_weights, fits};
use crate::Result;
use crate::kernel::softmax::{Weighting, cross_entropy, probabilities, weighted_cross_entropy};
use crate::setting::Problems;
use crate::target::{Targets, TaskKind};

/// With p = softmax(outputs), ε = `label_smoothing`, w = `class_weights` (1 each without) and C classes, a sample of
/// class t counts (1 − ε) wₜ (−ln pₜ) + (ε / C) Σ w (−ln p), in nats; the mean is the sum divided by Σ wₜ.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropyConfig {
    /// The part of each target that is spread evenly over all classes.
    #[schemars(range(min = 0, max = 1))]
    pub label_smoothing: f64,
    /// How much a sample of each class counts, in the order of the classes. A step of the optimizer whose samples all
    /// count 0 has no mean loss: its gradient is 0, not NaN as in PyTorch. Default: all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 0)))]
    pub class_weights: Option<Vec<f64>>,
}

impl CrossEntropyConfig {
    /// With nothing set.
    pub(super) const PLAIN: Self = Self { label_smoothing: 0.0, class_weights: None };
}

impl Loss for CrossEntropyConfig {
    fn task(&self) -> TaskKind {
        TaskKind::Classification
    }

    fn check(&self, problems: &mut Problems) {
        let smoothing = self.label_smoothing;
        let holds = (0.0..=1.0).contains(&smoothing);
        problems.require(holds, "label_smoothing", smoothing, "a number from 0 to 1");
        check_weights("class_weights", self.class_weights.as_deref(), problems);
    }

    fn counts(&self, class: u32) -> bool {
        let weight = self.class_weights.as_ref().and_then(|weights| weights.get(class as usize));
        weight.is_none_or(|weight| *weight > 0.0)
    }

    /// One output a class.
    fn outputs(&self, classes: usize) -> Result<usize> {
        if let Some(weights) = &self.class_weights {
            fits("loss.class_weights", weights.len() == classes, weights.len(), classes)?;
        }
        Ok(classes)
    }

    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue> {
        let targets = targets.classes()?;
        if *self == Self::PLAIN {
            let each = outputs.dim(1)? as f64;
            return Ok(LossValue::new(cross_entropy(outputs, targets, want_gradient)?, each));
        }
        let classes = self.class_weights.as_deref();
        let weighting = Weighting { classes, smoothing: self.label_smoothing };
        let (found, weights) = weighted_cross_entropy(outputs, targets, weighting, want_gradient)?;
        Ok(LossValue { sums: found.sums, weights, gradient: found.gradient })
    }

    fn probabilities(&self, outputs: &Tensor) -> Result<Option<Tensor>> {
        probabilities(outputs).map(Some)
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use candle_core::{DType, Device};

    use super::super::check_reference;
    use super::*;
    use crate::Error;

    fn evaluate(rows: &[[f64; 3]], targets: &[u32], dtype: DType) -> (f64, Vec<f64>) {
        let outputs = Tensor::from_vec(rows.concat(), (1, rows.len(), 3), &Device::Cpu).unwrap();
        let found = {
            let targets = Targets::Classes(targets.to_vec());
            CrossEntropyConfig::PLAIN.evaluate(&outputs.to_dtype(dtype).unwrap(), &targets, true).unwrap()
        };
        let gradient = found.gradient.unwrap().flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        (found.sums[0], gradient.to_vec1().unwrap())
    }

    fn assert_close(found: &(f64, Vec<f64>), expected: (f64, [f64; 9]), tolerance: f64) {
        assert!((found.0 / expected.0 - 1.0).abs() < tolerance, "{} is not {}", found.0, expected.0);
        for (found, expected) in found.1.iter().zip(expected.1) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    /// ```python
    /// # PyTorch 2.15
    /// def loss(rows, targets, dtype=torch.float64):
    ///     x = torch.tensor(rows, dtype=dtype, requires_grad=True)
    ///     y = torch.tensor(targets)
    ///     F.cross_entropy(x, y).backward()
    ///     return F.cross_entropy(x, y, reduction="sum").item(), x.grad.flatten().tolist()
    ///
    /// loss([[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]], [2, 1, 0])
    /// loss([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [1e4, 1e4, -1e4]], [0, 1, 1])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        let (rows, targets) = ([[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]], [2, 1, 0]);
        let gradient = [
            0.05894006070248143,
            0.01024224677547881,
            -0.06918230747796024,
            0.308714366962046,
            -0.3163468747854062,
            0.0076325078233602135,
            -0.25726412083179195,
            0.12541692869669932,
            0.13184719213509272,
        ];
        let expected = (4.686847876428664, gradient);
        assert_close(&evaluate(&rows, &targets, DType::F64), expected, 1e-14);
        assert_close(&evaluate(&rows, &targets, DType::F32), expected, 1e-6);

        let (rows, targets) = ([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [1e4, 1e4, -1e4]], [0, 1, 1]);
        let (third, sixth) = (1.0 / 3.0, 1.0 / 6.0);
        let expected = (20000.69314718056, [0.0, 0.0, 0.0, third, -third, 0.0, sixth, -sixth, 0.0]);
        assert_close(&evaluate(&rows, &targets, DType::F64), expected, 1e-14);
        assert_close(&evaluate(&rows, &targets, DType::F32), expected, 1e-6);
    }

    /// ```python
    /// # PyTorch 2.15
    /// def loss(criterion, rows, targets):
    ///     x = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    ///     value = criterion(x, targets)
    ///     value.backward()
    ///     return value.item(), x.grad.flatten().tolist()
    ///
    /// rows, y = [[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]], torch.tensor([2, 1, 0])
    /// w = torch.tensor([0.5, 2.0, 1.25], dtype=torch.float64)
    /// loss(torch.nn.CrossEntropyLoss(weight=w), rows, y)
    /// loss(torch.nn.CrossEntropyLoss(label_smoothing=0.1), rows, y)
    /// loss(torch.nn.CrossEntropyLoss(weight=w, label_smoothing=0.3), rows, y)
    /// ```
    #[test]
    fn weights_and_smoothing_are_those_of_pytorch() {
        let weights = Some(vec![0.5, 2.0, 1.25]);
        let config = |label_smoothing, class_weights: &Option<Vec<f64>>| CrossEntropyConfig {
            label_smoothing,
            class_weights: class_weights.clone(),
        };
        let cases = [
            (
                config(0.0, &weights),
                1.862128054683457,
                [
                    0.05894006070248143,
                    0.01024224677547881,
                    -0.06918230747796024,
                    0.4939429871392737,
                    -0.5061549996566499,
                    0.012212012517376341,
                    -0.1029056483327168,
                    0.050166771478679734,
                    0.05273887685403709,
                ],
            ),
            (
                config(0.1, &None),
                1.580060403253999,
                [
                    0.047828949591370316,
                    -0.0008688643356323014,
                    -0.04696008525573804,
                    0.297603255850935,
                    -0.294124652563184,
                    -0.003478603287750897,
                    -0.23504189860956975,
                    0.11430581758558823,
                    0.12073608102398162,
                ],
            ),
            (
                config(0.3, &weights),
                1.9085077592546196,
                [
                    0.045606727369148094,
                    -0.04309108655785452,
                    -0.0025156408112935883,
                    0.425041067752772,
                    -0.40254589552861014,
                    -0.022495172224161832,
                    -0.06254652341577269,
                    0.01940848531075227,
                    0.04313803810502043,
                ],
            ),
        ];
        let rows = [0.5, -1.25, 2.0, 3.0, 0.1, -0.7, -0.3, 0.2, 0.25];
        for (config, mean, gradient) in cases {
            check_reference(&config, &rows, 3, &Targets::Classes(vec![2, 1, 0]), mean, &gradient);
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_mean() {
        let (rows, targets) = ([[0.5, -1.25, 2.0], [3.0, 0.1, -0.7], [-0.3, 0.2, 0.25]], [2, 1, 0]);
        let (_, gradient) = evaluate(&rows, &targets, DType::F64);
        let step = 1e-5;
        for (index, slope) in gradient.into_iter().enumerate() {
            let mean = |change: f64| {
                let mut moved = rows;
                moved[index / 3][index % 3] += change;
                evaluate(&moved, &targets, DType::F64).0 / 3.0
            };
            let measured = (mean(step) - mean(-step)) / (2.0 * step);
            assert!((measured - slope).abs() < 1e-9, "{slope} against {measured}");
        }
    }

    #[test]
    fn a_target_out_of_range_is_refused() {
        let outputs = Tensor::zeros((1, 2, 3), DType::F32, &Device::Cpu).unwrap();
        let evaluate = |targets: &[u32]| {
            CrossEntropyConfig::PLAIN.evaluate(&outputs, &Targets::Classes(targets.to_vec()), true)
        };
        let error = evaluate(&[2, 3]).unwrap_err();
        assert!(matches!(&error, Error::Request(text) if text.contains("target 3")), "{error}");
        assert!(matches!(evaluate(&[u32::MAX, 0]), Err(Error::Request(_))));
        assert!(matches!(evaluate(&[0]), Err(Error::Bug(_))));
        assert!(evaluate(&[2, 0]).is_ok());
    }

    #[test]
    fn an_empty_batch_has_no_loss() {
        let outputs = Tensor::zeros((2, 0, 3), DType::F32, &Device::Cpu).unwrap();
        let found =
            CrossEntropyConfig::PLAIN.evaluate(&outputs, &Targets::Classes(Vec::new()), true).unwrap();
        assert_eq!((found.sums, found.gradient.unwrap().dims()), (vec![0.0, 0.0], &[2, 0, 3][..]));
    }
}
