//! Gradients on their way from the backward passes to the optimizer: collected over batches, measured, limited.

use candle_core::Tensor;

use super::config::TrainConfig;
use crate::kernel::gradient::{collect, limited, scaled, square_sums};
use crate::model::Parameter;
use crate::{Error, Result};

/// Added to the norm that a gradient is divided by, as in `torch.nn.utils.clip_grad_norm_`.
const NORM_EPS: f64 = 1e-6;

/// See the module.
pub(super) struct Gradients {
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    /// Of the trainable parameters in their order; empty until more than one batch makes a step.
    sums: Vec<Tensor>,
}

impl Gradients {
    pub fn new(config: &TrainConfig) -> Self {
        Self { clip_norm: config.clip_grad_norm, clip_value: config.clip_grad_value, sums: Vec::new() }
    }

    /// Adds the gradients that the last backward pass left to those of the batches before, unless it is the `first`.
    pub fn collect(&mut self, weights: &[&Parameter], first: bool) -> Result<()> {
        let trainable = || weights.iter().filter(|one| one.trainable);
        if self.sums.is_empty() {
            self.sums = trainable().map(|one| Ok(one.value.zeros_like()?)).collect::<Result<_>>()?;
        }
        for (sum, one) in self.sums.iter_mut().zip(trainable()) {
            collect(sum, gradient_of(one)?, first)?;
        }
        Ok(())
    }

    /// Gives the parameters the sums of what was collected.
    pub fn hand_over(&self, weights: &mut [&mut Parameter]) {
        let trainable = weights.iter_mut().filter(|one| one.trainable);
        for (one, sum) in trainable.zip(&self.sums) {
            one.gradient = Some(sum.clone());
        }
    }

    /// Limits the gradients; gives their norm before that, for each run, if it is wanted.
    ///
    /// What is not finite is never made so: the parameters get it, and the training is found to have diverged.
    pub fn clip(&self, weights: &mut [&mut Parameter], want_norms: bool) -> Result<Option<Vec<f64>>> {
        let before = if want_norms { Some(norms(weights)?) } else { None };
        if let Some(limit) = self.clip_value {
            change(weights, |gradient| limited(gradient, limit))?;
        }
        if let Some(limit) = self.clip_norm {
            let norms = match &before {
                Some(norms) if self.clip_value.is_none() => norms.clone(),
                _ => norms(weights)?,
            };
            let factors: Vec<f64> = norms.iter().map(|norm| factor(limit, *norm)).collect();
            // A factor that is NaN is no reason to leave the gradients alone.
            if !factors.iter().all(|factor| *factor >= 1.0) {
                change(weights, |gradient| scaled(gradient, &factors))?;
            }
        }
        Ok(before)
    }
}

/// min(1, `limit` / (`norm` + 1e-6)), NaN for a norm that is.
fn factor(limit: f64, norm: f64) -> f64 {
    let factor = limit / (norm + NORM_EPS);
    if factor > 1.0 { 1.0 } else { factor }
}

/// The L2 norm of the gradients of all trainable parameters together, one a run.
fn norms(weights: &[&mut Parameter]) -> Result<Vec<f64>> {
    let mut sums: Vec<f64> = Vec::new();
    for one in weights.iter().filter(|one| one.trainable) {
        let of_one = square_sums(gradient_of(one)?)?;
        sums.resize(of_one.len(), 0.0);
        for (sum, of_one) in sums.iter_mut().zip(of_one) {
            *sum += of_one;
        }
    }
    Ok(sums.into_iter().map(f64::sqrt).collect())
}

fn change(weights: &mut [&mut Parameter], how: impl Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
    for one in weights.iter_mut().filter(|one| one.trainable) {
        one.gradient = Some(how(gradient_of(one)?)?);
    }
    Ok(())
}

fn gradient_of(parameter: &Parameter) -> Result<&Tensor> {
    parameter.gradient.as_ref().ok_or_else(|| Error::Bug("a trainable parameter has no gradient".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, numbers, tensor};

    fn parameters() -> Vec<Parameter> {
        let with = |gradient: &[f64], shape: &[usize]| {
            let mut one = Parameter::new(tensor(&vec![0.0; gradient.len()], shape));
            one.gradient = Some(tensor(gradient, shape));
            one
        };
        let mut frozen = with(&[100.0], &[1, 1]);
        frozen.trainable = false;
        vec![with(&[3.0, -4.0], &[1, 2]), frozen, with(&[12.0], &[1, 1])]
    }

    fn clipped(norm: Option<f64>, value: Option<f64>) -> (Vec<f64>, Option<Vec<f64>>) {
        let config = TrainConfig { clip_grad_norm: norm, clip_grad_value: value, ..TrainConfig::default() };
        let mut parameters = parameters();
        let mut weights: Vec<&mut Parameter> = parameters.iter_mut().collect();
        let norms = Gradients::new(&config).clip(&mut weights, true).unwrap();
        let all = parameters.iter().flat_map(|one| numbers(one.gradient.as_ref().unwrap())).collect();
        (all, norms)
    }

    /// ```python
    /// # PyTorch 2.15
    /// a, b = torch.zeros(2, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    /// a.grad, b.grad = torch.tensor([3.0, -4.0]).double(), torch.tensor([12.0]).double()
    /// torch.nn.utils.clip_grad_norm_([a, b], 2.0), a.grad, b.grad
    /// ```
    #[test]
    #[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
    fn gradients_are_limited_as_pytorch_does() {
        let (all, norms) = clipped(Some(2.0), None);
        assert_close(&all, &[0.4615384260355057, -0.6153845680473409, 100.0, 1.8461537041420227], 1e-12);
        assert_eq!(norms, Some(vec![13.0]));
        assert_close(&clipped(Some(13.1), None).0, &[3.0, -4.0, 100.0, 12.0], 0.0);
        // torch.nn.utils.clip_grad_value_([a, b], 3.5), and its norm is then √(9 + 12.25 + 12.25).
        assert_close(&clipped(None, Some(3.5)).0, &[3.0, -3.5, 100.0, 3.5], 0.0);
        let (both, norms) = clipped(Some(1.0), Some(3.5));
        let factor = 1.0 / (33.5f64.sqrt() + 1e-6);
        assert_close(&both, &[3.0 * factor, -3.5 * factor, 100.0, 3.5 * factor], 1e-12);
        assert_eq!(norms, Some(vec![13.0]));
    }

    #[test]
    fn what_is_not_finite_reaches_the_parameters() {
        for wrong in [f64::NAN, f64::INFINITY] {
            for (norm, value) in [(Some(1.0), None), (None, Some(1.0)), (Some(1.0), Some(1.0))] {
                let config =
                    TrainConfig { clip_grad_norm: norm, clip_grad_value: value, ..TrainConfig::default() };
                let mut parameters = parameters();
                parameters[0].gradient = Some(tensor(&[wrong, 1.0], &[1, 2]));
                let mut weights: Vec<&mut Parameter> = parameters.iter_mut().collect();
                let norms = Gradients::new(&config).clip(&mut weights, true).unwrap().unwrap();
                assert!(!norms[0].is_finite());
                let left = numbers(parameters[0].gradient.as_ref().unwrap());
                assert!(!left[0].is_finite(), "{wrong} became {left:?}");
            }
        }
    }

    #[test]
    fn what_was_collected_is_handed_over_and_begins_anew() {
        let mut gradients = Gradients::new(&TrainConfig::default());
        let mut own = parameters();
        for _ in 0..2 {
            for first in [true, false] {
                own[0].gradient = Some(tensor(&[1.0, 2.0], &[1, 2]));
                own[2].gradient = Some(tensor(&[if first { 3.0 } else { 4.0 }], &[1, 1]));
                gradients.collect(&own.iter().collect::<Vec<_>>(), first).unwrap();
            }
            gradients.hand_over(&mut own.iter_mut().collect::<Vec<_>>());
            let all: Vec<f64> = own.iter().flat_map(|one| numbers(one.gradient.as_ref().unwrap())).collect();
            assert_eq!(all, [2.0, 4.0, 100.0, 7.0]);
        }
    }
}
