//! `runner init`: a commented experiment file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{print, say};
use crate::cli::InitArgs;
use crate::error::EXIT_OK;
use crate::output::{Cell, Column, Table};
use crate::setting::nearest;
use crate::{Error, Result};

/// The files of `experiments/`, by their names; the first is the default.
const TEMPLATES: &[(&str, &str)] = &[
    ("quickstart", include_str!("../../experiments/quickstart.toml")),
    ("dropout_sweep", include_str!("../../experiments/dropout_sweep.toml")),
    ("optimizer_search", include_str!("../../experiments/optimizer_search.toml")),
    ("cnn_images", include_str!("../../experiments/cnn_images.toml")),
    ("text_sentiment", include_str!("../../experiments/text_sentiment.toml")),
    ("tabular_classification", include_str!("../../experiments/tabular_classification.toml")),
    ("tabular_regression", include_str!("../../experiments/tabular_regression.toml")),
    ("transfer_base", include_str!("../../experiments/transfer_base.toml")),
    ("transfer", include_str!("../../experiments/transfer.toml")),
    ("schedulers", include_str!("../../experiments/schedulers.toml")),
    ("activations_init", include_str!("../../experiments/activations_init.toml")),
    ("mnist_baseline", include_str!("../../experiments/mnist_baseline.toml")),
    ("mnist_dnn", include_str!("../../experiments/mnist_dnn.toml")),
];
/// The files of `experiments/data/` that templates read.
const DATA: &[(&str, &str)] = &[
    ("apples.csv", include_str!("../../experiments/data/apples.csv")),
    ("rentals.csv", include_str!("../../experiments/data/rentals.csv")),
    ("reviews.csv", include_str!("../../experiments/data/reviews.csv")),
];
/// The folder that they lie in, beside the template.
const DATA_FOLDER: &str = "data";
/// Stands for standard output in the place of a file's name.
const STANDARD_OUTPUT: &str = "-";

/// Writes a template, or lists them.
pub fn execute(args: &InitArgs) -> Result<u8> {
    if args.list {
        print(&list().text(super::width()))?;
        return Ok(EXIT_OK);
    }
    let text = find(&args.template)?;
    match &args.output {
        Some(output) if output == Path::new(STANDARD_OUTPUT) => print(text)?,
        output => {
            let path = output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.template)));
            let text = renamed(text, &args.template, &path);
            write_new(&path, &text)?;
            print(&path.display().to_string())?;
            for path in write_base(&path, &text)?.into_iter().chain(write_data(&path, &text)?) {
                print(&path.display().to_string())?;
            }
            if let Some(command) = first_command(&text) {
                say(&format!("next: {command}"));
            }
        }
    }
    Ok(EXIT_OK)
}

/// Puts the template beside another whose weights that one begins with, unless it is there; its path if it was written.
fn write_base(template: &Path, text: &str) -> Result<Option<PathBuf>> {
    let folder = template.parent().unwrap_or(Path::new(""));
    let Some((name, content)) = TEMPLATES.iter().find(|(name, _)| text.contains(&format!("\"run:{name}\"")))
    else {
        return Ok(None);
    };
    let path = folder.join(format!("{name}.toml"));
    if path.exists() {
        return Ok(None);
    }
    write_new(&path, content).map(|()| Some(path))
}

/// Puts the data that a template reads beside it, unless it is there; the paths of what was written.
fn write_data(template: &Path, text: &str) -> Result<Vec<PathBuf>> {
    let folder = template.parent().unwrap_or(Path::new("")).join(DATA_FOLDER);
    let mut written = Vec::new();
    for (name, content) in DATA.iter().filter(|(name, _)| text.contains(&format!("\"{DATA_FOLDER}/{name}\"")))
    {
        let path = folder.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == *content) {
            continue;
        }
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        write_new(&path, content)?;
        written.push(path);
    }
    Ok(written)
}

/// The template with its comments speaking of the file that it is written to.
fn renamed(text: &str, template: &str, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = format!("{template}.toml");
    let path = path.display().to_string();
    replaced(&replaced(text, &file, &path), template, &stem)
}

/// `text` with another word in the place of every `word`: not where it is a part of a longer one.
fn replaced(text: &str, word: &str, other: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        made.push_str(before);
        made.push_str(if is_whole { other } else { word });
        rest = after;
    }
    made + rest
}

/// The command that the comments begin with; what it does stands two spaces behind it.
fn first_command(text: &str) -> Option<&str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    let command = lines.map(str::trim).find(|line| line.starts_with("runner run "))?;
    command.split("  ").next()
}

fn find(name: &str) -> Result<&'static str> {
    if let Some((_, text)) = TEMPLATES.iter().find(|(known, _)| *known == name) {
        return Ok(text);
    }
    let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    let help = nearest(name, names.iter().copied());
    let help = help.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    let names = names.join(", ");
    Err(Error::Request(format!("there is no template \"{name}\"; there are: {names}{help}")))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            return Err(Error::Request(format!(
                "{path} is there already and is left as it is: choose another name with -o FILE"
            )));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let path = path.display();
            return Err(Error::Request(format!("{path} cannot be written: its folder does not exist")));
        }
        Err(error) => return Err(Error::io("write", path)(error)),
    };
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))
}

/// Each template with the description that its file gives itself.
fn list() -> Table {
    let mut table = Table::new(vec![Column::text("template"), Column::text("description")]);
    for (name, text) in TEMPLATES {
        let parsed: Option<toml::Table> = toml::from_str(text).ok();
        let description =
            parsed.as_ref().and_then(|parsed| parsed.get("description")?.as_str()).unwrap_or_default();
        table.push(vec![Cell::Text((*name).to_owned()), Cell::Text(description.to_owned())]);
    }
    table
}
