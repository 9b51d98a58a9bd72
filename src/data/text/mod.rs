//! Texts as samples: read from a CSV file, cut into tokens, counted into a vocabulary, turned into sequences of
//! numbers.

mod lines;
mod preprocessing;
mod records;
mod sequences;
mod texts;
mod tokenizer;

use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use lines::Lines;
pub use preprocessing::{TextPreprocessing, TextSettings};
pub(super) use records::Records;
pub use sequences::Sequences;
pub use texts::{Interner, Texts};
pub use tokenizer::Tokenizer;

use super::dataset::{Content, Dataset, Samples};
use super::file::Peeked;
use super::idx::absolute;
use super::image::Normalize;
use super::labels::{Labels, sorted_classes};
use super::{Source, fingerprint};
use crate::setting::Problems;
use crate::target::Targets;
use crate::{Error, Result};

/// The smallest vocabulary: padding, the unknown word, and one that is known.
const SMALLEST_VOCABULARY: usize = 3;

/// A CSV file with a text and a class in each row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// A CSV file in UTF-8 whose first line names its columns, as it is or packed with gzip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A file with the same columns: a test set of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_path: Option<PathBuf>,
    /// The name of the column with the texts.
    pub text: String,
    /// The name of the column with the classes; they are numbered in the order of their names.
    pub target: String,
    /// Whether letters lose their case.
    pub lowercase: bool,
    /// What a token is.
    pub tokenizer: Tokenizer,
    /// How often a word must stand in the train part to be one of the vocabulary; every other is the unknown word.
    #[schemars(range(min = 1))]
    pub min_frequency: usize,
    /// The largest size of the vocabulary, padding and the unknown word among it; all words unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3))]
    pub vocabulary: Option<usize>,
    /// The largest number of tokens of a text, of which the first are kept; that of the longest text of the train
    /// part unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_length: Option<usize>,
}

impl Default for TextConfig {
    fn default() -> Self {
        let settings = TextSettings::default();
        Self {
            path: None,
            test_path: None,
            text: settings.text_column,
            target: settings.target_column,
            lowercase: settings.lowercase,
            tokenizer: settings.tokenizer,
            min_frequency: settings.min_frequency,
            vocabulary: settings.vocabulary,
            max_length: settings.max_length,
        }
    }
}

impl TextConfig {
    fn settings(&self) -> TextSettings {
        TextSettings {
            text_column: self.text.clone(),
            target_column: self.target.clone(),
            lowercase: self.lowercase,
            tokenizer: self.tokenizer,
            min_frequency: self.min_frequency,
            vocabulary: self.vocabulary,
            max_length: self.max_length,
        }
    }

    fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| Error::Request("`data.path` is not set".into()))
    }

    /// The texts of a file with the number that `class` has for each name of a class; a name without one is refused.
    fn read(&self, path: &Path, mut class: impl FnMut(&str) -> Option<u32>) -> Result<(Texts, Vec<u32>)> {
        let mut records = Records::new(Peeked::open(path)?)?;
        let text = records.column(&self.text, "text")?;
        let target = records.column(&self.target, "target")?;
        let (mut interner, mut targets) = (Interner::new(self.tokenizer, self.lowercase), Vec::new());
        while records.advance()? {
            let name = records.field(target)?.trim();
            if name.is_empty() {
                return Err(records.refuse(&format!(" has nothing in the column `{}`", self.target)));
            }
            let class = class(name).ok_or_else(|| {
                records.refuse(&format!(" has the class \"{}\", which no row to train with has", short(name)))
            })?;
            interner.push(records.field(text)?)?;
            targets.push(class);
        }
        match u32::try_from(targets.len()) {
            Ok(0) => Err(records.refuse_file("has no rows below the names of its columns")),
            Ok(_) => Ok((interner.finish(), targets)),
            Err(_) => Err(records.refuse_file("has more rows than can be numbered (2^32)")),
        }
    }

    fn samples(&self, texts: Texts, classes: Vec<u32>) -> Result<Samples> {
        Samples::new(Content::Texts { texts, settings: self.settings() }, Targets::Classes(classes))
    }
}

impl Source for TextConfig {
    fn check(&self, problems: &mut Problems) {
        if self.path.is_none() {
            problems.refuse("path", "`path` is not set", "expected a CSV file");
        }
        if self.text == self.target {
            let message = format!("`target` is \"{}\", and so is `text`", self.target);
            problems.refuse("target", message, "expected another column");
        }
        problems.require(self.min_frequency >= 1, "min_frequency", self.min_frequency, "at least 1");
        if let Some(size) = self.vocabulary {
            let wanted = format!("at least {SMALLEST_VOCABULARY}: padding, the unknown word and a known one");
            problems.require(size >= SMALLEST_VOCABULARY, "vocabulary", size, &wanted);
        }
        if let Some(length) = self.max_length {
            problems.require(length >= 1, "max_length", length, "at least 1");
        }
    }

    fn resolve(&mut self) -> Result<()> {
        for path in [&mut self.path, &mut self.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(())
    }

    /// Tokens are names and not numbers: there is nothing to scale.
    fn default_normalize(&self) -> Normalize {
        Normalize::None
    }

    fn is_scaled(&self) -> bool {
        false
    }

    fn has_test(&self) -> bool {
        self.test_path.is_some()
    }

    fn fingerprint(&self) -> Result<String> {
        let test = self.test_path.as_deref().map(|path| ("test", path));
        fingerprint::of_files(std::iter::once(("text", self.path()?)).chain(test))
    }

    fn load(&self) -> Result<Dataset> {
        let path = self.path()?;
        let mut names = IndexSet::<String>::new();
        let (texts, mut targets) = self.read(path, |name| {
            let known = names.get_index_of(name);
            let position = known.unwrap_or_else(|| names.insert_full(name.to_owned()).0);
            Some(position as u32)
        })?;
        if let (Some(only), 1) = (names.first(), names.len()) {
            let reason =
                format!("has only the class \"{}\" in its column `{}`; expected two or more", short(only), self.target);
            return Err(Error::unreadable(path, reason));
        }
        let (classes, numbers) = sorted_classes(names);
        targets.iter_mut().for_each(|target| *target = numbers[*target as usize]);
        let main = self.samples(texts, targets)?;
        let test = self.test_path.as_deref().map(|path| {
            let known: IndexSet<&str> = classes.iter().map(String::as_str).collect();
            let (texts, targets) =
                self.read(path, |name| known.get_index_of(name).map(|position| position as u32))?;
            self.samples(texts, targets)
        });
        Dataset::new(main, test.transpose()?, Labels::Classes(classes))
    }
}

/// The beginning of a name that a wrong file may have made as long as it likes.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}
