//! `runner predict`: classes and probabilities for samples in files, in constant memory.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::say;
use crate::cli::PredictArgs;
use crate::data::input::{self, RawRow};
use crate::error::EXIT_OK;
use crate::run::Predictor;
use crate::store::{self, RunsDir};
use crate::train::classify;
use crate::{Error, Result};

/// Samples that are read, computed and written at once.
const CHUNK: usize = 1024;

/// One line a sample, in the order of the inputs.
pub fn execute(args: &PredictArgs) -> Result<u8> {
    // Half of an answer is none: everything that was named must be there before the first line is written.
    for path in &args.inputs {
        if let Err(error) = std::fs::metadata(path) {
            return Err(Error::unreadable(path, error.to_string()));
        }
    }
    let device = args.device.open()?;
    let mut predictor = Predictor::load(&checkpoint(args)?, &device)?;
    let out = anstream::stdout().lock();
    let mut sink = Sink::new(std::io::BufWriter::new(out), args.json, predictor.preprocessing.classes());
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut files = Vec::new();
    for path in &args.inputs {
        files.extend(input::files(path, &predictor.preprocessing)?);
    }
    for path in &files {
        if left == 0 {
            break;
        }
        let mut rows = input::open(path, &predictor.preprocessing)?.take(left);
        let mut index = 0;
        loop {
            let chunk: Vec<RawRow> = rows.by_ref().take(CHUNK).collect::<Result<_>>()?;
            if chunk.is_empty() {
                break;
            }
            let inputs = predictor.preprocessing.batch(&chunk, &device)?;
            let (classes, probabilities) = classify(&mut predictor.model, &inputs)?;
            for (class, row) in classes.iter().zip(probabilities.chunks(sink.classes.len())) {
                sink.write(path, index, *class, row)?;
                index += 1;
            }
            left -= chunk.len();
        }
        if index == 0 {
            say(&format!("{}: no samples", path.display()));
        }
    }
    sink.finish()?;
    Ok(EXIT_OK)
}

/// The checkpoint that the user means: a file, or the best one of a run.
fn checkpoint(args: &PredictArgs) -> Result<PathBuf> {
    let path = Path::new(&args.run);
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let runs = RunsDir::new(&args.within.runs.runs);
    let entry = store::resolve(&runs, args.within.experiment.as_deref(), &args.run)?;
    entry.require_checkpoint()
}

/// Where predictions go, a line each.
struct Sink<W: Write> {
    format: Format<W>,
    classes: Vec<String>,
}

enum Format<W: Write> {
    /// The header is written with the first row, so that a wrong input leaves none behind.
    Csv {
        writer: Box<csv::Writer<W>>,
        headed: bool,
    },
    JsonLines(W),
}

impl<W: Write> Sink<W> {
    fn new(out: W, json: bool, classes: &[String]) -> Self {
        let classes = classes.to_vec();
        if json {
            return Self { format: Format::JsonLines(out), classes };
        }
        let writer = Box::new(csv::Writer::from_writer(out));
        Self { format: Format::Csv { writer, headed: false }, classes }
    }

    fn write(&mut self, input: &Path, index: usize, class: u32, probabilities: &[f32]) -> Result<()> {
        let name = self.classes.get(class as usize).map_or("", String::as_str);
        let input = input.display().to_string();
        match &mut self.format {
            Format::Csv { writer, headed } => {
                if !std::mem::replace(headed, true) {
                    let fixed = ["input", "index", "prediction"].map(str::to_owned);
                    let named = self.classes.iter().map(|class| format!("probability_{class}"));
                    writer.write_record(fixed.into_iter().chain(named)).map_err(closed)?;
                }
                let fixed = [input, index.to_string(), name.to_owned()];
                let numbers = probabilities.iter().copied().map(store::number);
                writer.write_record(fixed.into_iter().chain(numbers)).map_err(closed)
            }
            Format::JsonLines(out) => {
                let by_class: indexmap::IndexMap<&String, f32> =
                    self.classes.iter().zip(probabilities.iter().copied()).collect();
                let line = serde_json::json!({
                    "input": input, "index": index, "prediction": name, "probabilities": by_class,
                });
                writeln!(out, "{line}").map_err(Error::io("write to", "the output".as_ref()))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self.format {
            Format::Csv { mut writer, .. } => writer.flush(),
            Format::JsonLines(mut out) => out.flush(),
        }
        .map_err(Error::io("write to", "the output".as_ref()))
    }
}

fn closed(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io("write to", "the output".as_ref())(source),
        other => Error::Bug(format!("failed to write CSV: {other:?}")),
    }
}
