//! Taking over trained weights: which tensor of a file becomes which of the model, and what stays as it was.

mod rename;
mod report;

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::report::TransferReport;

use self::rename::Renaming;
use super::Model;
use super::config::ModelSettings;
use crate::{Error, Result};

/// `PyTorch` counts batches in it; nothing is computed from it, so nothing hangs on it and no message counts it.
const COUNTER: &str = "num_batches_tracked";
/// The settings that an error is about.
const RENAME: &str = "model.rename";
const FREEZE: &str = "model.freeze";

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

/// What became of the tensors of a file. Counters of batches go where their layers go and are left out of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Transfer {
    /// What decided.
    by: Match,
    /// Positions in the file and among the model's tensors, counters too.
    pairs: Vec<(usize, usize)>,
    /// The names of what is taken, in the file and in the model.
    taken: Vec<(String, String)>,
    /// How many tensors the file has.
    given: usize,
    /// How many the model has.
    wanted: usize,
    /// Tensors of the model that the file does not have.
    missing: Vec<String>,
    /// Tensors of the file that the model does not have, with what `rename` makes of them.
    unknown: Vec<String>,
    /// Tensors that differ in shape.
    unfit: Vec<String>,
}

impl Transfer {
    /// Pairs the tensors `given` by a file with a model's `own`.
    fn plan(own: &[Entry<'_>], given: &[Entry<'_>], settings: &ModelSettings) -> Result<Self> {
        let count = |entries: &[Entry<'_>]| entries.iter().filter(|(name, _)| !is_counter(name)).count();
        let by = settings.r#match.unwrap_or_default();
        let mut transfer = Self { by, given: count(given), wanted: count(own), ..Self::default() };
        match by {
            Match::Name => {
                let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
                transfer.by_name(own, given, &Renaming::new(&settings.rename, &names)?)?;
            }
            Match::Order => transfer.by_order(own, given),
        }
        Ok(transfer)
    }

    fn by_name(&mut self, own: &[Entry<'_>], given: &[Entry<'_>], renaming: &Renaming<'_>) -> Result<()> {
        let places: HashMap<&str, usize> =
            own.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        let mut taken = BTreeSet::new();
        for (from, (name, _)) in given.iter().enumerate() {
            let renamed = renaming.of(name);
            match places.get(renamed.as_str()) {
                None if is_counter(name) => {}
                None => self.unknown.push(arrow(name, &renamed)),
                Some(to) if !taken.insert(*to) => {
                    let reason = format!("after `model.rename` two tensors of the file are called {renamed}");
                    return Err(Error::Setting { key: RENAME, reason });
                }
                Some(to) => self.pair((from, given[from]), (*to, own[*to])),
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
        let mut layers: HashMap<&str, &str> = HashMap::new();
        for (from, to) in given_places.iter().zip(&own_places) {
            layers.insert(layer_of(given[*from].0), layer_of(own[*to].0));
            self.pair((*from, given[*from]), (*to, own[*to]));
        }
        let counters = given.iter().enumerate().filter(|(_, (name, _))| is_counter(name));
        for (from, entry) in counters {
            let layer = layers.get(layer_of(entry.0));
            let place = own.iter().position(|(own, _)| is_counter(own) && layer == Some(&layer_of(own)));
            if let Some(to) = place {
                self.pair((from, *entry), (to, own[to]));
            }
        }
        let rest = |places: &[usize], entries: &[Entry<'_>], others: usize| {
            places.iter().skip(others).map(|place| entries[*place].0.to_owned()).collect()
        };
        self.unknown = rest(&given_places, given, own_places.len());
        self.missing = rest(&own_places, own, given_places.len());
    }

    fn pair(&mut self, (from, given): (usize, Entry<'_>), (to, own): (usize, Entry<'_>)) {
        let fits = given.1 == own.1;
        if fits {
            self.pairs.push((from, to));
        }
        match (is_counter(own.0), fits) {
            (true, _) => {}
            (false, true) => self.taken.push((given.0.to_owned(), own.0.to_owned())),
            (false, false) => self.unfit.push(format!(
                "{} has the shape {:?}, the model wants {:?}",
                arrow(given.0, own.0),
                given.1,
                own.1
            )),
        }
    }
}

impl Model {
    /// Puts the tensors of a file in the place of the model's own, as `settings` say.
    ///
    /// # Errors
    /// [`Error::Request`] if `strict` and anything is left over on either side, or if nothing fits at all;
    /// [`Error::Setting`] if `rename` is wrong. The model is then as before.
    pub(super) fn transfer(
        &mut self,
        given: &[(String, Tensor)],
        settings: &ModelSettings,
    ) -> Result<Transfer> {
        let own = self.tensors()?;
        let transfer = {
            let (own, given) = (entries(&own), entries(given));
            let transfer = Transfer::plan(&own, &given, settings)?;
            transfer.check(&own, &given, settings)?;
            transfer
        };
        let picked: Vec<(String, Tensor)> =
            transfer.pairs.iter().map(|(from, to)| (own[*to].0.clone(), given[*from].1.clone())).collect();
        self.load_tensors(&picked, false)?;
        Ok(transfer)
    }

    /// Leaves the parameters at or below each of these names as they are from now on.
    ///
    /// # Errors
    /// [`Error::Setting`] for a name that no parameter has, and if nothing is left to train.
    pub fn freeze(&mut self, prefixes: &[String]) -> Result<()> {
        let refuse = |reason: String| Err(Error::Setting { key: FREEZE, reason });
        let mut parameters = self.parameters_mut();
        for prefix in prefixes {
            let mut found = false;
            for (_, parameter) in parameters.iter_mut().filter(|(name, _)| is_below(name, prefix)) {
                parameter.trainable = false;
                found = true;
            }
            if !found {
                let names: BTreeSet<&str> = parameters.iter().map(|(name, _)| layer_of(name)).collect();
                let names: Vec<&str> = names.into_iter().collect();
                return refuse(format!(
                    "`model.freeze` names \"{prefix}\", but the layers with weights are: {}",
                    names.join(", ")
                ));
            }
        }
        if !prefixes.is_empty() && parameters.iter().all(|(_, parameter)| !parameter.trainable) {
            return refuse("`model.freeze` leaves nothing to train".to_owned());
        }
        Ok(())
    }
}

fn entries(tensors: &[(String, Tensor)]) -> Vec<Entry<'_>> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())).collect()
}

fn is_counter(name: &str) -> bool {
    name == COUNTER || name.ends_with(".num_batches_tracked")
}

/// The name of a tensor less its last part.
fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// Whether `name` is `prefix` or stands below it: `layers.1` holds `layers.1.weight` and not `layers.10.weight`.
pub fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A name in the file and the one that it stands for.
fn arrow(from: &str, to: &str) -> String {
    if from == to { from.to_owned() } else { format!("{from} → {to}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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

    /// Of the file with a head of 5: ones, and 7 counted batches.
    const EVERYTHING: f32 = 6.0 + 3.0 + 12.0 + 7.0 + 15.0 + 5.0;

    fn told(model: &mut Model, given: &[(String, Tensor)], settings: &ModelSettings) -> String {
        TransferReport::new(model.transfer(given, settings).unwrap(), Path::new("w.pt")).to_string()
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
        assert_eq!(told(&mut found, &given, &settings), "model.weights: took all 8 tensors of w.pt, by name");
        assert!((sum(&found) - EVERYTHING).abs() < 1e-6);
        let (mut plain, settings) = model(5, "");
        assert_eq!(
            plain.transfer(&given, &settings).unwrap_err().to_string(),
            "no tensor of the file fits the model: the file has features.0.weight, features.0.bias, \
             features.bn.weight, … (8 in all); the model has layers.0.weight, layers.0.bias, layers.2.weight, … \
             (8 in all); `model.rename` brings the names together, or `model.match = \"order\"` takes the tensors \
             in their order"
        );
        let (mut half, settings) = model(5, "rename = { 'features.' = 'layers.', 'head' = 'layers.4' }");
        assert_eq!(
            half.transfer(&given, &settings).unwrap_err().to_string(),
            "the weights do not fit the model: the file has no layers.2.weight, layers.2.bias, \
             layers.2.running_mean, layers.2.running_var, layers.3.weight, layers.3.bias; the model has no \
             features.bn.weight → layers.bn.weight, features.bn.bias → layers.bn.bias, \
             features.bn.running_mean → layers.bn.running_mean, features.bn.running_var → layers.bn.running_var, \
             head.weight → layers.4.weight, head.bias → layers.4.bias; `model.strict = false` takes what fits, \
             `model.rename` brings names together, `model.match = \"order\"` goes by the order of the layers instead"
        );
        let (mut twice, settings) = model(5, "rename = { 'features.0' = 'layers.3' , 'head' = 'layers.3' }");
        let error = twice.transfer(&given, &settings).unwrap_err().to_string();
        assert!(error.contains("two tensors of the file are called layers.3"), "{error}");
    }

    #[test]
    fn a_new_head_keeps_its_first_weights_and_the_report_says_so() {
        let (mut found, settings) = model(2, "strict = false");
        let before = found.snapshot().unwrap();
        assert_eq!(
            told(&mut found, &file(["layers.0", "layers.2", "head"]), &settings),
            "model.weights: took 6 of the model's 8 tensors from w.pt, by name\n  \
             not in the file: layers.3.weight, layers.3.bias\n  not in the model: head.weight, head.bias"
        );
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let after = found.tensors().unwrap();
        assert_eq!(numbers(&after[7].1), numbers(&before[7].1));
        let (mut same, settings) = model(2, "strict = false");
        let report = told(&mut same, &file(["layers.0", "layers.2", "layers.3"]), &settings);
        assert!(report.contains("layers.3.weight has the shape [5, 3], the model wants [2, 3]"), "{report}");
        let (mut strict, settings) = model(2, "");
        assert!(strict.transfer(&file(["layers.0", "layers.2", "layers.3"]), &settings).is_err());
        let (mut none, settings) = model(2, "strict = false");
        let error = none.transfer(&file(["a", "b", "c"]), &settings).unwrap_err().to_string();
        assert!(error.starts_with("no tensor of the file fits the model: the file has a.weight,"), "{error}");
        let (mut unfit, settings) = model(5, "strict = false");
        let given = file(["layers.3", "layers.2", "layers.2.layers.0"]);
        let error = unfit.transfer(&given[..1], &settings).unwrap_err().to_string();
        assert!(error.contains("fits the model: layers.3.weight has the shape [3, 2], the model"), "{error}");
    }

    #[test]
    fn the_order_of_the_layers_can_decide() {
        let (mut found, settings) = model(5, "match = 'order'");
        let mut given = file(["a", "b", "c"]);
        assert_eq!(
            told(&mut found, &given, &settings),
            "model.weights: took all 8 tensors of w.pt, by order"
        );
        // The counter of batches, 7, is among them.
        assert!((sum(&found) - EVERYTHING).abs() < 1e-6);
        // A file that counts no batches is in the same order.
        given.remove(6);
        let (mut found, settings) = model(5, "match = 'order'");
        let report = TransferReport::new(found.transfer(&given, &settings).unwrap(), Path::new("w.pt"));
        assert_eq!(
            report.pairs()[2..5],
            [
                "b.weight → layers.2.weight",
                "b.bias → layers.2.bias",
                "b.running_mean → layers.2.running_mean"
            ]
        );
        assert_eq!(report.pairs().len(), 8);
        let (mut short, settings) = model(5, "match = 'order'");
        given.pop();
        let error = short.transfer(&given, &settings).unwrap_err().to_string();
        assert!(error.contains("the file has no layers.3.bias; `model.strict = false` takes"), "{error}");
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
    }
}
