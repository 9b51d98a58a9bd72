//! What could be meant by a key that its section does not have.

use toml::Table;

use super::extends;
use super::schema;
use super::section::{Section, section_at};
use crate::setting::{Place, Problem, nearest};

/// Names every key of the kind in force, and the kind that has the key, if one does.
///
/// The reader of a section sees the keys of the kind only, without those that all kinds share.
pub(super) fn explain(problem: &mut Problem, tree: &Table, sections: &[Section]) {
    let parent = problem.path.parent();
    if problem.place == Place::Key && parent.0.is_empty() {
        let key = problem.path.last_key().unwrap_or_default();
        if key == extends::KEY {
            problem.help = Some(format!("only an experiment file, not a run's own, has `{key}`"));
            return;
        }
        // Both are taken out before a run is read, so the reader does not name them.
        problem.expected.push_str(", extends, sweep");
        let near = || nearest(key, [extends::KEY, "sweep"]).map(|word| format!("did you mean \"{word}\"?"));
        let short = || {
            let ending = format!(".{key}");
            let whole = schema::keys().iter().find(|known| known.ends_with(&ending))?;
            Some(format!("did you mean \"{whole}\"?"))
        };
        problem.help = problem.help.take().or_else(near).or_else(short);
    }
    let (Some(section), Some(key)) = (section_at(sections, &parent), problem.path.last_key()) else { return };
    if problem.place != Place::Key {
        return;
    }
    let table = parent.find_in(tree).and_then(|value| value.as_table());
    let Some(kind) = table.and_then(|table| section.kind_of(table)) else { return };
    if section.has(kind, key) {
        // A kind within the kind has it, but not the one in force; the reader knows which keys that has.
        return;
    }
    let known = section.keys_of(kind);
    let owners: Vec<String> = section.kinds_with(key).map(|kind| format!("\"{kind}\"")).collect();
    problem.expected = format!("expected one of: {}", known.join(", "));
    problem.help = if owners.is_empty() {
        nearest(key, known).map(|word| format!("did you mean \"{word}\"?"))
    } else {
        Some(format!("`{key}` belongs to {} = {}", section.tag, owners.join(" or ")))
    };
}
