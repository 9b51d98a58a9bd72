//! Texts as samples: cut into tokens, counted into a vocabulary, turned into sequences of numbers.

mod preprocessing;
mod texts;
mod tokenizer;

pub use preprocessing::{PADDING, Sequences, TextPreprocessing, TextSettings, UNKNOWN};
pub use texts::{Interner, Texts};
pub use tokenizer::Tokenizer;
