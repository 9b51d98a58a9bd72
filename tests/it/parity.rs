//! Three epochs of training against PyTorch, from the same weights and the same order of samples.
//!
//! The numbers were made by `tests/parity/train_parity.py`, which stands beside its fixtures.

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
