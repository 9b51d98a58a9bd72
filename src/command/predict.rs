//! `runner predict`: classes and probabilities, or numbers, for samples in files, in constant memory.

mod show;

use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Device;

use self::show::Gallery;
use super::say;
use crate::cli::PredictArgs;
use crate::data::input::{self, RawRow};
use crate::error::EXIT_OK;
use crate::run::Predictor;
use crate::store::{self, RunsDir};
use crate::target::Targets;
use crate::train::{Answer, answer};
use crate::{Error, Result};

/// Letters in a line where standard output is no terminal.
const LINE: usize = 80;
/// Samples that are read, computed and written at once.
const CHUNK: usize = 1024;

/// One line a sample, in the order of the inputs.
pub fn execute(args: &PredictArgs) -> Result<u8> {
    // Half of an answer is none: everything that was named must be there before the first line is written.
    for path in &args.inputs {
        if let Err(error) = std::fs::metadata(path) {
            let absent = error.kind() == std::io::ErrorKind::NotFound;
            let reason = if absent { "there is no such file".to_owned() } else { error.to_string() };
            return Err(Error::unreadable(path, reason));
        }
    }
    let device = args.device.open()?;
    let mut predictor = Predictor::load(&checkpoint(args)?, &device)?;
    let mut files = Vec::new();
    for path in &args.inputs {
        files.extend(input::files(path, &predictor.preprocessing)?);
    }
    let mut answers = if args.show {
        Answers::Drawn(Gallery::new(&files, super::width().unwrap_or(LINE)))
    } else {
        let out = std::io::BufWriter::new(anstream::stdout());
        Answers::Written(Sink::new(out, args.json, predictor.preprocessing.classes()))
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    for path in &files {
        if left == 0 {
            break;
        }
        let found = of_file(path, &mut predictor, left, &mut answers, &device)?;
        if found == 0 {
            say(&format!("{}: no samples", path.display()));
        }
        left -= found;
    }
    match answers {
        Answers::Drawn(mut gallery) => gallery.draw()?,
        Answers::Written(sink) => sink.finish()?,
    }
    Ok(EXIT_OK)
}

/// What becomes of predictions.
enum Answers<W: Write> {
    Drawn(Gallery),
    Written(Sink<W>),
}

/// Predicts the first samples of a file, `most` at most; how many there were.
fn of_file<W: Write>(
    path: &Path,
    predictor: &mut Predictor,
    most: usize,
    answers: &mut Answers<W>,
    device: &Device,
) -> Result<usize> {
    let loss = predictor.loss.as_loss();
    let mut rows = input::open(path, &predictor.preprocessing)?.peekable();
    let mut index = 0;
    loop {
        let chunk: Vec<RawRow> = rows.by_ref().take(CHUNK.min(most - index)).collect::<Result<_>>()?;
        if chunk.is_empty() {
            return Ok(index);
        }
        let inputs = predictor.preprocessing.batch(&chunk, device)?;
        let made = answer(&mut predictor.model, loss, &inputs)?;
        match answers {
            Answers::Drawn(gallery) => {
                let only = index == 0 && chunk.len() == 1 && rows.peek().is_none();
                gallery.add(path, &chunk, only, &made, &predictor.preprocessing)?;
            }
            Answers::Written(sink) => sink.write(path, index, &made)?,
        }
        index += chunk.len();
    }
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

/// What stands in a line beside the prediction; probabilities only of classes.
struct Line<'a> {
    input: &'a str,
    index: usize,
    probabilities: &'a [f32],
}

impl<W: Write> Format<W> {
    /// The prediction comes as a cell and as JSON.
    fn write(
        &mut self,
        classes: &[String],
        line: &Line<'_>,
        cell: String,
        json: &serde_json::Value,
    ) -> Result<()> {
        match self {
            Self::Csv { writer, headed } => {
                if !std::mem::replace(headed, true) {
                    let fixed = ["input", "index", "prediction"].map(str::to_owned);
                    let named = classes.iter().map(|class| format!("probability_{class}"));
                    writer.write_record(fixed.into_iter().chain(named)).map_err(closed)?;
                }
                let fixed = [line.input.to_owned(), line.index.to_string(), cell];
                let numbers = line.probabilities.iter().copied().map(store::number);
                writer.write_record(fixed.into_iter().chain(numbers)).map_err(closed)
            }
            Self::JsonLines(out) => {
                let mut object =
                    serde_json::json!({ "input": line.input, "index": line.index, "prediction": json });
                if !classes.is_empty() {
                    let by_class: indexmap::IndexMap<&String, f32> =
                        classes.iter().zip(line.probabilities.iter().copied()).collect();
                    object["probabilities"] = serde_json::json!(by_class);
                }
                writeln!(out, "{object}").map_err(Error::io("write to", "the output".as_ref()))
            }
        }
    }
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

    /// Writes the samples of `input` from the one at `index` on.
    fn write(&mut self, input: &Path, index: usize, made: &Answer) -> Result<()> {
        let input = input.display().to_string();
        let classes = self.classes.len();
        for row in 0..made.prediction.len() {
            let probabilities =
                made.probabilities.get(row * classes..(row + 1) * classes).unwrap_or_default();
            let line = Line { input: &input, index: index + row, probabilities };
            match &made.prediction {
                Targets::Classes(predicted) => {
                    let class = predicted.get(row).and_then(|class| self.classes.get(*class as usize));
                    let class = class.map_or("", String::as_str);
                    self.format.write(&self.classes, &line, class.to_owned(), &class.into())?;
                }
                Targets::Values(values) => {
                    let value = values.get(row).copied().unwrap_or(f32::NAN);
                    self.format.write(&self.classes, &line, store::number(value), &value.into())?;
                }
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool, classes: &[&str], made: &Answer) -> String {
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        let mut bytes = Vec::new();
        let mut sink = Sink::new(&mut bytes, json, &classes);
        sink.write(Path::new("a.csv"), 7, made).unwrap();
        sink.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_have_no_probabilities() {
        let made = Answer { prediction: Targets::Values(vec![0.5, f32::NAN]), probabilities: Vec::new() };
        insta::assert_snapshot!(written(false, &[], &made), @"
        input,index,prediction
        a.csv,7,0.5
        a.csv,8,NaN
        ");
        insta::assert_snapshot!(written(true, &[], &made), @r#"
        {"index":7,"input":"a.csv","prediction":0.5}
        {"index":8,"input":"a.csv","prediction":null}
        "#);
    }

    #[test]
    fn classes_have_a_probability_each() {
        let prediction = Targets::Classes(vec![1]);
        let made = Answer { prediction, probabilities: vec![0.25, 0.75] };
        insta::assert_snapshot!(written(false, &["cat", "dog"], &made), @"
        input,index,prediction,probability_cat,probability_dog
        a.csv,7,dog,0.25,0.75
        ");
        insta::assert_snapshot!(written(true, &["cat", "dog"], &made), @r#"{"index":7,"input":"a.csv","prediction":"dog","probabilities":{"cat":0.25,"dog":0.75}}"#);
    }
}
