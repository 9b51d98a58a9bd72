//! All that stands between a source's values and a model's input and output, fitted on the train part.

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::dataset::{Content, Inputs};
use super::image::{ImageTransform, Normalize};
use super::input::RawRow;
use super::labels::{LabelIndex, Labels, Origin};
use super::table::TablePreprocessing;
use super::text::TextPreprocessing;
use crate::Result;
use crate::sample::SampleShape;
use crate::target::Task;

/// How samples become inputs, by the sort of data. What is read back from JSON is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Transform {
    /// Scaled bytes.
    Image(ImageTransform),
    /// Tokens of words.
    Text(TextPreprocessing),
    /// Scaled numbers and one-hot categories.
    Table(TablePreprocessing),
}

/// What a prediction needs to know of the data: it is stored in every checkpoint as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Preprocessing {
    #[serde(flatten)]
    labels: Labels,
    /// Written only where classes were chosen, so that other checkpoints keep their bytes.
    #[serde(rename = "source_classes", skip_serializing_if = "Origin::is_silent")]
    origin: Origin,
    #[serde(flatten)]
    transform: Transform,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    source_classes: Option<Vec<String>>,
    #[serde(flatten)]
    labels: Labels,
    #[serde(flatten)]
    transform: serde_json::Value,
}

impl TryFrom<Stored> for Preprocessing {
    type Error = String;

    fn try_from(
        Stored { source_classes, labels, mut transform }: Stored,
    ) -> std::result::Result<Self, String> {
        // A table and its labels both have the name of the target, which stands there once.
        if let (Labels::Target(name), Some(_)) = (&labels, transform.get("columns")) {
            transform["target"] = name.as_str().into();
        }
        // An untagged enum would not say what is wrong.
        let transform = if transform.get("words").is_some() {
            serde_json::from_value(transform).map(Transform::Text)
        } else if transform.get("columns").is_some() {
            serde_json::from_value(transform).map(Transform::Table)
        } else {
            serde_json::from_value(transform).map(Transform::Image)
        };
        let transform = transform.map_err(|error| error.to_string())?;
        if matches!(&labels, Labels::Classes(classes) if classes.len() < 2) {
            return Err("the preprocessing needs two classes or more".to_owned());
        }
        let origin = source_classes.map_or(Origin::All, Origin::Chosen);
        if let Origin::Chosen(source) = &origin
            && let Some(absent) = labels.classes().iter().find(|class| !source.contains(class))
        {
            return Err(format!("the class \"{absent}\" is not among `source_classes`"));
        }
        Ok(Self { labels, origin, transform })
    }
}

impl Preprocessing {
    /// Takes the statistics from the rows `train` of `content` and from no others.
    pub fn fit(content: &Content, train: &[u32], labels: Labels, normalize: Normalize) -> Result<Self> {
        let transform = match content {
            Content::Images(images) => Transform::Image(ImageTransform::fit(images, train, normalize)?),
            Content::Texts { texts, settings } => {
                Transform::Text(TextPreprocessing::fit(texts, train, settings)?)
            }
            Content::Table(table) => Transform::Table(TablePreprocessing::fit(table, train, normalize)?),
        };
        Ok(Self { labels, origin: Origin::All, transform })
    }

    /// The same, with classes that were chosen from those of `source`.
    #[must_use]
    pub(super) fn chosen_from(self, source: &[String]) -> Self {
        Self { origin: Origin::Chosen(source.to_vec()), ..self }
    }

    /// The same, with classes that were chosen: if it does not tell what from (older checkpoints do not),
    /// numbers in files are no labels, since they may be places among either.
    #[must_use]
    pub fn with_chosen_classes(self) -> Self {
        let origin = if self.origin == Origin::All { Origin::Unknown } else { self.origin };
        Self { origin, ..self }
    }

    /// Finds what labels in files mean.
    pub(super) fn label_index(&self) -> LabelIndex {
        LabelIndex::new(self.classes(), &self.origin)
    }

    /// What the targets are called.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The name of every class; none where the targets are numbers.
    pub fn classes(&self) -> &[String] {
        self.labels.classes()
    }

    /// What there is to predict.
    pub fn task(&self) -> Task {
        self.labels.task()
    }

    /// How samples become inputs.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// What a sample looks like to a model.
    pub fn sample_shape(&self) -> SampleShape {
        match &self.transform {
            Transform::Image(image) => SampleShape::Numbers(image.shape().to_vec()),
            Transform::Text(text) => text.sample_shape(),
            Transform::Table(table) => SampleShape::Numbers(vec![table.width()]),
        }
    }

    /// Samples that were read from files, as inputs on `device`.
    ///
    /// The same values give the same bits as in training.
    pub fn batch(&self, rows: &[RawRow], device: &Device) -> Result<Inputs> {
        match &self.transform {
            Transform::Image(transform) => {
                let images = rows.iter().map(RawRow::image).collect::<Result<Vec<_>>>()?;
                transform.batch(images.into_iter(), device)
            }
            Transform::Text(transform) => {
                let texts = rows.iter().map(RawRow::text).collect::<Result<Vec<_>>>()?;
                transform.batch(texts.into_iter(), device)
            }
            Transform::Table(transform) => {
                let vectors = rows.iter().map(RawRow::vector).collect::<Result<Vec<_>>>()?;
                transform.batch(vectors.into_iter(), device)
            }
        }
    }
}
