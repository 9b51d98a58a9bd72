//! From words to the numbers that an embedding is looked up by.

use candle_core::Device;
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use super::super::dataset::Inputs;
use super::{Sequences, Texts, Tokenizer};
use crate::sample::SampleShape;
use crate::{Error, Result};

/// The token that fills a batch behind its shorter sequences.
pub(super) const PADDING: u32 = 0;
/// The token of every word that is not in the vocabulary.
pub(super) const UNKNOWN: u32 = 1;
/// The tokens in front of the first word.
const SPECIAL: usize = 2;
/// The column of a CSV file with the texts, unless the user names another.
pub(super) const TEXT: &str = "text";
/// The column of a CSV file with the classes, unless the user names another.
pub(super) const TARGET: &str = "target";
/// The longest sequence that is believed of a checkpoint.
const LONGEST: usize = 1 << 31;

/// How texts become sequences of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSettings {
    /// Whether letters lose their case.
    pub lowercase: bool,
    /// What a token is.
    pub tokenizer: Tokenizer,
    /// The column of a CSV file that the texts stand in.
    pub text_column: String,
    /// The column of a CSV file that the classes stand in.
    pub target_column: String,
    /// How often a word must stand in the train part to be one of the vocabulary.
    pub min_frequency: usize,
    /// The largest size of the vocabulary, padding and the unknown word among it.
    pub vocabulary: Option<usize>,
    /// The largest length of a sequence.
    pub max_length: Option<usize>,
}

impl Default for TextSettings {
    fn default() -> Self {
        Self {
            lowercase: true,
            tokenizer: Tokenizer::default(),
            text_column: TEXT.to_owned(),
            target_column: TARGET.to_owned(),
            min_frequency: 1,
            vocabulary: None,
            max_length: None,
        }
    }
}

/// A vocabulary with all that it takes to turn a text into tokens.
///
/// Token 0 is padding, 1 any word that is not in the vocabulary; then come the words of the train part, the most
/// frequent one first, equally frequent ones by their text, as torchtext's `build_vocab_from_iterator` has them.
/// It is stored in checkpoints as JSON, and what is read back is checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct TextPreprocessing {
    text_column: String,
    target_column: String,
    lowercase: bool,
    tokenizer: Tokenizer,
    longest: usize,
    words: IndexSet<String>,
}

#[derive(Deserialize)]
struct Stored {
    text_column: String,
    target_column: String,
    lowercase: bool,
    tokenizer: Tokenizer,
    longest: usize,
    words: Vec<String>,
}

impl TryFrom<Stored> for TextPreprocessing {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, &'static str> {
        let Stored { text_column, target_column, lowercase, tokenizer, longest, words } = stored;
        let count = words.len();
        let words: IndexSet<String> = words.into_iter().collect();
        if words.len() != count || words.is_empty() || words.contains("") {
            return Err("the preprocessing's words must be there, each once and none of them empty");
        }
        if u32::try_from(count + SPECIAL).is_err() {
            return Err("the preprocessing has more words than can be numbered");
        }
        if !(1..=LONGEST).contains(&longest) {
            return Err("the preprocessing's longest sequence must have 1 to 2^31 tokens");
        }
        Ok(Self { text_column, target_column, lowercase, tokenizer, longest, words })
    }
}

/// The order of the words is what their tokens are; an [`IndexSet`] alone compares without it.
impl PartialEq for TextPreprocessing {
    fn eq(&self, other: &Self) -> bool {
        self.text_column == other.text_column
            && self.target_column == other.target_column
            && self.lowercase == other.lowercase
            && self.tokenizer == other.tokenizer
            && self.longest == other.longest
            && self.words.iter().eq(&other.words)
    }
}

impl TextPreprocessing {
    /// Takes the vocabulary and the longest sequence from the texts at `rows`, the train part, and no others.
    ///
    /// Other texts lose what they have beyond the longest sequence that the model was trained on.
    ///
    /// # Errors
    /// [`Error::Request`] if no word is frequent enough or all texts are empty.
    pub fn fit(texts: &Texts, rows: &[u32], settings: &TextSettings) -> Result<Self> {
        let mut counts = vec![0usize; texts.words().len()];
        let mut longest = 0;
        for row in rows {
            let tokens = texts
                .row(*row as usize)
                .ok_or_else(|| Error::Bug(format!("row {row} was asked for, there are {}", texts.rows())))?;
            longest = longest.max(tokens.len());
            for token in tokens {
                counts[*token as usize] += 1;
            }
        }
        let most = counts.iter().max().copied().unwrap_or(0);
        if most < settings.min_frequency.max(1) {
            return Err(Error::Request(if most == 0 {
                "all texts of the train part are empty: there are no words to learn from".into()
            } else {
                let wanted = settings.min_frequency;
                format!(
                    "`data.min_frequency` is {wanted}, but no word stands more than {most} times in the train part"
                )
            }));
        }
        let stored = Stored {
            text_column: settings.text_column.clone(),
            target_column: settings.target_column.clone(),
            lowercase: settings.lowercase,
            tokenizer: settings.tokenizer,
            longest: settings.max_length.unwrap_or(usize::MAX).min(longest),
            words: most_frequent(texts.words(), &counts, settings),
        };
        Self::try_from(stored).map_err(|reason| Error::Bug(reason.into()))
    }

    /// How many different tokens there are, padding and the unknown word among them.
    pub fn vocabulary_size(&self) -> usize {
        self.words.len() + SPECIAL
    }

    /// The words, the one of token 2 first.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The column of a CSV file that the texts stand in.
    pub fn text_column(&self) -> &str {
        &self.text_column
    }

    /// The column of a CSV file that the classes stand in.
    pub fn target_column(&self) -> &str {
        &self.target_column
    }

    /// The length of the longest sequence.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// What a text looks like to a model.
    pub fn sample_shape(&self) -> SampleShape {
        SampleShape::Tokens { vocabulary: self.vocabulary_size(), longest: self.longest }
    }

    /// The tokens of all texts: of each the first ones, as many as the longest sequence has. A text without any
    /// becomes one unknown word.
    pub fn encode(&self, texts: &Texts) -> Sequences {
        // Words are compared once each; the texts are numbers on both sides.
        let known: Vec<u32> = texts.words().iter().map(|word| self.token(word)).collect();
        let mut sequences = Sequences::with_capacity(texts.tokens().len(), texts.rows());
        for words in (0..texts.rows()).filter_map(|row| texts.row(row)) {
            sequences.push(words.iter().take(self.longest).map(|word| known[*word as usize]));
        }
        sequences
    }

    /// The tokens of one text, as [`encode`](Self::encode) makes them.
    pub fn encode_text(&self, text: &str) -> Vec<u32> {
        let lowered = self.lowercase.then(|| text.to_lowercase());
        let mut tokens = Vec::new();
        self.tokenizer.split(lowered.as_deref().unwrap_or(text), |word| {
            if tokens.len() < self.longest {
                tokens.push(self.token(word));
            }
        });
        if tokens.is_empty() {
            tokens.push(UNKNOWN);
        }
        tokens
    }

    /// Texts that were read from files, padded to the longest of them: the same tokens as in training.
    pub fn batch<'a>(&self, texts: impl Iterator<Item = &'a str>, device: &Device) -> Result<Inputs> {
        let mut sequences = Sequences::default();
        texts.for_each(|text| sequences.push(self.encode_text(text).into_iter()));
        let rows: Vec<u32> = (0..sequences.rows() as u32).collect();
        sequences.gather(&rows, device)
    }

    fn token(&self, word: &str) -> u32 {
        self.words.get_index_of(word).map_or(UNKNOWN, |position| (position + SPECIAL) as u32)
    }
}

/// The words of the vocabulary in the order of their tokens.
fn most_frequent(words: &[String], counts: &[usize], settings: &TextSettings) -> Vec<String> {
    let mut chosen: Vec<(usize, &String)> = counts.iter().copied().zip(words).collect();
    chosen.retain(|(count, _)| *count >= settings.min_frequency.max(1));
    chosen.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.cmp(other)));
    if let Some(size) = settings.vocabulary {
        chosen.truncate(size.saturating_sub(SPECIAL).max(1));
    }
    chosen.into_iter().map(|(_, word)| word.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Interner;
    use super::*;

    fn texts(rows: &[&str], settings: &TextSettings) -> Texts {
        let mut interner = Interner::new(settings.tokenizer, settings.lowercase);
        for text in rows {
            interner.push(text).unwrap();
        }
        interner.finish()
    }

    const ROWS: [&str; 4] = ["b a b c", "A d", "", "z z z z a b c d e"];

    fn fit(rows: &[u32], settings: &TextSettings) -> TextPreprocessing {
        TextPreprocessing::fit(&texts(&ROWS, settings), rows, settings).unwrap()
    }

    /// The order of the words is that of torchtext 0.18's `build_vocab_from_iterator`, whose source sorts by
    /// `(-count, token)`:
    /// ```python
    /// c = collections.Counter("b a b c a d".split()); print(sorted(c, key=lambda w: (-c[w], w)))
    /// ```
    #[test]
    fn the_vocabulary_is_that_of_the_train_part_by_frequency_and_text() {
        let fitted = fit(&[0, 1, 2], &TextSettings::default());
        assert_eq!(fitted.words().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!((fitted.vocabulary_size(), fitted.longest()), (6, 4));
        assert_eq!(fitted.sample_shape(), SampleShape::Tokens { vocabulary: 6, longest: 4 });
        let frequent = TextSettings { min_frequency: 2, ..TextSettings::default() };
        assert_eq!(fit(&[0, 1, 2], &frequent).words().collect::<Vec<_>>(), ["a", "b"]);
        // Padding and the unknown word count, as torchtext's `max_tokens` counts its specials.
        let few = TextSettings { vocabulary: Some(3), max_length: Some(3), ..TextSettings::default() };
        let fitted = fit(&[0, 1, 2], &few);
        assert_eq!((fitted.vocabulary_size(), fitted.longest()), (3, 3));
        let cased = TextSettings { lowercase: false, ..TextSettings::default() };
        assert_eq!(fit(&[0, 1], &cased).words().collect::<Vec<_>>(), ["b", "A", "a", "c", "d"]);
    }

    #[test]
    fn texts_become_tokens_one_by_one_and_all_at_once() {
        let settings = TextSettings::default();
        let fitted = fit(&[0, 1, 2], &settings);
        let sequences = fitted.encode(&texts(&ROWS, &settings));
        let rows: Vec<_> = (0..4).map(|row| sequences.row(row).unwrap()).collect();
        // An empty text is one unknown word; what is beyond the longest of the train part is cut.
        assert_eq!(rows, [&[3, 2, 3, 4][..], &[2, 5], &[UNKNOWN], &[UNKNOWN; 4]]);
        for (text, row) in ROWS.iter().zip(rows) {
            assert_eq!(fitted.encode_text(text), row);
        }
        assert_eq!((sequences.rows(), sequences.row(4)), (4, None));
        assert_eq!(fitted.encode_text("q d"), [UNKNOWN, 5]);
        // Texts with a list of words of their own, as a test set has.
        assert_eq!(fitted.encode(&texts(&["d q a"], &settings)).row(0).unwrap(), [5, UNKNOWN, 2]);
    }

    #[test]
    fn nothing_to_learn_from_is_an_error() {
        let settings = TextSettings::default();
        let refused = |rows: &[u32], settings: &TextSettings| {
            TextPreprocessing::fit(&texts(&ROWS, settings), rows, settings).unwrap_err().to_string()
        };
        assert!(refused(&[2], &settings).contains("all texts of the train part are empty"));
        let frequent = TextSettings { min_frequency: 3, ..settings.clone() };
        assert_eq!(
            refused(&[0, 1], &frequent),
            "`data.min_frequency` is 3, but no word stands more than 2 times in the train part"
        );
        assert!(refused(&[4], &settings).contains("a bug in runner"));
    }

    #[test]
    fn json_reads_back_exactly_and_damage_is_refused() {
        let fitted = fit(&[0, 1, 2], &TextSettings::default());
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(
            text,
            r#"{"text_column":"text","target_column":"target","lowercase":true,"tokenizer":"words","longest":4,"words":["a","b","c","d"]}"#
        );
        let read: TextPreprocessing = serde_json::from_str(&text).unwrap();
        assert_eq!(read, fitted);
        assert_eq!(read.encode_text("D a"), [5, 2]);
        let swapped: TextPreprocessing =
            serde_json::from_str(&text.replace(r#""a","b""#, r#""b","a""#)).unwrap();
        assert_ne!(swapped, fitted);
        for (old, new) in [
            (r#""longest":4"#, r#""longest":0"#),
            (r#""longest":4"#, r#""longest":2147483649"#),
            (r#""longest":4"#, r#""longest":-1"#),
            (r#"["a","b","c","d"]"#, "[]"),
            (r#""b""#, r#""a""#),
            (r#""b""#, r#""""#),
            (r#""b""#, "7"),
            (r#""text_column":"text","#, ""),
            (r#""words","longest""#, r#""bytes","longest""#),
            (r#""lowercase":true,"#, ""),
        ] {
            assert!(text.contains(old), "{old}");
            assert!(serde_json::from_str::<TextPreprocessing>(&text.replacen(old, new, 1)).is_err(), "{new}");
        }
    }
}
