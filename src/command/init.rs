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
    ("mnist_baseline", include_str!("../../experiments/mnist_baseline.toml")),
    ("mnist_dnn", include_str!("../../experiments/mnist_dnn.toml")),
];
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
            if let Some(command) = first_command(&text) {
                say(&format!("next: {command}"));
            }
        }
    }
    Ok(EXIT_OK)
}

/// The template with its comments speaking of the file that it is written to.
fn renamed(text: &str, template: &str, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = format!("{template}.toml");
    let pieces: Vec<String> = text.split(&file).map(|piece| piece.replace(template, &stem)).collect();
    pieces.join(&path.display().to_string())
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
