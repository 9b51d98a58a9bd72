//! The parts of a training step of the original exercise's network, 784-630-476-322-168-10 with batch norm,
//! batches of 256, f32, one thread.
//!
//! `cargo bench --bench step`; the whole program beside PyTorch is measured by `benches/peers/steps.py`.

use std::hint::black_box;

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use runner::loss::LossConfig;
use runner::model::{Model, ModelConfig, Pass};
use runner::optimizer::{OptimizerConfig, Pace};
use runner::rng::{Purpose, Stream};
use runner::sample::SampleShape;
use runner::setting;
use runner::target::Targets;

const BATCH: usize = 256;
const PASS: Pass<'static> = Pass::training(&[42], 0);

fn model(regularizer: &str) -> Model {
    let text = format!("kind = 'mlp'\nregularizer = {regularizer}");
    let table: toml::Table = toml::from_str(&text).expect("the text is TOML");
    let config: ModelConfig = setting::read(&table.into()).expect("the model is a valid one");
    Model::build(&config, &SampleShape::Numbers(vec![1, 28, 28]), 10, 42, DType::F32, &Device::Cpu)
        .expect("the model can be built")
}

fn images() -> Tensor {
    let mut draws = Stream::new(1, Purpose::Synthetic, 0, 0).draws();
    let pixels: Vec<f32> = (0..BATCH * 784).map(|_| draws.uniform() as f32).collect();
    Tensor::from_vec(pixels, (1, BATCH, 1, 28, 28), &Device::Cpu).expect("the shape fits")
}

fn step(criterion: &mut Criterion) {
    runner::device::limit_candle_threads();
    let images = images();
    let targets = Targets::Classes((0..BATCH as u32).map(|sample| sample % 10).collect());
    let pace = Pace { rate: 1e-3, momentum: None };
    let config = LossConfig::default();
    let loss = config.as_loss();
    for (name, regularizer) in [("batch_norm", "'batch_norm'"), ("dropout", "{ kind = 'dropout', p = 0.3 }")]
    {
        let mut group = criterion.benchmark_group(format!("mlp_{name}"));
        group.sample_size(30);
        let mut model = model(regularizer);
        let mut optimizer =
            OptimizerConfig::default().build(&model.parameters(), false).expect("Adam can be built");
        group.bench_function("forward", |bencher| {
            bencher.iter(|| black_box(model.forward(&images, &Pass::EVALUATION).expect("the shapes fit")));
        });
        group.bench_function("step", |bencher| {
            bencher.iter(|| {
                let outputs = model.forward(&images, &PASS).expect("the shapes fit");
                let value = loss.evaluate(&outputs, &targets, true).expect("the targets are classes");
                let gradient = value.gradient.expect("a gradient was asked for");
                model.backward(&gradient).expect("a forward pass came before");
                optimizer.step(&mut model.weights_mut(), &[pace]).expect("every weight has a gradient");
            });
        });
        group.finish();
    }
}

/// A convolution of 64 images of 32 channels and 14 × 14 pixels, and a small network, to stand beside `PyTorch` on one
/// thread.
fn convolution(criterion: &mut Criterion) {
    let conv = "{ kind = 'conv2d', out_channels = 64, kernel_size = 3, padding = 1 }";
    let layer = format!(
        "kind = 'sequential'\nlayers = [{{ kind = 'conv2d', out_channels = 32, kernel_size = 1 }}, {conv}, \
         'flatten', {{ kind = 'linear', out_features = 10 }}]"
    );
    let network =
        "kind = 'cnn'\nchannels = [32, 64]\nregularizer = 'none'\nhead = { hidden = [], dropout = 0 }";
    for (name, text, shape) in
        [("conv_32_64_14x14", layer.as_str(), [32, 14, 14]), ("cnn_32_64_28x28", network, [1, 28, 28])]
    {
        let table: toml::Table = toml::from_str(text).expect("the text is TOML");
        let config: ModelConfig = setting::read(&table.into()).expect("the model is a valid one");
        let sample = SampleShape::Numbers(shape.to_vec());
        let mut model =
            Model::build(&config, &sample, 10, 42, DType::F32, &Device::Cpu).expect("the model can be built");
        let count = 64 * shape.iter().product::<usize>();
        let mut draws = Stream::new(1, Purpose::Synthetic, 0, 0).draws();
        let pixels: Vec<f32> = (0..count).map(|_| draws.uniform() as f32).collect();
        let shape: Vec<usize> = [1, 64].into_iter().chain(shape).collect();
        let images = Tensor::from_vec(pixels, shape, &Device::Cpu).expect("the shape fits");
        let mut group = criterion.benchmark_group(name);
        group.sample_size(30);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| black_box(model.forward(&images, &Pass::EVALUATION).expect("the shapes fit")));
        });
        group.bench_function("forward and backward", |bencher| {
            bencher.iter(|| {
                let outputs = model.forward(&images, &PASS).expect("the shapes fit");
                model.backward(&outputs).expect("a forward pass came before");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, step, convolution);
criterion_main!(benches);
