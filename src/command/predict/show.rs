//! `--show`: images drawn with what the model makes of them.

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

/// The images of `rows`, each with its place in the file and its prediction below, in lines of `width` letters.
pub(super) fn pictures(
    rows: &[RawRow],
    answer: &Answer,
    preprocessing: &Preprocessing,
    width: usize,
) -> Result<String> {
    let Transform::Image(transform) = preprocessing.transform() else {
        return Err(Error::Request(
            "--show draws images, and the model is for other samples: leave it out".into(),
        ));
    };
    let classes = preprocessing.classes();
    let draw = |(position, row): (usize, &RawRow)| {
        let RawSample::Image(values) = &row.sample else {
            return Err(Error::Bug("a model of images was given something else".into()));
        };
        let said = match &answer.prediction {
            Targets::Classes(predicted) => {
                let class = predicted[position] as usize;
                let probability = answer.probabilities.get(position * classes.len() + class).copied();
                let probability = probability.map_or_else(String::new, |p| {
                    format!(" ({})", number::significant(f64::from(p), DIGITS))
                });
                format!("{}{probability}", classes[class])
            }
            Targets::Values(values) => number::significant(f64::from(values[position]), DIGITS),
        };
        let picture = Picture::new(values, transform.shape(), transform.maximum(), PICTURE_WIDTH);
        Ok((picture, format!("{}: {said}", row.index)))
    };
    Ok(gallery(&rows.iter().enumerate().map(draw).collect::<Result<Vec<_>>>()?, width))
}
