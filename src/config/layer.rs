//! One layer of settings: a file, an environment variable or a flag, with the places of its values.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::Document;

use super::assignment::{Assignment, Source, key_before, quoted_path};
use super::place;
use crate::setting::{Diagnostic, Excerpt, KeyPath, Segment};
use crate::{Error, Result};

/// The longest experiment file that is read: 16 MiB, far above any that a person would write.
const LONGEST: u64 = 16 << 20;
/// What the names of variables begin with that are settings.
const PREFIX: &str = "RUNNER__";

/// Settings from one place.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The file, variable or flag, as it is shown.
    pub origin: String,
    /// The folder against which relative paths in it are meant.
    pub base: PathBuf,
    /// The settings, in the order in which they were written.
    pub table: toml::Table,
    /// The place of the `extends` that asked for the file.
    pub(super) via: Option<String>,
    text: Arc<str>,
    places: Places,
}

#[derive(Debug, Clone)]
enum Places {
    File(Document<String>),
    Assignment(Assignment),
}

impl Layer {
    /// The origin of a setting of the command line.
    pub const SET: &'static str = "--set";

    /// Reads a file.
    pub fn file(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Request(format!("there is no file {origin}")),
            _ => Error::unreadable(path, error.to_string()),
        };
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // A device has no size that could be asked for.
        let length = file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if length as u64 > LONGEST {
            return Err(Error::unreadable(path, "an experiment file has at most 16 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_text(&origin, &error))?;
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self::parse(origin, base, &text)
    }

    /// Reads a text as if it were the file `origin` in the folder `base`.
    pub fn parse(origin: String, base: PathBuf, text: &str) -> Result<Self> {
        let refuse = |message: &str, span: Option<Range<usize>>| {
            let span = span.unwrap_or(0..0);
            let excerpt = Excerpt { origin: origin.clone(), text: text.into(), span, via: None };
            let message = message.trim().replace('\n', ", ");
            Error::Settings(vec![Diagnostic {
                message: format!("this is not TOML: {message}"),
                excerpt: Some(excerpt),
                label: String::new(),
                notes: Vec::new(),
                help: None,
            }])
        };
        let document =
            Document::parse(text.to_owned()).map_err(|error| refuse(error.message(), error.span()))?;
        let table: toml::Table =
            toml::from_str(text).map_err(|error| refuse(error.message(), error.span()))?;
        let places = Places::File(document);
        Ok(Self { origin, base, table, via: None, text: text.into(), places })
    }

    /// Reads `key=value`, the argument of `--set`.
    pub fn flag(assignment: &str) -> Result<Self> {
        let Some(key) = key_before(assignment) else {
            let text = format!("--set {assignment}: expected KEY=VALUE, as in --set optimizer.lr=3e-4");
            return Err(Error::Request(text));
        };
        let path = quoted_path(key);
        Self::assign(Self::SET, assignment, |source| source.setting(path, 0..key.len()))
    }

    /// Reads `key=value,value`, the argument of `--grid`: an axis of the sweep.
    ///
    /// The values may also be written as in a file: as a list, or as a table that describes one.
    pub fn grid_flag(assignment: &str) -> Result<Self> {
        let Some(key) = key_before(assignment) else {
            let expected = "expected KEY=VALUE,VALUE, as in --grid optimizer.lr=1e-3,3e-4";
            return Err(Error::Request(format!("--grid {assignment}: {expected}")));
        };
        Self::assign("--grid", assignment, |source| source.axis(0..key.len()))
    }

    /// Reads a variable such as `RUNNER__OPTIMIZER__LR`; `None` for any other.
    ///
    /// Its name is put in lower case, as every key is.
    pub fn variable(name: &str, value: &str) -> Option<Result<Self>> {
        let key = name.strip_prefix(PREFIX)?;
        let path = KeyPath::parse(&key.to_lowercase().replace("__", "."));
        let text = format!("{name}={value}");
        Some(Self::assign(name, &text, |source| source.setting(path, 0..name.len())))
    }

    fn assign(
        origin: &str,
        text: &str,
        read: impl FnOnce(&Source<'_>) -> Result<Assignment>,
    ) -> Result<Self> {
        let text: Arc<str> = text.into();
        let assignment = read(&Source { origin, text: &text })?;
        let (path, value) = assignment.target.clone();
        let table = match nested(&path, value) {
            toml::Value::Table(table) => table,
            _ => toml::Table::new(),
        };
        let (origin, base) = (origin.to_owned(), PathBuf::new());
        let places = Places::Assignment(assignment);
        Ok(Self { origin, base, table, via: None, text, places })
    }

    /// The one key and its value, as they were written, of a variable or a `--set`.
    pub fn assigned(&self) -> Option<&(KeyPath, toml::Value)> {
        match &self.places {
            Places::Assignment(assignment) if !assignment.is_axis => Some(&assignment.target),
            _ => None,
        }
    }

    /// The setting that a `--grid` sweeps, and where its values lie among the settings of the layer.
    pub(super) fn swept(&self) -> Option<(KeyPath, &KeyPath)> {
        match &self.places {
            Places::Assignment(assignment) if assignment.is_axis => {
                let (at, _) = &assignment.target;
                at.last_key().map(|key| (KeyPath::parse(key), at))
            }
            _ => None,
        }
    }

    /// What a variable or a flag was read from: `KEY=VALUE`.
    pub(super) fn typed(&self) -> Option<&str> {
        matches!(self.places, Places::Assignment(_)).then_some(&*self.text)
    }

    /// Whether the excerpt was taken from this layer.
    pub fn holds(&self, excerpt: &Excerpt) -> bool {
        Arc::ptr_eq(&self.text, &excerpt.text)
    }

    /// The excerpt for the key or the value at `path`, or for the innermost table that holds it.
    pub fn excerpt(&self, path: &KeyPath, of_key: bool) -> Excerpt {
        let span = match &self.places {
            Places::File(document) => place::find(document, &path.0, of_key).unwrap_or(0..0),
            Places::Assignment(assignment) => assignment.span(path, of_key),
        };
        Excerpt { origin: self.origin.clone(), text: self.text.clone(), span, via: self.via.clone() }
    }
}

/// Tables around `value`, so that it lies at `path`.
pub(super) fn nested(path: &KeyPath, value: toml::Value) -> toml::Value {
    path.0.iter().rev().fold(value, |inner, segment| {
        let Segment::Key(key) = segment else { return inner };
        toml::Value::Table(std::iter::once((key.clone(), inner)).collect())
    })
}

/// The error of a file with bytes that are no UTF-8, shown with what can be shown of it.
fn not_text(origin: &str, error: &std::string::FromUtf8Error) -> Error {
    let start = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes());
    let span = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
    Error::Settings(vec![Diagnostic {
        message: "this is not UTF-8 text".to_owned(),
        excerpt: Some(Excerpt { origin: origin.to_owned(), text: text.into(), span, via: None }),
        label: "expected a file saved as UTF-8".to_owned(),
        notes: Vec::new(),
        help: None,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Layer {
        Layer::parse("a.toml".into(), PathBuf::new(), text).unwrap()
    }

    fn shown(layer: &Layer, path: &str, of_key: bool) -> String {
        shown_of(layer, &KeyPath::parse(path), of_key)
    }

    fn shown_of(layer: &Layer, path: &KeyPath, of_key: bool) -> String {
        let excerpt = layer.excerpt(path, of_key);
        excerpt.text[excerpt.span].to_owned()
    }

    #[test]
    fn finds_keys_and_values_in_every_kind_of_table() {
        let layer = layer("seed = 1\na.b.c = 2\n[t]\nx = { y = [1, 'two'] }\n[[l]]\nz = true\n");
        assert_eq!(shown(&layer, "seed", true), "seed");
        assert_eq!(shown(&layer, "seed", false), "1");
        assert_eq!(shown(&layer, "a.b.c", false), "2");
        assert_eq!(shown(&layer, "t.x.y", true), "y");
        assert_eq!(shown(&layer, "t.missing", false), "[t]");
        let mut path = KeyPath::parse("t.x.y");
        path.0.push(Segment::Index(1));
        let excerpt = layer.excerpt(&path, false);
        assert_eq!(&excerpt.text[excerpt.span.clone()], "'two'");
        assert_eq!(excerpt.position(), (4, 15));
    }

    #[test]
    fn flags_and_variables_are_toml_or_strings() {
        let value = |layer: &Layer| KeyPath::parse("optimizer.lr").find(&layer.table.clone().into()).cloned();
        assert_eq!(value(&Layer::flag("optimizer.lr=3e-4").unwrap()), Some(toml::Value::Float(3e-4)));
        assert_eq!(value(&Layer::flag("optimizer.lr=fast").unwrap()), Some("fast".into()));
        assert_eq!(value(&Layer::flag("optimizer.lr=1\nseed=2").unwrap()), Some("1\nseed=2".into()));
        let variable = Layer::variable("RUNNER__OPTIMIZER__LR", "[1, 2]").unwrap().unwrap();
        assert_eq!(value(&variable), Some(toml::Value::Array(vec![1.into(), 2.into()])));
        assert!(Layer::variable("RUNNER_LR", "1").is_none());
        assert!(Layer::flag("optimizer.lr").is_err());
        assert!(Layer::flag("=1").is_err());
        assert!(Layer::flag("a..b=1").is_err());
    }

    #[test]
    fn parts_of_a_flags_key_may_be_quoted() {
        let layer = Layer::flag("sweep.grid.\"optimizer.lr\"=[1e-3, 1e-2]").unwrap();
        let (path, _) = layer.assigned().unwrap();
        let keys: Vec<Segment> =
            ["sweep", "grid", "optimizer.lr"].map(|key| Segment::Key(key.into())).to_vec();
        assert_eq!(path.0, keys);
        assert_eq!(shown_of(&layer, path, true), "sweep.grid.\"optimizer.lr\"");
        assert_eq!(shown_of(&layer, path, false), "[1e-3, 1e-2]");
        // An unknown key on the way of a longer one is a part of the key, too.
        assert_eq!(shown(&layer, "sweep.grid", true), "sweep.grid.\"optimizer.lr\"");
        let odd = Layer::flag("a.'b=c'.d=1").unwrap();
        assert_eq!(odd.assigned().unwrap().0.to_string(), "a.b=c.d");
        assert_eq!(Layer::flag("a.it's=1").unwrap().assigned().unwrap().1, toml::Value::Integer(1));
    }

    #[test]
    fn broken_toml_is_refused_with_its_place() {
        let Err(Error::Settings(found)) = Layer::parse("a.toml".into(), PathBuf::new(), "a = 1\nb = \n")
        else {
            panic!("it was accepted")
        };
        assert!(found[0].to_string().starts_with("a.toml:2:"), "{}", found[0]);
        let Err(Error::Settings(twice)) = Layer::parse("a.toml".into(), PathBuf::new(), "a = 1\na = 2\n")
        else {
            panic!("it was accepted")
        };
        assert!(twice[0].to_string().contains("a.toml:2:1: this is not TOML: duplicate key"), "{}", twice[0]);
    }
}
