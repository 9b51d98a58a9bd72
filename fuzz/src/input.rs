//! What is done with bytes as a file of samples.

use std::path::Path;

use runner::data::Preprocessing;
use runner::data::input::{self, RawRow, RawSample};

/// Reads the bytes as a file of this name: images of 2×3 pixels in one channel and in three, with classes and
/// without.
pub fn check(name: &str, data: &[u8]) {
    let path = Path::new(name);
    for channels in [1, 3] {
        let preprocessing = preprocessing(channels);
        match input::open_bytes(path, data.to_vec(), &preprocessing) {
            Ok(rows) => {
                let (mut next, mut failed) = (0, false);
                for row in rows {
                    assert!(!failed, "rows after an error");
                    match row {
                        Ok(row) => expect(&row, next, channels),
                        Err(error) => {
                            failed = true;
                            drop(error.to_string());
                        }
                    }
                    next += 1;
                }
            }
            Err(error) => drop(error.to_string()),
        }
        match input::open_labelled_bytes(path, data.to_vec(), &preprocessing) {
            Ok(rows) => rows.for_each(drop),
            Err(error) => drop(error.to_string()),
        }
    }
}

fn expect(row: &RawRow, index: usize, channels: usize) {
    assert_eq!(row.index, index);
    let RawSample::Image(values) = &row.sample else { panic!("a model of images was given something else") };
    assert_eq!(values.len(), 6 * channels);
    assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
}

fn preprocessing(channels: usize) -> Preprocessing {
    let text = format!(
        r#"{{"classes": ["cat", "dog", "7"], "shape": [{channels}, 2, 3], "maximum": 255.0,
            "normalize": "unit", "shift": {zeros:?}, "scale": {zeros:?}}}"#,
        zeros = vec![0.0; channels],
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}
