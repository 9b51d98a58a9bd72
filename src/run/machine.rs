//! What `run.json` says of the program, the machine and the repository: asked for once a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::spec::RunSpec;
use crate::config::NUMERICS;
use crate::data::{Part, Prepared};
use crate::device::Processor;
use crate::store::{DataRecord, GitRecord, RunRecord};

/// The circumstances of all runs that this process trains.
#[derive(Debug, Clone)]
pub struct Machine {
    host: String,
    processor: Processor,
    versions: BTreeMap<String, String>,
    git: Option<GitRecord>,
}

impl Machine {
    /// Asks the system, and git about the current folder.
    pub fn detect() -> Self {
        let versions = [
            ("runner", env!("CARGO_PKG_VERSION").to_owned()),
            ("numerics", NUMERICS.to_string()),
            ("candle", "0.11".to_owned()),
        ];
        Self {
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            processor: Processor::detect(),
            versions: versions.into_iter().map(|(name, version)| (name.to_owned(), version)).collect(),
            git: git(Path::new(".")),
        }
    }

    /// The record of a run that begins now.
    pub fn record(
        &self,
        spec: &RunSpec,
        data: &Prepared,
        experiment: &str,
        device: &str,
        threads: usize,
    ) -> RunRecord {
        let mut record = RunRecord::new(&spec.id, &spec.name, experiment, jiff::Timestamp::now());
        device.clone_into(&mut record.device);
        record.host.clone_from(&self.host);
        record.cpu.clone_from(&self.processor.model);
        self.processor.instruction_set.clone_into(&mut record.instruction_set);
        record.threads = threads;
        record.versions.clone_from(&self.versions);
        record.git.clone_from(&self.git);
        record.data = DataRecord {
            fingerprint: spec.fingerprint.to_string(),
            train: data.split.train.len(),
            valid: data.split.valid.as_ref().map_or(0, Part::len),
            test: data.split.test.as_ref().map_or(0, Part::len),
        };
        record.assignment = spec.assignment_json().collect();
        record.continued_from = spec.origin().cloned();
        record
    }
}

/// The commit of the repository around `folder`, if git is there and knows one.
fn git(folder: &Path) -> Option<GitRecord> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(folder).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = ask(&["rev-parse", "HEAD"])?;
    let changed = ask(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(GitRecord { commit, dirty: !changed.is_empty() })
}
