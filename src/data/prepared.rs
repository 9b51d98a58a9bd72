//! The data of a run: samples, parts and preprocessing together.

use std::sync::Arc;

use candle_core::Device;

use super::{Batch, DataConfig, Dataset, Part, Preprocessing, Split};
use crate::Result;
use crate::sample::SampleShape;
use crate::target::Task;

/// A data set that is split, with its preprocessing fitted on the train part. The samples are shared.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Which rows are for what.
    pub split: Split,
    /// What every sample goes through.
    pub preprocessing: Preprocessing,
    dataset: Arc<Dataset>,
}

impl DataConfig {
    /// Whether some rows are for validation.
    pub fn has_validation(&self) -> bool {
        self.split_config().has_validation()
    }
}

impl Prepared {
    /// Splits `dataset` and fits the preprocessing as `config` says.
    pub fn new(dataset: Arc<Dataset>, config: &DataConfig) -> Result<Self> {
        let split = Split::new(&dataset, &config.split_config())?;
        let preprocessing = Preprocessing::fit(&dataset, &split.train, config.normalize())?;
        Ok(Self { split, preprocessing, dataset })
    }

    /// What a sample looks like to a model.
    pub fn shape(&self) -> SampleShape {
        self.preprocessing.sample_shape()
    }

    /// What there is to predict.
    pub fn task(&self) -> Task {
        self.preprocessing.task()
    }

    /// The name of every class.
    pub fn classes(&self) -> &[String] {
        self.preprocessing.classes()
    }

    /// Some rows of a part as a batch.
    pub fn gather(&self, part: &Part, rows: &[u32], device: &Device) -> Result<Batch> {
        self.dataset.gather(part.set, rows, &self.preprocessing, device)
    }
}
