//! The metrics of a trained run, computed again from its predictions by their definitions.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::workplace::{Workplace, one_line, record};

const METRICS: &str =
    "metrics = ['accuracy', 'precision', 'recall', 'f1', 'auc', { kind = 'top_k', k = 3 }]\n";

fn experiment(extra: &str) -> String {
    format!(
        "{METRICS}{extra}
        data.source = 'digits'
        model = {{ kind = 'mlp', hidden = [16], regularizer = 'none' }}
        train.epochs = 2\n"
    )
}

/// What `predictions.csv` holds, classes by their positions.
struct Predictions {
    classes: usize,
    targets: Vec<usize>,
    predicted: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
}

impl Predictions {
    fn read(run: &Path) -> Self {
        let mut reader = csv::Reader::from_path(run.join("predictions.csv")).unwrap();
        let header = reader.headers().unwrap().clone();
        let names: Vec<&str> = header.iter().skip(3).map(|name| &name["probability_".len()..]).collect();
        let position = |cell: &str| names.iter().position(|name| *name == cell).unwrap();
        let mut found =
            Self { classes: names.len(), targets: vec![], predicted: vec![], probabilities: vec![] };
        for row in reader.records().map(Result::unwrap) {
            found.targets.push(position(&row[1]));
            found.predicted.push(position(&row[2]));
            found.probabilities.push(row.iter().skip(3).map(|cell| cell.parse().unwrap()).collect());
        }
        found
    }

    fn share(&self, holds: impl Fn(usize) -> bool) -> f64 {
        let rows = self.targets.len();
        (0..rows).filter(|row| holds(*row)).count() as f64 / rows as f64
    }

    /// Samples of the true class that were taken for the other.
    fn count(&self, actual: usize, predicted: usize) -> usize {
        let pairs = self.targets.iter().zip(&self.predicted);
        pairs.filter(|(target, made)| **target == actual && **made == predicted).count()
    }

    fn precision(&self, class: usize) -> f64 {
        let taken: usize = (0..self.classes).map(|actual| self.count(actual, class)).sum();
        if taken == 0 { 0.0 } else { self.count(class, class) as f64 / taken as f64 }
    }

    fn recall(&self, class: usize) -> f64 {
        let there: usize = (0..self.classes).map(|predicted| self.count(class, predicted)).sum();
        if there == 0 { 0.0 } else { self.count(class, class) as f64 / there as f64 }
    }

    fn f1(&self, class: usize) -> f64 {
        let (precision, recall) = (self.precision(class), self.recall(class));
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }

    /// Every pair of a sample of the class and one of another.
    fn auc(&self, class: usize) -> f64 {
        let (mut pairs, mut won) = (0.0, 0.0);
        for (one, _) in self.targets.iter().enumerate().filter(|(_, target)| **target == class) {
            for (other, _) in self.targets.iter().enumerate().filter(|(_, target)| **target != class) {
                let (left, right) = (self.probabilities[one][class], self.probabilities[other][class]);
                pairs += 1.0;
                won += if left > right { 1.0 } else { f64::from(u8::from(left >= right)) / 2.0 };
            }
        }
        won / pairs
    }

    fn top(&self, k: usize) -> f64 {
        self.share(|row| {
            let own = self.probabilities[row][self.targets[row]];
            self.probabilities[row].iter().filter(|one| **one > own).count() < k
        })
    }

    fn mean(&self, of: impl Fn(&Self, usize) -> f64) -> f64 {
        (0..self.classes).map(|class| of(self, class)).sum::<f64>() / self.classes as f64
    }
}

#[track_caller]
fn assert_close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// Compares the record of a run with what its predictions come to; the predictions.
fn assert_record(record: &Value, run: &Path) -> Predictions {
    let made = Predictions::read(run);
    let test = &record["test"];
    assert_close(&test["accuracy"], made.share(|row| made.targets[row] == made.predicted[row]));
    assert_close(&test["precision"], made.mean(Predictions::precision));
    assert_close(&test["recall"], made.mean(Predictions::recall));
    assert_close(&test["f1"], made.mean(Predictions::f1));
    assert_close(&test["auc"], if made.classes == 2 { made.auc(1) } else { made.mean(Predictions::auc) });
    assert_close(&test["top_k"], made.top(3));
    for class in 0..made.classes {
        let found = &record["per_class"][class];
        assert_eq!(found["class"], record["confusion_matrix"]["classes"][class]);
        assert_close(&found["precision"], made.precision(class));
        assert_close(&found["recall"], made.recall(class));
        assert_close(&found["f1"], made.f1(class));
        assert_close(&found["auc"], made.auc(class));
        assert_eq!(found["support"], made.targets.iter().filter(|target| **target == class).count());
        for other in 0..made.classes {
            assert_eq!(record["confusion_matrix"]["counts"][class][other], made.count(class, other));
        }
    }
    made
}

#[test]
fn metrics_are_those_of_the_predictions() {
    let workplace = Workplace::new();
    let loss = "loss = { kind = 'cross_entropy', label_smoothing = 0.1, class_weights = [1, 2, 1, 1, 1, 1, 1, 1, 1, 0.5] }\n";
    workplace.write("a.toml", experiment(&format!("{loss}train.monitor = 'valid_auc'\n")));
    workplace.run(&["run", "a.toml", "--quiet"]);
    let run = workplace.only_run("a");
    let record = record(&run);
    let made = assert_record(&record, &run);
    assert_eq!(made.classes, 10);

    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(text.contains("kind = \"top_k\"") && text.contains("k = 3"), "{text}");
    let mut rows = csv::Reader::from_path(run.join("metrics.csv")).unwrap();
    let header = rows.headers().unwrap().clone();
    for name in ["train_auc", "valid_auc", "train_top_k", "valid_f1", "valid_precision", "train_recall"] {
        assert!(header.iter().any(|column| column == name), "{name} is missing");
    }
    let column = header.iter().position(|name| name == "valid_auc").unwrap();
    let areas: Vec<f64> = rows.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
    let best = areas.iter().copied().fold(0.0, f64::max);
    assert_close(&record["best"]["valid_auc"], best);

    let evaluated: Value = serde_json::from_str(&workplace.run(&["evaluate", "last", "--json"])).unwrap();
    for key in ["confusion_matrix", "per_class"] {
        assert_eq!(evaluated[0][key], record[key], "{key}");
    }
    for name in ["loss", "accuracy", "precision", "recall", "f1", "auc", "top_k"] {
        assert_eq!(evaluated[0][name], record["test"][name], "{name}");
    }
    for shown in [workplace.run(&["show", "last"]), workplace.run(&["evaluate", "last"])] {
        assert!(shown.contains("class  precision  recall"), "{shown}");
        assert!(shown.contains("true \\ predicted"), "{shown}");
    }
    let listed = workplace.run(&["compare", "a", "--json"]);
    assert!(listed.contains("valid_top_k"), "{listed}");
}

#[test]
fn one_logit_tells_two_classes_apart() {
    let workplace = Workplace::new();
    let text = experiment("loss = { kind = 'bce_with_logits', pos_weight = [2] }\ndata.classes = [3, 8]\n");
    workplace.write("a.toml", text);
    workplace.run(&["run", "a.toml", "--quiet"]);
    let run = workplace.only_run("a");
    let made = assert_record(&record(&run), &run);
    assert_eq!(made.classes, 2);
    assert!(made.probabilities.iter().all(|row| (row[0] + row[1] - 1.0).abs() < 1e-6));
    // 64 × 16 + 16 and 16 + 1: one output.
    assert_eq!(record(&run)["parameters"], 64 * 16 + 16 + 16 + 1);
    workplace.write("rows.csv", vec!["1"; 64].join(","));
    let out = workplace.run(&["predict", "last", "rows.csv"]);
    assert!(out.starts_with("input,index,prediction,probability_3,probability_8\n"), "{out}");
}

#[test]
fn losses_and_metrics_that_do_not_fit_are_refused_at_their_place() {
    let workplace = Workplace::new();
    let refused = |text: &str| {
        workplace.write("a.toml", format!("{text}\ndata.source = 'digits'\nmodel.kind = 'mlp'\n"));
        let (code, said) = workplace.fail(&["plan", "a.toml"]);
        assert_eq!(code, 2, "{said}");
        one_line(&said)
    };
    let said = refused("metrics = ['accuracy', 'r2']");
    assert!(said.contains("a.toml:1:24") && said.contains("the metric r2 is for numbers"), "{said}");
    assert!(said.contains("expected one of: accuracy, top_k, precision, recall, f1, auc"), "{said}");
    let said = refused("loss = 'mse'");
    assert!(said.contains("a.toml:1:8") && said.contains("the loss mse is for numbers"), "{said}");
    assert!(said.contains("expected one of: cross_entropy, bce_with_logits"), "{said}");
    let said = refused("loss.class_weights = [1, 2, 3]");
    assert!(said.contains("loss.class_weights holds 3 numbers, but the data has 10 classes"), "{said}");
    let said = refused("train.monitor = 'valid_auc'");
    assert!(said.contains("there is no metric \"valid_auc\""), "{said}");
}

#[test]
fn numbers_are_predicted_and_measured() {
    let workplace = Workplace::new();
    workplace.write(
        "a.toml",
        "metrics = ['mse', 'rmse', 'mae', 'r2', 'cosine_similarity']
        loss = 'huber'
        train = { epochs = 3, monitor = 'valid_rmse' }
        data = { source = 'synthetic', kind = 'regression', samples = 400, split = { train = 0.5, valid = 0.25, test = 0.25 } }
        model = { kind = 'mlp', hidden = [16], regularizer = 'none' }\n",
    );
    workplace.run(&["run", "a.toml", "--quiet"]);
    let run = workplace.only_run("a");
    let record = record(&run);
    let mut reader = csv::Reader::from_path(run.join("predictions.csv")).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["index", "target", "prediction"]);
    let pairs: Vec<(f64, f64)> = reader
        .records()
        .map(Result::unwrap)
        .map(|row| (row[1].parse().unwrap(), row[2].parse().unwrap()))
        .collect();
    assert_eq!(pairs.len(), 100);
    let mean = |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(y, p)| of(*y, *p)).sum::<f64>() / 100.0;
    let average = mean(&|y, _| y);
    let mse = mean(&|y, p| (y - p).powi(2));
    let lengths = mean(&|y, _| y * y).sqrt() * mean(&|_, p| p * p).sqrt();
    let test = &record["test"];
    assert_close(&test["mse"], mse);
    assert_close(&test["rmse"], mse.sqrt());
    assert_close(&test["mae"], mean(&|y, p| (y - p).abs()));
    assert_close(&test["r2"], 1.0 - mse / mean(&|y, _| (y - average).powi(2)));
    assert_close(&test["cosine_similarity"], mean(&|y, p| y * p) / lengths);
    let huber = |y: f64, p: f64| {
        let d = (y - p).abs();
        if d <= 1.0 { d * d / 2.0 } else { d - 0.5 }
    };
    assert_close(&test["loss"], mean(&huber));
    assert_eq!(record["confusion_matrix"], Value::Null);
    assert_eq!(record["per_class"], Value::Array(Vec::new()));

    let evaluated: Value = serde_json::from_str(&workplace.run(&["evaluate", "last", "--json"])).unwrap();
    assert_eq!(evaluated[0]["r2"], test["r2"]);
    assert!(evaluated[0].get("per_class").is_none());
    let header: Vec<String> = (0..10).map(|column| format!("x{column}")).collect();
    workplace.write("rows.csv", format!("{}\n{}\n", header.join(","), ["0.5"; 10].join(",")));
    let out = workplace.run(&["predict", "last", "rows.csv"]);
    assert!(out.starts_with("input,index,prediction\nrows.csv,0,"), "{out}");
    let line: Value =
        serde_json::from_str(&workplace.run(&["predict", "last", "rows.csv", "--json"])).unwrap();
    assert!(line["prediction"].is_number() && line.get("probabilities").is_none(), "{line}");
    // The defaults of numbers.
    workplace.write(
        "b.toml",
        "data = { source = 'synthetic', kind = 'regression', samples = 40 }\nmodel.kind = 'mlp'\ntrain.epochs = 1\n",
    );
    workplace.run(&["run", "b.toml", "--quiet"]);
    let text = fs::read_to_string(workplace.only_run("b").join("config.toml")).unwrap();
    assert!(
        text.contains("metrics = [\"rmse\", \"mae\", \"r2\"]") && text.contains("kind = \"mse\""),
        "{text}"
    );
}
