//! `runner data show`: what a data set consists of.

use std::path::Path;
use std::sync::Arc;

use textwrap::core::display_width;

use crate::cli::DataShowArgs;
use crate::config::{Experiment, Layer, Overrides};
use crate::data::{Content, DataConfig, Prepared, SourceConfig};
use crate::error::EXIT_OK;
use crate::output::{Cell, Column, Picture, Table, dataset, gallery};
use crate::run::Library;
use crate::setting::{Kind, nearest};
use crate::{Error, Result};

/// The widest that an image is drawn, in letters.
const PICTURE_WIDTH: usize = 32;
/// Features of a row that are shown: a terminal has no room for more.
const MOST_COLUMNS: usize = 12;
/// Where standard output is no terminal.
const LINE: usize = 80;

/// The facts, and some examples below them.
pub fn execute(args: &DataShowArgs) -> Result<u8> {
    let config = settings(args)?;
    let data = Library::default().prepared(&config)?;
    let description = data.describe()?;
    if args.json {
        super::print(&dataset::json(&config, &description)?)?;
        return Ok(EXIT_OK);
    }
    let width = super::super::width();
    let mut text = dataset::text(&config, &description, width);
    let examples = examples(&data, args.examples, width.unwrap_or(LINE))?;
    if !examples.is_empty() {
        text.push_str("\nExamples of the training part\n");
        text.push_str(&examples);
    }
    super::print(&text)?;
    Ok(EXIT_OK)
}

/// The table `data` of a file, of its first run where there are several, or of a source by its name.
fn settings(args: &DataShowArgs) -> Result<DataConfig> {
    let overrides =
        Overrides { variables: super::super::variables()?, sets: args.set.clone(), ..Overrides::default() };
    let path = Path::new(&args.what);
    let is_source = SourceConfig::kinds().contains(&args.what.as_str());
    let experiment = if path.is_file() || !is_source {
        if !path.exists() && path.extension().is_none() {
            let help = nearest(&args.what, SourceConfig::kinds().iter().copied());
            let help = help.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            return Err(Error::Request(format!(
                "\"{}\" is neither a file nor a source; the sources are: {}{help}",
                args.what,
                SourceConfig::kinds().join(", ")
            )));
        }
        Experiment::load(path, &overrides)?
    } else {
        // Any model does: it is not built.
        let text = format!("data.source = \"{}\"\nmodel.kind = \"mlp\"\n", args.what);
        let folder = std::env::current_dir().map_err(Error::io("find", Path::new(".")))?;
        let mut layers = vec![Layer::parse(args.what.clone(), folder, &text)?];
        layers.extend(overrides.above_files()?);
        Experiment::from_layers(layers, "data", None)?
    };
    let first = experiment.expand()?.drafts.into_iter().next();
    let first = first.ok_or_else(|| Error::Request(format!("{} describes no run", args.what)))?;
    Ok(DataConfig::clone(&first.config.data))
}

/// Samples of the training part as they are in the source, those of different classes first.
fn examples(data: &Arc<Prepared>, count: usize, width: usize) -> Result<String> {
    let rows = data.examples(count)?;
    match data.dataset().samples(data.split.train.set)?.content() {
        Content::Images(images) => {
            let draw = |(row, label): &(u32, String)| {
                let values: Vec<f32> = images.row(*row)?.iter().map(|value| f32::from(*value)).collect();
                let picture = Picture::new(&values, images.shape(), images.maximum(), PICTURE_WIDTH);
                Ok((picture, format!("{row}: {label}")))
            };
            Ok(gallery(&rows.iter().map(draw).collect::<Result<Vec<_>>>()?, width))
        }
        Content::Texts { texts, settings } => {
            let line = |(row, label): &(u32, String)| {
                let text = texts.text(*row as usize, settings.tokenizer);
                first_columns(&format!("{row}: {label}: {text}"), width)
            };
            Ok(rows.iter().map(line).collect())
        }
        Content::Table(table) if rows.is_empty() || table.columns().is_empty() => Ok(String::new()),
        Content::Table(table) => {
            let shown = &table.columns()[..table.columns().len().min(MOST_COLUMNS)];
            let features = shown.iter().map(|column| Column::text(column.name.clone()));
            let mut lines = Table::new(
                [Column::text("row"), Column::text("target")].into_iter().chain(features).collect(),
            );
            for (row, label) in rows {
                let values = shown.iter().map(|column| column.values.text(row as usize));
                let line = [row.to_string(), label].into_iter().chain(values);
                lines.push(line.map(Cell::Text).collect());
            }
            Ok(lines.text(Some(width)) + "\n")
        }
    }
}

/// As much of a line as fits, with its end.
fn first_columns(line: &str, width: usize) -> String {
    // A text may have anything in it, and a terminal obeys what it is told.
    let line: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if display_width(&line) <= width {
        return format!("{line}\n");
    }
    let mut start = String::new();
    for letter in line.chars() {
        if display_width(&start) + display_width(letter.encode_utf8(&mut [0; 4])) >= width {
            break;
        }
        start.push(letter);
    }
    format!("{start}…\n")
}
