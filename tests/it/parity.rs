//! Three epochs of training against PyTorch, from the same weights and the same order of samples.
//!
//! The numbers were made by `tests/parity/train_parity.py`, which stands beside its fixtures.

use candle_core::{DType, Device, Tensor};
use runner::loss::LossConfig;
use runner::model::{Model, ModelConfig, Pass};
use runner::optimizer::{Optimizer, OptimizerConfig, Pace};
use runner::sample::SampleShape;
use runner::setting;
use runner::target::Targets;

use crate::workplace::{Workplace, project};

fn losses(experiment: &str, name: &str) {
    let workplace = Workplace::new();
    let fixtures = project().join("tests/parity/fixtures");
    let header = format!(
        "data = {{ source = 'idx', images = '{0}/images.idx', labels = '{0}/labels.idx', \
         split = {{ train = 0.75, valid = 0.25, shuffle = false }} }}\n",
        fixtures.display()
    );
    let weights = format!("weights = '{}/{name}.safetensors'\n", fixtures.display());
    let text = header + &experiment.replace("WEIGHTS", &weights);
    workplace.write(&format!("{name}.toml"), text);
    workplace.run(&["run", &format!("{name}.toml"), "--device", "cpu"]);
    let metrics = std::fs::read_to_string(workplace.only_run(name).join("metrics.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(metrics.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();

    let expected: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(fixtures.join("expected.json")).unwrap()).unwrap();
    let expected = expected["cases"][name]["float64"].as_array().unwrap();
    assert_eq!((rows.len(), expected.len()), (3, 3));
    for (row, expected) in rows.iter().zip(expected) {
        for column in ["train_loss", "valid_loss"] {
            let position = header.iter().position(|name| name == column).unwrap();
            let (ours, theirs): (f64, f64) =
                (row[position].parse().unwrap(), expected[column].as_f64().unwrap());
            let difference = (ours - theirs).abs() / theirs;
            assert!(difference < 1e-4, "{column}: {ours} for {theirs} in epoch {}", &row[0]);
        }
    }
}

#[test]
fn batch_norm_with_adam_trains_as_pytorch_does() {
    let experiment = "
        optimizer = { kind = 'adam', lr = 1e-2 }
        train = { epochs = 3, batch_size = 32, shuffle = false }
        [model]
        kind = 'mlp'
        hidden = [16, 8]
        WEIGHTS
    ";
    losses(experiment, "batch_norm_adam");
}

#[test]
fn sgd_with_nesterov_momentum_trains_as_pytorch_does() {
    let experiment = "
        optimizer = { kind = 'sgd', lr = 0.05, momentum = 0.9, nesterov = true }
        train = { epochs = 3, batch_size = 32, shuffle = false }
        [model]
        kind = 'mlp'
        hidden = [16, 8]
        regularizer = 'none'
        WEIGHTS
    ";
    losses(experiment, "sgd_nesterov");
}

/// The hash that `tests/parity/models.py` describes, in [−1, 1).
fn u(seed: u64, count: usize) -> impl Iterator<Item = f64> {
    const MASK: u64 = 0xffff_ffff;
    (0..count as u64).map(move |n| {
        let mut h = (n + seed * 1_000_003).wrapping_mul(2_654_435_761) & MASK;
        h = (h ^ (h >> 15)).wrapping_mul(2_246_822_519) & MASK;
        h = (h ^ (h >> 13)).wrapping_mul(3_266_489_917) & MASK;
        h ^= h >> 16;
        h as f64 / f64::from(1u32 << 31) - 1.0
    })
}

/// The model of a case with its initial weights.
fn model(written: &str, shape: &[usize]) -> Model {
    let table: toml::Table = toml::from_str(written).unwrap();
    let config: ModelConfig = setting::read(&table.into()).unwrap();
    let shape = SampleShape::from(shape);
    let mut model = Model::build(&config, &shape, CLASSES, 1, DType::F32, &Device::Cpu).unwrap();
    for (index, (name, one)) in model.parameters_mut().into_iter().enumerate() {
        let dims = one.value.dims().to_vec();
        let count: usize = dims.iter().product();
        // The first dimension is that of runs.
        let (scale, shift) = match dims.len() {
            2 => (0.1, if name.ends_with("weight") { 1.0 } else { 0.0 }),
            _ => ((6.0 / dims[2..].iter().product::<usize>() as f64).sqrt(), 0.0),
        };
        let numbers: Vec<f32> = u(300 + index as u64, count).map(|x| (shift + scale * x) as f32).collect();
        one.value = Tensor::from_vec(numbers, dims, &Device::Cpu).unwrap();
    }
    model
}

const CLASSES: usize = 4;

/// The mean loss over samples from `first` on, in batches, and a step behind each if there is an optimizer.
fn epoch(
    model: &mut Model,
    samples: &[Tensor],
    batch: usize,
    mut optimizer: Option<&mut Box<dyn Optimizer>>,
    first: usize,
) -> f64 {
    let config = LossConfig::default();
    let loss = config.as_loss();
    let pass = if optimizer.is_some() { Pass::training(&[1], 0) } else { Pass::EVALUATION };
    let mut sum = 0.0;
    for (index, part) in samples.chunks(batch).enumerate() {
        let start = first + index * batch;
        let targets = (start..start + part.len()).map(|n| (n % CLASSES) as u32).collect();
        let inputs = Tensor::stack(part, 0).unwrap().unsqueeze(0).unwrap();
        let outputs = model.forward(&inputs, &pass).unwrap();
        let value = loss.evaluate(&outputs, &Targets::Classes(targets), optimizer.is_some()).unwrap();
        sum += value.sums[0];
        if let Some(optimizer) = &mut optimizer {
            model.backward(&value.gradient.unwrap()).unwrap();
            optimizer.step(&mut model.weights_mut(), &[Pace { rate: 0.01, momentum: None }]).unwrap();
        }
    }
    sum / samples.len() as f64
}

/// Multilayer perceptrons with each norm on both sides of the activation, the convolutional network of the
/// exercise and residual blocks; the numbers were made by `tests/parity/models.py`.
#[test]
fn models_of_every_kind_train_as_pytorchs_do() {
    let text = std::fs::read_to_string(project().join("tests/parity/fixtures/models.json")).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut worst: f64 = 0.0;
    for (name, case) in fixture["cases"].as_object().unwrap() {
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (count, batch) = (number("samples"), number("batch"));
        let size = shape.iter().product();
        let sample = |n: usize| {
            let pair = u(100 + (n % CLASSES) as u64, size).zip(u(200 + n as u64, size));
            let numbers: Vec<f32> =
                pair.map(|(class, noise)| (0.5 + 0.3 * class + 0.2 * noise) as f32).collect();
            Tensor::from_vec(numbers, shape.clone(), &Device::Cpu).unwrap()
        };
        let samples: Vec<Tensor> = (0..count).map(sample).collect();
        let (train, valid) = samples.split_at(count * 3 / 4);
        let mut model = model(case["model"].as_str().unwrap(), &shape);
        let table: toml::Table = toml::from_str("kind = 'sgd'\nmomentum = 0.9").unwrap();
        let optimizer: OptimizerConfig = setting::read(&table.into()).unwrap();
        let mut optimizer = optimizer.build(&model.parameters(), false).unwrap();
        for (index, row) in case["rows"].as_array().unwrap().iter().enumerate() {
            let trained = epoch(&mut model, train, batch, Some(&mut optimizer), 0);
            let evaluated = epoch(&mut model, valid, batch, None, train.len());
            for (ours, column) in [(trained, "train_loss"), (evaluated, "valid_loss")] {
                let theirs = row[column].as_f64().unwrap();
                let difference = (ours - theirs).abs() / theirs;
                worst = worst.max(difference);
                assert!(difference < 1e-4, "{name}: {column} {ours} for {theirs} in epoch {}", index + 1);
            }
        }
    }
    assert!(worst > 0.0, "nothing was compared");
}
