//! Layers of settings become one tree that knows which layer each value came from.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Num, Tag, Value as Figure};
use figment::{Figment, Metadata, Profile, Provider};
use toml::{Table, Value};

use super::layer::{Layer, nested};
use super::patch::patch;
use super::section::Section;
use crate::setting::{Diagnostic, Excerpt, KeyPath, Segment};
use crate::sweep::Writing;
use crate::{Error, Result};

/// The merged settings of an experiment, the sweep included.
#[derive(Debug)]
pub struct Merged {
    /// What the layers say together.
    pub tree: Table,
    /// One line for every key that a change of kind dropped.
    pub notes: Vec<String>,
    layers: Vec<Layer>,
    values: Dict,
    layer_of_tag: BTreeMap<Tag, usize>,
}

struct Numbered<'a>(usize, &'a Layer);

impl Provider for Numbered<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Figure::serialize(&self.1.table)?.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

impl Merged {
    /// Merges the layers; later ones win, tables merge, lists replace. A key that an earlier layer set for
    /// another kind than the one in force is dropped.
    pub fn new(mut layers: Vec<Layer>, sections: &[Section]) -> Result<Self> {
        let mut figment = Figment::new();
        for (number, layer) in layers.iter_mut().enumerate() {
            reach_into_list(layer, &figment, sections)?;
            for section in sections {
                section.write_out(&mut layer.table);
            }
            figment = figment.merge(Numbered(number, layer));
        }
        let mut merged = Self {
            tree: Table::new(),
            notes: Vec::new(),
            layers,
            values: Dict::new(),
            layer_of_tag: BTreeMap::new(),
        };
        merged.collect(&figment)?;
        for section in sections {
            merged.drop_foreign(section);
        }
        Ok(merged)
    }

    fn collect(&mut self, figment: &Figment) -> Result<()> {
        let keys: Vec<String> = self.layers.iter().flat_map(|layer| layer.table.keys().cloned()).collect();
        for key in keys {
            if self.tree.contains_key(&key) {
                continue;
            }
            // A key may contain a dot, which figment takes for a path: those keys are unknown anyway.
            let Ok(value) = figment.find_value(&key) else {
                let raw = self.layers.iter().rev().find_map(|layer| layer.table.get(&key));
                self.tree.extend(raw.cloned().map(|value| (key.clone(), value)));
                continue;
            };
            self.note_tags(figment, &value);
            let plain = plain(&value, &KeyPath::parse(&key))?;
            self.tree.insert(key.clone(), plain);
            self.values.insert(key, value);
        }
        Ok(())
    }

    fn note_tags(&mut self, figment: &Figment, value: &Figure) {
        let name = figment.get_metadata(value.tag()).map(|metadata| metadata.name.parse());
        if let Some(Ok(layer)) = name {
            self.layer_of_tag.insert(value.tag(), layer);
        }
        if let Some(dict) = value.as_dict() {
            for inner in dict.values() {
                self.note_tags(figment, inner);
            }
        }
    }

    fn drop_foreign(&mut self, section: &Section) {
        let at = KeyPath::parse(section.path);
        let root = Value::Table(self.tree.clone());
        let Some(Value::Table(table)) = at.find(&root) else { return };
        for key in table.keys().filter(|key| section.knows(key)) {
            let path = at.join(key);
            let Some(set) = self.layer_of(&path) else { continue };
            // Any later layer may have changed the kind, and another one back.
            let later = self.layers.iter().skip(set + 1);
            let Some((by, kind)) =
                later.filter_map(|layer| kind_in(layer, section)).find(|(_, kind)| !section.has(kind, key))
            else {
                continue;
            };
            self.notes.push(format!("`{path}` is dropped: {by} sets {} = \"{kind}\"", section.tag));
            let mut tree = Value::Table(std::mem::take(&mut self.tree));
            path.remove_from(&mut tree);
            if let Value::Table(tree) = tree {
                self.tree = tree;
            }
        }
    }

    /// The layer that set the value at `path`, if one did.
    pub fn layer_of(&self, path: &KeyPath) -> Option<usize> {
        let (Segment::Key(first), rest) = path.0.split_first()? else { return None };
        let Some(mut value) = self.values.get(first) else {
            return self.layers.iter().rposition(|layer| path.find_in(&layer.table).is_some());
        };
        for segment in rest {
            value = match (value, segment) {
                (Figure::Dict(_, dict), Segment::Key(key)) => dict.get(key)?,
                (Figure::Array(_, list), Segment::Index(index)) => list.get(*index)?,
                _ => return None,
            };
        }
        // Only leaves carry the tag of the layer that set them last; a table is where its last entry is.
        match value {
            Figure::Dict(_, dict) => dict
                .keys()
                .filter_map(|key| self.layer_of(&path.join(key)))
                .max()
                .or_else(|| self.layer_of_tag.get(&value.tag()).copied()),
            _ => self.layer_of_tag.get(&value.tag()).copied(),
        }
    }

    /// The last flag or variable that sets `path` itself.
    pub fn setter_of(&self, path: &KeyPath) -> Option<usize> {
        let sets = |layer: &Layer| {
            layer
                .assigned()
                .is_some_and(|(own, value)| own.way_to(path).is_some_and(|way| way.find(value).is_some()))
        };
        self.layers.iter().rposition(sets)
    }

    /// The rank of a table of runs: above files and variables, below what was set on the command line.
    pub fn rank_of_rows(&self) -> Option<usize> {
        self.layers.iter().rposition(|layer| layer.origin != Layer::SET)
    }

    /// The place where `path`, or what is nearest above it, was written.
    pub fn excerpt(&self, path: &KeyPath, of_key: bool) -> Option<Excerpt> {
        let mut at = path.clone();
        loop {
            if let Some(layer) = self.layer_of(&at) {
                let exact = at == *path;
                return Some(self.layers[layer].excerpt(&at, exact && of_key));
            }
            at.0.pop()?;
            if at.0.is_empty() {
                return self.layers.first().map(|layer| layer.excerpt(&at, false));
            }
        }
    }

    /// Sorts what was found by the place where it was written: layer by layer, from top to bottom.
    pub fn sort<T>(&self, found: &mut [T], excerpt_of: impl Fn(&T) -> Option<&Excerpt>) {
        found.sort_by_key(|found| {
            let excerpt = excerpt_of(found);
            let layer = excerpt.and_then(|excerpt| self.layers.iter().position(|l| l.holds(excerpt)));
            (layer.unwrap_or(usize::MAX), excerpt.map_or(0, |excerpt| excerpt.span.start))
        });
    }

    /// The layers, the first the lowest.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// The layer and the kind that it sets a section to, if it does.
fn kind_in<'a>(layer: &'a Layer, section: &Section) -> Option<(&'a str, &'a str)> {
    let kind = section.at().join(section.tag).find_in(&layer.table)?.as_str()?;
    Some((layer.origin.as_str(), kind))
}

impl Writing for Merged {
    fn position(&self, written: &KeyPath) -> (usize, usize) {
        let has = |layer: &Layer| written.find_in(&layer.table).is_some();
        let layer = self.layers.iter().position(has).unwrap_or(self.layers.len());
        let start = self.layers.get(layer).map_or(0, |layer| layer.excerpt(written, true).span.start);
        (layer, start)
    }

    fn layer(&self, written: &KeyPath) -> Option<usize> {
        self.layer_of(written)
    }

    fn is_swept_by_flag(&self, key: &KeyPath) -> bool {
        self.layers.iter().any(|layer| layer.swept().is_some_and(|(swept, _)| swept == *key))
    }
}

/// What `toml` calls the only key of a date when it hands one to another format.
const DATE: &str = "$__toml_private_datetime";

/// A flag such as `model.regularizer.p` that leads into a list becomes the whole list with the change, as
/// lists replace.
fn reach_into_list(layer: &mut Layer, below: &Figment, sections: &[Section]) -> Result<()> {
    let Some((path, value)) = layer.assigned().cloned() else { return Ok(()) };
    let Some(Segment::Key(first)) = path.0.first() else { return Ok(()) };
    let Ok(found) = below.find_value(first) else { return Ok(()) };
    let mut tree: Table = std::iter::once((first.clone(), plain(&found, &path)?)).collect();
    let list = (1..path.0.len())
        .map(|length| KeyPath(path.0[..length].to_vec()))
        .find(|prefix| prefix.find_in(&tree).is_some_and(Value::is_array));
    let Some(list) = list else { return Ok(()) };
    if let Err(message) = patch(&mut tree, &path, value, sections) {
        return Err(Error::Settings(vec![Diagnostic {
            message,
            excerpt: Some(layer.excerpt(&path, true)),
            label: String::new(),
            notes: Vec::new(),
            help: None,
        }]));
    }
    if let Some(changed) = list.find_in(&tree).cloned()
        && let Value::Table(table) = nested(&list, changed)
    {
        layer.table = table;
    }
    Ok(())
}

fn plain(value: &Figure, path: &KeyPath) -> Result<Value> {
    Ok(match value {
        Figure::String(_, text) => Value::String(text.clone()),
        Figure::Char(_, letter) => Value::String(letter.to_string()),
        Figure::Bool(_, truth) => Value::Boolean(*truth),
        Figure::Num(_, Num::F32(number)) => Value::Float(f64::from(*number)),
        Figure::Num(_, Num::F64(number)) => Value::Float(*number),
        Figure::Num(_, number) => {
            let whole = number.to_i128().and_then(|number| i64::try_from(number).ok());
            let whole = whole.or_else(|| number.to_u128().and_then(|number| i64::try_from(number).ok()));
            Value::Integer(whole.ok_or_else(|| Error::Request(format!("`{path}` is too large a number")))?)
        }
        Figure::Array(_, list) => {
            Value::Array(list.iter().map(|value| plain(value, path)).collect::<Result<_>>()?)
        }
        Figure::Dict(_, dict) if dict.len() == 1 && dict.contains_key(DATE) => {
            let date = dict[DATE].as_str().and_then(|text| text.parse().ok());
            Value::Datetime(date.ok_or_else(|| Error::Request(format!("`{path}` is not a date")))?)
        }
        Figure::Dict(_, dict) => {
            let entries = dict.iter().map(|(key, value)| Ok((key.clone(), plain(value, &path.join(key))?)));
            Value::Table(entries.collect::<Result<_>>()?)
        }
        Figure::Empty(..) => return Err(Error::Request(format!("`{path}` has no value"))),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::setting::kind;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sgd {
        lr: f64,
        momentum: f64,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Adam {
        lr: f64,
        betas: (f64, f64),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "snake_case")]
    enum Rule {
        Sgd(Sgd),
        Adam(Adam),
    }

    kind!(Rule);

    fn sections() -> Vec<Section> {
        vec![Section::of::<Rule>("optimizer", &["weight_decay"])]
    }

    fn merge(file: &str, flags: &[&str]) -> Merged {
        let mut layers = vec![Layer::parse("a.toml".into(), PathBuf::new(), file).unwrap()];
        layers.extend(flags.iter().map(|flag| Layer::flag(flag).unwrap()));
        Merged::new(layers, &sections()).unwrap()
    }

    #[test]
    fn later_layers_win_and_every_value_knows_its_layer() {
        let merged = merge("seed = 1\n[optimizer]\nkind = 'sgd'\nlr = 0.1\n", &["optimizer.lr=0.2", "x=[1]"]);
        assert_eq!(merged.tree["optimizer"]["lr"], Value::Float(0.2));
        assert_eq!(merged.tree["optimizer"]["kind"], Value::String("sgd".into()));
        assert_eq!(merged.layer_of(&KeyPath::parse("optimizer.lr")), Some(1));
        assert_eq!(merged.layer_of(&KeyPath::parse("optimizer.kind")), Some(0));
        assert_eq!(merged.layer_of(&KeyPath::parse("x")), Some(2));
        let excerpt = merged.excerpt(&KeyPath::parse("optimizer.nothing"), false).unwrap();
        assert_eq!(excerpt.origin, "--set");
    }

    #[test]
    fn a_change_of_kind_drops_what_the_new_kind_does_not_have() {
        let file = "[optimizer]\nkind = 'sgd'\nlr = 0.1\nmomentum = 0.9\nweight_decay = 1e-4\n";
        let merged = merge(file, &["optimizer.kind=adam", "optimizer.betas=[0.5, 0.9]"]);
        let keys: Vec<&String> = merged.tree["optimizer"].as_table().unwrap().keys().collect();
        assert_eq!(keys, ["betas", "kind", "lr", "weight_decay"]);
        assert_eq!(merged.notes, ["`optimizer.momentum` is dropped: --set sets kind = \"adam\""]);
        // What stands beside the kind in its own layer is a mistake, and stays to be reported.
        let wrong = merge("[optimizer]\nkind = 'adam'\nmomentum = 0.9\n", &[]);
        assert!(wrong.tree["optimizer"].get("momentum").is_some());
    }

    #[test]
    fn a_string_merges_as_the_kind_of_a_table() {
        let merged = merge("optimizer = 'sgd'\n", &["optimizer.lr=0.5"]);
        assert_eq!(merged.tree["optimizer"]["kind"], Value::String("sgd".into()));
        assert_eq!(merged.tree["optimizer"]["lr"], Value::Float(0.5));
    }

    #[test]
    fn a_flag_into_a_list_replaces_the_list_and_is_where_it_was_written() {
        let merged = merge("optimizer = ['sgd', { kind = 'adam', lr = 1 }]\n", &["optimizer.momentum=0.5"]);
        let list = merged.tree["optimizer"].as_array().unwrap();
        assert_eq!(list[0]["momentum"], Value::Float(0.5));
        assert_eq!(list[1]["lr"], Value::Integer(1));
        let mut path = KeyPath::parse("optimizer");
        path.0.extend([Segment::Index(0), Segment::Key("momentum".into())]);
        let excerpt = merged.excerpt(&path, false).unwrap();
        assert_eq!(&excerpt.text[excerpt.span], "0.5");
        let layers = ["optimizer.lr=1", "optimizer.depth=1"].map(|flag| {
            let file = Layer::parse("a.toml".into(), PathBuf::new(), "optimizer = ['sgd', 'adam']").unwrap();
            Merged::new(vec![file, Layer::flag(flag).unwrap()], &sections()).unwrap_err().to_string()
        });
        assert_eq!(layers[0], "--set:1:1: more than one entry of `optimizer` has a `lr`");
        assert_eq!(layers[1], "--set:1:1: no entry of `optimizer` has a `depth`");
    }

    #[test]
    fn a_quoted_key_is_found_where_it_stands_and_a_date_stays_one() {
        let merged = merge("seed = 1\n\"x.y\" = 1\nday = 2020-01-01\n", &[]);
        let path = KeyPath(vec![Segment::Key("x.y".into())]);
        assert_eq!(merged.excerpt(&path, true).unwrap().position(), (2, 1));
        assert!(merged.tree["day"].is_datetime());
    }
}
