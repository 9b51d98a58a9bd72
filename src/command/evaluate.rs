//! `runner evaluate`: loss and metrics of a trained run on a part of its data or on another file.

use std::path::Path;

use super::{print, say};
use crate::cli::{EvaluateArgs, SplitName};
use crate::config::RunConfig;
use crate::data::Batch;
use crate::data::input::{self, RawRow};
use crate::error::EXIT_OK;
use crate::metric::ClassReport;
use crate::output::{Cell, Column, Table, classes};
use crate::run::{Library, Predictor};
use crate::store::{self, RunEntry, RunsDir, layout};
use crate::target::{Target, Targets};
use crate::train::{EVALUATION_BATCH, Review, review};
use crate::{Error, Result};

/// The best weights, in evaluation mode.
pub fn execute(args: &EvaluateArgs) -> Result<u8> {
    let runs = RunsDir::new(&args.within.runs.runs);
    let entry = store::resolve(&runs, args.within.experiment.as_deref(), &args.run)?;
    let device = args.device.open()?;
    let mut predictor = Predictor::load(&entry.require_checkpoint()?, &device)?;
    let (name, review) = match &args.file {
        Some(file) => (file.display().to_string(), on_file(&mut predictor, file, &device)?),
        None => on_split(&mut predictor, &entry, args.split, &device)?,
    };
    let mut columns = vec![Column::text("data"), Column::number("samples")];
    let mut cells = vec![Cell::Text(name), Cell::Count(review.tally.samples())];
    for (metric, value) in review.tally.values() {
        columns.push(Column::number(metric));
        cells.push(Cell::Number(value));
    }
    let mut table = Table::new(columns);
    table.push(cells);
    let report = review.predictions.class_report();
    if args.json {
        print(&json(&table, report)?)?;
        return Ok(EXIT_OK);
    }
    let mut parts = vec![table.text(super::width())];
    if let Some(report) = report {
        parts.extend(classes::sheet(&report.per_class, report.confusion.as_ref(), super::width()));
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).collect();
    print(&parts.join("\n\n"))?;
    Ok(EXIT_OK)
}

/// The one line of the table, with what is known of the classes.
fn json(table: &Table, report: Option<ClassReport>) -> Result<String> {
    let mut rows = table.value();
    if let Some(report) = report {
        rows[0]["confusion_matrix"] = serde_json::json!(report.confusion);
        rows[0]["per_class"] = serde_json::json!(report.per_class);
    }
    serde_json::to_string_pretty(&rows).map_err(|error| Error::Bug(format!("metrics are not JSON: {error}")))
}

fn on_split(
    predictor: &mut Predictor,
    entry: &RunEntry,
    wanted: Option<SplitName>,
    device: &candle_core::Device,
) -> Result<(String, Review)> {
    let config = RunConfig::load(&entry.dir.join(layout::CONFIG))?;
    let library = Library::default();
    if library.fingerprint(&config.data)? != entry.record.data.fingerprint {
        say(&format!("note: the data of {} has changed since it was trained", entry.name));
    }
    let data = library.prepared(&config.data)?;
    let split = &data.split;
    let default = if split.test.is_some() { SplitName::Test } else { SplitName::Valid };
    let (name, part) = match wanted.unwrap_or(default) {
        SplitName::Train => ("train", Some(&split.train)),
        SplitName::Valid => ("valid", split.valid.as_ref()),
        SplitName::Test => ("test", split.test.as_ref()),
    };
    let part = part.ok_or_else(|| {
        Error::Request(format!("{} has no {name} part; choose another with --split", entry.name))
    })?;
    let loss = predictor.loss.as_loss();
    let found = review(&mut predictor.model, loss, &predictor.metrics, &data, part, device)?;
    Ok((name.to_owned(), found))
}

fn on_file(predictor: &mut Predictor, file: &Path, device: &candle_core::Device) -> Result<Review> {
    let loss = predictor.loss.as_loss();
    let preprocessing = &predictor.preprocessing;
    let mut review = Review::new(&predictor.metrics, preprocessing.task(), preprocessing.classes());
    let mut left_out = 0usize;
    let chosen = |row: Result<(RawRow, Option<Target>)>| match row {
        Ok((row, target)) => {
            left_out += usize::from(target.is_none());
            target.map(|target| Ok((row, target)))
        }
        Err(error) => Some(Err(error)),
    };
    let mut rows = input::open_labelled(file, preprocessing)?.filter_map(chosen);
    loop {
        let chunk = rows.by_ref().take(EVALUATION_BATCH).collect::<Result<Vec<_>>>()?;
        if chunk.is_empty() {
            break;
        }
        let (rows, targets): (Vec<_>, Vec<_>) = chunk.into_iter().unzip();
        let inputs = predictor.preprocessing.batch(&rows, device)?;
        let targets = Targets::of(predictor.preprocessing.task(), targets)?;
        let batch = Batch { inputs, targets };
        review.add(&mut predictor.model, loss, &batch, &[])?;
    }
    drop(rows);
    if review.tally.samples() == 0 {
        let reason = match left_out {
            0 => "there are no samples in it",
            _ => "there is no sample in it of a class that the model was trained on",
        };
        return Err(Error::unreadable(file, reason));
    }
    // As `data.classes` does with the samples to train with.
    if left_out > 0 {
        let (samples, classes) =
            if left_out == 1 { ("sample", "its class") } else { ("samples", "their classes") };
        let file = file.display();
        say(&format!(
            "note: left out {left_out} {samples} of {file}: the model was not trained on {classes}"
        ));
    }
    Ok(review)
}
