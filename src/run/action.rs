//! What is to be done with a run, by where it stands.

use crate::store::{RunEntry, Status};

/// What `runner run` does with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Train it from the start.
    Train,
    /// Go on from its last checkpoint.
    Resume,
    /// It is completed.
    Skip,
    /// It diverged, and would again; only `--force` trains it.
    Leave,
    /// A rule of `sweep.prune` has stopped it, and would again; a looser one lets it go on.
    Stop,
    /// Another process trains it now; what is left when that ends is decided then.
    Wait,
}

impl Action {
    /// Whether there is something to train.
    pub fn is_work(self) -> bool {
        matches!(self, Self::Train | Self::Resume | Self::Wait)
    }

    /// Whether there can be something to train: a rule may decide otherwise once others have got on.
    pub fn may_train(self) -> bool {
        self.is_work() || self == Self::Stop
    }

    /// The word in the table of `runner plan`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Resume => "resume",
            Self::Skip => "skip",
            Self::Leave | Self::Stop => "leave",
            Self::Wait => "wait",
        }
    }
}

/// What is to be done with a run that stands so.
pub(super) fn action(entry: Option<&RunEntry>, force: bool) -> Action {
    let Some(entry) = entry else { return Action::Train };
    match entry.record.status {
        Status::Running => Action::Wait,
        _ if force => Action::Train,
        Status::Completed => Action::Skip,
        Status::Diverged => Action::Leave,
        _ if entry.last_checkpoint().is_file() => Action::Resume,
        _ => Action::Train,
    }
}
