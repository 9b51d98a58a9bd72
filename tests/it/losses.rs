//! Three epochs of training with every loss against PyTorch, from the same weights and the same order of samples.
//!
//! The numbers were made by `tests/parity/losses.py`.

use std::collections::BTreeSet;

use candle_core::DType;
use runner::loss::LossConfig;
use runner::setting::Kind;
use runner::target::{Target, Task};
use serde_json::Value;

use crate::parity::{batches, differences, model, numbers, read, u};
use crate::workplace::project;

const MODEL: &str = "kind = 'mlp'\nhidden = [16, 8]\nactivation = 'tanh'\nregularizer = 'none'";
/// Samples of numbers to be told are of as many classes, which their targets do not know.
const CLASSES: usize = 4;
const CASES: usize = 9;

#[test]
fn every_loss_trains_as_pytorchs_does() {
    let text = std::fs::read_to_string(project().join("tests/parity/fixtures/losses.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let size = |key: &str| fixture[key].as_u64().unwrap() as usize;
    let (count, trained, width) = (size("samples"), size("trained"), size("width"));
    assert!(!trained.is_multiple_of(size("batch")), "the last batch is to be smaller");
    let mut kinds = BTreeSet::new();
    let cases = fixture["cases"].as_object().unwrap();
    assert_eq!(cases.len(), CASES);
    for (name, case) in cases {
        let config: LossConfig = read(case["loss"].as_str().unwrap());
        kinds.insert(config.kind());
        let classes = case["classes"].as_u64().map(|classes| classes as usize);
        let task = classes.map_or(Task::Regression, |classes| Task::Classification { classes });
        let drawn = u(60, count).map(|x| (classes.unwrap_or(CLASSES) as f64 * (1.0 + x) / 2.0) as u32);
        let sample = |(n, (class, x)): (usize, (u32, f64))| {
            let target = classes.map_or(Target::Value((2.0 * x) as f32), |_| Target::Class(class));
            (numbers(class, n, width), target)
        };
        let samples: Vec<_> = drawn.zip(u(61, count)).enumerate().map(sample).collect();
        let (train, valid) = samples.split_at(trained);
        for (dtype, most) in [(DType::F64, 1e-9), (DType::F32, 1e-5)] {
            let parts = [train, valid].map(|part| batches(part, &[width], task, size("batch"), dtype));
            let mut model = model(MODEL, &[width], config.outputs(task).unwrap(), dtype);
            let loss = config.as_loss();
            let difference = differences(&mut model, loss, &parts, &case["rows"]);
            assert!(difference < most, "{name}: {difference:e} apart with {dtype:?}");
        }
    }
    assert_eq!(kinds, LossConfig::kinds().iter().copied().collect());
}
