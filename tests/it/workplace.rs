//! A folder of its own for a test, and the program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Removed when dropped.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The program, to be started in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command.current_dir(self.path()).args(arguments).env("NO_COLOR", "1").env("COLUMNS", "100");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUNNER__") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?} ended with {:?}\n{out}\n{err}", output.status.code());
        out
    }

    /// Exit code and standard error of a command that must fail.
    pub fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded:\n{}", text(&output.stdout));
        (output.status.code().unwrap(), text(&output.stderr))
    }

    /// The folders of an experiment's runs, by name.
    pub fn runs(&self, experiment: &str) -> Vec<PathBuf> {
        run_folders(&self.path().join("runs").join(experiment))
    }

    /// The folder of the only run of an experiment.
    pub fn only_run(&self, experiment: &str) -> PathBuf {
        let runs = self.runs(experiment);
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }
}

pub fn run_folders(experiment: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(experiment)
        .unwrap_or_else(|error| panic!("{}: {error}", experiment.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("run.json").is_file())
        .collect();
    found.sort();
    found
}

/// The bytes of the files of a run that must be the same whenever it is trained.
pub fn deterministic(run: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    const NAMES: [&str; 5] = [
        "config.toml",
        "metrics.csv",
        "predictions.csv",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
    ];
    NAMES.into_iter().map(|name| (name, fs::read(run.join(name)).unwrap())).collect()
}

/// Fails with the names of the files that differ, not with their bytes.
pub fn assert_same(left: &Path, right: &Path) {
    let (left_files, right_files) = (deterministic(left), deterministic(right));
    for (name, bytes) in left_files {
        assert!(
            bytes == right_files[name],
            "{name} differs between {} and {}",
            left.display(),
            right.display()
        );
    }
}

pub fn record(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A message without its line breaks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The project's own folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A small experiment on the built-in digits.
pub const SMALL: &str = "
    [data]
    source = 'digits'
    [model]
    kind = 'mlp'
    hidden = [16]
    regularizer = ['batch_norm', { kind = 'dropout', p = 0.2 }]
    [train]
    epochs = 3
    batch_size = 64
";
