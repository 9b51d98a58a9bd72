//! Drawing initial weights.
//!
//! A draw depends on the seed, on the layer's ordinal among its type and on the tensor's role, not on the
//! layers around it: a dropout layer more redraws nothing. Draws are made in `f64` on the CPU and rounded,
//! so that every device and number type starts from the same weights.

use candle_core::{DType, Device, Tensor};

use super::init::{Distribution, InitConfig};
use super::orthogonal;
use crate::kernel::{Element, simd};
use crate::rng::{Purpose, Stream};
use crate::{Error, Result};

/// Whose initial values are drawn. The codes are part of the program's numerics version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Role {
    /// A linear layer's w.
    LinearWeight = 0x0101,
    /// A linear layer's b.
    LinearBias = 0x0102,
    /// A convolution's w.
    ConvWeight = 0x0201,
    /// A convolution's b.
    ConvBias = 0x0202,
    /// An embedding's w.
    EmbeddingWeight = 0x0e01,
    /// A recurrent layer's weight of the input.
    RecurrentWeightIh = 0x0f01,
    /// A recurrent layer's weight of the state.
    RecurrentWeightHh = 0x0f02,
    /// The bias beside the weight of the input.
    RecurrentBiasIh = 0x0f03,
    /// The bias beside the weight of the state.
    RecurrentBiasHh = 0x0f04,
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

    /// `[R, shape…]` for a weight with `fans = [fan_in, fan_out]`.
    pub fn weight(&self, ordinal: u32, role: Role, shape: &[usize], fans: [usize; 2]) -> Result<Tensor> {
        self.draw(self.config.weight(fans), ordinal, role, shape)
    }

    /// As [`weight`](Self::weight), but from `default` where the user asked for nothing.
    pub(super) fn weight_or(
        &self,
        default: Distribution,
        ordinal: u32,
        role: Role,
        shape: &[usize],
        fans: [usize; 2],
    ) -> Result<Tensor> {
        match self.config {
            InitConfig::Default => self.draw(default, ordinal, role, shape),
            _ => self.weight(ordinal, role, shape, fans),
        }
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
            from.append(Stream::new(*seed, Purpose::Init, ordinal, role as u32), shape, &mut numbers);
        }
        Ok(Tensor::from_vec(numbers, self.with_runs(shape), self.device)?)
    }
}

impl Distribution {
    fn append<T: Element>(self, stream: Stream, shape: &[usize], out: &mut Vec<T>) {
        let count = shape.iter().product();
        match self {
            Self::Uniform { bound } => simd(
                #[inline(always)]
                || append_uniform(stream, bound, count, out),
            ),
            Self::Normal { mean, std } => {
                let mut draws = stream.draws();
                out.extend((0..count).map(|_| T::of(mean + std * draws.normal())));
            }
            Self::Orthogonal { gain } => {
                let rows = shape.first().copied().unwrap_or(1);
                let numbers = orthogonal::draw(stream, rows, count / rows.max(1));
                out.extend(numbers.into_iter().map(|number| T::of(gain * number)));
            }
            Self::Zeros => out.resize(out.len() + count, T::ZERO),
        }
    }
}

/// The numbers of [`Draws::uniform`](crate::rng::Draws::uniform), scaled, a block at a time.
#[inline(always)]
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
    use crate::model::init::{FanMode, KaimingConfig, Nonlinearity, NormalConfig, XavierConfig};

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

    /// Bounds of the uniform kinds and deviations of all, from `PyTorch` 2.15's documentation of `torch.nn.init`:
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

    #[test]
    fn a_draw_is_the_one_that_the_stream_documents() {
        let found = weight(&InitConfig::Default, 2, &[9]);
        let mut draws = Stream::new(9, Purpose::Init, 2, Role::LinearWeight as u32).draws();
        let bound = 1.0 / 300f64.sqrt();
        for found in found {
            assert_eq!(found.to_bits(), (bound * (2.0 * draws.uniform() - 1.0)).to_bits());
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
        assert!(
            narrow
                .iter()
                .zip(wide)
                .all(|(narrow, wide)| narrow.to_bits() == f64::from(wide as f32).to_bits())
        );
    }
}
