//! Whether a run can be trained on its data, and where to tell that it cannot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::library::Library;
use super::spec::RunSpec;
use crate::data::Prepared;
use crate::setting::Excerpt;
use crate::{Error, Result};

/// Why a run cannot be trained on its data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Refusal {
    pub reason: String,
    /// The file that is to blame, if one is.
    pub file: Option<PathBuf>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        let file = match error {
            Error::Unreadable { path, .. } => Some(path),
            _ => None,
        };
        Self { reason, file }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, file: None }
    }
}

/// The place of the setting that names a file, or the folder that it lies in.
pub(super) fn place_of(file: &Path, paths: &[(PathBuf, Excerpt)]) -> Option<Excerpt> {
    paths.iter().find(|(path, _)| file.starts_with(path)).map(|(_, excerpt)| excerpt.clone())
}

/// The data of one run, which fits its settings.
pub fn prepare(spec: &RunSpec, library: &Library) -> Result<Arc<Prepared>> {
    fit(spec, library).map_err(|refusal| Error::Request(refusal.reason))
}

/// As [`prepare`], with the file that is to blame.
pub(super) fn fit(spec: &RunSpec, library: &Library) -> Result<Arc<Prepared>, Refusal> {
    let data = library.prepared(&spec.config.data)?;
    check_against(spec, &data, library)?;
    Ok(data)
}

/// What can be known only with the data at hand.
fn check_against(spec: &RunSpec, data: &Prepared, library: &Library) -> Result<(), Refusal> {
    let config = &spec.config;
    let (shape, outputs) = (data.shape(), config.loss().outputs(data.task())?);
    config.metrics.iter().try_for_each(|metric| metric.require_task(data.task().kind()))?;
    config.model.parameter_count(&shape, outputs)?;
    if let Err(reason) = library.check_weights(&config.model, &shape, outputs) {
        return Err(Refusal { reason, file: config.model.common.weights.clone() });
    }
    library.check_groups(config, &shape, outputs)?;
    let (samples, batch) = (data.split.train.len(), config.train.batch_size);
    if config.train.drop_last && samples < batch {
        let reason =
            format!("train.drop_last leaves no batch: {samples} training samples, batches of {batch}");
        return Err(reason.into());
    }
    let last = if config.train.drop_last { batch } else { samples % batch };
    if (last == 1 || batch == 1) && config.model.needs_two_samples(&shape, outputs)? {
        let reason = format!(
            "batch norm cannot train on a single sample, and the last of the batches of {batch} from {samples} \
             samples has one; change train.batch_size or set train.drop_last = true"
        );
        return Err(reason.into());
    }
    Ok(())
}
