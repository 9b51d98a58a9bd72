//! Normalisation of every feature over the batch (`PyTorch`'s `BatchNorm1d`), of images of every channel over
//! the batch and all pixels (`BatchNorm2d`).
//!
//! Training normalises by the batch's mean and biased variance and moves the running ones towards its mean
//! and unbiased variance: running ← (1 − momentum) · running + momentum · batch. Evaluation normalises by
//! the running ones, and so does training where the weights are frozen: what a trained network expects stays.

use candle_core::{DType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::{Keeps, Memory};
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::batch_norm::{self, Statistics};
use crate::model::Parameter;
use crate::model::initializer::Initializer;
use crate::setting::Problems;
use crate::{Error, Result};

/// Normalisation over the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Added to the variance before its root is taken.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub eps: f64,
    /// The share of a new batch in the running statistics.
    #[schemars(range(min = 0, max = 1))]
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

impl BatchNormConfig {
    /// Features of flat samples, channels of images.
    pub fn channels(input: &[usize]) -> Result<usize> {
        match input {
            [channels] | [channels, _, _] if !input.contains(&0) => Ok(*channels),
            _ => Err(Error::Request(format!(
                "batch_norm needs samples of the shape [F] or images of the shape [C, H, W], but gets {input:?}"
            ))),
        }
    }

    /// Whether a batch of one such sample has nothing to normalise over.
    pub fn needs_two_samples(input: &[usize]) -> bool {
        input.iter().skip(1).product::<usize>() < 2
    }
}

impl LayerSettings for BatchNormConfig {
    /// Refuses what would divide by zero or leave the range of an average.
    fn check(&self, problems: &mut Problems) {
        let Self { eps, momentum } = self;
        problems.require(*eps > 0.0 && eps.is_finite(), "eps", eps, "a finite number above 0");
        problems.require((0.0..=1.0).contains(momentum), "momentum", momentum, "a number from 0 to 1");
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Self::channels(input).map(|_| input.to_vec())
    }

    /// A weight and a bias for each channel.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        Ok(2 * Self::channels(input)? as u64)
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Input))
    }

    fn build(&self, input: &[usize], _ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(BatchNorm::build(self, input, init)?))
    }
}

/// See the module.
#[derive(Debug)]
pub struct BatchNorm {
    config: BatchNormConfig,
    /// Whether samples are images.
    is_2d: bool,
    weight: Parameter,
    bias: Parameter,
    running_mean: Tensor,
    running_var: Tensor,
    num_batches_tracked: i64,
    kept: Option<Kept>,
}

/// What the last training pass leaves.
#[derive(Debug)]
enum Kept {
    /// Its input and the statistics of the batch.
    Batch(Tensor, Statistics),
    /// Nothing: the running statistics were used, and they stay.
    Frozen,
}

impl BatchNorm {
    /// Weight 1, bias 0, running mean 0, running variance 1.
    pub fn build(config: &BatchNormConfig, input: &[usize], init: &Initializer<'_>) -> Result<Self> {
        let width = BatchNormConfig::channels(input)?;
        Ok(Self {
            config: config.clone(),
            is_2d: input.len() > 1,
            weight: Parameter::new(init.ones(&[width])?),
            bias: Parameter::new(init.zeros(&[width])?),
            running_mean: init.zeros(&[width])?,
            running_var: init.ones(&[width])?,
            num_batches_tracked: 0,
            kept: None,
        })
    }

    /// y is then a linear function of x, and its slope that of the same function without its constants.
    fn backward_frozen(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        (self.weight.gradient, self.bias.gradient) = (None, None);
        if !need_input_gradient {
            return Ok(None);
        }
        let (zeros, eps) = (self.running_mean.zeros_like()?, self.config.eps);
        batch_norm::evaluate(gradient, &self.weight.value, &zeros, &zeros, &self.running_var, eps).map(Some)
    }

    fn track(&mut self, statistics: &Statistics) -> Result<()> {
        let momentum = self.config.momentum;
        let moved = |running: &Tensor, batch: &Tensor| -> Result<Tensor> {
            Ok(((running * (1.0 - momentum))? + (batch * momentum)?)?)
        };
        self.running_mean = moved(&self.running_mean, &statistics.mean)?;
        self.running_var = moved(&self.running_var, &statistics.unbiased_variance)?;
        self.num_batches_tracked += 1;
        Ok(())
    }
}

impl Layer for BatchNorm {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let (weight, bias, eps) = (&self.weight.value, &self.bias.value, self.config.eps);
        let is_frozen = !self.weight.trainable && !self.bias.trainable;
        if !pass.is_training() || is_frozen {
            self.kept = pass.is_training().then_some(Kept::Frozen);
            return batch_norm::evaluate(input, weight, bias, &self.running_mean, &self.running_var, eps);
        }
        if input.dim(1)? < 2 && BatchNormConfig::needs_two_samples(&input.dims()[2..]) {
            return Err(Error::Request(
                "batch norm needs more than one sample in a training batch, but one has a single sample: \
                 choose another `train.batch_size`, or set `train.drop_last = true`"
                    .to_owned(),
            ));
        }
        let (output, statistics) = batch_norm::forward(input, weight, bias, eps)?;
        self.track(&statistics)?;
        self.kept = Some(Kept::Batch(input.clone(), statistics));
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let (input, statistics) = match take_kept(&mut self.kept, "a batch norm")? {
            Kept::Batch(input, statistics) => (input, statistics),
            Kept::Frozen => return self.backward_frozen(gradient, need_input_gradient),
        };
        let gradients =
            batch_norm::backward(&input, &self.weight.value, &statistics, gradient, need_input_gradient)?;
        self.weight.gradient = self.weight.trainable.then_some(gradients.weight);
        self.bias.gradient = self.bias.trainable.then_some(gradients.bias);
        Ok(gradients.input)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        vec![("weight", &mut self.weight), ("bias", &mut self.bias)]
    }

    fn buffers(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let runs = self.running_mean.dim(0)?;
        let batches = vec![self.num_batches_tracked; runs];
        let batches = Tensor::from_vec(batches, runs, self.running_mean.device())?;
        Ok(vec![
            ("running_mean", self.running_mean.clone()),
            ("running_var", self.running_var.clone()),
            ("num_batches_tracked", batches),
        ])
    }

    fn set_buffer(&mut self, name: &str, value: Tensor) -> Result<()> {
        match name {
            "running_mean" => self.running_mean = value,
            "running_var" => self.running_var = value,
            "num_batches_tracked" => {
                // Runs of one model take their steps together, so any of them tells the count.
                let counts = value.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
                self.num_batches_tracked = counts.into_iter().max().unwrap_or(0);
            }
            _ => return Err(Error::Bug(format!("{} has no buffer {name}", self.describe()))),
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let sides = if self.is_2d { 2 } else { 1 };
        format!("BatchNorm{sides}d({})", self.weight.value.dims()[1])
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as PyTorch prints them")]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, normal, numbers, tensor};
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    const PASS: Pass<'_> = Pass::training(&[1], 0);

    fn config() -> LayerConfig {
        LayerConfig::BatchNorm(BatchNormConfig::default())
    }

    #[test]
    fn a_frozen_one_stays_in_evaluation_mode() {
        use crate::kernel::checks::{differences, dot};
        for shape in [&[3][..], &[3, 2, 2]] {
            let mut layer = build(&config(), shape, 1);
            for (name, value) in [("running_mean", 0.5), ("running_var", 4.0)] {
                let like = layer.buffers().unwrap().remove(0).1;
                layer.set_buffer(name, (like.zeros_like().unwrap() + value).unwrap()).unwrap();
            }
            for (_, one) in layer.parameters_mut() {
                one.trainable = false;
            }
            let before: Vec<Vec<f64>> =
                layer.buffers().unwrap().iter().map(|(_, buffer)| numbers(buffer)).collect();
            let dims = [&[1, 4], shape].concat();
            let (x, weights) = (normal(1, &dims, DType::F64), normal(2, &dims, DType::F64));
            let y = layer.forward(&x, &PASS).unwrap();
            let found = layer.backward(&weights, true).unwrap().unwrap();
            assert_eq!(numbers(&y), numbers(&layer.forward(&x, &Pass::EVALUATION).unwrap()));
            let slopes = differences(&x, |x| dot(&layer.forward(x, &Pass::EVALUATION).unwrap(), &weights));
            assert_close(&numbers(&found), &slopes, 1e-8);
            let after: Vec<Vec<f64>> =
                layer.buffers().unwrap().iter().map(|(_, buffer)| numbers(buffer)).collect();
            assert_eq!(before, after);
            assert!(layer.parameters().iter().all(|(_, one)| one.gradient.is_none()));
        }
    }

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for (shape, name) in [(&[3][..], "BatchNorm1d(3)"), (&[2, 3, 2], "BatchNorm2d(2)")] {
            assert_gradients(&config(), shape);
            assert_contract(&config(), shape);
            assert_eq!(build(&config(), shape, 1).describe(), name);
        }
        assert!(config().output_shape(&[3, 4]).is_err());
    }

    struct Step {
        y: [f64; 12],
        dx: [f64; 12],
        dw: [f64; 3],
        db: [f64; 3],
        running_mean: [f64; 3],
        running_var: [f64; 3],
    }

    /// ```python
    /// # PyTorch 2.15
    /// bn = torch.nn.BatchNorm1d(3).double()
    /// bn.weight.copy_(torch.tensor([1.5, -0.5, 2.])); bn.bias.copy_(torch.tensor([0.125, 0.25, -0.25]))
    /// for s in range(3):
    ///     x = (torch.arange(12, dtype=torch.float64).reshape(4, 3) * (0.7 + s)).sin().requires_grad_()
    ///     bn.zero_grad(); y = bn(x); (y * y * y).sum().backward()
    ///     print(y, x.grad, bn.weight.grad, bn.bias.grad, bn.running_mean, bn.running_var)
    /// bn.eval(); print(bn(x))
    /// ```
    #[test]
    fn three_steps_and_an_evaluation_agree_with_pytorch() {
        let mut layer = build(&config(), &[3], 1);
        layer.parameters_mut()[0].1.value = tensor(&[1.5, -0.5, 2.0], &[1, 3]);
        layer.parameters_mut()[1].1.value = tensor(&[0.125, 0.25, -0.25], &[1, 3]);
        let input = |step: usize| {
            let numbers: Vec<f64> = (0..12).map(|i| (f64::from(i) * (0.7 + step as f64)).sin()).collect();
            tensor(&numbers, &[1, 4, 3])
        };
        for (step, expected) in steps().iter().enumerate() {
            let y = layer.forward(&input(step), &PASS).unwrap();
            assert_close(&numbers(&y), &expected.y, 1e-11);
            let dy = (y.sqr().unwrap() * 3.0).unwrap();
            let dx = layer.backward(&dy, true).unwrap().unwrap();
            assert_close(&numbers(&dx), &expected.dx, 1e-11);
            let gradients: Vec<Vec<f64>> =
                layer.parameters().iter().map(|(_, one)| numbers(one.gradient.as_ref().unwrap())).collect();
            assert_close(&gradients[0], &expected.dw, 1e-11);
            assert_close(&gradients[1], &expected.db, 1e-11);
            let buffers = layer.buffers().unwrap();
            assert_close(&numbers(&buffers[0].1), &expected.running_mean, 1e-11);
            assert_close(&numbers(&buffers[1].1), &expected.running_var, 1e-11);
            assert_eq!(numbers(&buffers[2].1), [step as f64 + 1.0]);
        }
        let y = layer.forward(&input(2), &Pass::EVALUATION).unwrap();
        assert_close(&numbers(&y), &EVALUATED, 1e-11);
    }

    #[test]
    fn a_single_sample_cannot_be_trained_on_but_evaluated() {
        let mut layer = build(&config(), &[3], 1);
        let x = normal(1, &[1, 1, 3], DType::F64);
        let error = layer.forward(&x, &PASS).unwrap_err();
        assert!(matches!(&error, Error::Request(text) if text.contains("more than one sample")), "{error}");
        assert!(layer.forward(&x, &Pass::EVALUATION).is_ok());
        // An image has more than one pixel to normalise over.
        let mut layer = build(&config(), &[2, 3, 1], 1);
        assert!(layer.forward(&normal(1, &[1, 1, 2, 3, 1], DType::F64), &PASS).is_ok());
        assert!(BatchNormConfig::needs_two_samples(&[2, 1, 1]));
    }

    const EVALUATED: [f64; 12] = [
        0.179247577006,
        0.039041320343,
        -1.953030316405,
        1.748037774462,
        0.772757671511,
        1.375612204569,
        -0.584891785051,
        0.235431643333,
        0.483496260899,
        -1.017339271913,
        -0.236559482209,
        -2.410607015005,
    ];

    #[expect(clippy::too_many_lines, reason = "a table of numbers")]
    fn steps() -> [Step; 3] {
        [
            Step {
                y: [
                    0.119835723854,
                    -0.106647056994,
                    1.728563102254,
                    2.230687136969,
                    0.122740974524,
                    -1.855998765483,
                    -2.011474502748,
                    1.100025182456,
                    -2.608420063653,
                    0.160951641925,
                    -0.116119099985,
                    1.735855726882,
                ],
                dx: [
                    -16.50724612878,
                    -0.137591131011,
                    0.98910583819,
                    16.735044479666,
                    0.37369569649,
                    -12.792943498322,
                    16.256234339178,
                    -0.072366053165,
                    10.57588941504,
                    -16.484032690063,
                    -0.163738512313,
                    1.227948245091,
                ],
                dw: [3.668887307441, -6.106004299981, -14.524505237682],
                db: [27.186782429981, 3.749933967033, 48.749136446898],
                running_mean: [0.000211187368, 0.016343495587, 0.024789202458],
                running_var: [0.950167986831, 0.960574469235, 0.974111074877],
            },
            Step {
                y: [
                    0.993295301672,
                    -0.38796747576,
                    -2.448857923218,
                    -1.623186494749,
                    -0.075268803273,
                    1.625656351707,
                    -0.98464846485,
                    0.623752849382,
                    1.860204096197,
                    2.114539657927,
                    0.839483429651,
                    -2.037002524686,
                ],
                dx: [
                    -14.172802929804,
                    -0.251487997853,
                    9.139355223762,
                    9.833950320533,
                    0.294577949727,
                    -5.12161861246,
                    -6.732944984395,
                    0.18188021624,
                    5.778297789645,
                    11.071797593665,
                    -0.224970168114,
                    -9.796034400947,
                ],
                dw: [8.141256801595, -2.777846215236, -12.513483575908],
                db: [27.186541552005, 3.749952602295, 48.748206801113],
                running_mean: [-0.030533651289, 0.012365234965, 0.053638002203],
                running_var: [0.892710578163, 0.948907960956, 0.912389042113],
            },
            Step {
                y: [
                    0.264526503603,
                    0.02851498835,
                    -1.913222070472,
                    2.498440240411,
                    1.021674448862,
                    2.259119201198,
                    -0.823586757496,
                    0.294349199241,
                    1.14088191755,
                    -1.439379986518,
                    -0.344538636452,
                    -2.486779048276,
                ],
                dx: [
                    -16.343128479863,
                    0.313322281572,
                    -7.569705135067,
                    7.541281737401,
                    -0.341429916357,
                    14.871037534417,
                    -2.999816400177,
                    0.547120955165,
                    -18.258462370404,
                    11.801663142639,
                    -0.51901332038,
                    10.957129971054,
                ],
                dw: [21.881466486599, -4.431448625188, -7.956764439281],
                db: [27.186863396166, 3.74994032136, 48.749159522689],
                running_mean: [-0.033538055175, 0.022459768128, 0.033843785667],
                running_var: [0.859988270585, 0.921041487372, 0.897296011798],
            },
        ]
    }
}
