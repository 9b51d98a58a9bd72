//! State dicts in the files of `PyTorch`: what `torch.save(model.state_dict(), path)` writes.
//!
//! Such a file is a zip archive of a pickle, which is a program, and of the numbers beside it
//! (<https://docs.pytorch.org/docs/stable/notes/serialization.html>). The program is not run: what describes
//! tensors is understood, whatever else it asks for is refused. candle has a reader of its own, which panics
//! on damaged files, loses the order and leaves out what it does not know.

mod archive;
mod pickle;
mod rebuild;
#[cfg(test)]
mod tests;
mod value;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::path::Path;

use candle_core::Tensor;

use self::archive::Archive;
use self::value::{Object, Value, View};
use super::weights::open_file;
use crate::{Error, Result};

/// Where programs put the state dict among other things that they save.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// How many times the file's size tensors may take that share their numbers or repeat them.
const MOST_COPIES: u64 = 8;
/// The first bytes of a zip archive.
pub(super) const ARCHIVE: &[u8; 4] = b"PK\x03\x04";
/// The first byte of a pickle, which the version of its protocol follows.
const PICKLE: u8 = 0x80;
const PROTOCOLS: std::ops::RangeInclusive<u8> = 2..=5;
/// Where the header of a safetensors file begins, and with what: its length, before it, may look like a pickle.
const HEADER: (usize, u8) = (8, b'{');
/// Names of a wrong file that a message shows, and letters of each.
const SHOWN: (usize, usize) = (6, 80);

/// Whether a file that begins so is one of PyTorch's: an archive, or a pickle as in versions before 1.6.
pub fn is_from_pytorch(start: &[u8]) -> bool {
    let is_pickle = start.first() == Some(&PICKLE)
        && start.get(1).is_some_and(|version| PROTOCOLS.contains(version))
        && start.get(HEADER.0) != Some(&HEADER.1);
    start.starts_with(ARCHIVE) || is_pickle
}

/// The tensors of a file of `torch.save` on the CPU, in the order of the dictionary.
///
/// The file holds a state dict, or a dictionary with one under `state_dict`, `model_state_dict` or `model`.
/// Tensors are float16, bfloat16, float32, float64 or int64, and come row-major whatever their strides were.
///
/// # Errors
/// [`Error::Unreadable`] for files that are absent, damaged or hold anything else.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let (file, _) = open_file(path)?;
    read_from(path, std::io::BufReader::new(file))
}

/// As [`read`], from a source that is open already; `path` is what errors call it.
pub fn read_from(path: &Path, source: impl Read + Seek) -> Result<Vec<(String, Tensor)>> {
    let tensors = Archive::open(source).and_then(|mut archive| {
        let pickle = archive.pickle()?;
        let (root, objects) = pickle::run(&pickle)?;
        load(&mut archive, &views(root, &objects)?)
    });
    tensors.map_err(|reason| Error::unreadable(path, reason))
}

type Entries<'a> = [(Value<'a>, Value<'a>)];

/// The tensors of the state dict by their names.
fn views<'o>(root: Value<'o>, objects: &'o [Object<'o>]) -> Result<Vec<(&'o str, &'o View<'o>)>, String> {
    let root = entries(root, objects).ok_or("holds no dictionary: save `model.state_dict()`")?;
    let wrapped: Vec<(&str, &Entries<'_>)> = root
        .iter()
        .filter_map(|(key, value)| match key {
            Value::Text(key) if WRAPPERS.contains(key) => Some((*key, entries(*value, objects)?)),
            _ => None,
        })
        .collect();
    let dict = match wrapped.as_slice() {
        [] => root,
        [(_, dict)] => dict,
        [(first, _), (second, _), ..] => {
            return Err(format!("has both `{first}` and `{second}`: save the one that is meant by itself"));
        }
    };
    let (mut names, mut views) = (BTreeSet::new(), Vec::with_capacity(dict.len()));
    for (key, value) in dict {
        let Value::Text(name) = key else {
            return Err(not_a_state_dict(dict));
        };
        let Value::Object(place) = value else {
            return Err(not_a_tensor(name, dict));
        };
        let Object::Tensor(view) = &objects[*place] else {
            return Err(not_a_tensor(name, dict));
        };
        if !names.insert(*name) {
            return Err(format!("is damaged: it has two tensors `{}`", shown(name)));
        }
        views.push((*name, &**view));
    }
    Ok(views)
}

fn entries<'o>(value: Value<'o>, objects: &'o [Object<'o>]) -> Option<&'o Entries<'o>> {
    match value {
        Value::Object(place) => match &objects[place] {
            Object::Dict { entries, .. } => Some(entries),
            _ => None,
        },
        _ => None,
    }
}

fn not_a_tensor(name: &str, dict: &Entries<'_>) -> String {
    format!("{}: `{}` is not a tensor", not_a_state_dict(dict), shown(name))
}

fn not_a_state_dict(dict: &Entries<'_>) -> String {
    let names = dict.iter().filter_map(|(key, _)| match key {
        Value::Text(key) => Some(format!("`{}`", shown(key))),
        _ => None,
    });
    let names: Vec<String> = names.take(SHOWN.0).collect();
    let more = if names.len() < dict.len() { ", …" } else { "" };
    format!("holds a dictionary of {}{more}, which is no state dict", names.join(", "))
}

/// A name without what would break a line, cut where it is long.
fn shown(name: &str) -> String {
    let mut letters = name.chars();
    let start: String = letters.by_ref().take(SHOWN.1).flat_map(char::escape_debug).collect();
    if letters.next().is_none() { start } else { format!("{start}…") }
}

/// Reads one storage after the other, so that no more than one is in memory beside the tensors.
fn load<R: Read + Seek>(
    archive: &mut Archive<R>,
    views: &[(&str, &View<'_>)],
) -> Result<Vec<(String, Tensor)>, String> {
    let mut storages: BTreeMap<&str, BTreeMap<&View<'_>, Vec<usize>>> = BTreeMap::new();
    let mut total = 0u64;
    for (place, (name, view)) in views.iter().enumerate() {
        let places = storages.entry(view.storage.key).or_default().entry(view).or_default();
        places.push(place);
        if places.len() == 1 {
            total = total.saturating_add(view.bytes().map_err(|reason| about(name, &reason))?);
        }
        if total > archive.length.saturating_mul(MOST_COPIES) {
            let reason = format!("it and those before it would take {MOST_COPIES} times as much as the file");
            return Err(about(name, &reason));
        }
    }
    let mut tensors: Vec<Option<Tensor>> = vec![None; views.len()];
    for (key, views_of_it) in storages {
        let numbers = archive.storage(key)?;
        for (view, places) in views_of_it {
            let name = places.first().map_or("", |place| views[*place].0);
            let tensor = view.tensor(&numbers).map_err(|reason| about(name, &reason))?;
            for place in places {
                tensors[place] = Some(tensor.clone());
            }
        }
    }
    let named = views.iter().zip(tensors);
    Ok(named.filter_map(|((name, _), tensor)| Some(((*name).to_owned(), tensor?))).collect())
}

fn about(name: &str, reason: &str) -> String {
    format!("the tensor `{}`: {reason}", shown(name))
}
