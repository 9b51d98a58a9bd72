//! What is done with bytes as rows of text.

use runner::data::input::RawSample;
use runner::data::{CsvConfig, Missing, Source, TextConfig};

use super::input;

const NAME: &str = "a.csv";
const CLASSES: &str = r#""classes": ["cat", "dog"]"#;
/// The columns `a`, `b` and `label` of the seeds.
const TABLE: &str = r#""normalize": "none", "missing": "error", "columns": [
    {"numbers": {"name": "a", "fill": null, "shift": 1.0, "scale": 0.5}},
    {"categories": {"name": "b", "names": ["x", "y"], "fill": null}}]"#;
const TEXT: &str = r#""text_column": "text", "target_column": "label", "lowercase": true, "tokenizer": "words",
    "longest": 4, "words": ["good", "film"]"#;

/// Reads the bytes for models of images, of tables and of texts (as a CSV and line by line), and as the data sets that these are trained on.
pub fn check(data: &[u8]) {
    input::check(NAME, data);
    let table = format!(r#"{{{CLASSES}, "target": "label", {TABLE}}}"#);
    input::read(NAME, data, &input::preprocessing(&table), |sample| match sample {
        RawSample::Table(values) => values.len() == 4 && input::finite(values),
        _ => false,
    });
    let texts = format!("{{{CLASSES}, {TEXT}}}");
    for name in [NAME, "a.txt"] {
        input::read(name, data, &input::preprocessing(&texts), |sample| matches!(sample, RawSample::Text(_)));
    }
    load(data);
}

fn load(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join(NAME);
    std::fs::write(&path, data).unwrap_or_else(|error| panic!("{error}"));
    let target = Some("label".to_owned());
    for missing in [Missing::Error, Missing::Drop] {
        let config =
            CsvConfig { path: Some(path.clone()), target: target.clone(), missing, ..CsvConfig::default() };
        try_load(&config);
    }
    try_load(&TextConfig { path: Some(path), target: "label".to_owned(), ..TextConfig::default() });
}

fn try_load(source: &dyn Source) {
    match source.load() {
        Ok(dataset) => drop(dataset),
        Err(error) => drop(error.to_string()),
    }
}
