//! Recurrent layers, and trainings of them, against PyTorch.
//!
//! The numbers were made by `tests/parity/recurrent_parity.py`; weights, inputs and tokens are the same formulas
//! there and here.

use std::fs;

use candle_core::{DType, Device, Tensor};
use runner::loss::LossConfig;
use runner::model::initializer::Initializer;
use runner::model::layer::recurrent::{ElmanConfig, RecurrentConfig};
use runner::model::{InitConfig, Layer, LayerConfig, Model, ModelConfig, Parameter, Pass};
use runner::optimizer::{OptimizerConfig, Pace};
use runner::sample::SampleShape;
use runner::setting;
use runner::target::Targets;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::workplace::{Workplace, project, record};

const LENGTHS: [u32; 4] = [2, 4, 1, 3];
const STEPS: usize = 4;
const INPUTS: usize = 2;
const CLASSES: u32 = 3;
const SEQUENCES: usize = 48;
const BATCH: usize = 8;

fn fixture() -> Value {
    let path = project().join("tests/parity/fixtures/recurrent.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn settings<T: DeserializeOwned>(text: &str) -> T {
    setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
}

fn listed(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// sin(start + factor i) for i = 1, 2, …
fn wave(shape: &[usize], factor: f64, start: f64, scale: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let numbers: Vec<f64> = (1..=count).map(|i| scale * (start + factor * i as f64).sin()).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn fill<'a>(parameters: impl IntoIterator<Item = &'a mut Parameter>, scale: f64) {
    for (index, one) in parameters.into_iter().enumerate() {
        let value = wave(one.value.dims(), 0.37, (index + 1) as f64, scale);
        one.value = value.to_dtype(one.value.dtype()).unwrap();
    }
}

/// The larger of two differences; NaN if one is.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// The largest difference, relative to numbers above 1.
fn worst(found: &Tensor, expected: &[f64]) -> f64 {
    let found = numbers(found);
    assert_eq!(found.len(), expected.len());
    let apart = |(found, expected): (&f64, &f64)| (found - expected).abs() / expected.abs().max(1.0);
    found.iter().zip(expected).map(apart).fold(0.0, worse)
}

fn layer(case: &Value, dtype: DType) -> Box<dyn Layer> {
    let (cell, pooling) = (case["cell"].as_str().unwrap(), case["pooling"].as_str().unwrap());
    let text = format!(
        "hidden_size = 3\nnum_layers = 2\nbidirectional = {}\npooling = '{pooling}'\n",
        case["bidirectional"]
    );
    let config = match cell {
        "lstm" => LayerConfig::Lstm(settings::<RecurrentConfig>(&text)),
        "gru" => LayerConfig::Gru(settings::<RecurrentConfig>(&text)),
        "rnn_relu" => LayerConfig::Rnn(settings::<ElmanConfig>(&format!("{text}nonlinearity = 'relu'"))),
        _ => LayerConfig::Rnn(settings::<ElmanConfig>(&text)),
    };
    let init = Initializer::new(&InitConfig::Default, &[1], dtype, &Device::Cpu);
    config.build(&[STEPS, INPUTS], 0, &init).unwrap()
}

#[test]
#[expect(clippy::print_stderr, reason = "for whoever wants to know how close it is")]
fn layers_agree_with_pytorch_on_packed_sequences() {
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-6)] {
        let mut largest = 0.0f64;
        for case in fixture()["layers"].as_array().unwrap() {
            let mut layer = layer(case, dtype);
            let names: Vec<&str> = layer.parameters().iter().map(|(name, _)| *name).collect();
            assert_eq!(names, words(&case["names"]));
            fill(layer.parameters_mut().into_iter().map(|(_, one)| one), 0.8);
            let x = wave(&[1, LENGTHS.len(), STEPS, INPUTS], 0.7, 0.2, 1.0).to_dtype(dtype).unwrap();
            let pass = Pass::training(&[1], 0).with_lengths(Some(&LENGTHS));
            let y = layer.forward(&x, &pass).unwrap();
            let dy = wave(y.dims(), 0.3, 1.0, 1.0).to_dtype(dtype).unwrap();
            let dx = layer.backward(&dy, true).unwrap().unwrap();
            let mut found = vec![worst(&y, &listed(&case["y"])), worst(&dx, &listed(&case["dx"]))];
            let expected = case["gradients"].as_array().unwrap();
            for ((_, one), expected) in layer.parameters().into_iter().zip(expected) {
                found.push(worst(one.gradient.as_ref().unwrap(), &listed(expected)));
            }
            let found = found.into_iter().fold(0.0, worse);
            assert!(found < tolerance, "{found:e} for {} {}", case["cell"], case["pooling"]);
            largest = largest.max(found);
        }
        eprintln!("layers in {dtype:?}: worst difference {largest:e}");
    }
}

/// Tokens 1 to 9 in sequences of 1 to 6, and the class of each.
fn sequences() -> Vec<(Vec<u32>, u32)> {
    (0..SEQUENCES as u32)
        .map(|i| {
            let length = if i % 5 == 0 { 1 + i % 4 } else { 1 + 7 * i % 6 };
            let tokens: Vec<u32> = (0..length).map(|t| 1 + (5 * i + 3 * t + i * t * t) % 9).collect();
            let class = (tokens[0] + tokens[tokens.len() - 1]) % CLASSES;
            (tokens, class)
        })
        .collect()
}

/// Tokens `[1, B, T]` as long as the longest, lengths and classes.
fn batch(sequences: &[(Vec<u32>, u32)]) -> (Tensor, Vec<u32>, Targets) {
    let lengths: Vec<u32> = sequences.iter().map(|(tokens, _)| tokens.len() as u32).collect();
    let longest = lengths.iter().max().copied().unwrap() as usize;
    let padded = |tokens: &[u32]| -> Vec<u32> {
        tokens.iter().copied().chain(std::iter::repeat(0)).take(longest).collect()
    };
    let tokens: Vec<u32> = sequences.iter().flat_map(|(tokens, _)| padded(tokens)).collect();
    let tokens = Tensor::from_vec(tokens, (1, sequences.len(), longest), &Device::Cpu).unwrap();
    (tokens, lengths, Targets::Classes(sequences.iter().map(|(_, class)| *class).collect()))
}

fn model(case: &Value, dtype: DType) -> Model {
    let text = format!(
        "kind = 'rnn'\ncell = {}\nbidirectional = {}\npooling = {}\nembedding = 4\nhidden_size = 5\nnum_layers = 2",
        case["cell"], case["bidirectional"], case["pooling"]
    );
    let config: ModelConfig = settings(&text);
    let samples = SampleShape::Tokens { vocabulary: 10, longest: 6 };
    let mut model = Model::build(&config, &samples, CLASSES as usize, 1, dtype, &Device::Cpu).unwrap();
    fill(model.weights_mut(), 0.5);
    // The row of padding is 0, as in PyTorch.
    let embedding = model.weights_mut().remove(0);
    let rest = embedding.value.narrow(1, 1, 9).unwrap();
    let padding = embedding.value.narrow(1, 0, 1).unwrap().zeros_like().unwrap();
    embedding.value = Tensor::cat(&[padding, rest], 1).unwrap();
    model
}

/// The mean loss of each epoch.
fn train(model: &mut Model) -> Vec<f64> {
    let config = settings::<LossConfig>("kind = 'cross_entropy'");
    let loss = config.as_loss();
    let mut optimizer =
        settings::<OptimizerConfig>("kind = 'adam'").build(&model.parameters(), false).unwrap();
    let sequences = sequences();
    (0..3u64)
        .map(|epoch| {
            let mut total = 0.0;
            for (index, chosen) in sequences.chunks(BATCH).enumerate() {
                let (tokens, lengths, targets) = batch(chosen);
                let step = epoch * (SEQUENCES / BATCH) as u64 + index as u64;
                let pass = Pass::training(&[1], step).with_lengths(Some(&lengths));
                let outputs = model.forward(&tokens, &pass).unwrap();
                let value = loss.evaluate(&outputs, &targets, true).unwrap();
                model.backward(&value.gradient.unwrap()).unwrap();
                optimizer.step(&mut model.weights_mut(), &[Pace { rate: 0.02, momentum: None }]).unwrap();
                total += value.sums.iter().sum::<f64>();
            }
            total / SEQUENCES as f64
        })
        .collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "for whoever wants to know how close it is")]
fn three_epochs_train_as_pytorch_does() {
    for (dtype, tolerance) in [(DType::F64, 1e-8), (DType::F32, 1e-4)] {
        let mut largest = 0.0f64;
        for case in fixture()["trainings"].as_array().unwrap() {
            let mut model = model(case, dtype);
            let tensors = model.tensors().unwrap();
            let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, words(&case["names"]), "named as in a state_dict");
            let losses = train(&mut model);
            for (found, expected) in losses.iter().zip(listed(&case["float64"])) {
                let apart = (found - expected).abs() / expected;
                assert!(apart < tolerance, "{found} for {expected} in {}", case["cell"]);
                largest = largest.max(apart);
            }
        }
        eprintln!("trainings in {dtype:?}: worst relative difference {largest:e}");
    }
}

#[test]
fn digits_are_read_row_by_row() {
    let workplace = Workplace::new();
    let experiment = "
        [data]
        source = 'digits'
        [model]
        kind = 'rnn'
        cell = 'gru'
        hidden_size = 32
        bidirectional = true
        [optimizer]
        kind = 'adam'
        lr = 0.01
        [train]
        epochs = 8
        batch_size = 64
    ";
    workplace.write("rows.toml", experiment);
    workplace.run(&["run", "rows.toml", "--quiet"]);
    let run = workplace.only_run("rows");
    let accuracy = record(&run)["test"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let evaluated: Value = serde_json::from_str(&workplace.run(&["evaluate", "last", "--json"])).unwrap();
    assert_eq!(evaluated[0]["accuracy"], record(&run)["test"]["accuracy"]);
    workplace.write("digits.csv", [vec!["1"; 64].join(","), vec!["9"; 64].join(",")].join("\n"));
    assert_eq!(workplace.run(&["predict", "last", "digits.csv"]).lines().count(), 3);
}
