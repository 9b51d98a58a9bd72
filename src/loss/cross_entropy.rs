//! Cross entropy, as `torch.nn.functional.cross_entropy` with class indices.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Loss, LossValue};
use crate::Result;
use crate::kernel::softmax::{CrossEntropy, cross_entropy};
use crate::target::Targets;

/// −ln softmax(outputs)\[target\], in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropyConfig {}

impl Loss for CrossEntropyConfig {
    fn evaluate(&self, outputs: &Tensor, targets: &Targets, want_gradient: bool) -> Result<LossValue> {
        let CrossEntropy { sums, gradient } = cross_entropy(outputs, targets.classes()?, want_gradient)?;
        Ok(LossValue { sums, gradient })
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::Error;

    fn evaluate(rows: &[[f64; 3]], targets: &[u32], dtype: DType) -> (f64, Vec<f64>) {
        let outputs = Tensor::from_vec(rows.concat(), (1, rows.len(), 3), &Device::Cpu).unwrap();
        let found = {
            let targets = Targets::Classes(targets.to_vec());
            CrossEntropyConfig {}.evaluate(&outputs.to_dtype(dtype).unwrap(), &targets, true).unwrap()
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
            CrossEntropyConfig {}.evaluate(&outputs, &Targets::Classes(targets.to_vec()), true)
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
        let found = CrossEntropyConfig {}.evaluate(&outputs, &Targets::Classes(Vec::new()), true).unwrap();
        assert_eq!((found.sums, found.gradient.unwrap().dims()), (vec![0.0, 0.0], &[2, 0, 3][..]));
    }
}
