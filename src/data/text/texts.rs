//! Texts in memory, as numbers of words.

use indexmap::IndexSet;

use super::Tokenizer;
use crate::{Error, Result};

/// Texts of which every token is a position in a list of all different words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    words: Vec<String>,
    tokens: Vec<u32>,
    ends: Vec<usize>,
}

impl Texts {
    /// Text i has the `tokens` from where text i − 1 ends up to `ends[i]`, positions in `words`.
    pub fn new(words: Vec<String>, tokens: Vec<u32>, ends: Vec<usize>) -> Result<Self> {
        let known = tokens.iter().all(|token| (*token as usize) < words.len());
        if !known || !ends.is_sorted() || ends.last().copied().unwrap_or(0) != tokens.len() {
            let (tokens, words) = (tokens.len(), words.len());
            return Err(Error::Bug(format!("{tokens} tokens of {words} words do not make the texts")));
        }
        Ok(Self { words, tokens, ends })
    }

    /// Every different word, once.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// All tokens, text by text.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many texts there are.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The tokens of one text; none if there is no such text.
    pub fn row(&self, row: usize) -> Option<&[u32]> {
        slice(&self.tokens, &self.ends, row)
    }

    /// The tokens of one text as words in a row, which is near to what it was made of.
    pub fn text(&self, row: usize, tokenizer: Tokenizer) -> String {
        let words =
            self.row(row).unwrap_or_default().iter().map(|token| self.words[*token as usize].as_str());
        words.collect::<Vec<_>>().join(if tokenizer == Tokenizer::Chars { "" } else { " " })
    }
}

/// The stretch of `tokens` between two ends.
pub(super) fn slice<'a>(tokens: &'a [u32], ends: &[usize], row: usize) -> Option<&'a [u32]> {
    let start = row.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
    tokens.get(start..*ends.get(row)?)
}

/// Cuts texts into tokens and keeps each different word once.
#[derive(Debug)]
pub struct Interner {
    tokenizer: Tokenizer,
    lowercase: bool,
    words: IndexSet<String>,
    tokens: Vec<u32>,
    ends: Vec<usize>,
}

impl Interner {
    /// Without any text.
    pub fn new(tokenizer: Tokenizer, lowercase: bool) -> Self {
        Self { tokenizer, lowercase, words: IndexSet::new(), tokens: Vec::new(), ends: Vec::new() }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// [`Error::Request`] if there are more than 2³² different words.
    pub fn push(&mut self, text: &str) -> Result<()> {
        let lowered = self.lowercase.then(|| text.to_lowercase());
        let mut largest = 0;
        self.tokenizer.split(lowered.as_deref().unwrap_or(text), |word| {
            let position = self.words.get_index_of(word);
            let position = position.unwrap_or_else(|| self.words.insert_full(word.to_owned()).0);
            largest = largest.max(position);
            self.tokens.push(position as u32);
        });
        self.ends.push(self.tokens.len());
        if u32::try_from(largest).is_err() {
            return Err(Error::Request("the texts have more different words than can be numbered".into()));
        }
        Ok(())
    }

    /// The texts that were added.
    pub fn finish(self) -> Texts {
        Texts { words: self.words.into_iter().collect(), tokens: self.tokens, ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_once_in_the_order_in_which_they_come() {
        let mut interner = Interner::new(Tokenizer::Words, true);
        for text in ["Good, GOOD film", "", "film: ΌΣΟΣ"] {
            interner.push(text).unwrap();
        }
        let texts = interner.finish();
        // The last sigma of a word has a small letter of its own.
        assert_eq!(texts.words(), ["good", ",", "film", ":", "όσος"]);
        assert_eq!(texts.rows(), 3);
        let rows: Vec<_> = (0..3).map(|row| texts.row(row).unwrap()).collect();
        assert_eq!(rows, [&[0, 1, 0, 2][..], &[], &[2, 3, 4]]);
        assert_eq!(texts.text(2, Tokenizer::Words), "film : όσος");
        assert_eq!(
            (texts.text(0, Tokenizer::Chars), texts.text(1, Tokenizer::Words)),
            ("good,goodfilm".into(), String::new())
        );
        assert!(texts.row(3).is_none() && texts.row(usize::MAX).is_none());
    }

    #[test]
    fn the_case_stays_where_it_is_meant_to() {
        let mut interner = Interner::new(Tokenizer::Whitespace, false);
        interner.push("Good good").unwrap();
        assert_eq!(interner.finish().words(), ["Good", "good"]);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let words = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(Texts::new(words(), vec![0, 1, 1], vec![1, 1, 3]).unwrap().row(2).unwrap(), [1, 1]);
        assert!(Texts::new(words(), vec![0, 2], vec![2]).is_err());
        assert!(Texts::new(words(), vec![0, 1], vec![1]).is_err());
        assert!(Texts::new(words(), vec![0, 1], vec![2, 1, 2]).is_err());
        assert!(Texts::new(words(), vec![0, 1], vec![]).is_err());
    }
}
