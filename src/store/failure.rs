//! Why an attempt at a run failed, as `run.json` keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What ended a failed attempt, as far as it decides what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Its process was ended from outside: by a person, or by a system that ran out of memory.
    Killed,
    /// Memory, of the machine or of the device, did not suffice.
    OutOfMemory,
    /// A bug in runner.
    Panicked,
    /// Data or a file that the settings name is gone or damaged.
    Data,
    /// The disk is full or may not be written to.
    Disk,
    /// Anything else: a device, a permission, a file system.
    Environment,
}

impl Failure {
    /// The word in `run.json`, made of words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::OutOfMemory => "out of memory",
            Self::Panicked => "panicked",
            Self::Data => "its data",
            Self::Disk => "the disk",
            Self::Environment => "the environment",
        }
    }
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureRecord {
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub class: Failure,
    /// What was said.
    pub error: String,
}
