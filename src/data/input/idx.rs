//! Images in IDX files, one at a time.

use super::super::idx::IdxReader;
use super::super::image::ImageTransform;
use super::super::labels::LabelIndex;
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
    index: LabelIndex,
}

impl LabelledRows {
    /// `labels` has as many entries as `rows`.
    pub fn new(rows: Rows, labels: IdxReader, index: LabelIndex) -> Self {
        Self { rows, labels, index }
    }

    /// The next row with its target, if that is of a class that the model tells; none behind the last.
    pub fn read(&mut self) -> Result<Option<(RawRow, Option<Target>)>> {
        let Some(row) = self.rows.read()? else { return Ok(None) };
        let target = self.target(row.index)?;
        Ok(Some((row, target)))
    }

    fn target(&mut self, index: usize) -> Result<Option<Target>> {
        let mut label = [0];
        self.labels.fill(&mut label)?;
        let label = label[0].to_string();
        let Some(meaning) = self.index.find(&label) else {
            let reason = self.index.refusal(&label);
            return Err(self
                .labels
                .refuse(format!("has the label {label} at index {index}, which {reason}")));
        };
        if index + 1 == self.rows.count {
            self.labels.finish()?;
        }
        Ok(meaning.target())
    }
}
