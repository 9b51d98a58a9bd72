//! What can go wrong, and the exit code that each class of failure ends the program with.
//!
//! Texts are lower-case fragments, so that they read well behind "error: " and inside other sentences.

use std::path::{Path, PathBuf};

use crate::setting::Diagnostic;

/// All is well; also when the reader of our output closed the pipe.
pub const EXIT_OK: u8 = 0;
/// A run of the request stands failed or diverged, or `--verify` found a difference.
pub const EXIT_RUNS: u8 = 1;
/// The request is wrong: configuration, arguments, absent or unreadable data. Nothing was started.
pub const EXIT_REQUEST: u8 = 2;
/// The environment is: a device, the disk, the network, a permission.
pub const EXIT_ENVIRONMENT: u8 = 3;
/// A bug of ours.
pub const EXIT_BUG: u8 = 70;
/// Interrupted by Ctrl-C (128 + SIGINT).
pub const EXIT_INTERRUPTED: u8 = 130;
/// Ended by SIGTERM (128 + SIGTERM).
pub const EXIT_TERMINATED: u8 = 143;

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every way in which the library fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself cannot be carried out as it was made.
    #[error("{0}")]
    Request(String),
    /// Settings were refused, each with its place.
    #[error("{}", summary(.0))]
    Settings(Vec<Diagnostic>),
    /// A setting does not go with what it is for, which shows only when that is at hand.
    #[error("{reason}")]
    Setting {
        /// The setting, as in `model.freeze`.
        key: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A file that the user named is absent, damaged or of another kind.
    #[error("{}: {reason}", shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The file system refused something that should work.
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        /// The verb: `read`, `write`, `create` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A device or another part of the machine is not there or not usable.
    #[error("{0}")]
    Environment(String),
    /// A tensor operation failed. Inputs are checked before they reach one, so this is ours.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A promise inside the program was broken.
    #[error("{0} (a bug in runner: please report it)")]
    Bug(String),
}

impl Error {
    /// An [`Error::Io`] for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// An [`Error::Unreadable`].
    pub fn unreadable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unreadable { path: path.to_path_buf(), reason: reason.into() }
    }

    /// The code that the process ends with when this error ends it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Request(_) | Self::Settings(_) | Self::Setting { .. } | Self::Unreadable { .. } => {
                EXIT_REQUEST
            }
            Self::Io { .. } | Self::Environment(_) => EXIT_ENVIRONMENT,
            Self::Tensor(_) | Self::Bug(_) => EXIT_BUG,
        }
    }
}

/// A path as a user would type it: from the current folder on, if it lies there.
pub(crate) fn shown(path: &Path) -> std::path::Display<'_> {
    let folder = std::env::current_dir().unwrap_or_default();
    let inside = path.strip_prefix(&folder).ok().filter(|inside| !inside.as_os_str().is_empty());
    inside.unwrap_or(path).display()
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
