//! A run that goes on where another one ended, with more epochs or other settings.

use super::library::Library;
use super::spec::RunSpec;
use crate::config::Draft;
use crate::setting::Shared;
use crate::store::{Origin, RunEntry, Status, checkpoint};
use crate::train::{TrainConfig, epochs_in};
use crate::{Error, Result};

/// The run of `draft` that begins with the last checkpoint of `original`, and what it goes on from.
///
/// Where nothing but the number of epochs differs, and the learning rate does not follow from that, the result is the
/// one of training all epochs at once, and so is the id.
pub fn go_on(draft: &Draft, original: &RunEntry, library: &Library) -> Result<(RunSpec, Origin)> {
    let name = &original.name;
    if original.record.status == Status::Running {
        return Err(Error::Request(format!("{name} is being trained: wait for its end")));
    }
    let path = original.last_checkpoint();
    if !path.is_file() {
        let text =
            format!("{name} has no last checkpoint to go on from; `runner rerun {name}` trains it again");
        return Err(Error::Request(text));
    }
    let epoch = epochs_in(&checkpoint::load(&path)?.tensors)
        .ok_or_else(|| Error::unreadable(&path, "there is no state of a training in it"))?;
    let epochs = draft.config.train.epochs;
    if epochs <= epoch {
        return Err(Error::Request(format!(
            "{name} has {epoch} epochs already, and {epochs} are asked for: set more, as in -s train.epochs={}",
            epoch * 2
        )));
    }
    let spec = RunSpec::new(draft, library)?;
    let exact = !draft.config.scheduler.follows_length() && is_longer(draft, original, library)?;
    let origin = Origin { id: original.record.id.clone(), epoch, exact };
    Ok((spec.continuing(&origin), origin))
}

/// Whether the original is the same run with another number of epochs.
fn is_longer(draft: &Draft, original: &RunEntry, library: &Library) -> Result<bool> {
    let Some(epochs) = original.config()?.get("train").and_then(|train| train.get("epochs")?.as_integer())
    else {
        return Ok(false);
    };
    let mut shorter = draft.clone();
    let train = TrainConfig { epochs: usize::try_from(epochs).unwrap_or(0), ..(*draft.config.train).clone() };
    shorter.config.train = Shared::new(train);
    Ok(RunSpec::new(&shorter, library)?.id == original.record.id)
}

/// As a run that was begun so stands in its record: the id of `spec` with what it goes on from.
pub fn as_begun(spec: RunSpec, entry: &RunEntry) -> RunSpec {
    match &entry.record.continued_from {
        Some(origin) => spec.continuing(origin),
        None => spec,
    }
}
