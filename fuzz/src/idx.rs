//! What is done with bytes as an IDX file.

use runner::data::{IdxConfig, Source};

/// Reads the bytes as images to predict and, with labels beside them, as a data set.
pub fn check(data: &[u8]) {
    super::input::check("images", data);
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    let write = |path, bytes: &[u8]| std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{error}"));
    write(&images, data);
    // As many labels as the seeds have images; and the bytes as labels, which they may be as well.
    for (other, name) in [(&[0, 0, 8, 1, 0, 0, 0, 2, 0, 1][..], &labels), (data, &labels)] {
        write(name, other);
        let paths = (Some(images.clone()), Some(labels.clone()));
        let config = IdxConfig { images: paths.0, labels: paths.1, ..IdxConfig::default() };
        match config.load() {
            Ok(dataset) => drop(dataset),
            Err(error) => drop(error.to_string()),
        }
    }
}
