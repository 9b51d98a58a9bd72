//! `--show`: images drawn with what the model makes of them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::data::input::{RawRow, RawSample};
use crate::data::{Preprocessing, Transform};
use crate::output::{Picture, gallery, number};
use crate::target::Targets;
use crate::train::Answer;
use crate::{Error, Result};

/// The widest that an image is drawn, in letters.
const PICTURE_WIDTH: usize = 32;
/// Digits of a probability or a number.
const DIGITS: u8 = 3;
/// Images that are collected before they are drawn.
const COLLECTED: usize = 1024;

/// Collects the images of several files, so that they stand side by side.
pub(super) struct Gallery {
    /// In how many of the files' paths each name stands.
    names: HashMap<OsString, usize>,
    files: usize,
    pictures: Vec<(Picture, String)>,
    /// Letters in a line.
    width: usize,
}

impl Gallery {
    /// For images of `files`, in lines of `width` letters.
    pub fn new(files: &[PathBuf], width: usize) -> Self {
        let mut names = HashMap::new();
        for file in files {
            *names.entry(name(file).to_owned()).or_default() += 1;
        }
        Self { names, files: files.len(), pictures: Vec::new(), width }
    }

    /// Adds images of `file`, each with what tells it from the others and its prediction below; `only` if there is
    /// one image in the file.
    pub fn add(
        &mut self,
        file: &Path,
        rows: &[RawRow],
        only: bool,
        answer: &Answer,
        preprocessing: &Preprocessing,
    ) -> Result<()> {
        let Transform::Image(transform) = preprocessing.transform() else {
            return Err(Error::Request(
                "--show draws images, and the model is for other samples: leave it out".into(),
            ));
        };
        let file = self.shown(file);
        for (position, row) in rows.iter().enumerate() {
            let RawSample::Image(values) = &row.sample else {
                return Err(Error::Bug("a model of images was given something else".into()));
            };
            let said = said(answer, position, preprocessing.classes());
            let caption = match (only, self.files) {
                (true, _) => format!("{file}: {said}"),
                (false, 1) => format!("{}: {said}", row.index),
                (false, _) => format!("{file} {}: {said}", row.index),
            };
            let picture = Picture::new(values, transform.shape(), transform.maximum(), PICTURE_WIDTH);
            self.pictures.push((picture, caption));
        }
        if self.pictures.len() >= COLLECTED { self.draw() } else { Ok(()) }
    }

    /// The name of a file, with its folders where there are several of that name.
    fn shown(&self, file: &Path) -> String {
        let name = name(file);
        let is_alone = self.names.get(name) == Some(&1);
        if is_alone { name.to_string_lossy().into_owned() } else { file.display().to_string() }
    }

    /// Draws what has been collected.
    pub fn draw(&mut self) -> Result<()> {
        super::super::print(&gallery(&std::mem::take(&mut self.pictures), self.width))
    }
}

/// The last part of a path, or all of one without.
fn name(file: &Path) -> &OsStr {
    file.file_name().unwrap_or(file.as_os_str())
}

/// The class with its probability, or the number.
fn said(answer: &Answer, position: usize, classes: &[String]) -> String {
    match &answer.prediction {
        Targets::Classes(predicted) => {
            let class = predicted[position] as usize;
            let probability = answer.probabilities.get(position * classes.len() + class).copied();
            let probability = probability
                .map_or_else(String::new, |p| format!(" ({})", number::significant(f64::from(p), DIGITS)));
            format!("{}{probability}", classes[class])
        }
        Targets::Values(values) => number::significant(f64::from(values[position]), DIGITS),
    }
}
