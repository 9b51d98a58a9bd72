//! The data of a run: samples, parts and preprocessing together.

use std::sync::Arc;

use candle_core::Device;

use super::augment::{self, AugmentConfig, Draw};
use super::dataset::Content;
use super::preprocessing::Transform;
use super::selection::Selection;
use super::table::Vectors;
use super::text::Sequences;
use super::{Batch, DataConfig, Dataset, Inputs, Part, Preprocessing, Samples, Set, Split};
use crate::sample::SampleShape;
use crate::target::{Targets, Task};
use crate::{Error, Result};

/// A data set that is split, with its preprocessing fitted on the train part. The samples are shared.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Which rows are for what.
    pub split: Split,
    /// What every sample goes through.
    pub preprocessing: Preprocessing,
    dataset: Arc<Dataset>,
    selection: Selection,
    augment: Vec<AugmentConfig>,
    /// The samples that are split and those of the test set, where a source does not have them as a batch wants them.
    encoded: [Option<Encoded>; 2],
}

/// What is made of all samples once.
#[derive(Debug, Clone)]
enum Encoded {
    /// Texts as tokens of a vocabulary.
    Sequences(Sequences),
    /// Rows of a table as numbers.
    Vectors(Vectors),
}

impl Encoded {
    /// Nothing for images, which stay bytes.
    fn new(preprocessing: &Preprocessing, content: &Content) -> Result<Option<Self>> {
        match (preprocessing.transform(), content) {
            (Transform::Text(transform), Content::Texts { texts, .. }) => {
                Ok(Some(Self::Sequences(transform.encode(texts))))
            }
            (Transform::Table(transform), Content::Table(table)) => {
                Ok(Some(Self::Vectors(Vectors::new(transform, table)?)))
            }
            _ => Ok(None),
        }
    }
}

impl DataConfig {
    /// Whether some rows are for validation.
    pub fn has_validation(&self) -> bool {
        self.split_config().has_validation()
    }
}

impl Prepared {
    /// Chooses among the rows of `dataset`, splits them and fits the preprocessing as `config` says.
    pub fn new(dataset: Arc<Dataset>, config: &DataConfig) -> Result<Self> {
        let selection = Selection::new(&dataset.labels, config.common.classes.as_deref())?;
        let rows = selection.rows(&dataset.main)?;
        let test = dataset.test.as_ref().map(|samples| selection.rows(samples)).transpose()?;
        let mut split = Split::of_rows(&rows, dataset.main.targets(), test, &config.split_config())?;
        if let Some(limit) = config.common.limit {
            split.train.rows.truncate(limit);
        }
        let (content, labels) = (dataset.main.content(), selection.labels().clone());
        let mut preprocessing = Preprocessing::fit(content, &split.train.rows, labels, config.normalize())?;
        if config.common.classes.is_some() {
            preprocessing = preprocessing.chosen_from(dataset.labels.classes());
        }
        let augment = config.common.augment.clone();
        if !augment.is_empty() && !matches!(preprocessing.transform(), Transform::Image(_)) {
            return Err(Error::Request("`data.augment` changes images, but the samples are none".to_owned()));
        }
        let encode = |samples: &Samples| Encoded::new(&preprocessing, samples.content());
        let encoded =
            [Some(&dataset.main), dataset.test.as_ref()].map(|samples| samples.map(encode).transpose());
        let [main, test] = encoded;
        Ok(Self {
            split,
            preprocessing,
            selection,
            augment,
            encoded: [main?.flatten(), test?.flatten()],
            dataset,
        })
    }

    /// What a sample looks like to a model.
    pub fn shape(&self) -> SampleShape {
        self.preprocessing.sample_shape()
    }

    /// The part of a sample of the largest size that samples have in the mean: 1 but for sequences.
    pub fn fullness(&self) -> f64 {
        match (&self.encoded[0], self.shape()) {
            (Some(Encoded::Sequences(sequences)), SampleShape::Tokens { longest, .. }) if longest > 0 => {
                (sequences.mean_length() / longest as f64).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// What there is to predict.
    pub fn task(&self) -> Task {
        self.preprocessing.task()
    }

    /// The name of every class; none where the targets are numbers.
    pub fn classes(&self) -> &[String] {
        self.preprocessing.classes()
    }

    /// The classes that no sample of a part is of, in their order; none where the targets are numbers.
    pub fn classes_without_samples(&self, part: &Part) -> Result<Vec<String>> {
        let classes = self.classes();
        if classes.is_empty() {
            return Ok(Vec::new());
        }
        let present = self.classes_of(part)?;
        let absent = classes.iter().zip(present).filter(|(_, present)| !present);
        Ok(absent.map(|(class, _)| class.clone()).collect())
    }

    /// For each class whether a sample of the part is of it; nothing where the targets are numbers.
    pub fn classes_of(&self, part: &Part) -> Result<Vec<bool>> {
        let mut present = vec![false; self.classes().len()];
        if !present.is_empty() {
            for class in self.targets(part.set, &part.rows)?.classes()? {
                present[*class as usize] = true;
            }
        }
        Ok(present)
    }

    /// The samples themselves, those that no part has among them.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Some rows of a part as a batch.
    pub fn gather(&self, part: &Part, rows: &[u32], device: &Device) -> Result<Batch> {
        Ok(Batch { inputs: self.inputs(part.set, rows, device)?, targets: self.targets(part.set, rows)? })
    }

    /// Some rows of the training part as a batch, changed at random as `data.augment` says.
    pub fn gather_to_train(&self, rows: &[u32], draw: Draw, device: &Device) -> Result<Batch> {
        let part = &self.split.train;
        match (self.preprocessing.transform(), self.dataset.samples(part.set)?.content()) {
            (Transform::Image(transform), Content::Images(images)) if !self.augment.is_empty() => {
                let (shape, black) = (transform.shape(), transform.black());
                let change =
                    |pixels: &mut [f32]| augment::apply(&self.augment, draw, rows, pixels, shape, &black);
                let inputs = transform.gather_changed(images, rows, change, device)?;
                Ok(Batch { inputs, targets: self.targets(part.set, rows)? })
            }
            _ => self.gather(part, rows, device),
        }
    }

    pub(super) fn targets(&self, set: Set, rows: &[u32]) -> Result<Targets> {
        self.selection.renumbered(self.dataset.samples(set)?.targets().at(rows)?)
    }

    fn inputs(&self, set: Set, rows: &[u32], device: &Device) -> Result<Inputs> {
        let [main, test] = &self.encoded;
        let encoded = if set == Set::Main { main } else { test };
        match (self.preprocessing.transform(), self.dataset.samples(set)?.content(), encoded) {
            (Transform::Image(transform), Content::Images(images), _) => {
                transform.gather(images, rows, device)
            }
            (_, _, Some(Encoded::Sequences(sequences))) => sequences.gather(rows, device),
            (_, _, Some(Encoded::Vectors(vectors))) => vectors.gather(rows, device),
            _ => Err(Error::Bug("samples of another sort than the preprocessing is for".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::Labels;
    use super::*;

    fn prepared(text: &str) -> Result<Prepared> {
        let main = Samples::images(
            (0..24).map(|value| value * 10).collect(),
            vec![1, 2, 2],
            255.0,
            vec![1, 0, 1, 2, 2, 0],
        );
        let labels = Labels::Classes(["a", "b", "c"].map(str::to_owned).to_vec());
        let dataset = Dataset::new(main.unwrap(), None, labels).unwrap();
        let text = format!("source = 'digits'\nsplit = {{ train = 1, shuffle = false }}\n{text}");
        let config: DataConfig =
            crate::setting::read(&toml::Value::Table(toml::from_str(&text).unwrap())).unwrap();
        Prepared::new(Arc::new(dataset), &config)
    }

    #[test]
    fn a_batch_has_its_rows_in_the_order_asked_for() {
        let data = prepared("normalize = 'none'").unwrap();
        let batch = data.gather(&data.split.train, &[2, 0, 2], &Device::Cpu).unwrap();
        assert_eq!(batch.inputs.values.dims(), [1, 3, 1, 2, 2]);
        assert_eq!(batch.targets, Targets::Classes(vec![1, 1, 1]));
        let values = batch.inputs.values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values[..3], [80.0, 90.0, 100.0]);
        assert_eq!(values[4..8], [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(values[8..], values[..4]);
        assert!(data.gather(&data.split.train, &[6], &Device::Cpu).is_err());
        assert!(data.gather(&data.split.train, &[u32::MAX], &Device::Cpu).is_err());
    }

    #[test]
    fn classes_are_chosen_and_numbered_anew_in_the_order_given() {
        let data = prepared("classes = ['c', 0]").unwrap();
        assert_eq!(data.classes(), ["c", "a"]);
        assert_eq!(data.split.train.rows, [1, 3, 4, 5]);
        let batch = data.gather(&data.split.train, &[1, 3, 4, 5], &Device::Cpu).unwrap();
        assert_eq!(batch.targets, Targets::Classes(vec![1, 0, 0, 1]));
    }

    #[test]
    fn a_checkpoint_tells_what_the_classes_were_chosen_from() {
        let written = |text: &str| serde_json::to_value(prepared(text).unwrap().preprocessing).unwrap();
        let chosen = written("classes = ['c', 0]");
        assert_eq!(chosen["source_classes"], serde_json::json!(["a", "b", "c"]));
        let read: Preprocessing = serde_json::from_value(chosen.clone()).unwrap();
        assert_eq!(read, prepared("classes = ['c', 0]").unwrap().preprocessing);
        assert_eq!(read.clone().with_chosen_classes(), read);
        // All classes in another order are a choice, too; without one nothing is written.
        assert!(written("classes = ['b', 'a', 'c']")["source_classes"].is_array());
        assert!(written("").get("source_classes").is_none());
        let mut wrong = chosen;
        wrong["source_classes"] = serde_json::json!(["a", "b"]);
        let error = serde_json::from_value::<Preprocessing>(wrong).unwrap_err().to_string();
        assert_eq!(error, "the class \"c\" is not among `source_classes`");
    }

    #[test]
    fn a_limit_cuts_the_training_alone() {
        let data = prepared("limit = 2").unwrap();
        assert_eq!(data.split.train.rows, [0, 1]);
        assert_eq!(prepared("limit = 100").unwrap().split.train.len(), 6);
    }

    #[test]
    fn classes_that_a_part_is_without_are_named() {
        let data = prepared("limit = 2").unwrap();
        assert_eq!(data.classes_without_samples(&data.split.train).unwrap(), ["c"]);
        let data = prepared("classes = ['c', 0]\nlimit = 1").unwrap();
        assert_eq!(data.classes_without_samples(&data.split.train).unwrap(), ["c"]);
        let all = prepared("").unwrap();
        assert!(all.classes_without_samples(&all.split.train).unwrap().is_empty());
    }

    #[test]
    fn classes_that_are_not_there_are_named() {
        let refused = |text: &str| prepared(text).unwrap_err().to_string();
        assert_eq!(
            refused("classes = ['a', 'd']"),
            "`data.classes` names \"d\", but the classes are: a, b, c"
        );
        assert!(refused("classes = [0, 3]").contains("names 3, but there are 3 classes (0 to 2)"));
    }
}
