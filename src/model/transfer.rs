//! Taking over trained weights: which tensor of a file becomes which of the model, and what stays as it was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Model;
use super::config::ModelSettings;
use crate::{Error, Result};

/// `PyTorch` counts batches in it; nothing is computed from it, so nothing hangs on it.
const COUNTER: &str = "num_batches_tracked";
/// Names that a message lists before it counts the rest.
const LISTED: usize = 8;

/// What decides which tensor goes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Equal names, after `rename`.
    #[default]
    Name,
    /// The place in the order of the layers, whatever the names.
    Order,
}

/// A tensor by name and shape.
type Entry<'a> = (&'a str, &'a [usize]);

/// What became of the tensors of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transfer {
    /// Positions in the file and among the model's tensors.
    pairs: Vec<(usize, usize)>,
    /// How many tensors the model has, counters left out.
    wanted: usize,
    /// Tensors of the model that the file does not have.
    missing: Vec<String>,
    /// Tensors of the file that the model does not have.
    unknown: Vec<String>,
    /// Tensors that differ in shape.
    unfit: Vec<String>,
}

impl Transfer {
    /// Pairs the tensors `given` by a file with a model's `own`.
    fn plan(own: &[Entry<'_>], given: &[Entry<'_>], settings: &ModelSettings) -> Result<Self> {
        let counts = |entries: &[Entry<'_>]| entries.iter().filter(|(name, _)| !is_counter(name)).count();
        let mut transfer = Self { wanted: counts(own), ..Self::default() };
        match settings.r#match.unwrap_or_default() {
            Match::Name => transfer.by_name(own, given, &settings.rename)?,
            Match::Order => transfer.by_order(own, given),
        }
        Ok(transfer)
    }

    fn by_name(
        &mut self,
        own: &[Entry<'_>],
        given: &[Entry<'_>],
        rename: &BTreeMap<String, String>,
    ) -> Result<()> {
        let places: HashMap<&str, usize> =
            own.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        let mut taken = BTreeSet::new();
        for (from, (name, dims)) in given.iter().enumerate() {
            let renamed = renamed(name, rename);
            match places.get(renamed.as_str()) {
                None if is_counter(name) => {}
                None => self.unknown.push((*name).to_owned()),
                Some(to) if !taken.insert(*to) => {
                    return Err(Error::Request(format!(
                        "after `model.rename` two tensors of the file are called {renamed}"
                    )));
                }
                Some(to) => self.pair((from, name, dims), (*to, own[*to])),
            }
        }
        let missing =
            own.iter().enumerate().filter(|(place, (name, _))| !taken.contains(place) && !is_counter(name));
        self.missing = missing.map(|(_, (name, _))| (*name).to_owned()).collect();
        Ok(())
    }

    fn by_order(&mut self, own: &[Entry<'_>], given: &[Entry<'_>]) {
        let counted = |entries: &[Entry<'_>]| -> Vec<usize> {
            (0..entries.len()).filter(|place| !is_counter(entries[*place].0)).collect()
        };
        let (own_places, given_places) = (counted(own), counted(given));
        for (from, to) in given_places.iter().zip(&own_places) {
            let (name, dims) = given[*from];
            self.pair((*from, name, dims), (*to, own[*to]));
        }
        let rest = |places: &[usize], entries: &[Entry<'_>], others: usize| {
            places.iter().skip(others).map(|place| entries[*place].0.to_owned()).collect()
        };
        self.unknown = rest(&given_places, given, own_places.len());
        self.missing = rest(&own_places, own, given_places.len());
    }

    fn pair(&mut self, (from, name, dims): (usize, &str, &[usize]), (to, own): (usize, Entry<'_>)) {
        if dims == own.1 {
            self.pairs.push((from, to));
            return;
        }
        let called = if name == own.0 { name.to_owned() } else { format!("{name} for {}", own.0) };
        self.unfit.push(format!("{called} has the shape {dims:?}, the model wants {:?}", own.1));
    }

    /// Refuses a transfer that left anything over.
    fn expect_whole(&self) -> Result<()> {
        let mut wrong = self.unfit.clone();
        wrong.extend(self.missing.iter().map(|name| format!("{name} is missing")));
        wrong.extend(self.unknown.iter().map(|name| format!("the model has no {name}")));
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Request(format!(
            "the weights do not fit the model: {}; `model.strict = false` takes what fits, \
             `model.rename` and `model.match` bring names together",
            listed(&wrong, "; ")
        )))
    }

    /// How many tensors came out of the file.
    fn taken(&self, own: &[Entry<'_>]) -> usize {
        self.pairs.iter().filter(|(_, to)| !is_counter(own[*to].0)).count()
    }
}

/// What a user should know of a transfer that need not be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferReport {
    transfer: Transfer,
    taken: usize,
}

impl fmt::Display for TransferReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transfer { wanted, missing, unknown, unfit, .. } = &self.transfer;
        write!(f, "took {} of the model's {wanted} tensors from the file", self.taken)?;
        for (what, names, between) in [
            ("of another shape", unfit, "; "),
            ("not in the file", missing, ", "),
            ("not in the model", unknown, ", "),
        ] {
            if !names.is_empty() {
                write!(f, "\n  {what}: {}", listed(names, between))?;
            }
        }
        Ok(())
    }
}

impl Model {
    /// Puts the tensors of a file in the place of the model's own, as `settings` say; a report unless every
    /// tensor had to find its place.
    ///
    /// # Errors
    /// [`Error::Request`] if `strict` and anything is left over on either side, or if nothing fits at all. The
    /// model is then as before.
    pub fn transfer(
        &mut self,
        given: &[(String, Tensor)],
        settings: &ModelSettings,
    ) -> Result<Option<TransferReport>> {
        let own = self.tensors()?;
        let entries = |tensors: &[(String, Tensor)]| -> Vec<(String, Vec<usize>)> {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec())).collect()
        };
        let (own_entries, given_entries) = (entries(&own), entries(given));
        let (own_entries, given_entries) = (lent(&own_entries), lent(&given_entries));
        let transfer = Transfer::plan(&own_entries, &given_entries, settings)?;
        let strict = settings.strict.unwrap_or(true);
        if strict {
            transfer.expect_whole()?;
        }
        let taken = transfer.taken(&own_entries);
        if taken == 0 {
            return Err(Error::Request(format!(
                "no tensor of the file fits the model: it has {}, the model {}; \
                 `model.rename` and `model.match` bring names together",
                named(&given_entries),
                named(&own_entries)
            )));
        }
        let picked: Vec<(String, Tensor)> =
            transfer.pairs.iter().map(|(from, to)| (own[*to].0.clone(), given[*from].1.clone())).collect();
        self.load_tensors(&picked, false)?;
        Ok((!strict).then_some(TransferReport { transfer, taken }))
    }

    /// Leaves the parameters at or below each of these names as they are from now on.
    ///
    /// # Errors
    /// [`Error::Request`] for a name that no parameter has, and if nothing is left to train.
    pub fn freeze(&mut self, prefixes: &[String]) -> Result<()> {
        let mut parameters = self.parameters_mut();
        for prefix in prefixes {
            let mut found = false;
            for (_, parameter) in parameters.iter_mut().filter(|(name, _)| is_below(name, prefix)) {
                parameter.trainable = false;
                found = true;
            }
            if !found {
                let names: BTreeSet<&str> =
                    parameters.iter().filter_map(|(name, _)| Some(name.rsplit_once('.')?.0)).collect();
                let names: Vec<&str> = names.into_iter().collect();
                return Err(Error::Request(format!(
                    "`model.freeze` names \"{prefix}\", but the layers with weights are: {}",
                    names.join(", ")
                )));
            }
        }
        if !prefixes.is_empty() && parameters.iter().all(|(_, parameter)| !parameter.trainable) {
            return Err(Error::Request("`model.freeze` leaves nothing to train".to_owned()));
        }
        Ok(())
    }
}

fn lent(entries: &[(String, Vec<usize>)]) -> Vec<Entry<'_>> {
    entries.iter().map(|(name, dims)| (name.as_str(), dims.as_slice())).collect()
}

fn is_counter(name: &str) -> bool {
    name == COUNTER || name.ends_with(".num_batches_tracked")
}

/// Whether `name` is `prefix` or stands below it: `layers.1` holds `layers.1.weight` and not `layers.10.weight`.
pub fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A name with the longest prefix that `rename` has replaced.
fn renamed(name: &str, rename: &BTreeMap<String, String>) -> String {
    let fits = rename.iter().filter(|(from, _)| from.is_empty() || is_below(name, from));
    let Some((from, to)) = fits.max_by_key(|(from, _)| from.len()) else { return name.to_owned() };
    let rest = name[from.len()..].trim_start_matches('.');
    match (to.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (false, true) => to.clone(),
        (false, false) => format!("{to}.{rest}"),
    }
}

fn named(entries: &[Entry<'_>]) -> String {
    let names: Vec<String> = entries.iter().map(|(name, _)| (*name).to_owned()).collect();
    if names.is_empty() { "none".to_owned() } else { listed(&names, ", ") }
}

fn listed(names: &[String], between: &str) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names[..names.len().min(LISTED)].join(between);
    if more == 0 { shown } else { format!("{shown}{between}and {more} more") }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::model::{ModelConfig, Pass};
    use crate::sample::SampleShape;
    use crate::setting;

    fn model(outputs: usize, more: &str) -> (Model, ModelSettings) {
        let text = format!("kind = 'mlp'\nhidden = [3]\nregularizer = 'batch_norm'\n{more}");
        let config: ModelConfig = setting::read(&toml::Value::Table(toml::from_str(&text).unwrap())).unwrap();
        let bare = ModelConfig { common: ModelSettings::default(), kind: config.kind.clone() };
        let shape = SampleShape::Numbers(vec![2]);
        (Model::build(&bare, &shape, outputs, 1, DType::F32, &Device::Cpu).unwrap(), config.common)
    }

    fn file(names: [&str; 3]) -> Vec<(String, Tensor)> {
        let [first, norm, head] = names;
        let ones = |name: &str, layer: &str, dims: &[usize]| {
            let ones = Tensor::ones(dims, DType::F32, &Device::Cpu).unwrap();
            (format!("{layer}.{name}"), ones)
        };
        vec![
            ones("weight", first, &[3, 2]),
            ones("bias", first, &[3]),
            ones("weight", norm, &[3]),
            ones("bias", norm, &[3]),
            ones("running_mean", norm, &[3]),
            ones("running_var", norm, &[3]),
            (format!("{norm}.num_batches_tracked"), Tensor::new(7i64, &Device::Cpu).unwrap()),
            ones("weight", head, &[5, 3]),
            ones("bias", head, &[5]),
        ]
    }

    fn sum(model: &Model) -> f32 {
        let sum = |tensor: &Tensor| {
            tensor.to_dtype(DType::F32).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()
        };
        model.tensors().unwrap().iter().map(|(_, tensor)| sum(tensor)).sum()
    }

    #[test]
    fn names_are_brought_together_by_their_prefixes() {
        let (mut found, settings) =
            model(5, "rename = { 'features' = 'layers', 'features.bn' = 'layers.2', 'head' = 'layers.3' }");
        let given = file(["features.0", "features.bn", "head"]);
        assert_eq!(found.transfer(&given, &settings).unwrap(), None);
        assert!((sum(&found) - (6.0 + 3.0 + 12.0 + 7.0 + 15.0 + 5.0)).abs() < 1e-6);
        let (mut plain, settings) = model(5, "");
        let error = plain.transfer(&given, &settings).unwrap_err().to_string();
        assert!(error.contains("layers.0.weight is missing") && error.contains("; and 8 more;"), "{error}");
        let (mut twice, settings) = model(5, "rename = { 'features.0' = 'layers.3' , 'head' = 'layers.3' }");
        let error = twice.transfer(&given, &settings).unwrap_err().to_string();
        assert!(error.contains("two tensors of the file are called layers.3"), "{error}");
    }

    #[test]
    fn a_new_head_keeps_its_first_weights_and_the_report_says_so() {
        let (mut found, settings) = model(2, "strict = false");
        let before = found.snapshot().unwrap();
        let report = found.transfer(&file(["layers.0", "layers.2", "head"]), &settings).unwrap().unwrap();
        assert_eq!(
            report.to_string(),
            "took 6 of the model's 8 tensors from the file\n  \
             not in the file: layers.3.weight, layers.3.bias\n  not in the model: head.weight, head.bias"
        );
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let after = found.tensors().unwrap();
        assert_eq!(numbers(&after[7].1), numbers(&before[7].1));
        let (mut same, settings) = model(2, "strict = false");
        let report = same.transfer(&file(["layers.0", "layers.2", "layers.3"]), &settings).unwrap().unwrap();
        assert!(
            report.to_string().contains("layers.3.weight has the shape [5, 3], the model wants [2, 3]"),
            "{report}"
        );
        let (mut strict, settings) = model(2, "");
        assert!(strict.transfer(&file(["layers.0", "layers.2", "layers.3"]), &settings).is_err());
        let (mut none, settings) = model(2, "strict = false");
        let error = none.transfer(&file(["a", "b", "c"]), &settings).unwrap_err().to_string();
        assert!(error.starts_with("no tensor of the file fits the model: it has a.weight,"), "{error}");
    }

    #[test]
    fn the_order_of_the_layers_can_decide() {
        let (mut found, settings) = model(5, "match = 'order'");
        let mut given = file(["a", "b", "c"]);
        // A file that counts no batches is in the same order.
        given.remove(6);
        assert_eq!(found.transfer(&given, &settings).unwrap(), None);
        let (mut short, settings) = model(5, "match = 'order'");
        given.pop();
        let error = short.transfer(&given, &settings).unwrap_err().to_string();
        assert!(error.contains("layers.3.bias is missing"), "{error}");
    }

    #[test]
    fn frozen_parameters_get_no_gradient() {
        let (mut found, _) = model(2, "");
        found.freeze(&["layers.0".to_owned()]).unwrap();
        let trained: Vec<bool> = found.parameters().iter().map(|(_, one)| one.trainable).collect();
        assert_eq!(trained, [false, false, true, true, true, true]);
        let x = Tensor::new(&[[[1f32, 2.0], [0.5, -1.0]]], &Device::Cpu).unwrap();
        let y = found.forward(&x, &Pass::training(&[1], 0)).unwrap();
        found.backward(&y).unwrap();
        found.assert_gradients().unwrap();
        let (mut found, _) = model(2, "");
        let error = found.freeze(&["layers.1".to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("the layers with weights are: layers.0, layers.2, layers.3"), "{error}");
        assert!(found.freeze(&["layers".to_owned()]).unwrap_err().to_string().contains("nothing to train"));
    }

    #[test]
    fn a_prefix_ends_at_a_dot() {
        assert!(is_below("layers.1.weight", "layers.1") && is_below("a", "a"));
        assert!(!is_below("layers.10.weight", "layers.1"));
        let rename = BTreeMap::from([("module".to_owned(), String::new())]);
        assert_eq!(renamed("module.layers.0.weight", &rename), "layers.0.weight");
        let rename = BTreeMap::from([(String::new(), "layers".to_owned())]);
        assert_eq!(renamed("0.weight", &rename), "layers.0.weight");
    }
}
