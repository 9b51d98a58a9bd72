//! A list of layers that is trained as one.

use candle_core::{DType, Device, Tensor};

use super::chain::{Chain, Ordinals, Place};
use super::config::ModelConfig;
use super::initializer::Initializer;
use super::layer::Pass;
use super::summary::Summary;
use super::transfer::{Match, TransferReport};
use super::{Parameter, order, weights};
use crate::sample::SampleShape;
use crate::{Error, Result};

/// A model with its weights.
#[derive(Debug)]
pub struct Model {
    layers: Chain,
    /// Of one sample, as the data has it.
    input_shape: SampleShape,
    /// Of one sample, as the first layer wants it.
    first_shape: Vec<usize>,
    /// Whether it wants images row by row.
    reads_rows: bool,
    pub(super) device: Device,
    transferred: Option<TransferReport>,
}

impl Model {
    /// A model for samples of shape `input_shape` and so many outputs, with the initial weights of `seed`,
    /// or those of the configured file.
    pub fn build(
        config: &ModelConfig,
        input_shape: &SampleShape,
        outputs: usize,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut model = Self::build_runs(config, input_shape, outputs, &[seed], dtype, device)?;
        if let Some(path) = &config.common.weights {
            let refuse = |error| match error {
                Error::Request(reason) => Error::unreadable(path, reason),
                other => other,
            };
            let mut tensors = weights::read_weights(path)?;
            if config.common.r#match == Some(Match::Order) && !weights::is_state_dict(path) {
                order::by_layer(&mut tensors).map_err(refuse)?;
            }
            let transfer = model.transfer(&tensors, &config.common).map_err(refuse)?;
            model.transferred = Some(TransferReport::new(transfer, path));
        }
        model.freeze(&config.common.freeze)?;
        Ok(model)
    }

    /// One parameter set for each seed, side by side.
    fn build_runs(
        config: &ModelConfig,
        input_shape: &SampleShape,
        outputs: usize,
        seeds: &[u64],
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        config.parameter_count(input_shape, outputs)?;
        let init = Initializer::new(&config.common.init, seeds, dtype, device);
        let first_shape = config.kind.first_shape(input_shape);
        let mut shape = first_shape.clone();
        let layers = config.kind.layers(input_shape, outputs)?;
        let layers = Chain::build(&layers, "layers", &mut shape, &mut Ordinals::default(), &init)?;
        let (input_shape, reads_rows) = (input_shape.clone(), config.kind.reads_rows());
        let device = device.clone();
        Ok(Self { layers, input_shape, first_shape, reads_rows, device, transferred: None })
    }

    /// Outputs `[R, B, …]` for samples `[R, B, …]` of the input shape.
    pub fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let input = self.arranged(input)?;
        self.layers.forward(&input, pass)
    }

    /// Sets the gradient of every trainable parameter for the gradient of the last training pass's output.
    ///
    /// No layer computes a gradient that no trainable parameter before it needs.
    pub fn backward(&mut self, gradient: &Tensor) -> Result<()> {
        self.layers.backward(gradient, false)?;
        Ok(())
    }

    /// `input` in the shape that the first layer wants; its numbers are not copied but where channels change places.
    fn arranged(&self, input: &Tensor) -> Result<Tensor> {
        let dims = input.dims();
        if !self.fits(input) {
            let expected = &self.input_shape;
            return Err(Error::Bug(format!("a model of samples {expected} was given a batch {dims:?}")));
        }
        if let SampleShape::Tokens { .. } = self.input_shape {
            return Ok(input.clone());
        }
        let shape: Vec<usize> = dims[..2].iter().chain(&self.first_shape).copied().collect();
        let has_channels = dims.len() == 5 && dims[2] > 1;
        if self.reads_rows && has_channels {
            return Ok(input.transpose(2, 3)?.contiguous()?.reshape(shape)?);
        }
        Ok(if shape == dims { input.clone() } else { input.reshape(shape)? })
    }

    /// Whether a batch is of samples as they were told; sequences of tokens may be shorter than the longest.
    fn fits(&self, input: &Tensor) -> bool {
        match (&self.input_shape, input.dims()) {
            (SampleShape::Tokens { longest, .. }, [_, _, steps]) => {
                input.dtype() == DType::U32 && steps <= longest
            }
            (SampleShape::Numbers(shape), [_, _, sides @ ..]) => sides == shape,
            _ => false,
        }
    }

    /// Parameters by name (`layers.0.weight`), in the order of the layers.
    pub fn parameters(&self) -> Vec<(String, &Parameter)> {
        let of = |place: &Place, name: &str| format!("{}.{name}", place.name);
        self.places()
            .into_iter()
            .flat_map(|place| {
                place.layer.parameters().into_iter().map(move |(name, one)| (of(place, name), one))
            })
            .collect()
    }

    /// As [`parameters`](Self::parameters), to be changed.
    pub fn parameters_mut(&mut self) -> Vec<(String, &mut Parameter)> {
        self.places_mut()
            .into_iter()
            .flat_map(|Place { name: place, layer }| {
                layer.parameters_mut().into_iter().map(move |(name, one)| (format!("{place}.{name}"), one))
            })
            .collect()
    }

    /// Fails unless every trainable parameter has a gradient: asked once, behind the first backward pass.
    pub fn assert_gradients(&self) -> Result<()> {
        let without: Vec<String> = self
            .parameters()
            .into_iter()
            .filter(|(_, one)| one.trainable && one.gradient.is_none())
            .map(|(name, _)| name)
            .collect();
        if without.is_empty() {
            return Ok(());
        }
        Err(Error::Bug(format!("no gradient reached {}", without.join(", "))))
    }

    /// What came of `model.weights`, if it is set.
    pub fn transferred(&self) -> Option<&TransferReport> {
        self.transferred.as_ref()
    }

    /// The shape of a sample, as [`build`](Self::build) was told.
    pub fn input_shape(&self) -> &SampleShape {
        &self.input_shape
    }

    /// Every layer, those of blocks among them, in `PyTorch`'s order.
    pub(super) fn places(&self) -> Vec<&Place> {
        self.layers.places()
    }

    pub(super) fn places_mut(&mut self) -> Vec<&mut Place> {
        self.layers.places_mut()
    }

    /// What stands where, and how much there is to train.
    pub fn summary(&self) -> Summary {
        let mut rows = Vec::new();
        self.layers.append_rows(&mut self.first_shape.clone(), 0, &mut rows);
        let numbers = |one: &&Parameter| one.value.dims().iter().skip(1).product::<usize>();
        let all = self.weights();
        Summary {
            input_shape: self.input_shape.clone(),
            rows,
            parameters: all.iter().map(numbers).sum(),
            trainable: all.iter().filter(|one| one.trainable).map(numbers).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, differences, dot, normal, numbers, on_threads, tensor};
    use crate::model::layer::activation::{ActivationConfig, EluConfig};
    use crate::model::layer::batch_norm::BatchNormConfig;
    use crate::model::layer::dropout::DropoutConfig;
    use crate::model::{ArchitectureConfig, MlpConfig, ModelSettings, RegularizerConfig, RegularizerList};

    const PASS: Pass<'_> = Pass::training(&[7], 1);

    fn mlp(config: MlpConfig) -> ModelConfig {
        ModelConfig { common: ModelSettings::default(), kind: ArchitectureConfig::Mlp(config) }
    }

    fn hidden(widths: &[usize]) -> MlpConfig {
        MlpConfig { layers: None, hidden: Some(widths.to_vec()), ..MlpConfig::default() }
    }

    fn build(config: MlpConfig, input: &[usize], outputs: usize, dtype: DType) -> Model {
        Model::build(&mlp(config), &input.into(), outputs, 7, dtype, &Device::Cpu).unwrap()
    }

    fn dropout(p: f64) -> RegularizerConfig {
        RegularizerConfig::Dropout(DropoutConfig { p })
    }

    #[test]
    fn names_counts_and_shapes_are_those_of_pytorch() {
        // PyTorch 2.15: sum(p.numel() for p in m.parameters()) of Linear → LeakyReLU → BatchNorm1d blocks.
        let model = build(hidden(&[128, 128, 128]), &[1, 28, 28], 10, DType::F32);
        assert_eq!(model.summary().parameters, 135_562);
        let exercise = build(MlpConfig::default(), &[1, 28, 28], 10, DType::F32);
        assert_eq!(exercise.summary().parameters, 1_007_646);

        // list(m.state_dict()) of such a module with one hidden layer under the attribute `layers`.
        let names: Vec<(String, Vec<usize>)> = build(hidden(&[3]), &[2], 1, DType::F32)
            .tensors()
            .unwrap()
            .into_iter()
            .map(|(name, tensor)| (name, tensor.dims().to_vec()))
            .collect();
        let expected = [
            ("layers.0.weight", vec![3, 2]),
            ("layers.0.bias", vec![3]),
            ("layers.2.weight", vec![3]),
            ("layers.2.bias", vec![3]),
            ("layers.2.running_mean", vec![3]),
            ("layers.2.running_var", vec![3]),
            ("layers.2.num_batches_tracked", vec![]),
            ("layers.3.weight", vec![1, 3]),
            ("layers.3.bias", vec![1]),
        ];
        assert_eq!(names, expected.map(|(name, dims)| (name.to_owned(), dims)));
    }

    #[test]
    fn the_summary_reads_as_a_table() {
        let mut config = hidden(&[128, 16]);
        config.regularizer = RegularizerList::new(vec![
            RegularizerConfig::BatchNorm(BatchNormConfig::default()),
            dropout(0.3),
        ]);
        let mut model = build(config, &[1, 28, 28], 10, DType::F32);
        for (_, one) in model.parameters_mut().into_iter().take(2) {
            one.trainable = false;
        }
        insta::assert_snapshot!(model.summary(), @r"
        Layer     Kind              Output  Parameters
        layers.0  Linear(784, 128)  [128]      100,480
        layers.1  LeakyReLU(0.01)   [128]            -
        layers.2  BatchNorm1d(128)  [128]          256
        layers.3  Dropout(0.3)      [128]            -
        layers.4  Linear(128, 16)   [16]         2,064
        layers.5  LeakyReLU(0.01)   [16]             -
        layers.6  BatchNorm1d(16)   [16]            32
        layers.7  Dropout(0.3)      [16]             -
        layers.8  Linear(16, 10)    [10]           170
        Input: [1, 28, 28]
        Parameters: 103,002, trainable: 2,522
        ");
    }

    fn read(text: &str) -> ModelConfig {
        crate::setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    #[test]
    fn a_cnn_is_written_out_to_its_layers() {
        let config =
            read("kind = 'cnn'\nchannels = [8, 16]\nhead = { hidden = [32] }\nregularizer = 'layer_norm'");
        let input = SampleShape::Numbers(vec![3, 9, 8]);
        let model = Model::build(&config, &input, 10, 1, DType::F32, &Device::Cpu).unwrap();
        let summary = model.summary();
        insta::assert_snapshot!(summary, @r"
        Layer      Kind                                     Output      Parameters
        layers.0   Conv2d(3, 8, kernel_size=3, padding=1)   [8, 9, 8]          224
        layers.1   LayerNorm([8, 9, 8])                     [8, 9, 8]        1,152
        layers.2   ReLU                                     [8, 9, 8]            -
        layers.3   MaxPool2d(2)                             [8, 4, 4]            -
        layers.4   Conv2d(8, 16, kernel_size=3, padding=1)  [16, 4, 4]       1,168
        layers.5   LayerNorm([16, 4, 4])                    [16, 4, 4]         512
        layers.6   ReLU                                     [16, 4, 4]           -
        layers.7   MaxPool2d(2)                             [16, 2, 2]           -
        layers.8   Flatten                                  [64]                 -
        layers.9   Dropout(0.5)                             [64]                 -
        layers.10  Linear(64, 32)                           [32]             2,080
        layers.11  ReLU                                     [32]                 -
        layers.12  Dropout(0)                               [32]                 -
        layers.13  Linear(32, 10)                           [10]               330
        Input: [3, 9, 8]
        Parameters: 5,466, trainable: 5,466
        ");
        assert_eq!(config.parameter_count(&input, 10).unwrap(), summary.parameters as u64);
        // PyTorch 2.15: sum(p.numel() …) of the notes' network for 3 × 32 × 32 pixels, 32-64-128 and 512-256.
        let notes = read("kind = 'cnn'");
        let count = notes.parameter_count(&SampleShape::Numbers(vec![3, 32, 32]), 10).unwrap();
        assert_eq!(count, 1_276_682);
    }

    #[test]
    fn blocks_have_rows_of_their_own_and_those_of_their_layers() {
        let text = "kind = 'sequential'
            layers = [
                { kind = 'conv2d', out_channels = 4, kernel_size = 3, padding = 1 },
                { kind = 'residual', layers = [
                    { kind = 'conv2d', out_channels = 8, kernel_size = 3, stride = 2, padding = 1, bias = false },
                    'batch_norm',
                    { kind = 'residual', layers = ['gelu'] },
                ], shortcut = [{ kind = 'conv2d', out_channels = 8, kernel_size = 1, stride = 2 }] },
                { kind = 'adaptive_avg_pool2d', output_size = 1 },
                'flatten',
                'linear',
            ]";
        let config = read(text);
        let input = SampleShape::Numbers(vec![1, 8, 8]);
        let mut model = Model::build(&config, &input, 10, 1, DType::F32, &Device::Cpu).unwrap();
        let summary = model.summary();
        insta::assert_snapshot!(summary, @r"
        Layer                           Kind                                                          Output     Parameters
        layers.0                        Conv2d(1, 4, kernel_size=3, padding=1)                        [4, 8, 8]          40
        layers.1                        Residual                                                      [8, 4, 4]           -
          layers.1.layers.0             Conv2d(4, 8, kernel_size=3, stride=2, padding=1, bias=False)  [8, 4, 4]         288
          layers.1.layers.1             BatchNorm2d(8)                                                [8, 4, 4]          16
          layers.1.layers.2             Residual                                                      [8, 4, 4]           -
            layers.1.layers.2.layers.0  GELU                                                          [8, 4, 4]           -
          layers.1.shortcut.0           Conv2d(4, 8, kernel_size=1, stride=2)                         [8, 4, 4]          40
        layers.2                        AdaptiveAvgPool2d(1)                                          [8, 1, 1]           -
        layers.3                        Flatten                                                       [8]                 -
        layers.4                        Linear(8, 10)                                                 [10]               90
        Input: [1, 8, 8]
        Parameters: 474, trainable: 474
        ");
        assert_eq!(config.parameter_count(&input, 10).unwrap(), summary.parameters as u64);
        assert!(config.needs_two_samples(&SampleShape::Numbers(vec![1, 1, 1]), 10).unwrap());
        assert!(!config.needs_two_samples(&input, 10).unwrap());

        // Weights and buffers of blocks are given out and taken in like all others.
        let names: Vec<String> = model.tensors().unwrap().into_iter().map(|(name, _)| name).collect();
        for name in ["layers.1.layers.0.weight", "layers.1.layers.1.running_var", "layers.1.shortcut.0.bias"]
        {
            assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
        }
        let other = Model::build(&config, &input, 10, 2, DType::F32, &Device::Cpu).unwrap();
        model.load_tensors(&other.tensors().unwrap(), true).unwrap();
        for ((name, ours), (_, theirs)) in model.tensors().unwrap().iter().zip(other.tensors().unwrap()) {
            assert_eq!(numbers(ours), numbers(&theirs), "{name}");
        }
    }

    /// ```python
    /// # PyTorch 2.15
    /// m = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LeakyReLU(), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)).double()
    /// for p in m.parameters():
    ///     p.copy_(((torch.arange(p.numel(), dtype=torch.float64) + 1) * 0.5).sin().reshape(p.shape))
    /// x = torch.arange(8, dtype=torch.float64).cos().reshape(4, 2)
    /// y = m(x); (y * y).sum().backward(); print(y)
    /// for n, p in m.named_parameters(): print(n, p.grad)
    /// ```
    #[test]
    fn a_whole_step_agrees_with_pytorch() {
        let mut model = build(hidden(&[3]), &[2], 2, DType::F64);
        for (_, one) in model.parameters_mut() {
            let count = one.value.elem_count();
            let wave: Vec<f64> = (1..=count).map(|i| (i as f64 * 0.5).sin()).collect();
            one.value = tensor(&wave, one.value.dims());
        }
        let x: Vec<f64> = (0..8).map(|i| f64::from(i).cos()).collect();
        let y = model.forward(&tensor(&x, &[1, 4, 2]), &PASS).unwrap();
        let expected_y = [
            4.247_043_942_694,
            2.895_381_581_342,
            0.243_213_050_734,
            0.617_206_492_54,
            0.745_725_177_059,
            1.101_879_233_815,
            4.413_394_038_489,
            3.072_632_046_077,
        ];
        assert_close(&numbers(&y), &expected_y, 1e-11);
        model.backward(&(y * 2.0).unwrap()).unwrap();
        model.assert_gradients().unwrap();
        let expected: [(&str, &[f64]); 6] = [
            (
                "layers.0.weight",
                &[
                    0.403_535_862_579,
                    -0.069_359_534_924,
                    0.155_907_741_722,
                    -0.039_848_061_72,
                    -0.248_631_940_383,
                    1.058_673_281_333,
                ],
            ),
            ("layers.0.bias", &[-0.281_456_635_654, -0.141_607_829_86, 0.0]),
            ("layers.2.weight", &[15.142_133_049_186, 18.111_004_091_533, 16.541_190_735_099]),
            ("layers.2.bias", &[23.232_034_096_647, 25.440_369_867_085, 21.420_015_830_143]),
            (
                "layers.3.weight",
                &[
                    16.571_510_323_17,
                    29.190_912_247_352,
                    34.587_592_307_085,
                    11.495_414_131_653,
                    20.191_268_678_957,
                    23.846_110_523_319,
                ],
            ),
            ("layers.3.bias", &[19.298_752_417_951, 15.374_198_707_55]),
        ];
        for ((name, one), (expected_name, expected)) in model.parameters().into_iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert_close(&numbers(one.gradient.as_ref().unwrap()), expected, 1e-11);
        }
    }

    #[test]
    fn gradients_of_a_whole_network_are_those_of_finite_differences_for_every_run() {
        let mut config = hidden(&[5, 4]);
        config.activation = ActivationConfig::Elu(EluConfig::default());
        config.regularizer = RegularizerList::new(vec![
            RegularizerConfig::BatchNorm(BatchNormConfig::default()),
            dropout(0.2),
        ]);
        let pass = Pass::training(&[3, 4], 2);
        let (device, dtype) = (Device::Cpu, DType::F64);
        let mut model =
            Model::build_runs(&mlp(config), &SampleShape::Numbers(vec![1, 2, 3]), 2, &[3, 4], dtype, &device)
                .unwrap();
        let x = normal(1, &[2, 6, 1, 2, 3], dtype);
        let dy = normal(2, &[2, 6, 2], dtype);
        model.forward(&x, &pass).unwrap();
        model.backward(&dy).unwrap();
        let found: Vec<Tensor> =
            model.parameters().into_iter().map(|(_, one)| one.gradient.clone().unwrap()).collect();
        for (index, found) in found.iter().enumerate() {
            let start = model.parameters()[index].1.value.clone();
            let expected = differences(&start, |value| {
                model.parameters_mut()[index].1.value = value.clone();
                dot(&model.forward(&x, &pass).unwrap(), &dy)
            });
            model.parameters_mut()[index].1.value = start;
            assert_close(&numbers(found), &expected, 1e-6);
        }
    }

    #[test]
    fn runs_beside_each_other_are_the_runs_alone() {
        let config = mlp(hidden(&[9, 5]));
        let (device, dtype) = (Device::Cpu, DType::F32);
        let x = normal(1, &[2, 8, 4], dtype);
        let mut both =
            Model::build_runs(&config, &SampleShape::Numbers(vec![4]), 3, &[3, 4], dtype, &device).unwrap();
        let y = both.forward(&x, &Pass::training(&[3, 4], 1)).unwrap();
        both.backward(&y).unwrap();
        for (run, seed) in [3, 4].into_iter().enumerate() {
            let mut alone =
                Model::build(&config, &SampleShape::Numbers(vec![4]), 3, seed, dtype, &device).unwrap();
            let seeds = [seed];
            let pass = Pass::training(&seeds, 1);
            let alone_y = alone.forward(&x.narrow(0, run, 1).unwrap(), &pass).unwrap();
            assert_eq!(numbers(&y.narrow(0, run, 1).unwrap()), numbers(&alone_y));
            alone.backward(&alone_y).unwrap();
            for ((_, both), (name, alone)) in both.parameters().into_iter().zip(alone.parameters()) {
                let slice = both.gradient.as_ref().unwrap().narrow(0, run, 1).unwrap();
                assert_eq!(numbers(&slice), numbers(alone.gradient.as_ref().unwrap()), "{name}");
            }
        }
    }

    #[test]
    fn other_layers_change_neither_weights_nor_masks() {
        let with = |entries: Vec<RegularizerConfig>| {
            let config = MlpConfig { regularizer: RegularizerList::new(entries), ..hidden(&[6, 5]) };
            build(config, &[4], 3, DType::F32)
        };
        let linear = |model: &Model| -> Vec<Vec<f64>> {
            let of = |(_, one): (String, &Parameter)| numbers(&one.value);
            model.parameters().into_iter().filter(|(_, one)| one.value.rank() == 3).map(of).collect()
        };
        let norm = RegularizerConfig::BatchNorm(BatchNormConfig::default());
        let plain = with(vec![]);
        assert_eq!(linear(&plain), linear(&with(vec![dropout(0.5), norm.clone()])));

        // The mask of the first dropout layer shows in the zeros behind it.
        let zeros = |mut model: Model, index: usize| -> Vec<bool> {
            let mut x = normal(3, &[1, 20, 4], DType::F32);
            for place in model.places_mut().into_iter().take(index + 1) {
                x = place.layer.forward(&x, &PASS).unwrap();
            }
            numbers(&x).iter().map(|x| *x == 0.0).collect()
        };
        let alone = zeros(with(vec![dropout(0.5)]), 2);
        assert!(alone.contains(&true) && alone.contains(&false));
        assert_eq!(alone, zeros(with(vec![norm, dropout(0.5)]), 3));
    }

    #[test]
    fn no_layer_computes_what_nobody_needs() {
        let mut model = build(hidden(&[3, 3]), &[2], 2, DType::F64);
        let x = normal(1, &[1, 4, 2], DType::F64);
        assert!(model.assert_gradients().is_err());
        // Only the last linear layer trains: the pass must end there.
        let last = model.places().len() - 1;
        for (name, one) in model.parameters_mut() {
            one.trainable = name.starts_with(&format!("layers.{last}."));
        }
        let y = model.forward(&x, &PASS).unwrap();
        model.backward(&y).unwrap();
        model.assert_gradients().unwrap();
        let with: Vec<String> = model
            .parameters()
            .into_iter()
            .filter(|(_, one)| one.gradient.is_some())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(with, [format!("layers.{last}.weight"), format!("layers.{last}.bias")]);
        for (_, one) in model.parameters_mut() {
            one.trainable = false;
        }
        model.forward(&x, &PASS).unwrap();
        model.backward(&y).unwrap();
    }

    #[test]
    fn every_thread_count_gives_the_same_bits() {
        let pass = || {
            let mut model = build(hidden(&[300, 200]), &[1, 28, 28], 10, DType::F32);
            let x = normal(1, &[1, 256, 1, 28, 28], DType::F32);
            let y = model.forward(&x, &PASS).unwrap();
            model.backward(&y).unwrap();
            let gradients = model.parameters().into_iter().map(|(_, one)| one.gradient.clone().unwrap());
            gradients.map(|gradient| numbers(&gradient)).collect::<Vec<_>>()
        };
        let alone = pass();
        let together = on_threads(2, pass);
        assert!(alone == together);
    }

    #[test]
    fn batches_and_sizes_that_do_not_fit_are_errors() {
        let mut model = build(hidden(&[3]), &[2], 2, DType::F32);
        assert!(model.forward(&normal(1, &[1, 4, 3], DType::F32), &PASS).is_err());
        assert!(model.forward(&normal(1, &[4], DType::F32), &PASS).is_err());
        assert!(model.forward(&normal(1, &[2, 4, 2], DType::F32), &PASS).is_err());
        let config = mlp(MlpConfig::default());
        assert!(
            Model::build(&config, &SampleShape::Numbers(vec![2]), 0, 1, DType::F32, &Device::Cpu).is_err()
        );
        assert!(
            Model::build(&config, &SampleShape::Numbers(vec![]), 2, 1, DType::F32, &Device::Cpu).is_ok(),
            "a scalar is one input"
        );
        assert!(
            Model::build(&config, &SampleShape::Numbers(vec![2]), 2, 1, DType::U8, &Device::Cpu).is_err()
        );
    }
}
