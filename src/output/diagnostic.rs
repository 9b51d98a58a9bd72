//! Errors as people read them: the line, a caret, what was expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use textwrap::WordSplitter;

use crate::Error;
use crate::setting::Diagnostic;

/// Columns where the terminal does not say, and the most where it does: longer lines are hard to read.
const WIDTH: usize = 80;
const WIDEST: usize = 100;
/// Columns before the text of a title.
const TITLE: usize = "error: ".len();
/// Columns before the text of a note, beside the number of the line.
const NOTE: usize = "  = note: ".len();
/// Columns between the number of a line and its text.
const GUTTER: usize = " | ".len();

/// The text of an error, with colours; strip them where they are not wanted. `columns` is the width of the
/// terminal, if it is one.
pub fn render(error: &Error, columns: Option<usize>) -> String {
    let width = columns.map_or(WIDTH, |columns| columns.clamp(WIDTH / 2, WIDEST));
    match error {
        Error::Settings(found) => {
            let mut texts: Vec<String> = found.iter().map(|found| render_one(found, width)).collect();
            if found.len() > 1 {
                texts.push(plain(&format!("{} problems; nothing was started", found.len()), width));
            }
            texts.join("\n\n")
        }
        other => plain(&other.to_string(), width),
    }
}

fn plain(text: &str, width: usize) -> String {
    let title = fill(text, width - TITLE);
    Renderer::styled().render(&[Group::with_title(Level::ERROR.primary_title(title))])
}

/// Lines that break between words only: half of a path or of an address is of no use. What is indented was laid
/// out by whoever wrote it.
fn fill(text: &str, width: usize) -> String {
    let options = textwrap::Options::new(width).word_splitter(WordSplitter::NoHyphenation).break_words(false);
    let line = |line: &str| {
        if line.starts_with(' ') { line.to_owned() } else { textwrap::fill(line, &options) }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn render_one(diagnostic: &Diagnostic, width: usize) -> String {
    let Diagnostic { message, excerpt, label, notes, help } = diagnostic;
    let title = fill(message, width - TITLE);
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    let mut more: Vec<String> = Vec::new();
    let mut numbers = 0;
    if let Some(excerpt) = excerpt {
        numbers = excerpt.position().0.to_string().len();
        let span = excerpt.span.start.min(excerpt.text.len())..excerpt.span.end.min(excerpt.text.len());
        let mut annotation = AnnotationKind::Primary.span(span);
        // A label that does not fit beside the caret stands below.
        let caret = numbers + GUTTER + excerpt.end_column();
        if label.is_empty() || caret + label.chars().count() < width {
            annotation = annotation.label((!label.is_empty()).then_some(label.as_str()));
        } else {
            more.push(label.clone());
        }
        let snippet = Snippet::source(&*excerpt.text).path(&excerpt.origin).annotation(annotation);
        group = group.element(snippet);
        more.extend(excerpt.via.as_deref().map(|via| format!("extended by {via}")));
    } else if !label.is_empty() {
        more.push(label.clone());
    }
    let fill = |text: &str| fill(text, width - NOTE - numbers);
    for note in more.iter().chain(notes) {
        group = group.element(Level::NOTE.message(fill(note)));
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(fill(help)));
    }
    Renderer::styled().term_width(width).render(&[group])
}
