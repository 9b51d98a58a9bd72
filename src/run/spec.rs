//! A run that has an id and a name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use candle_core::Device;
use serde_json::Value;

use super::library::Library;
use crate::config::{Assignment, Draft, Identities, Identity, RunConfig};
use crate::data::{Prepared, Preprocessing};
use crate::store::Origin;
use crate::train::Setup;
use crate::{Error, Result};

/// One run, ready to be trained.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// 64 hex digits over what decides the result.
    pub id: String,
    /// The folder's name.
    pub name: String,
    /// Swept keys and this run's values.
    pub assignment: Assignment,
    /// Every setting.
    pub config: RunConfig,
    /// The fingerprint of the data.
    pub fingerprint: Arc<str>,
    /// The fingerprint of the weights that it starts from, if there are some.
    weights: Option<Arc<str>>,
    /// What it goes on from, if that is a part of its id.
    origin: Option<Origin>,
}

impl RunSpec {
    /// The run of a draft; it has no name yet. Reads the data that the draft points to.
    pub fn new(draft: &Draft, library: &Library) -> Result<Self> {
        Specifier::new(library).specify(draft)
    }

    /// A run whose id is known: made before, of the same configuration and data.
    pub(super) fn known(
        draft: Draft,
        id: &str,
        name: &str,
        fingerprint: &str,
        weights: Option<&str>,
        origin: Option<&Origin>,
    ) -> Self {
        let Draft { assignment, config } = draft;
        let (id, name) = (id.to_owned(), name.to_owned());
        let (fingerprint, weights) = (fingerprint.into(), weights.map(Arc::from));
        let origin = origin.filter(|origin| !origin.exact).cloned();
        Self { id, name, assignment, config, fingerprint, weights, origin }
    }

    /// The same run, begun with the last checkpoint of another: a run of its own where that gives other bytes than
    /// training all epochs at once.
    pub(super) fn continuing(self, origin: &Origin) -> Self {
        if origin.exact {
            return self;
        }
        let text = format!("{} continued from {} behind epoch {}", self.id, origin.id, origin.epoch);
        let id = blake3::hash(text.as_bytes()).to_hex().to_string();
        Self { id, origin: Some(origin.clone()), ..self }
    }

    /// The fingerprint of the weights that it starts from, if there are some.
    pub fn weights(&self) -> Option<&str> {
        self.weights.as_deref()
    }

    /// What it goes on from, if that is a part of its id.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The metadata of the run's checkpoints: what the id covers, the classes and the preprocessing.
    pub fn metadata(&self, preprocessing: &Preprocessing) -> Result<String> {
        let preprocessing = serde_json::to_value(preprocessing)
            .map_err(|error| Error::Bug(format!("preprocessing is not JSON: {error}")))?;
        let identity = Identity::new(&self.config, &self.fingerprint, self.weights.as_deref())?;
        let origin = self
            .origin
            .as_ref()
            .map(|origin| ("continued_from", serde_json::json!({ "id": origin.id, "epoch": origin.epoch })));
        Ok(identity.metadata([("preprocessing", preprocessing)].into_iter().chain(origin)))
    }

    /// What the training is made of.
    pub fn setup<'a>(&'a self, data: &'a Prepared, device: &'a Device, metadata: &'a str) -> Setup<'a> {
        let config = &self.config;
        Setup {
            seed: config.seed,
            model: &config.model,
            loss: config.loss(),
            optimizer: &config.optimizer,
            scheduler: &config.scheduler,
            train: &config.train,
            metrics: &config.metrics,
            data,
            device,
            metadata,
        }
    }

    /// The swept keys and values as JSON, for `run.json`.
    pub fn assignment_json(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        self.assignment
            .iter()
            .map(|(key, value)| (key.to_string(), serde_json::to_value(&**value).unwrap_or(Value::Null)))
    }
}

/// Makes runs of drafts, looking at the data of each table of settings once.
pub struct Specifier<'a> {
    library: &'a Library,
    identities: Identities<'a>,
    /// By the address of the table, which the drafts keep in use.
    data: HashMap<usize, Arc<str>>,
    weights: HashMap<usize, Option<Arc<str>>>,
}

impl<'a> Specifier<'a> {
    /// Nothing was looked at yet.
    pub fn new(library: &'a Library) -> Self {
        Self { library, identities: Identities::default(), data: HashMap::new(), weights: HashMap::new() }
    }

    /// The run of a draft; it has no name yet.
    pub fn specify(&mut self, draft: &'a Draft) -> Result<RunSpec> {
        let Draft { assignment, config } = draft;
        let fingerprint = match self.data.entry(config.data.address()) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(free) => Arc::clone(free.insert(self.library.fingerprint(&config.data)?.into())),
        };
        let weights = match self.weights.entry(config.model.address()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(free) => {
                let path = config.model.common.weights.as_deref();
                let made = path.map(|path| self.library.weights(path).map(Arc::from)).transpose()?;
                free.insert(made).clone()
            }
        };
        let id = self.identities.id(config, &fingerprint, weights.as_deref())?;
        let (assignment, config) = (assignment.clone(), config.clone());
        Ok(RunSpec { id, name: String::new(), assignment, config, fingerprint, weights, origin: None })
    }
}
