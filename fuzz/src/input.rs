//! What is done with bytes as a file of samples.

use std::path::Path;

use runner::data::Preprocessing;
use runner::data::input::{self, RawRow, RawSample};

/// Reads the bytes as a file of this name for models of images of 2×3 pixels, in one channel and in three.
pub fn check(name: &str, data: &[u8]) {
    for channels in [1, 3] {
        let text = format!(
            r#"{{"classes": ["cat", "dog", "7"], "shape": [{channels}, 2, 3], "maximum": 255.0,
                "normalize": "unit", "shift": {zeros:?}, "scale": {zeros:?}}}"#,
            zeros = vec![0.0; channels],
        );
        read(name, data, &preprocessing(&text), |sample| match sample {
            RawSample::Image(values) => values.len() == 6 * channels && finite(values),
            _ => false,
        });
    }
}

/// What a checkpoint says of its data.
pub fn preprocessing(text: &str) -> Preprocessing {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Whether all are numbers that a model can take.
pub fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// Reads the bytes with targets and without: rows are counted from 0, right, and end with the first error.
pub fn read(name: &str, data: &[u8], preprocessing: &Preprocessing, right: impl Fn(&RawSample) -> bool) {
    let path = Path::new(name);
    let check = |row: &RawRow, index: usize| {
        assert_eq!(row.index, index);
        assert!(right(&row.sample), "{row:?}");
    };
    if let Ok(rows) = input::open_bytes(path, data.to_vec(), preprocessing) {
        let mut failed = false;
        for (index, row) in rows.enumerate() {
            assert!(!failed, "rows after an error");
            match row {
                Ok(row) => check(&row, index),
                Err(error) => {
                    failed = true;
                    drop(error.to_string());
                }
            }
        }
    }
    match input::open_labelled_bytes(path, data.to_vec(), preprocessing) {
        Ok(rows) => rows.map_while(Result::ok).enumerate().for_each(|(index, row)| check(&row.0, index)),
        Err(error) => drop(error.to_string()),
    }
}
