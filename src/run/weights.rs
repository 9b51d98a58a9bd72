//! Which file `model.weights` stands for, where it names a run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::library::Library;
use crate::config::{Draft, RunConfig};
use crate::model::ModelConfig;
use crate::setting::Shared;
use crate::store::{self, RunEntry, RunsDir, layout};
use crate::{Error, Result};

/// What names a run instead of a file: `run:NAME`.
const RUN: &str = "run:";

/// Puts the checkpoint's path in the place of a run in `model.weights`, for all `drafts`; what cannot be found
/// stays as it is and is given back with the reason.
pub(super) fn locate(drafts: &mut [Draft], runs: &RunsDir, library: &Library) -> Vec<(PathBuf, Error)> {
    let mut failed = Vec::new();
    let mut located: HashMap<usize, Shared<ModelConfig>> = HashMap::new();
    // The tables that were there before live on in here, so that no address is used twice.
    let mut kept = Vec::new();
    for RunConfig { model, .. } in drafts.iter_mut().map(|draft| &mut draft.config) {
        let Some(path) = model.common.weights.clone() else { continue };
        let known = located.entry(model.address()).or_insert_with(|| {
            kept.push(model.clone());
            let mut changed = model.clone();
            match checkpoint(&path, runs, library) {
                Ok(Some(found)) => changed.common.weights = Some(found),
                Ok(None) => {}
                Err(error) => failed.push((path, error)),
            }
            changed
        });
        *model = known.clone();
    }
    failed
}

/// The same for runs without a plan; the first thing that cannot be found is the error.
pub fn locate_weights(drafts: &mut [Draft], runs: &RunsDir, library: &Library) -> Result<()> {
    locate(drafts, runs, library).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// The best weights of the run that `path` names: by its folder, or as `run:NAME`, where NAME is that of an
/// experiment (its best run), `EXPERIMENT/RUN`, or a run. `None` for any other path.
fn checkpoint(path: &Path, runs: &RunsDir, library: &Library) -> Result<Option<PathBuf>> {
    if let Some(name) = path.to_str().and_then(|text| text.strip_prefix(RUN)) {
        let (experiment, run) = match name.split_once('/') {
            Some((experiment, run)) => (Some(experiment), run),
            None if runs.experiment(name).is_dir() => (Some(name), "best"),
            None => (None, name),
        };
        let found = best(&store::resolve(runs, experiment, run)?, library)?;
        // The configuration that it is written into is read from another folder.
        return std::path::absolute(&found).map(Some).map_err(Error::io("find", &found));
    }
    if !path.is_dir() {
        return Ok(None);
    }
    let file = path.join(layout::BEST);
    match RunEntry::load(path)? {
        Some(run) => best(&run, library).map(Some),
        None if file.is_file() => Ok(Some(file)),
        None => Err(Error::unreadable(path, "is a folder without checkpoints/best.safetensors")),
    }
}

/// The best weights of a run, which must still be what the run wrote.
fn best(run: &RunEntry, library: &Library) -> Result<PathBuf> {
    let found = run.require_checkpoint()?;
    // The library hashes the file anyway, for the id of the run that begins with it.
    let whole = std::path::absolute(&found).map_err(Error::io("find", &found))?;
    let is_changed = run.record.checksums.contains_key(layout::BEST)
        && run.record.contradicts(layout::BEST, &library.weights(&whole)?);
    if is_changed { Err(store::changed(&found, &run.dir)) } else { Ok(found) }
}
