//! Images in IDX files, one at a time.

use super::super::idx::IdxReader;
use super::super::image::ImageTransform;
use super::super::labels::numbered_class;
use super::{RawRow, RawSample};
use crate::Result;
use crate::target::Target;

/// The images of a file.
pub(super) struct Rows {
    images: IdxReader,
    image: Vec<u8>,
    next: usize,
    count: usize,
}

impl Rows {
    /// Fails if the images are not of the size that the model wants.
    pub fn new(images: IdxReader, image: &ImageTransform) -> Result<Self> {
        let [height, width] = images.image_size()?;
        if image.shape() != [1, height, width] {
            return Err(images.refuse(format!(
                "holds images of 1×{height}×{width}, the model wants {}",
                image.size_text()
            )));
        }
        let count = images.dims()[0];
        Ok(Self { images, image: vec![0; height * width], next: 0, count })
    }

    /// The next row; none behind the last.
    pub fn read(&mut self) -> Result<Option<RawRow>> {
        if self.next == self.count {
            return Ok(None);
        }
        self.images.fill(&mut self.image)?;
        let values = self.image.iter().copied().map(f32::from).collect();
        let row = RawRow { index: self.next, sample: RawSample::Image(values) };
        self.next += 1;
        if self.next == self.count {
            self.images.finish()?;
        }
        Ok(Some(row))
    }
}

/// The images of one file with the labels of another.
pub(super) struct LabelledRows {
    rows: Rows,
    labels: IdxReader,
    classes: Vec<String>,
}

impl LabelledRows {
    /// `labels` has as many entries as `rows`.
    pub fn new(rows: Rows, labels: IdxReader, classes: Vec<String>) -> Self {
        Self { rows, labels, classes }
    }

    /// The next row with its target; none behind the last.
    pub fn read(&mut self) -> Result<Option<(RawRow, Target)>> {
        let Some(row) = self.rows.read()? else { return Ok(None) };
        let class = self.label(row.index)?;
        Ok(Some((row, Target::Class(class))))
    }

    fn label(&mut self, index: usize) -> Result<u32> {
        let mut label = [0];
        self.labels.fill(&mut label)?;
        let [label] = label;
        let Some(class) = numbered_class(&self.classes, u32::from(label)) else {
            let (classes, last) = (self.classes.len(), self.classes.len().saturating_sub(1));
            return Err(self.labels.refuse(format!(
                "has the label {label} at index {index}, the model knows {classes} classes (0 to {last})"
            )));
        };
        if index + 1 == self.rows.count {
            self.labels.finish()?;
        }
        Ok(class)
    }
}
