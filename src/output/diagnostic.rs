//! Errors as people read them: the line, a caret, what was expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::Error;
use crate::setting::Diagnostic;

/// The text of an error, with colours; strip them where they are not wanted.
pub fn render(error: &Error) -> String {
    match error {
        Error::Settings(found) => {
            let mut texts: Vec<String> = found.iter().map(render_one).collect();
            if found.len() > 1 {
                texts.push(plain(&format!("{} problems; nothing was started", found.len())));
            }
            texts.join("\n\n")
        }
        other => plain(&other.to_string()),
    }
}

fn plain(text: &str) -> String {
    Renderer::styled().render(&[Group::with_title(Level::ERROR.primary_title(text))])
}

fn render_one(diagnostic: &Diagnostic) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(&diagnostic.message));
    if let Some(excerpt) = &diagnostic.excerpt {
        let span = excerpt.span.start.min(excerpt.text.len())..excerpt.span.end.min(excerpt.text.len());
        let mut annotation = AnnotationKind::Primary.span(span);
        if !diagnostic.label.is_empty() {
            annotation = annotation.label(&diagnostic.label);
        }
        let snippet = Snippet::source(&*excerpt.text).path(&excerpt.origin).annotation(annotation);
        group = group.element(snippet);
    } else if !diagnostic.label.is_empty() {
        group = group.element(Level::NOTE.message(&diagnostic.label));
    }
    if let Some(via) = diagnostic.excerpt.as_ref().and_then(|excerpt| excerpt.via.as_deref()) {
        group = group.element(Level::NOTE.message(format!("extended by {via}")));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().render(&[group])
}
