//! The names of all files and folders, and the version of their format: the one place that writers and
//! readers share.

use std::path::{Path, PathBuf};

/// The version of the folder's format, `format` in `run.json`. Raised only where an older program would
/// misread a newer folder; added fields and files do not raise it.
pub const FORMAT: u32 = 1;

/// The run alone: every default written out, data paths absolute.
pub const CONFIG: &str = "config.toml";
/// What happened: status, results, machine.
pub const RECORD: &str = "run.json";
/// One row an epoch, deterministic.
pub const METRICS: &str = "metrics.csv";
/// One row an epoch, wall times.
pub const TIMING: &str = "timing.csv";
/// One row every so many steps.
pub const STEPS: &str = "steps.csv";
/// One row a sample of the test part, else of the validation part.
pub const PREDICTIONS: &str = "predictions.csv";
/// Plain lines for people.
pub const LOG: &str = "log.txt";
/// The folder of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// Weights and buffers of the best epoch.
pub const BEST: &str = "checkpoints/best.safetensors";
/// Weights, buffers and all training state: the one file that a resume reads.
pub const LAST: &str = "checkpoints/last.safetensors";
/// The layered experiment file, beside the runs.
pub const EXPERIMENT: &str = "experiment.toml";
/// The folder of the lock files, beside the runs.
pub const LOCKS: &str = ".locks";
/// What the names of folders that are to be deleted begin with, beside the runs.
pub const TRASH: &str = ".trash-";

/// The files whose bytes follow from the run's id, the program and the CPU model.
pub const DETERMINISTIC: [&str; 4] = [METRICS, PREDICTIONS, BEST, LAST];

/// The folder that holds a folder an experiment, which holds a folder a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsDir(PathBuf);

impl RunsDir {
    /// The folder at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of an experiment.
    pub fn experiment(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder of a run.
    pub fn run(&self, experiment: &str, name: &str) -> PathBuf {
        self.0.join(experiment).join(name)
    }
}

/// Where the experiment file that was replaced as the `number`th is kept.
pub fn older_experiment(number: usize) -> String {
    format!("experiment.{number}.toml")
}

/// What the folder of a run is renamed to before it is deleted.
pub fn trash(name: &str) -> String {
    format!("{TRASH}{name}")
}
