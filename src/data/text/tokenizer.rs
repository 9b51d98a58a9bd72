//! Where a text is cut into tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

/// What a token is. Text is taken as it is: the same letter in composed and in decomposed form is two letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// What stands between white space.
    Whitespace,
    /// Words by the rules of Unicode (UAX #29), in any script; every mark of punctuation and every emoji is a
    /// token too, for `!` and `?` say much.
    #[default]
    Words,
    /// What a reader takes for one character: letters with their accents, whole syllables of Hangul, whole emoji.
    /// White space between them is one token.
    Chars,
}

impl Tokenizer {
    /// Calls `each` with every token of `text`, in order; white space alone is none, but inside `chars`.
    ///
    /// `words` keeps punctuation as torchtext's `basic_english` does and scikit-learn's `CountVectorizer` does
    /// not; `chars` takes a run of white space for one space as scikit-learn's `analyzer="char"` does.
    pub fn split<'a>(self, text: &'a str, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Whitespace => text.split_whitespace().for_each(each),
            Self::Words => text.split_word_bounds().filter(|token| !is_blank(token)).for_each(each),
            Self::Chars => {
                for (position, part) in text.split_whitespace().enumerate() {
                    if position > 0 {
                        each(" ");
                    }
                    part.graphemes(true).for_each(&mut each);
                }
            }
        }
    }
}

fn is_blank(token: &str) -> bool {
    token.chars().all(|letter| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(tokenizer: Tokenizer, text: &str) -> Vec<&str> {
        let mut tokens = Vec::new();
        tokenizer.split(text, |token| tokens.push(token));
        tokens
    }

    #[test]
    fn whitespace_of_every_kind_separates() {
        let tokens = split(Tokenizer::Whitespace, "  it's\u{3000}good ,\r\n\tvery\u{a0}good!  ");
        assert_eq!(tokens, ["it's", "good", ",", "very", "good!"]);
    }

    #[test]
    fn words_keep_apostrophes_and_decimals_and_set_punctuation_apart() {
        assert_eq!(
            split(Tokenizer::Words, "I can't wait: 3.5 stars (out of 5)!\u{0}"),
            ["I", "can't", "wait", ":", "3.5", "stars", "(", "out", "of", "5", ")", "!"]
        );
    }

    #[test]
    fn words_work_in_any_script() {
        assert_eq!(
            split(Tokenizer::Words, "이 영화는 정말 재미있어요. 최고!"),
            ["이", "영화는", "정말", "재미있어요", ".", "최고", "!"]
        );
        assert_eq!(
            split(Tokenizer::Words, "Это здорово — très élégant"),
            ["Это", "здорово", "—", "très", "élégant"]
        );
        // Words run together only where their scripts do: Hangul next to Latin is one, as in "AI가".
        assert_eq!(split(Tokenizer::Words, "AI가 왔다"), ["AI가", "왔다"]);
        assert_eq!(split(Tokenizer::Words, "映画 good"), ["映", "画", "good"]);
    }

    #[test]
    fn marks_and_emoji_stay_whole() {
        let family = "👩\u{200d}👩\u{200d}👧";
        let text = format!("cafe\u{301} {family}🇰🇷👍🏽");
        assert_eq!(split(Tokenizer::Words, &text), ["cafe\u{301}", family, "🇰🇷", "👍🏽"]);
        assert_eq!(split(Tokenizer::Chars, &text), ["c", "a", "f", "e\u{301}", " ", family, "🇰🇷", "👍🏽"]);
    }

    #[test]
    fn chars_are_syllables_composed_or_not() {
        assert_eq!(split(Tokenizer::Chars, "한국 말"), ["한", "국", " ", "말"]);
        let decomposed = "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}";
        assert_eq!(
            split(Tokenizer::Chars, decomposed),
            ["\u{1112}\u{1161}\u{11ab}", "\u{1100}\u{116e}\u{11a8}"]
        );
        assert_eq!(split(Tokenizer::Chars, " a \r\n\t b "), ["a", " ", "b"]);
    }

    #[test]
    fn nothing_has_no_tokens() {
        for tokenizer in [Tokenizer::Whitespace, Tokenizer::Words, Tokenizer::Chars] {
            assert!(split(tokenizer, "").is_empty());
            assert!(split(tokenizer, " \u{3000}\r\n").is_empty());
        }
    }
}
