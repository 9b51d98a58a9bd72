//! `KEY=VALUE` as it was typed in a flag or a variable: the value, and the place of each of its parts.

use std::ops::Range;
use std::sync::Arc;

use toml::Value;
use toml_edit::{Document, Key};

use super::place;
use crate::setting::{Diagnostic, Excerpt, KeyPath, Segment};
use crate::{Error, Result};

/// What stands before a value to make a document of it.
const LEAD: &str = "value = ";
/// The key of the document's only value.
const VALUE: &str = "value";

/// One key with its value.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    /// Where the value goes, and the value.
    pub target: (KeyPath, Value),
    /// Whether the value is that of an axis of the sweep.
    pub is_axis: bool,
    key: Range<usize>,
    parts: Parts,
}

#[derive(Debug, Clone)]
enum Parts {
    One(Typed),
    /// The entries of a list that was typed without its brackets, and the stretch that they take.
    Listed(Vec<Typed>, Range<usize>),
}

/// A value that was typed as TOML, or else a string.
#[derive(Debug, Clone)]
struct Typed {
    value: Value,
    span: Range<usize>,
    /// The document `value = …`, if it is TOML.
    document: Option<Box<Document<String>>>,
}

/// A text that an assignment is read from, and where it was typed.
pub(super) struct Source<'a> {
    /// The flag, or the environment.
    pub origin: &'a str,
    /// `KEY=VALUE`.
    pub text: &'a Arc<str>,
}

impl Source<'_> {
    /// Reads the value of a setting; `key` is the stretch of the key, and `path` what it says.
    pub fn setting(&self, path: KeyPath, key: Range<usize>) -> Result<Assignment> {
        self.check_key(&path, &key)?;
        let typed = Typed::read(self.text, behind(self.text, &key));
        let target = (path, typed.value.clone());
        Ok(Assignment { target, is_axis: false, key, parts: Parts::One(typed) })
    }

    /// Reads the values of an axis: a list or a table in TOML, or else values between commas.
    pub fn axis(&self, key: Range<usize>) -> Result<Assignment> {
        let path = quoted_path(self.text[key.clone()].trim());
        self.check_key(&path, &key)?;
        if path.0.first() == Some(&Segment::Key("sweep".to_owned())) {
            let help = "as in --set sweep.seeds=3";
            return Err(self.refuse(key, "the sweep itself cannot be swept", "", Some(help)));
        }
        let span = behind(self.text, &key);
        if self.text[span.clone()].trim().is_empty() {
            let help = format!("as in --grid {path}=VALUE,VALUE");
            return Err(self.refuse(span, "there is no value", "expected at least one", Some(&help)));
        }
        let whole = Typed::read(self.text, span.clone());
        let parts = match whole.value {
            Value::Array(_) | Value::Table(_) => Parts::One(whole),
            _ => Parts::Listed(self.entries(span.clone())?, span),
        };
        let value = match &parts {
            Parts::One(typed) => typed.value.clone(),
            Parts::Listed(entries, _) => {
                Value::Array(entries.iter().map(|typed| typed.value.clone()).collect())
            }
        };
        // A key of the grid may be written with its dots; then it names the same axis in every layer.
        let at = KeyPath::parse("sweep.grid").join(&path.to_string());
        Ok(Assignment { target: (at, value), is_axis: true, key, parts })
    }

    fn entries(&self, span: Range<usize>) -> Result<Vec<Typed>> {
        let mut entries = Vec::new();
        for entry in split(self.text, span) {
            let text = &self.text[entry.clone()];
            let start = entry.start + (text.len() - text.trim_start().len());
            let trimmed = start..start + text.trim().len();
            if trimmed.is_empty() {
                let message = "there is no value between the commas";
                return Err(self.refuse(self.comma_at(&entry), message, "expected one", None));
            }
            entries.push(Typed::read(self.text, trimmed));
        }
        Ok(entries)
    }

    /// The comma beside an empty entry: nothing can be marked in the entry itself.
    fn comma_at(&self, entry: &Range<usize>) -> Range<usize> {
        let bytes = self.text.as_bytes();
        match bytes.get(entry.end) {
            Some(b',') => entry.end..entry.end + 1,
            _ => entry.start.saturating_sub(1)..entry.start,
        }
    }

    fn check_key(&self, path: &KeyPath, key: &Range<usize>) -> Result<()> {
        let is_empty = |segment: &Segment| matches!(segment, Segment::Key(key) if key.is_empty());
        if path.0.iter().any(is_empty) {
            return Err(self.refuse(key.clone(), "a part of the key is empty", "", None));
        }
        if path.0.first() == Some(&Segment::Key(super::extends::KEY.to_owned())) {
            let message = format!("`{}` belongs in a file", super::extends::KEY);
            return Err(self.refuse(key.clone(), &message, "", None));
        }
        Ok(())
    }

    fn refuse(&self, span: Range<usize>, message: &str, expected: &str, help: Option<&str>) -> Error {
        let excerpt = Excerpt { origin: self.origin.to_owned(), text: self.text.clone(), span, via: None };
        Error::Settings(vec![Diagnostic {
            message: message.to_owned(),
            excerpt: Some(excerpt),
            label: expected.to_owned(),
            notes: Vec::new(),
            help: help.map(str::to_owned),
        }])
    }
}

impl Assignment {
    /// The stretch of the key or the value at `path`, or of what is nearest to it.
    pub fn span(&self, path: &KeyPath, of_key: bool) -> Range<usize> {
        match below(&self.target.0.0, &path.0) {
            Way::Above | Way::Below([]) if of_key => self.key.clone(),
            Way::Below(way) => self.parts.span(way, of_key),
            Way::Above | Way::Beside => self.parts.span(&[], false),
        }
    }
}

/// How a path lies to the one that is assigned to.
enum Way<'a> {
    Above,
    /// The rest of it.
    Below(&'a [Segment]),
    Beside,
}

/// A key that reaches into a list is typed without the number of the entry, so numbers on the way are left out.
fn below<'a>(own: &[Segment], mut path: &'a [Segment]) -> Way<'a> {
    for segment in own {
        while let [Segment::Index(_), rest @ ..] = path {
            path = rest;
        }
        match path {
            [] => return Way::Above,
            [first, rest @ ..] if first == segment => path = rest,
            _ => return Way::Beside,
        }
    }
    Way::Below(path)
}

impl Parts {
    fn span(&self, way: &[Segment], of_key: bool) -> Range<usize> {
        match (self, way) {
            (Self::One(typed), way) => typed.place(way, of_key),
            (Self::Listed(entries, all), [Segment::Index(index), rest @ ..]) => {
                entries.get(*index).map_or_else(|| all.clone(), |entry| entry.place(rest, of_key))
            }
            (Self::Listed(_, all), _) => all.clone(),
        }
    }
}

impl Typed {
    /// What does not parse as TOML is a string, so that names need no quotes.
    fn read(text: &str, span: Range<usize>) -> Self {
        let written = &text[span.clone()];
        let source = format!("{LEAD}{written}");
        let parsed = toml::from_str::<toml::Table>(&source).ok().filter(|table| table.len() == 1);
        match parsed.and_then(|mut table| table.remove(VALUE)) {
            Some(value) => Self { value, span, document: Document::parse(source).ok().map(Box::new) },
            None => Self { value: Value::String(written.to_owned()), span, document: None },
        }
    }

    fn place(&self, way: &[Segment], of_key: bool) -> Range<usize> {
        let path: Vec<Segment> =
            std::iter::once(Segment::Key(VALUE.to_owned())).chain(way.iter().cloned()).collect();
        let of_key = of_key && !way.is_empty();
        let found = self.document.as_ref().and_then(|document| place::find(document, &path, of_key));
        let in_text = |position: usize| (position + self.span.start).saturating_sub(LEAD.len());
        found.map_or_else(|| self.span.clone(), |found| in_text(found.start)..in_text(found.end))
    }
}

/// What follows the `=` behind the key.
fn behind(text: &str, key: &Range<usize>) -> Range<usize> {
    (key.end + 1).min(text.len())..text.len()
}

/// What stands before the first `=` outside quotes.
pub(super) fn key_before(assignment: &str) -> Option<&str> {
    let mut quote = None;
    for (position, letter) in assignment.char_indices() {
        match (quote, letter) {
            (None, '=') => return Some(&assignment[..position]),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed is a letter like any other.
    assignment.split_once('=').map(|(key, _)| key)
}

/// A dotted key whose parts may be quoted.
pub(super) fn quoted_path(key: &str) -> KeyPath {
    match Key::parse(key) {
        Ok(keys) => KeyPath(keys.into_iter().map(|key| Segment::Key(key.get().to_owned())).collect()),
        Err(_) => KeyPath::parse(key),
    }
}

/// The stretches between the commas that stand outside quotes, brackets and braces.
fn split(text: &str, span: Range<usize>) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut start, mut position, mut depth) = (span.start, span.start, 0_usize);
    // Whether a value may begin here: within a word a quote is a letter like any other.
    let mut is_fresh = true;
    while position < span.end {
        match bytes[position] {
            b',' if depth == 0 => {
                found.push(start..position);
                start = position + 1;
                is_fresh = true;
            }
            quote @ (b'"' | b'\'') if is_fresh => {
                position = closing(&bytes[..span.end], position, quote).unwrap_or(position);
                is_fresh = false;
            }
            b'[' | b'{' if is_fresh || depth > 0 => {
                depth += 1;
                is_fresh = true;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                is_fresh = false;
            }
            letter => {
                is_fresh = matches!(letter, b',' | b'=') || (is_fresh && letter.is_ascii_whitespace());
            }
        }
        position += 1;
    }
    found.push(start..span.end);
    found
}

/// Where the quote at `open` is closed.
fn closing(bytes: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut position = open + 1;
    while position < bytes.len() {
        match bytes[position] {
            b'\\' if quote == b'"' => position += 1,
            letter if letter == quote => return Some(position),
            _ => {}
        }
        position += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    fn grid(text: &str) -> (Layer, Value) {
        let layer = Layer::grid_flag(text).unwrap_or_else(|error| panic!("{error}"));
        let (_, at) = layer.swept().unwrap();
        let value = at.find_in(&layer.table).unwrap().clone();
        (layer, value)
    }

    fn marked(layer: &Layer, path: &str, way: &[Segment], of_key: bool) -> String {
        let mut path = KeyPath::parse(path);
        path.0.extend(way.iter().cloned());
        let excerpt = layer.excerpt(&path, of_key);
        excerpt.text[excerpt.span].to_owned()
    }

    fn entry(index: usize) -> Segment {
        Segment::Index(index)
    }

    #[test]
    fn parts_of_a_flags_value_are_marked_exactly() {
        let flag = Layer::flag("optimizer = { kind = 'sgd', betas = [0.9, 2.0] } ").unwrap();
        assert_eq!(marked(&flag, "optimizer.betas", &[entry(1)], false), "2.0");
        assert_eq!(marked(&flag, "optimizer.betas", &[], true), "betas");
        assert_eq!(marked(&flag, "optimizer.kind", &[], false), "'sgd'");
        assert_eq!(marked(&flag, "optimizer.lr", &[], false), "{ kind = 'sgd', betas = [0.9, 2.0] }");
        assert_eq!(marked(&flag, "optimizer", &[], true), "optimizer ");
        let variable = Layer::variable("RUNNER__TRAIN", "{ epochs = 3, lr = 'é' }").unwrap().unwrap();
        assert_eq!(marked(&variable, "train.lr", &[], true), "lr");
        assert_eq!(marked(&variable, "train.lr", &[], false), "'é'");
        assert_eq!(marked(&variable, "train", &[], true), "RUNNER__TRAIN");
        // A key that reaches into a list is known by the number of its entry afterwards.
        let reaching = Layer::flag("model.regularizer.p=-1").unwrap();
        let way = [entry(1), Segment::Key("p".into())];
        assert_eq!(marked(&reaching, "model.regularizer", &way, false), "-1");
        assert_eq!(marked(&reaching, "model.regularizer", &way, true), "model.regularizer.p");
    }

    #[test]
    fn values_of_an_axis_stand_between_commas_or_in_a_list() {
        let array = |text: &str| toml::from_str::<toml::Table>(&format!("v = {text}")).unwrap()["v"].clone();
        for (typed, value) in [
            ("optimizer.lr=1e-3, 3e-4", "[1e-3, 3e-4]"),
            ("optimizer.lr=[1e-3, 3e-4]", "[1e-3, 3e-4]"),
            ("optimizer.lr=5", "[5]"),
            ("optimizer.kind=sgd,adam", "['sgd', 'adam']"),
            ("model.hidden=[64],[64,32]", "[[64], [64, 32]]"),
            ("model.hidden=[64,32]", "[64, 32]"),
            ("optimizer={ kind = 'sgd', lr = 1 },adam", "[{ kind = 'sgd', lr = 1 }, 'adam']"),
            ("name='a,b',\"c\\\",d\", it's,that's", "['a,b', 'c\",d', \"it's\", \"that's\"]"),
            ("name=a[,b], {", "['a[', 'b]', '{']"),
            ("name=[1,2", "['[1,2']"),
            ("train.epochs={ from = 1, to = 2 }", "{ from = 1, to = 2 }"),
        ] {
            assert_eq!(grid(typed).1, array(value), "{typed}");
        }
        assert!(grid("name= ').4,,'").1.is_array());
    }

    #[test]
    fn each_value_of_an_axis_has_its_place() {
        let (layer, _) = grid("'optimizer'.lr = 1, fast ,{ x = [2] }");
        let (key, at) = layer.swept().unwrap();
        assert_eq!(key.to_string(), "optimizer.lr");
        assert_eq!(at.0.len(), 3);
        assert!(layer.assigned().is_none());
        let at = |way: &[Segment], of_key| {
            let path = KeyPath(at.0.iter().chain(way).cloned().collect());
            let excerpt = layer.excerpt(&path, of_key);
            excerpt.text[excerpt.span].to_owned()
        };
        let x = Segment::Key("x".into());
        assert_eq!(at(&[], true), "'optimizer'.lr ");
        assert_eq!(at(&[entry(1)], false), "fast");
        assert_eq!(at(&[entry(2), x.clone()], true), "x");
        assert_eq!(at(&[entry(2), x, entry(0)], false), "2");
        assert_eq!(at(&[], false), " 1, fast ,{ x = [2] }");
    }

    #[test]
    fn what_cannot_be_an_axis_or_a_setting_is_refused_where_it_stands() {
        let refused = |layer: Result<Layer>| layer.unwrap_err().to_string();
        let grid = |text: &str| refused(Layer::grid_flag(text));
        assert_eq!(grid("seed="), "--grid:1:6: there is no value");
        assert_eq!(grid("seed=1,,2"), "--grid:1:8: there is no value between the commas");
        assert_eq!(grid("seed=1,"), "--grid:1:7: there is no value between the commas");
        assert_eq!(grid("seed=, 1"), "--grid:1:6: there is no value between the commas");
        assert_eq!(grid("a..b=1"), "--grid:1:1: a part of the key is empty");
        assert_eq!(grid("sweep.seeds=1,2"), "--grid:1:1: the sweep itself cannot be swept");
        assert_eq!(grid("extends=a,b"), "--grid:1:1: `extends` belongs in a file");
        assert!(grid("seed").contains("expected KEY=VALUE,VALUE"));
        assert_eq!(refused(Layer::flag("extends=a")), "--set:1:1: `extends` belongs in a file");
        let variable = |name: &str| refused(Layer::variable(name, "1").unwrap());
        assert_eq!(variable("RUNNER__EXTENDS"), "RUNNER__EXTENDS:1:1: `extends` belongs in a file");
        for name in ["RUNNER__", "RUNNER____X", "RUNNER__X__"] {
            assert_eq!(variable(name), format!("{name}:1:1: a part of the key is empty"));
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_read() {
        use proptest::prelude::*;
        proptest!(|(text in "[a-z.=,'\"\\\\\\[\\]{}é \n#]{0,24}")| {
            for layer in [Layer::flag(&text), Layer::grid_flag(&text)].into_iter().flatten() {
                let path = KeyPath::parse("sweep.grid.a");
                let excerpt = layer.excerpt(&path, true);
                prop_assert!(excerpt.text.get(excerpt.span).is_some());
            }
        });
    }
}
