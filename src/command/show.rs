//! `runner show`: one run, whole.

use candle_core::Device;

use super::{print, say, width};
use crate::cli::ShowArgs;
use crate::error::EXIT_OK;
use crate::output::{classes, curve, view};
use crate::report::{self, Subject};
use crate::run::Predictor;
use crate::store::{self, RunEntry, RunsDir, Status, layout};
use crate::{Error, Result};

/// Columns of the curve where the output is no terminal.
const WIDTH: usize = 80;
/// Lines of the curve.
const HEIGHT: usize = 12;

/// What happened, the metrics, the settings, the model, the curve.
pub fn execute(args: &ShowArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.within.runs.runs);
    let entry = store::resolve(&runs, args.within.experiment.as_deref(), &args.run)?;
    if args.path {
        print(&entry.require_checkpoint()?.display().to_string())?;
        return Ok(EXIT_OK);
    }
    let subject = Subject { entry: &entry, config: entry.config().ok() };
    let sheet = report::show(&subject);
    if args.json {
        let text = serde_json::to_string_pretty(&sheet)
            .map_err(|error| Error::Bug(format!("a run is not JSON: {error}")))?;
        print(&text)?;
        return Ok(EXIT_OK);
    }
    let mut parts = vec![view::facts(&sheet).text(width()), view::metrics(&sheet).text(width())];
    let record = &sheet.record;
    parts.extend(classes::sheet(&record.per_class, record.confusion_matrix.as_ref(), width()));
    parts.push(view::settings(&sheet).text(width()));
    parts.extend(model(&entry));
    let (rows, is_changed) = entry.checked_metrics()?;
    if is_changed {
        say(&format!(
            "note: {} is not what the run wrote: its checksum is not the one in run.json",
            entry.dir.join(layout::METRICS).display()
        ));
    }
    // A run of no epochs will have no curve.
    if !rows.is_empty() || record.status != Status::Completed {
        parts.push(curve(&rows, &["train_loss", "valid_loss"], width().unwrap_or(WIDTH), HEIGHT));
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
    print(&parts.join("\n\n"))?;
    Ok(EXIT_OK)
}

/// The summary of the model: from the checkpoint, which knows the shapes; without one there is none.
fn model(entry: &RunEntry) -> Option<String> {
    let checkpoint = entry.require_checkpoint().ok()?;
    match Predictor::load(&checkpoint, &Device::Cpu) {
        Ok(predictor) => Some(predictor.model.summary().to_string()),
        Err(error) => {
            say(&format!("note: the model is not shown: {error}"));
            None
        }
    }
}
