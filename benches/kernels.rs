//! Every fused operation by itself, on the sizes of the networks that `benches/peers` trains: f32, one thread.
//!
//! `cargo bench --bench kernels -- conv` measures those whose name has `conv` in it, `-- --quick` all of them in a few
//! minutes. Operations of layers are measured through the layers, which add a few hundred nanoseconds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use gemm::Parallelism;
use runner::kernel::gradient;
use runner::loss::LossConfig;
use runner::model::initializer::Initializer;
use runner::model::{InitConfig, Layer, LayerConfig, Parameter, Pass};
use runner::optimizer::{OptimizerConfig, Pace, RuleConfig};
use runner::rng::{Purpose, Stream};
use runner::setting::{self, Kind};
use runner::target::Targets;

/// Samples in a batch of vectors.
const VECTORS: usize = 256;
/// Samples in a batch of images or of sequences.
const IMAGES: usize = 64;
/// Different tokens.
const VOCABULARY: usize = 5000;
/// Tokens in a sequence.
const LENGTH: usize = 64;
/// Numbers that an optimizer moves: about those of the MLP below.
const WEIGHTS: usize = 1_000_000;
/// The widths of the original exercise's network.
const MLP: [usize; 6] = [784, 630, 476, 322, 168, 10];
const SEEDS: &[u64] = &[42];
const PASS: Pass<'static> = Pass::training(SEEDS, 0);

/// A layer and the samples that it is measured on.
struct Case {
    name: &'static str,
    settings: &'static str,
    batch: usize,
    sample: &'static [usize],
}

const fn vectors(name: &'static str, settings: &'static str) -> Case {
    Case { name, settings, batch: VECTORS, sample: &[630] }
}

const fn images(name: &'static str, settings: &'static str, sample: &'static [usize]) -> Case {
    Case { name, settings, batch: IMAGES, sample }
}

const LAYERS: [Case; 18] = [
    Case {
        name: "linear_784_630",
        settings: "kind = 'linear'\nout_features = 630",
        batch: VECTORS,
        sample: &[784],
    },
    vectors("linear_630_476", "kind = 'linear'\nout_features = 476"),
    vectors("batch_norm_630", "kind = 'batch_norm'"),
    images("batch_norm_32x32x32", "kind = 'batch_norm'", &[32, 32, 32]),
    vectors("layer_norm_630", "kind = 'layer_norm'"),
    vectors("dropout_630", "kind = 'dropout'\np = 0.3"),
    vectors("relu_630", "kind = 'relu'"),
    vectors("leaky_relu_630", "kind = 'leaky_relu'"),
    vectors("gelu_630", "kind = 'gelu'"),
    vectors("tanh_630", "kind = 'tanh'"),
    vectors("sigmoid_630", "kind = 'sigmoid'"),
    images(
        "conv_3_32_32x32",
        "kind = 'conv2d'\nout_channels = 32\nkernel_size = 3\npadding = 1",
        &[3, 32, 32],
    ),
    images(
        "conv_32_64_16x16",
        "kind = 'conv2d'\nout_channels = 64\nkernel_size = 3\npadding = 1",
        &[32, 16, 16],
    ),
    images(
        "conv_64_128_8x8",
        "kind = 'conv2d'\nout_channels = 128\nkernel_size = 3\npadding = 1",
        &[64, 8, 8],
    ),
    images("max_pool_32x32x32", "kind = 'max_pool2d'\nkernel_size = 2", &[32, 32, 32]),
    images("lstm_28_128", "kind = 'lstm'\nhidden_size = 128", &[28, 28]),
    images("gru_28_128", "kind = 'gru'\nhidden_size = 128", &[28, 28]),
    images(EMBEDDING, "kind = 'embedding'\nnum_embeddings = 5000\nembedding_dim = 100", &[LENGTH]),
];
const EMBEDDING: &str = "embedding_5000_100";

impl Case {
    fn layer(&self) -> Box<dyn Layer> {
        let table: toml::Table = toml::from_str(self.settings).expect("the text is TOML");
        let config: LayerConfig = setting::read(&table.into()).expect("the layer is a valid one");
        let init = InitConfig::default();
        let draws = Initializer::new(&init, SEEDS, DType::F32, &Device::Cpu);
        config.build(self.sample, 0, &draws).expect("the samples fit the layer")
    }

    /// `[1, batch, sample…]`: tokens for an embedding, else numbers around 0.
    fn input(&self) -> Tensor {
        let shape: Vec<usize> = [1, self.batch].iter().chain(self.sample).copied().collect();
        if self.name != EMBEDDING {
            return uniform(&shape);
        }
        let mut draws = Stream::new(1, Purpose::Synthetic, 0, 0).draws();
        let tokens: Vec<u32> =
            (0..self.batch * LENGTH).map(|_| (draws.uniform() * VOCABULARY as f64) as u32).collect();
        Tensor::from_vec(tokens, shape, &Device::Cpu).expect("the shape fits")
    }
}

/// Numbers from -1 to 1.
fn uniform(shape: &[usize]) -> Tensor {
    let mut draws = Stream::new(2, Purpose::Synthetic, 0, 0).draws();
    let count = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|_| 2.0 * draws.uniform() as f32 - 1.0).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).expect("the shape fits")
}

/// Forward as in training; backward with the gradient of the input, where there is one, by itself.
fn layers(criterion: &mut Criterion) {
    runner::device::limit_candle_threads();
    for case in &LAYERS {
        let (mut layer, input) = (case.layer(), case.input());
        let needs_input = case.name != EMBEDDING;
        let output = layer.forward(&input, &PASS).expect("the samples fit the layer");
        let gradient = uniform(output.dims());
        let mut group = criterion.benchmark_group(case.name);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| black_box(layer.forward(&input, &PASS).expect("the samples fit the layer")));
        });
        group.bench_function("backward", |bencher| {
            bencher.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                for _ in 0..iterations {
                    let output = layer.forward(&input, &PASS).expect("the samples fit the layer");
                    let start = Instant::now();
                    black_box(layer.backward(&gradient, needs_input).expect("a forward pass came before"));
                    taken += start.elapsed();
                    drop(output);
                }
                taken
            });
        });
        group.finish();
    }
}

/// Softmax, cross entropy and the gradient of both.
fn cross_entropy(criterion: &mut Criterion) {
    let loss = LossConfig::CROSS_ENTROPY;
    for classes in [10, 1000] {
        let outputs = uniform(&[1, VECTORS, classes]);
        let targets = Targets::Classes((0..VECTORS).map(|sample| (sample % classes) as u32).collect());
        criterion.bench_function(&format!("cross_entropy_{classes}"), |bencher| {
            bencher.iter(|| {
                black_box(loss.as_loss().evaluate(&outputs, &targets, true).expect("the targets are classes"))
            });
        });
    }
}

/// A step of every optimizer over a million numbers.
fn optimizers(criterion: &mut Criterion) {
    let pace = Pace { rate: 1e-3, momentum: None };
    let rules = RuleConfig::kinds().iter().map(|kind| (*kind, format!("kind = '{kind}'")));
    let momentum = ("sgd_momentum", "kind = 'sgd'\nmomentum = 0.9".to_owned());
    for (name, text) in rules.chain([momentum]) {
        let table: toml::Table = toml::from_str(&text).expect("the text is TOML");
        let config: OptimizerConfig = setting::read(&table.into()).expect("the optimizer is a valid one");
        let mut weights = Parameter::new(uniform(&[1, WEIGHTS]));
        weights.gradient = Some(uniform(&[1, WEIGHTS]));
        let mut optimizer =
            config.build(&[("weight".to_owned(), &weights)], false).expect("the optimizer can be built");
        criterion.bench_function(&format!("optimizer_{name}"), |bencher| {
            bencher
                .iter(|| optimizer.step(&mut [&mut weights], &[pace]).expect("every weight has a gradient"));
        });
    }
}

fn gradient_norm(criterion: &mut Criterion) {
    let gradient = uniform(&[1, WEIGHTS]);
    criterion.bench_function("gradient_norm", |bencher| {
        bencher.iter(|| black_box(gradient::square_sums(&gradient).expect("the gradient has numbers")));
    });
    criterion.bench_function("gradient_scaled", |bencher| {
        bencher
            .iter(|| black_box(gradient::scaled(&gradient, &[0.5]).expect("there is a factor for the run")));
    });
}

/// A product out[rows, columns] = left[rows, inner] right[inner, columns] with the steps between numbers of a row and
/// between rows, of each factor.
struct Product {
    sizes: [usize; 3],
    left_steps: [usize; 2],
    right_steps: [usize; 2],
}

impl Product {
    /// Those of a linear layer in training: y = x wᵀ, dw = dyᵀ x and, where something lies before it, dx = dy w.
    fn of_layer(inputs: usize, outputs: usize, is_first: bool) -> Vec<Self> {
        let by_row = |width: usize| [1, width];
        let by_column = |width: usize| [width, 1];
        let new = |sizes, left_steps, right_steps| Self { sizes, left_steps, right_steps };
        let mut products = vec![
            new([VECTORS, inputs, outputs], by_row(inputs), by_column(inputs)),
            new([outputs, VECTORS, inputs], by_column(outputs), by_row(inputs)),
        ];
        if !is_first {
            products.push(new([VECTORS, outputs, inputs], by_row(outputs), by_row(inputs)));
        }
        products
    }

    fn run(&self, out: &mut [f32], left: &[f32], right: &[f32]) {
        let [rows, inner, columns] = self.sizes;
        let [left_column, left_row] = self.left_steps.map(usize::cast_signed);
        let [right_column, right_row] = self.right_steps.map(usize::cast_signed);
        assert!(out.len() >= rows * columns, "the product fits");
        assert!(left.len() >= rows * inner && right.len() >= inner * columns, "there are enough numbers");
        // SAFETY: each matrix lies without gaps in its slice, which is long enough, by the asserts.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                out.as_mut_ptr(),
                1,
                columns.cast_signed(),
                false,
                left.as_ptr(),
                left_column,
                left_row,
                right.as_ptr(),
                right_column,
                right_row,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// The floor under a training step of the original exercise's network: its matrix products and nothing else. The step
/// itself is in `benches/step.rs`.
fn products(criterion: &mut Criterion) {
    let products: Vec<Product> = MLP
        .windows(2)
        .enumerate()
        .flat_map(|(layer, widths)| Product::of_layer(widths[0], widths[1], layer == 0))
        .collect();
    let most = MLP[0] * MLP[1];
    let numbers =
        uniform(&[2, most]).flatten_all().and_then(|all| all.to_vec1::<f32>()).expect("f32 on the CPU");
    let (left, right) = numbers.split_at(most);
    let mut out = vec![0.0; most];
    criterion.bench_function("mlp_products", |bencher| {
        bencher.iter(|| {
            for product in &products {
                product.run(black_box(&mut out), left, right);
            }
        });
    });
}

criterion_group!(benches, layers, cross_entropy, optimizers, gradient_norm, products);
criterion_main!(benches);
