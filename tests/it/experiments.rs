//! Every experiment file that ships is run.

use std::fs;

use crate::workplace::{Workplace, project, record, text};

/// MNIST's four files with a few made-up images, so that no network and no data are needed.
pub fn small_mnist(workplace: &Workplace) {
    for (part, count) in [("train", 160u32), ("t10k", 40)] {
        let mut images = vec![0, 0, 8, 3];
        let mut labels = vec![0, 0, 8, 1];
        for size in [count, 28, 28] {
            images.extend(size.to_be_bytes());
        }
        labels.extend(count.to_be_bytes());
        for sample in 0..count {
            let class = (sample % 10) as u8;
            labels.push(class);
            // A bar whose place tells the class.
            images.extend(
                (0..784u32).map(|pixel| if pixel / 78 == u32::from(class) { 200 } else { (pixel % 7) as u8 }),
            );
        }
        workplace.write(&format!("mnist/{part}-images-idx3-ubyte"), images);
        workplace.write(&format!("mnist/{part}-labels-idx1-ubyte"), labels);
    }
}

#[test]
fn every_shipped_experiment_runs() {
    let workplace = Workplace::new();
    small_mnist(&workplace);
    let mut files: Vec<_> = fs::read_dir(project().join("experiments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    // What one experiment begins with another one leaves: that one first.
    files.sort_by_key(|file| (!file.ends_with("transfer_base.toml"), file.clone()));
    assert!(files.len() >= 13, "{files:?}");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let path = file.to_str().unwrap();
        let mut arguments = vec!["run", path, "-s", "train.epochs=2"];
        if fs::read_to_string(&file).unwrap().contains("source = \"mnist\"") {
            arguments.extend(["-s", "data.path=mnist"]);
        }
        let output = workplace.output(&arguments);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        for run in workplace.runs(&name) {
            assert_eq!(record(&run)["status"], "completed", "{}", run.display());
        }
    }
    assert_eq!(workplace.runs("dropout_sweep").len(), 24);
    assert_eq!(workplace.runs("mnist_baseline").len(), 3);
    assert_eq!(workplace.runs("text_sentiment").len(), 6);
    assert_eq!(workplace.runs("schedulers").len(), 12);
    assert_eq!(workplace.runs("activations_init").len(), 64);
}

#[test]
fn the_models_of_the_exercises_have_their_sizes() {
    let workplace = Workplace::new();
    small_mnist(&workplace);
    let experiment = |name: &str| project().join("experiments").join(name).to_str().unwrap().to_owned();
    let parameters = |name: &str| -> serde_json::Value {
        let out = workplace.run(&["plan", &experiment(name), "-s", "data.path=mnist", "--json"]);
        serde_json::from_str::<serde_json::Value>(&out).unwrap()[0]["parameters"].clone()
    };
    // 784-128-128-128-10 with three batch norms.
    assert_eq!(parameters("mnist_dnn.toml"), 135_562);
    // PyTorch: sum(p.numel() for p in Sequential(Linear(784, 630), LeakyReLU(), BatchNorm1d(630), …).parameters())
    assert_eq!(parameters("mnist_baseline.toml"), 1_007_646);
}

#[test]
fn the_quickstart_learns_its_digits() {
    let workplace = Workplace::new();
    let file = project().join("experiments/quickstart.toml");
    workplace.run(&["run", file.to_str().unwrap()]);
    let accuracy = record(&workplace.only_run("quickstart"))["test"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.93, "{accuracy}");
}
