//! A problem with the text that it stands in, ready to be shown.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A message to the user about something that they wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// Where it stands; absent if it was not written anywhere.
    pub excerpt: Option<Excerpt>,
    /// What was expected, to stand beside the caret; may be empty.
    pub label: String,
    /// More facts, such as the runs that it hits.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

/// A stretch of a text that a user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file, variable or flag.
    pub origin: String,
    /// The whole text.
    pub text: Arc<str>,
    /// The bytes that the message is about.
    pub span: Range<usize>,
    /// What asked for the origin to be read, if the user did not name it: the place of an `extends`.
    pub via: Option<String>,
}

impl Excerpt {
    /// Line and column, both from 1, the column in characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The column behind the stretch, or behind its first line if it has more.
    pub fn end_column(&self) -> usize {
        let marked = self.text.get(self.span.clone()).unwrap_or_default();
        self.position().1 + marked.lines().next().unwrap_or_default().chars().count().max(1)
    }

    /// Origin, line and column: `experiments/a.toml:12:5`.
    pub fn place(&self) -> String {
        let (line, column) = self.position();
        format!("{}:{line}:{column}", self.origin)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(excerpt) = &self.excerpt {
            write!(f, "{}: ", excerpt.place())?;
        }
        f.write_str(&self.message)
    }
}
