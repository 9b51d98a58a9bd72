//! The architecture's rule that a module uses only modules below it, held against every source file.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top to the bottom; modules in one row may not use each other unless noted in [`PEERS`].
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli", "command"],
    &["output", "report"],
    &["run"],
    &["config", "store"],
    &["sweep", "train"],
    &["data", "model", "optimizer", "scheduler", "loss", "metric"],
    &["kernel"],
    &["device", "rng", "sample", "setting", "target", "error"],
];

/// Uses within a row that are meant: the first may use the second.
const PEERS: &[(&str, &str)] = &[
    // A command reads what was typed.
    ("command", "cli"),
    // Rendering takes the rows that reports return.
    ("output", "report"),
    // An optimizer changes a model's parameters.
    ("optimizer", "model"),
    // A schedule may follow a metric.
    ("scheduler", "metric"),
    // An error carries diagnostics, and everything may return one.
    ("error", "setting"),
    ("setting", "error"),
    ("target", "error"),
    ("device", "error"),
];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The first segment of every `crate::…` path, those inside braces included.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (start, _) in line.match_indices("crate::") {
            let before = line[..start].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let rest = &line[start + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split(['}', ',']).collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name
                    .trim()
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect();
                // Types re-exported at the root, such as `crate::Error`, belong to the lowest layer.
                if name.chars().next().is_some_and(char::is_lowercase) {
                    found.push(name);
                }
            }
        }
    }
    found
}

#[test]
fn every_module_uses_only_modules_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "only {} source files were found", files.len());
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let own = layer_of(&module).unwrap_or_else(|| panic!("`{module}` has no layer: add it to LAYERS"));
        for used in uses(&fs::read_to_string(&file).unwrap()) {
            let Some(other) = layer_of(&used) else {
                panic!("{} uses `{used}`, which has no layer", relative.display());
            };
            checked += 1;
            let is_peer = PEERS.contains(&(module.as_str(), used.as_str()));
            if used != module && other <= own && !(other == own && is_peer) {
                wrong.push(format!("{}: `{module}` uses `{used}`", relative.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} uses were found: the search is broken");
    assert!(wrong.is_empty(), "uses against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_device_and_the_kernels_know_of_cuda() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let allowed = relative == Path::new("device.rs") || relative.starts_with("kernel");
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            allowed || !text.contains("feature = \"cuda\""),
            "{} asks for the feature",
            relative.display()
        );
    }
}

#[test]
fn the_search_finds_uses_in_every_form() {
    let text = "use crate::{Result, store::RunsDir, kernel};\nlet x = crate::rng::Stream;\n// crate::cli\nsupercrate::x";
    assert_eq!(uses(text), ["store", "kernel", "rng"]);
}
