//! Texts as samples: read from a CSV file, cut into tokens, counted into a vocabulary, turned into sequences of
//! numbers.

mod preprocessing;
mod sequences;
mod texts;
mod tokenizer;

use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use preprocessing::{TextPreprocessing, TextSettings};
pub use sequences::Sequences;
pub use texts::{Interner, Texts};
pub use tokenizer::Tokenizer;

use super::dataset::{Content, Dataset, Samples};
use super::file::Peeked;
use super::idx::absolute;
use super::image::Normalize;
use super::labels::{Labels, sorted_classes};
use super::records::{FileRecords, shortened};
use super::{Source, SourceConfig, fingerprint};
use crate::setting::Problems;
use crate::target::Targets;
use crate::{Error, Result};

/// The smallest vocabulary: padding, the unknown word, and one that is known.
const SMALLEST_VOCABULARY: usize = 3;
/// Names that people give to the column of the class.
const TARGETS: [&str; 6] = ["target", "label", "class", "category", "sentiment", "y"];

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
        let mut records = FileRecords::of_some_columns(Peeked::open(path)?)?;
        let text = column(&records, "text", &self.text)?;
        let target = column(&records, "target", &self.target)?;
        let (mut interner, mut targets) = (Interner::new(self.tokenizer, self.lowercase), Vec::new());
        while records.advance()? {
            let name = records.field(target);
            if name.is_empty() {
                return Err(records.at_line(format!("has nothing in the column \"{}\"", self.target)));
            }
            let class = class(name).ok_or_else(|| {
                let name = shortened(name);
                records.at_line(format!("has the class \"{name}\", which no row to train with has"))
            })?;
            interner.push(records.raw(text))?;
            targets.push(class);
        }
        match u32::try_from(targets.len()) {
            Ok(0) => Err(records.refuse("has a header but no rows")),
            Ok(_) => Ok((interner.finish(), targets)),
            Err(_) => Err(records.refuse("has more rows than can be numbered (2^32)")),
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

    fn resolved(&self) -> Result<Option<SourceConfig>> {
        let mut resolved = self.clone();
        for path in [&mut resolved.path, &mut resolved.test_path].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(Some(SourceConfig::Text(resolved)))
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
            let reason = format!(
                "has only the class \"{}\" in its column \"{}\"; expected two or more",
                shortened(only),
                self.target
            );
            return Err(Error::unreadable(path, reason));
        }
        let (classes, numbers) = sorted_classes(&names);
        for target in &mut targets {
            *target = numbers[*target as usize];
        }
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

/// The place of the column that the setting `key` names.
fn column(records: &FileRecords, key: &str, name: &str) -> Result<usize> {
    records.find(name).ok_or_else(|| {
        let mut usual = TARGETS.into_iter().filter(|_| key == "target");
        let advice = match (usual.find(|usual| records.find(usual).is_some()), records.other_delimiter()) {
            (Some(usual), _) => format!("; did you mean \"{usual}\"?"),
            (None, Some(other)) => format!("; its header has {other:?} where commas are expected"),
            (None, None) => records.known(name),
        };
        records.without(key, name, &advice)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use candle_core::Device;

    use super::super::{DataConfig, Prepared, Set};
    use super::*;
    use crate::sample::SampleShape;

    const MAIN: &str = "id,text,target\n\
        1,\"Good, very\r\ngood\",pos\r\n\
        2,나쁜 영화,neg\n\
        3,, pos \n\n\
        4,good bad,neg\n";

    fn workplace(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn config(folder: &Path, settings: &str) -> DataConfig {
        let path = folder.join("a.csv");
        let text = format!("source = 'text'\npath = '{}'\n{settings}", path.display());
        crate::setting::read(&toml::Value::Table(toml::from_str(&text).unwrap())).unwrap()
    }

    fn load(bytes: &[u8], settings: &str) -> std::result::Result<Dataset, String> {
        let folder = workplace(&[("a.csv", bytes)]);
        config(folder.path(), settings).load().map_err(|error| {
            assert_eq!(error.exit_code(), crate::error::EXIT_REQUEST);
            error.to_string().replace(&folder.path().join("a.csv").display().to_string(), "F")
        })
    }

    fn rows(samples: &Samples) -> Vec<String> {
        let Content::Texts { texts, .. } = samples.content() else { panic!("no texts") };
        let word = |token: &u32| texts.words()[*token as usize].as_str();
        (0..texts.rows())
            .map(|row| texts.row(row).unwrap().iter().map(word).collect::<Vec<_>>().join("|"))
            .collect()
    }

    #[test]
    fn rows_are_read_with_their_classes() {
        let data = load(MAIN.as_bytes(), "").unwrap();
        assert_eq!(rows(&data.main), ["good|,|very|good", "나쁜|영화", "", "good|bad"]);
        assert_eq!(data.main.targets(), &Targets::Classes(vec![1, 0, 1, 0]));
        assert_eq!(data.labels.classes(), ["neg", "pos"]);
        let data = load(MAIN.as_bytes(), "tokenizer = 'chars'\nlowercase = false").unwrap();
        assert_eq!(rows(&data.main)[0], "G|o|o|d|,| |v|e|r|y| |g|o|o|d");
        let data = load(b"10;9", "").unwrap_err();
        assert_eq!(
            data,
            "F: has no column \"text\", which `text` names; its header has ';' where commas are expected"
        );
        let numbers = load(b"text,target\na,10\nb,9\n", "").unwrap();
        assert_eq!(numbers.labels.classes(), ["9", "10"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let refused = |text: &str| load(text.as_bytes(), "").unwrap_err();
        assert_eq!(refused(""), "F: is empty");
        assert_eq!(refused("text,target\n"), "F: has a header but no rows");
        assert_eq!(
            refused("text,target\na,x\nb,x\n"),
            "F: has only the class \"x\" in its column \"target\"; expected two or more"
        );
        assert_eq!(refused("text,target\na,x\nb, \n"), "F: line 3 has nothing in the column \"target\"");
        assert_eq!(refused("text,target\na,x\nb\n"), "F: line 3 has 1 field, the header names 2 columns");
        assert!(refused("text,label\na,x\n").ends_with("which `target` names; did you mean \"label\"?"));
        assert!(refused("texts,target\na,x\n").ends_with("which `text` names; did you mean \"texts\"?"));
        assert!(refused("review,target\na,x\n").ends_with("there are: review, target"));
        assert_eq!(
            load(b"text,target\na,x\n\xe9,y\n", "").unwrap_err(),
            "F: line 3 is not UTF-8 in column 1; save the file as UTF-8"
        );
        // As pandas writes an index and spreadsheets write empty columns.
        assert!(load(b",text,target,,\n0,a,x,,\n1,b,y,,\n", "").is_ok());
        assert!(load(b"label,comment\nx,a\ny,b\n", "text = 'comment'\ntarget = 'label'").is_ok());
        let folder = tempfile::tempdir().unwrap();
        let error = config(folder.path(), "").load().unwrap_err().to_string();
        assert!(error.ends_with("a.csv: there is no such file"), "{error}");
    }

    #[test]
    fn a_test_set_has_the_same_classes_and_words_of_its_own() {
        let test = |text: &str| {
            let folder = workplace(&[("a.csv", MAIN.as_bytes()), ("b.csv", text.as_bytes())]);
            let settings = format!("test_path = '{}'", folder.path().join("b.csv").display());
            let config = config(folder.path(), &settings);
            config.load().map(|data| (data, config)).map_err(|error| error.to_string())
        };
        let (data, config) = test("target,text\npos,good new\nneg,a bad bad bad bad film\n").unwrap();
        assert_eq!(data.test.as_ref().unwrap().targets(), &Targets::Classes(vec![1, 0]));
        let data = Prepared::new(Arc::new(data), &config).unwrap();
        let part = data.split.test.clone().unwrap();
        assert_eq!((part.set, part.len()), (Set::Test, 2));
        let batch = data.gather(&part, &part.rows, &Device::Cpu).unwrap();
        let SampleShape::Tokens { longest, .. } = data.shape() else { panic!("no tokens") };
        assert!(batch.inputs.values.dims()[2] <= longest && batch.inputs.lengths.unwrap()[0] == 2);
        let error = test("target,text\npos,good\nnone,bad\n").unwrap_err();
        assert!(error.ends_with("line 3 has the class \"none\", which no row to train with has"), "{error}");
    }

    #[test]
    fn batches_are_padded_and_know_the_train_part_alone() {
        let folder = workplace(&[("a.csv", MAIN.as_bytes())]);
        let config = config(folder.path(), "split = { train = 0.5, shuffle = false }");
        let data = Prepared::new(Arc::new(config.load().unwrap()), &config).unwrap();
        // Padding, unknown, and the five words of the first two rows; "bad" is not among them.
        assert_eq!(data.shape(), SampleShape::Tokens { vocabulary: 7, longest: 4 });
        let batch = data.gather(&data.split.train, &[0, 1], &Device::Cpu).unwrap();
        assert_eq!(batch.inputs.values.to_vec3::<u32>().unwrap(), [[[2, 3, 4, 2], [5, 6, 0, 0]]]);
        assert_eq!(batch.inputs.lengths.unwrap(), [4, 2]);
        assert_eq!(batch.targets, Targets::Classes(vec![1, 0]));
        let valid = data.split.valid.clone().unwrap();
        let batch = data.gather(&valid, &[2, 3], &Device::Cpu).unwrap();
        assert_eq!(batch.inputs.values.to_vec3::<u32>().unwrap(), [[[1, 0], [2, 1]]]);
        // A checkpoint carries all of it.
        let text = serde_json::to_string(&data.preprocessing).unwrap();
        let read: super::super::Preprocessing = serde_json::from_str(&text).unwrap();
        assert_eq!(read, data.preprocessing);
        assert!(serde_json::from_str::<super::super::Preprocessing>(&text.replace("\"neg\",", "")).is_err());
    }

    #[test]
    fn the_fingerprint_is_that_of_the_content() {
        let of = |text: &str, test: &str| {
            let folder = workplace(&[("a.csv", text.as_bytes()), ("b.csv", test.as_bytes())]);
            let test_path = format!("test_path = '{}'", folder.path().join("b.csv").display());
            let settings = if test.is_empty() { "" } else { &test_path };
            config(folder.path(), settings).fingerprint().unwrap()
        };
        assert_eq!(of("a", ""), of("a", ""));
        assert_ne!(of("a", ""), of("b", ""));
        assert_ne!(of("a", ""), of("a", "a"));
    }

    #[test]
    fn many_rows_are_read_fast() {
        let row = "\"a film that is good, and then again it is not: the end, at least, is short.\",pos\n";
        let text = format!("text,target\n{}x,neg\n", row.repeat(20_000));
        let start = Instant::now();
        let data = load(text.as_bytes(), "").unwrap();
        // Measured: a quarter of a second on one processor, so this says only that nothing is quadratic.
        assert!(start.elapsed().as_secs() < 20 && data.main.len() == 20_001);
    }
}
