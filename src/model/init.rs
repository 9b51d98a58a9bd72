//! Initial weights, as `torch.nn.init` defines them.
//!
//! A draw depends on the seed, on the layer's ordinal among its type and on the tensor's role, not on the
//! layers around it: a dropout layer more redraws nothing. Draws are made in `f64` on the CPU and rounded,
//! so that every device and number type starts from the same weights.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Deserializer, Serialize};

use super::config::NoKeys;
use crate::kernel::{Element, simd};
use crate::rng::{Purpose, Stream};
use crate::setting::{Kind, Problems, keys_of, read_kind};
use crate::{Error, Result};

/// Normal with given moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalConfig {
    /// μ.
    pub mean: f64,
    /// σ.
    pub std: f64,
}

impl Default for NormalConfig {
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0 }
    }
}

/// Glorot and Bengio, 2010.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XavierConfig {
    /// A factor on the standard deviation.
    pub gain: f64,
}

impl Default for XavierConfig {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

/// He et al., 2015.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct KaimingConfig {
    /// The slope below 0 of the `leaky_relu` that follows.
    pub a: f64,
    /// Which fan the variance is divided by.
    pub mode: FanMode,
    /// What follows, which decides the gain.
    pub nonlinearity: Nonlinearity,
}

/// The count that keeps a variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum FanMode {
    /// Inputs of an output: keeps the activations' variance.
    #[default]
    FanIn,
    /// Outputs of an input: keeps the gradients' variance.
    FanOut,
}

/// What `torch.nn.init.calculate_gain` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// 1.
    Linear,
    /// 1.
    Sigmoid,
    /// 5/3.
    Tanh,
    /// √2.
    Relu,
    /// √(2 / (1 + a²)).
    #[default]
    LeakyRelu,
    /// 3/4.
    Selu,
}

impl Nonlinearity {
    fn gain(self, a: f64) -> f64 {
        match self {
            Self::Linear | Self::Sigmoid => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => std::f64::consts::SQRT_2,
            Self::LeakyRelu => (2.0 / (1.0 + a * a)).sqrt(),
            Self::Selu => 0.75,
        }
    }
}

/// How weights begin. All but `default` set biases to zero.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InitConfig {
    /// What PyTorch's constructors do: uniform within ±1/√fan_in, biases too.
    #[default]
    Default,
    /// N(mean, std²).
    Normal(NormalConfig),
    /// Uniform within ±gain √(6 / (fan_in + fan_out)).
    XavierUniform(XavierConfig),
    /// Standard deviation gain √(2 / (fan_in + fan_out)).
    XavierNormal(XavierConfig),
    /// Uniform within ±√3 gain / √fan.
    KaimingUniform(KaimingConfig),
    /// Standard deviation gain / √fan.
    KaimingNormal(KaimingConfig),
    /// All zero: nothing tells the units of a layer apart, so only for comparisons.
    Zeros,
}

impl Kind for InitConfig {
    const KINDS: &'static [&'static str] = &[
        "default",
        "normal",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
        "zeros",
    ];

    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "normal" => NormalConfig::deserialize(rest).map(Self::Normal),
            "xavier_uniform" => XavierConfig::deserialize(rest).map(Self::XavierUniform),
            "xavier_normal" => XavierConfig::deserialize(rest).map(Self::XavierNormal),
            "kaiming_uniform" => KaimingConfig::deserialize(rest).map(Self::KaimingUniform),
            "kaiming_normal" => KaimingConfig::deserialize(rest).map(Self::KaimingNormal),
            "zeros" => NoKeys::deserialize(rest).map(|_| Self::Zeros),
            _ => NoKeys::deserialize(rest).map(|_| Self::Default),
        }
    }

    fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "normal" => keys_of::<NormalConfig>(),
            "xavier_uniform" | "xavier_normal" => keys_of::<XavierConfig>(),
            "kaiming_uniform" | "kaiming_normal" => keys_of::<KaimingConfig>(),
            _ => &[],
        }
    }
}

impl<'de> Deserialize<'de> for InitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_kind(deserializer)
    }
}

impl InitConfig {
    /// Refuses what gives no finite weights.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Normal(NormalConfig { mean, std }) => {
                problems.require(mean.is_finite(), "mean", mean, "a finite number");
                problems.require(*std >= 0.0 && std.is_finite(), "std", std, "a finite number, 0 or more");
            }
            Self::XavierUniform(XavierConfig { gain }) | Self::XavierNormal(XavierConfig { gain }) => {
                problems.require(
                    *gain >= 0.0 && gain.is_finite(),
                    "gain",
                    gain,
                    "a finite number, 0 or more",
                );
            }
            Self::KaimingUniform(config) | Self::KaimingNormal(config) => {
                problems.require(config.a.is_finite(), "a", config.a, "a finite number");
            }
            Self::Default | Self::Zeros => {}
        }
    }

    fn weight(&self, [fan_in, fan_out]: [usize; 2]) -> Distribution {
        let sum = (fan_in + fan_out) as f64;
        let kaiming = |config: &KaimingConfig| {
            let fan = match config.mode {
                FanMode::FanIn => fan_in,
                FanMode::FanOut => fan_out,
            };
            config.nonlinearity.gain(config.a) / (fan as f64).sqrt()
        };
        match self {
            Self::Default => Distribution::Uniform { bound: 1.0 / (fan_in as f64).sqrt() },
            Self::Normal(config) => Distribution::Normal { mean: config.mean, std: config.std },
            Self::XavierUniform(config) => Distribution::Uniform { bound: config.gain * (6.0 / sum).sqrt() },
            Self::XavierNormal(config) => {
                Distribution::Normal { mean: 0.0, std: config.gain * (2.0 / sum).sqrt() }
            }
            Self::KaimingUniform(config) => Distribution::Uniform { bound: 3f64.sqrt() * kaiming(config) },
            Self::KaimingNormal(config) => Distribution::Normal { mean: 0.0, std: kaiming(config) },
            Self::Zeros => Distribution::Zeros,
        }
    }

    fn bias(&self, fan_in: usize) -> Distribution {
        match self {
            Self::Default => Distribution::Uniform { bound: 1.0 / (fan_in as f64).sqrt() },
            _ => Distribution::Zeros,
        }
    }
}

/// Whose initial values are drawn. The codes are part of the program's numerics version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Role {
    /// A linear layer's w.
    LinearWeight = 0x0101,
    /// A linear layer's b.
    LinearBias = 0x0102,
}

/// Draws the initial values of a model's parameters, a set for each run.
#[derive(Debug, Clone, Copy)]
pub struct Initializer<'a> {
    config: &'a InitConfig,
    seeds: &'a [u64],
    dtype: DType,
    device: &'a Device,
}

impl<'a> Initializer<'a> {
    /// For one run a seed, in `f32` or `f64`.
    pub fn new(config: &'a InitConfig, seeds: &'a [u64], dtype: DType, device: &'a Device) -> Self {
        Self { config, seeds, dtype, device }
    }

    /// R.
    pub fn runs(&self) -> usize {
        self.seeds.len()
    }

    /// `[R, shape…]` for a weight with `fans` = [fan_in, fan_out].
    pub fn weight(&self, ordinal: u32, role: Role, shape: &[usize], fans: [usize; 2]) -> Result<Tensor> {
        self.draw(self.config.weight(fans), ordinal, role, shape)
    }

    /// `[R, shape…]` for the bias of a weight with `fan_in`.
    pub fn bias(&self, ordinal: u32, role: Role, shape: &[usize], fan_in: usize) -> Result<Tensor> {
        self.draw(self.config.bias(fan_in), ordinal, role, shape)
    }

    /// `[R, shape…]`, all 0.
    pub fn zeros(&self, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::zeros(self.with_runs(shape), self.dtype, self.device)?)
    }

    /// `[R, shape…]`, all 1.
    pub fn ones(&self, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::ones(self.with_runs(shape), self.dtype, self.device)?)
    }

    fn with_runs(&self, shape: &[usize]) -> Vec<usize> {
        std::iter::once(self.seeds.len()).chain(shape.iter().copied()).collect()
    }

    fn draw(&self, from: Distribution, ordinal: u32, role: Role, shape: &[usize]) -> Result<Tensor> {
        match self.dtype {
            DType::F32 => self.drawn::<f32>(from, ordinal, role, shape),
            DType::F64 => self.drawn::<f64>(from, ordinal, role, shape),
            other => Err(Error::Bug(format!("weights of type {other:?} were asked for"))),
        }
    }

    fn drawn<T: Element>(
        &self,
        from: Distribution,
        ordinal: u32,
        role: Role,
        shape: &[usize],
    ) -> Result<Tensor> {
        let count: usize = shape.iter().product();
        let mut numbers: Vec<T> = Vec::new();
        // A failed allocation elsewhere would abort the process; here the first large one is made.
        numbers.try_reserve_exact(count.saturating_mul(self.seeds.len())).map_err(|_| {
            Error::Environment(format!("not enough memory for a parameter of shape {shape:?}"))
        })?;
        for seed in self.seeds {
            from.append(Stream::new(*seed, Purpose::Init, ordinal, role as u32), count, &mut numbers);
        }
        Ok(Tensor::from_vec(numbers, self.with_runs(shape), self.device)?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Distribution {
    /// In [−bound, bound).
    Uniform {
        bound: f64,
    },
    Normal {
        mean: f64,
        std: f64,
    },
    Zeros,
}

impl Distribution {
    fn append<T: Element>(self, stream: Stream, count: usize, out: &mut Vec<T>) {
        match self {
            Self::Uniform { bound } => simd(|| append_uniform(stream, bound, count, out)),
            Self::Normal { mean, std } => {
                let mut draws = stream.iter();
                out.extend((0..count).map(|_| T::of(mean + std * draws.normal())));
            }
            Self::Zeros => out.resize(out.len() + count, T::ZERO),
        }
    }
}

/// The numbers of [`Draws::uniform`](crate::rng::Draws::uniform), scaled, a block at a time.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn append_uniform<T: Element>(stream: Stream, bound: f64, count: usize, out: &mut Vec<T>) {
    const BLOCK: usize = 1024;
    let mut draws = [0u32; BLOCK];
    for first in (0..2 * count).step_by(BLOCK) {
        let draws = &mut draws[..BLOCK.min(2 * count - first)];
        stream.fill(first, draws);
        out.extend(draws.chunks_exact(2).map(|pair| {
            let bits = ((u64::from(pair[0]) << 32) | u64::from(pair[1])) >> 11;
            let uniform = bits as f64 * (1.0 / (1u64 << 53) as f64);
            T::of(bound * (2.0 * uniform - 1.0))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::numbers;

    const SHAPE: [usize; 2] = [400, 300];

    fn weight(config: &InitConfig, ordinal: u32, seeds: &[u64]) -> Vec<f64> {
        let init = Initializer::new(config, seeds, DType::F64, &Device::Cpu);
        numbers(&init.weight(ordinal, Role::LinearWeight, &SHAPE, [300, 400]).unwrap())
    }

    /// Standard deviation and largest absolute value.
    fn spread(numbers: &[f64]) -> (f64, f64) {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 5.0 * (variance / count).sqrt(), "mean {mean}");
        (variance.sqrt(), numbers.iter().fold(0.0, |most, x| most.max(x.abs())))
    }

    /// Bounds of the uniform kinds and deviations of all, from PyTorch 2.15's documentation of `torch.nn.init`:
    /// ```python
    /// w = torch.empty(400, 300, dtype=torch.float64); i = torch.nn.init
    /// for f in (i.xavier_uniform_, i.xavier_normal_, i.kaiming_uniform_, i.kaiming_normal_,
    ///           lambda w: i.kaiming_uniform_(w, mode="fan_out", nonlinearity="tanh")):
    ///     f(w); print(w.std(), w.abs().max())
    /// # 0.0535 0.0926 | 0.0534 0.258 | 0.0815 0.1414 | 0.0816 0.391 | 0.0834 0.1443
    /// ```
    #[test]
    fn spreads_are_those_of_pytorch() {
        let fan_out = KaimingConfig { a: 0.0, mode: FanMode::FanOut, nonlinearity: Nonlinearity::Tanh };
        for (config, std, bound) in [
            (InitConfig::XavierUniform(XavierConfig::default()), 0.0535, Some(0.0926)),
            (InitConfig::XavierNormal(XavierConfig::default()), 0.0534, None),
            (InitConfig::KaimingUniform(KaimingConfig::default()), 0.0815, Some(0.1414)),
            (InitConfig::KaimingNormal(KaimingConfig::default()), 0.0816, None),
            (InitConfig::KaimingUniform(fan_out), 0.0834, Some(0.1443)),
            (InitConfig::Default, 1.0 / 30.0, Some(1.0 / 300f64.sqrt())),
            (InitConfig::Normal(NormalConfig { mean: 0.0, std: 0.5 }), 0.5, None),
        ] {
            let (found_std, found_bound) = spread(&weight(&config, 0, &[1]));
            assert!((found_std / std - 1.0).abs() < 0.01, "{config:?} {found_std}");
            match bound {
                Some(bound) => assert!((found_bound / bound - 1.0).abs() < 0.001, "{config:?} {found_bound}"),
                None => assert!(found_bound > 3.5 * std, "{config:?} {found_bound}"),
            }
        }
        assert!(weight(&InitConfig::Zeros, 0, &[1]).iter().all(|x| *x == 0.0));
    }

    /// `torch.nn.init.calculate_gain` of PyTorch 2.15.
    #[test]
    fn gains_are_those_of_pytorch() {
        for (nonlinearity, a, gain) in [
            (Nonlinearity::LeakyRelu, 0.0, 1.414_213_562_373_095_1),
            (Nonlinearity::LeakyRelu, 0.2, 1.386_750_490_563_072_8),
            (Nonlinearity::Tanh, 0.0, 1.666_666_666_666_666_7),
            (Nonlinearity::Relu, 0.0, 1.414_213_562_373_095_1),
            (Nonlinearity::Selu, 0.0, 0.75),
            (Nonlinearity::Linear, 0.0, 1.0),
            (Nonlinearity::Sigmoid, 0.0, 1.0),
        ] {
            assert!((nonlinearity.gain(a) - gain).abs() < 1e-15);
        }
    }

    #[test]
    fn a_draw_is_the_one_that_the_stream_documents() {
        let found = weight(&InitConfig::Default, 2, &[9]);
        let mut draws = Stream::new(9, Purpose::Init, 2, Role::LinearWeight as u32).iter();
        let bound = 1.0 / 300f64.sqrt();
        for found in found {
            assert_eq!(found, bound * (2.0 * draws.uniform() - 1.0));
        }
    }

    #[test]
    fn runs_ordinals_and_roles_draw_apart_and_a_run_draws_as_if_alone() {
        let config = InitConfig::Normal(NormalConfig::default());
        let both = weight(&config, 0, &[1, 2]);
        assert_eq!(both[..120_000], weight(&config, 0, &[1]));
        assert_eq!(both[120_000..], weight(&config, 0, &[2]));
        assert_ne!(weight(&config, 0, &[1])[..4], weight(&config, 1, &[1])[..4]);
        let init = Initializer::new(&InitConfig::Default, &[1], DType::F64, &Device::Cpu);
        let bias = numbers(&init.bias(0, Role::LinearBias, &[4], 300).unwrap());
        assert_ne!(bias, weight(&InitConfig::Default, 0, &[1])[..4]);
        let zero = Initializer::new(&config, &[1], DType::F64, &Device::Cpu);
        assert_eq!(numbers(&zero.bias(0, Role::LinearBias, &[2], 3).unwrap()), [0.0, 0.0]);
    }

    #[test]
    fn single_precision_is_the_rounded_double() {
        let init = Initializer::new(&InitConfig::Default, &[4], DType::F32, &Device::Cpu);
        let narrow = numbers(&init.weight(0, Role::LinearWeight, &SHAPE, [300, 400]).unwrap());
        let wide = weight(&InitConfig::Default, 0, &[4]);
        assert!(narrow.iter().zip(wide).all(|(narrow, wide)| *narrow == f64::from(wide as f32)));
    }
}
