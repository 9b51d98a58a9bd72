//! A run that is to be trained, and what becomes of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::spec::RunSpec;
use crate::data::Prepared;
use crate::store::{Failure, Status};
use crate::sweep::prune::PruneConfig;

/// A run that is to be trained.
#[derive(Debug, Clone)]
pub struct Task {
    /// The run.
    pub spec: RunSpec,
    /// Its folder.
    pub dir: PathBuf,
    /// The experiment's name.
    pub experiment: String,
    /// Its data.
    pub data: Arc<Prepared>,
    /// Whether to train it from the start whatever an earlier attempt has left.
    pub force: bool,
    /// Epochs behind which it waits for other runs; all of them without.
    pub until: Option<usize>,
    /// The rule that may end it by its own values.
    pub prune: Option<Arc<PruneConfig>>,
    /// How long it takes beside the other tasks, in a unit that they share; 0 where nothing is known.
    pub cost: f64,
    /// The most memory that it needs at once; see [`estimate`](super::estimate).
    pub bytes: u64,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The experiment's name.
    pub experiment: String,
    /// The run's name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Where it stands now; `Running` if another process trains it.
    pub status: Status,
    /// Why it failed.
    pub failure: Option<(Failure, String)>,
    /// Whether this process has trained it; another one may have completed it meanwhile.
    pub trained: bool,
    /// Whether it waits for other runs: it is as far as the task was to go.
    pub waits: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Experiment, Layer};
    use crate::run::Library;

    /// A run on the built-in digits.
    pub fn task() -> Task {
        let text = "data.source = 'digits'\nmodel = { kind = 'mlp', hidden = [4] }\ntrain.epochs = 2\n";
        let layer = Layer::parse("x.toml".into(), PathBuf::new(), text).unwrap();
        let drafts = Experiment::from_layers(vec![layer], "x", None).unwrap().expand().unwrap().drafts;
        let library = Library::default();
        let mut spec = RunSpec::new(&drafts[0], &library).unwrap();
        spec.name = "run".into();
        let data = library.prepared(&spec.config.data).unwrap();
        let (dir, experiment) = (PathBuf::from("runs/x/run"), "x".into());
        Task { spec, dir, experiment, data, force: false, until: None, prune: None, cost: 0.0, bytes: 0 }
    }
}
