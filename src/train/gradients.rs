//! Gradients on their way from the backward passes to the optimizer: collected over batches, measured, limited.

use candle_core::Tensor;

use super::config::TrainConfig;
use crate::kernel::gradient::{collect, limited, scaled, square_sums};
use crate::loss::LossValue;
use crate::model::{Model, Parameter};
use crate::{Error, Result};

/// Added to the norm that a gradient is divided by, as in `torch.nn.utils.clip_grad_norm_`.
const NORM_EPS: f64 = 1e-6;

/// Where a batch stands among those of its step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Whether none came before.
    pub is_first: bool,
    /// Of the last batch: the weight of all of them, this one included.
    pub whole: Option<f64>,
}

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

    /// Leaves the gradient of a step's mean loss with `model` behind the last of the step's batches; `found` is what
    /// the loss found on the outputs of one of them, of a single run.
    ///
    /// The mean is that over all samples of the step, each with its weight, as if they were one batch. A step that
    /// weighs nothing has a gradient of 0.
    ///
    /// # Errors
    /// [`Error::Bug`] if the loss was not asked for its gradient.
    pub fn backward(&mut self, model: &mut Model, found: &LossValue, place: Place) -> Result<()> {
        let gradient = found.gradient.as_ref();
        let gradient = gradient.ok_or_else(|| Error::Bug("the loss gave no gradient".into()))?;
        let weight: f64 = found.weights.iter().sum();
        if place.is_first && place.whole.is_some() {
            return if weight > 0.0 {
                model.backward(gradient)
            } else {
                model.backward(&gradient.affine(0.0, 0.0)?)
            };
        }
        // The weight of the whole is known at the last batch only: until then the gradients are those of sums.
        let of_sum = if weight > 0.0 { gradient.affine(weight, 0.0)? } else { gradient.clone() };
        model.backward(&of_sum)?;
        let factor = place.whole.map(|whole| if whole > 0.0 { 1.0 / whole } else { 0.0 });
        self.collect(&model.weights(), place.is_first, factor)?;
        if place.whole.is_some() {
            self.hand_over(&mut model.weights_mut());
        }
        Ok(())
    }

    /// Adds the gradients that the last backward pass left to those of the batches before, unless it is the `first`;
    /// a `factor` then multiplies all of them.
    fn collect(&mut self, weights: &[&Parameter], first: bool, factor: Option<f64>) -> Result<()> {
        let trainable = || weights.iter().filter(|one| one.trainable);
        if self.sums.is_empty() {
            self.sums = trainable().map(|one| Ok(one.value.zeros_like()?)).collect::<Result<_>>()?;
        }
        for (sum, one) in self.sums.iter_mut().zip(trainable()) {
            collect(sum, gradient_of(one)?, first, factor)?;
        }
        Ok(())
    }

    /// Gives the parameters the sums of what was collected.
    fn hand_over(&self, weights: &mut [&mut Parameter]) {
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
    use candle_core::{DType, Device};
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::kernel::checks::{assert_close, normal, numbers, tensor};
    use crate::loss::LossConfig;
    use crate::model::{ModelConfig, Pass};
    use crate::optimizer::{OptimizerConfig, Pace};
    use crate::setting;
    use crate::target::Targets;

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
                let factor = (!first).then_some(0.5);
                gradients.collect(&own.iter().collect::<Vec<_>>(), first, factor).unwrap();
            }
            gradients.hand_over(&mut own.iter_mut().collect::<Vec<_>>());
            let all: Vec<f64> = own.iter().flat_map(|one| numbers(one.gradient.as_ref().unwrap())).collect();
            assert_eq!(all, [1.0, 2.0, 100.0, 3.5]);
        }
    }

    const SAMPLES: usize = 75;
    const STEP: usize = 32;

    fn read<T: DeserializeOwned>(text: &str) -> T {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    /// The weights in f64 behind two epochs of steps over [`STEP`] samples, in batches of `size`.
    fn trained(loss: &str, size: usize) -> Vec<f64> {
        let config: ModelConfig =
            read("kind = 'mlp'\nhidden = [6]\nactivation = 'tanh'\nregularizer = 'none'");
        let shape = [5].as_slice().into();
        let mut model = Model::build(&config, &shape, 4, 0, DType::F64, &Device::Cpu).unwrap();
        let optimizer: OptimizerConfig = read("kind = 'sgd'\nmomentum = 0.9");
        let mut optimizer = optimizer.build(&model.parameters(), false).unwrap();
        let loss = read::<LossConfig>(loss);
        let mut gradients = Gradients::new(&TrainConfig::default());
        let inputs = normal(1, &[1, SAMPLES, 5], DType::F64);
        // Whole batches of 8 are of the class 2; the last step has 11 samples, its last batch 3.
        let classes: Vec<u32> = (0..SAMPLES as u32)
            .map(|n| if (16..24).contains(&n) || n >= 72 { 2 } else { n * n % 7 % 4 })
            .collect();
        for _ in 0..2 {
            for start in (0..SAMPLES).step_by(STEP) {
                let end = SAMPLES.min(start + STEP);
                let mut whole = 0.0;
                for first in (start..end).step_by(size) {
                    let count = size.min(end - first);
                    let pass = Pass::training(&[0], 0);
                    let outputs = model.forward(&inputs.narrow(1, first, count).unwrap(), &pass).unwrap();
                    let targets = Targets::Classes(classes[first..][..count].to_vec());
                    let found = loss.as_loss().evaluate(&outputs, &targets, true).unwrap();
                    whole += found.weights[0];
                    let is_last = first + count == end;
                    let place = Place { is_first: first == start, whole: is_last.then_some(whole) };
                    gradients.backward(&mut model, &found, place).unwrap();
                }
                optimizer.step(&mut model.weights_mut(), &[Pace { rate: 0.1, momentum: None }]).unwrap();
            }
        }
        model.weights().into_iter().flat_map(|one| numbers(&one.value)).collect()
    }

    #[test]
    fn a_step_in_batches_is_that_of_one_large_batch() {
        let losses = [
            "",
            "class_weights = [0.5, 2.0, 0.0, 1.25]",
            "class_weights = [0.5, 2.0, 0.0, 1.25]\nlabel_smoothing = 0.3",
            "class_weights = [1e-3, 1.0, 1e3, 2.0]\nlabel_smoothing = 0.1",
            "kind = 'bce_with_logits'\npos_weight = [0.5, 2.0, 1.0, 3.0]",
        ];
        for loss in losses {
            let whole = trained(loss, STEP);
            assert!(whole.iter().all(|number| number.is_finite()));
            for size in [1, 8, 24] {
                assert_close(&trained(loss, size), &whole, 1e-12);
            }
        }
    }

    #[test]
    fn a_step_that_weighs_nothing_has_no_gradient() {
        let config: ModelConfig = read("kind = 'mlp'\nhidden = [6]\nregularizer = 'none'");
        let shape = [5].as_slice().into();
        let mut model = Model::build(&config, &shape, 3, 0, DType::F64, &Device::Cpu).unwrap();
        let loss = read::<LossConfig>("class_weights = [1, 0, 1]\nlabel_smoothing = 0.1");
        let inputs = normal(1, &[1, 4, 5], DType::F64);
        let targets = Targets::Classes(vec![1; 4]);
        let mut gradients = Gradients::new(&TrainConfig::default());
        for batches in [1, 2] {
            for index in 0..batches {
                let outputs = model.forward(&inputs, &Pass::training(&[0], 0)).unwrap();
                let found = loss.as_loss().evaluate(&outputs, &targets, true).unwrap();
                assert!(found.weights == [0.0] && found.sums[0] > 0.0);
                let place = Place { is_first: index == 0, whole: (index + 1 == batches).then_some(0.0) };
                gradients.backward(&mut model, &found, place).unwrap();
            }
            let left = model.weights().into_iter().flat_map(|one| numbers(one.gradient.as_ref().unwrap()));
            assert!(left.into_iter().all(|number| number == 0.0));
        }
    }
}
