//! What `run`, `resume` and `rerun` say of what they train.

use super::say;
use crate::error::{EXIT_OK, EXIT_RUNS};
use crate::model::Model;
use crate::run::{Library, Task};
use crate::store::Status;
use crate::{Error, Result};

/// What the runs begin with that is from files: once, however many runs begin with it.
pub fn tell_transfers(library: &Library, with_pairs: bool) {
    for (report, pairs) in library.transfers() {
        say(&format!("note: {report}"));
        for pair in pairs.iter().filter(|_| with_pairs) {
            say(&format!("  {pair}"));
        }
    }
}

/// What was typed, so that it can be typed again.
pub fn command_line() -> String {
    let quote = |word: String| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    // What is done already is not to be trained once more.
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != "--force").map(quote);
    let variables = super::variables()
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| format!("{name}={}", quote(value)));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

/// Model, optimizer and loss of the first run.
pub fn preamble(task: &Task) -> Result<String> {
    let config = &task.spec.config;
    let outputs = config.loss().outputs(task.data.task())?;
    let cpu = candle_core::Device::Cpu;
    let float = candle_core::DType::F32;
    let model = Model::build(&config.model, &task.data.shape(), outputs, config.seed, float, &cpu)?;
    let text = |value: Result<String, toml::ser::Error>| {
        value.map_err(|error| Error::Bug(format!("settings are not TOML: {error}")))
    };
    Ok(format!(
        "{}\n\noptimizer\n{}\nscheduler\n{}\nloss\n{}",
        model.summary(),
        text(toml::to_string(&config.optimizer))?,
        text(toml::to_string(&config.scheduler))?,
        text(toml::to_string(config.loss()))?,
    ))
}

/// The exit code for runs that stand so.
pub fn exit_code(statuses: impl IntoIterator<Item = Status>) -> u8 {
    let bad = |status| matches!(status, Status::Failed | Status::Diverged);
    if statuses.into_iter().any(bad) { EXIT_RUNS } else { EXIT_OK }
}
