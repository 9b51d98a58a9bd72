//! Three epochs of training against PyTorch, from the same weights and the same order of samples.
//!
//! The numbers were made by `tests/parity/train_parity.py`, which stands beside its fixtures.

use candle_core::{DType, Device, Tensor};
use runner::loss::{Loss, LossConfig};
use runner::model::{Model, ModelConfig, Pass};
use runner::optimizer::{Optimizer, OptimizerConfig, Pace};
use runner::sample::SampleShape;
use runner::setting;
use runner::target::{Target, Targets, Task};

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
pub fn u(seed: u64, count: usize) -> impl Iterator<Item = f64> {
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
pub fn model(written: &str, shape: &[usize], outputs: usize, dtype: DType) -> Model {
    let config: ModelConfig = read(written);
    let shape = SampleShape::from(shape);
    let mut model = Model::build(&config, &shape, outputs, 1, dtype, &Device::Cpu).unwrap();
    for (index, (name, one)) in model.parameters_mut().into_iter().enumerate() {
        let dims = one.value.dims().to_vec();
        let count: usize = dims.iter().product();
        // The first dimension is that of runs.
        let (scale, shift) = match dims.len() {
            2 => (0.1, if name.ends_with("weight") { 1.0 } else { 0.0 }),
            _ => ((6.0 / dims[2..].iter().product::<usize>() as f64).sqrt(), 0.0),
        };
        let numbers: Vec<f64> = u(300 + index as u64, count).map(|x| shift + scale * x).collect();
        one.value = Tensor::from_vec(numbers, dims, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    }
    model
}

/// Settings that are read as those of an experiment.
pub fn read<T: serde::de::DeserializeOwned>(written: &str) -> T {
    setting::read(&toml::Value::Table(toml::from_str(written).unwrap())).unwrap()
}

/// The numbers of the sample `n`, which is of the class `class`.
pub fn numbers(class: u32, n: usize, size: usize) -> Vec<f64> {
    let pairs = u(100 + u64::from(class), size).zip(u(200 + n as u64, size));
    pairs.map(|(class, noise)| 0.5 + 0.3 * class + 0.2 * noise).collect()
}

/// Samples of `shape` in batches of `size`, the last of which may be smaller.
pub fn batches(
    samples: &[(Vec<f64>, Target)],
    shape: &[usize],
    task: Task,
    size: usize,
    dtype: DType,
) -> Vec<(Tensor, Targets)> {
    let batch = |part: &[(Vec<f64>, Target)]| {
        let numbers: Vec<f64> = part.iter().flat_map(|(numbers, _)| numbers).copied().collect();
        let inputs = Tensor::from_vec(numbers, [&[1, part.len()], shape].concat(), &Device::Cpu).unwrap();
        let targets = Targets::of(task, part.iter().map(|(_, target)| *target)).unwrap();
        (inputs.to_dtype(dtype).unwrap(), targets)
    };
    samples.chunks(size).map(batch).collect()
}

/// The mean loss over all batches, and a step behind each if there is an optimizer.
pub fn epoch(
    model: &mut Model,
    loss: &dyn Loss,
    batches: &[(Tensor, Targets)],
    mut optimizer: Option<&mut Box<dyn Optimizer>>,
) -> f64 {
    let pass = if optimizer.is_some() { Pass::training(&[1], 0) } else { Pass::EVALUATION };
    let (mut sum, mut weight) = (0.0, 0.0);
    for (inputs, targets) in batches {
        let outputs = model.forward(inputs, &pass).unwrap();
        let value = loss.evaluate(&outputs, targets, optimizer.is_some()).unwrap();
        sum += value.sums[0];
        weight += value.weights[0];
        if let Some(optimizer) = &mut optimizer {
            model.backward(&value.gradient.unwrap()).unwrap();
            optimizer.step(&mut model.weights_mut(), &[Pace { rate: 0.01, momentum: None }]).unwrap();
        }
    }
    sum / weight
}

/// How far the losses of the epochs of `rows` are from those of a training with momentum, relative to these, at most.
pub fn differences(
    model: &mut Model,
    loss: &dyn Loss,
    [train, valid]: &[Vec<(Tensor, Targets)>; 2],
    rows: &serde_json::Value,
) -> f64 {
    let optimizer: OptimizerConfig = read("kind = 'sgd'\nmomentum = 0.9");
    let mut optimizer = optimizer.build(&model.parameters(), false).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let mut worst: f64 = 0.0;
    for row in rows {
        let trained = epoch(model, loss, train, Some(&mut optimizer));
        let evaluated = epoch(model, loss, valid, None);
        for (ours, column) in [(trained, "train_loss"), (evaluated, "valid_loss")] {
            let theirs = row[column].as_f64().unwrap();
            let difference = (ours - theirs).abs() / theirs;
            assert!(difference.is_finite(), "{column}: {ours} for {theirs}");
            worst = worst.max(difference);
        }
    }
    worst
}

/// Multilayer perceptrons with each norm on both sides of the activation, the convolutional network of the
/// exercise and residual blocks; the numbers were made by `tests/parity/models.py`.
#[test]
fn models_of_every_kind_train_as_pytorchs_do() {
    const CLASSES: usize = 4;
    let text = std::fs::read_to_string(project().join("tests/parity/fixtures/models.json")).unwrap();
    let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
    let task = Task::Classification { classes: CLASSES };
    let mut worst: f64 = 0.0;
    for (name, case) in fixture["cases"].as_object().unwrap() {
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (count, size) = (number("samples"), shape.iter().product());
        let sample = |n: usize| {
            let class = (n % CLASSES) as u32;
            (numbers(class, n, size), Target::Class(class))
        };
        let samples: Vec<_> = (0..count).map(sample).collect();
        let (train, valid) = samples.split_at(count * 3 / 4);
        let parts = [train, valid].map(|part| batches(part, &shape, task, number("batch"), DType::F32));
        let mut model = model(case["model"].as_str().unwrap(), &shape, CLASSES, DType::F32);
        let loss = LossConfig::default();
        let difference = differences(&mut model, loss.as_loss(), &parts, &case["rows"]);
        assert!(difference < 1e-4, "{name}: {difference:e} apart");
        worst = worst.max(difference);
    }
    assert!(worst > 0.0, "nothing was compared");
}
