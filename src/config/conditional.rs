//! Conditions of a sweep: whether they can hold at all, and the order in which they are decided.

use super::schema;
use super::section::{Section, section_at};
use crate::setting::{KeyPath, Place, Problem, nearest};
use crate::sweep::{Axis, Condition, Rule, Space, Test, When};

/// Conditions on keys that there are not, or on kinds that a table cannot be of.
pub(super) fn misused(exclude: &[Rule], spaces: &[Space], sections: &[Section]) -> Vec<Problem> {
    let of_axes = spaces.iter().flat_map(|space| &space.axes).flat_map(conditions);
    let all = exclude.iter().flat_map(|rule| &rule.conditions).chain(of_axes);
    all.filter_map(|condition| unknown_key(condition).or_else(|| unknown_kind(condition, sections))).collect()
}

fn conditions(axis: &Axis) -> &[Condition] {
    match &axis.when {
        When::Holds(conditions) => conditions,
        When::Always | When::Folds => &[],
    }
}

fn unknown_key(condition: &Condition) -> Option<Problem> {
    let key = condition.key.to_string();
    let keys = schema::keys();
    if keys.contains(&key) {
        return None;
    }
    let help = nearest(&key, keys.iter().map(String::as_str)).map(|near| format!("did you mean \"{near}\"?"));
    Some(Problem {
        path: condition.written.clone(),
        place: Place::Key,
        message: format!("unknown key `{key}` in a condition"),
        expected: "expected a setting, as in \"optimizer.kind\"".to_owned(),
        help,
    })
}

fn unknown_kind(condition: &Condition, sections: &[Section]) -> Option<Problem> {
    let section = section_at(sections, &condition.key.parent())?;
    let Test::OneOf(values) = &condition.test else { return None };
    if condition.key.last_key() != Some(section.tag) {
        return None;
    }
    let is_known = |value: &toml::Value| value.as_str().is_some_and(|kind| section.kinds.contains(&kind));
    let (index, unknown) = values.iter().enumerate().find(|(_, value)| !is_known(value))?;
    let help = unknown
        .as_str()
        .and_then(|word| nearest(word, section.kinds.iter().copied()))
        .map(|near| format!("did you mean \"{near}\"?"));
    // A single value is no list.
    let path = if values.len() > 1 { condition.written.entry(index) } else { condition.written.clone() };
    Some(Problem {
        path,
        place: Place::Value,
        message: format!("unknown {} {unknown}", section.tag),
        expected: format!("expected one of: {}", section.kinds.join(", ")),
        help,
    })
}

/// The axes that have conditions, in an order in which each comes behind those that it asks about.
pub(super) fn order_of_conditions(space: &Space) -> Result<Vec<usize>, Problem> {
    let mut waiting: Vec<usize> =
        (0..space.axes.len()).filter(|axis| space.axes[*axis].when != When::Always).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_free =
            |axis: &usize| waiting.iter().all(|other| !asks(&space.axes[*axis], &space.axes[*other]));
        let Some(position) = waiting.iter().position(is_free) else {
            return Err(circle(&space.axes[waiting[0]]));
        };
        order.push(waiting.remove(position));
    }
    Ok(order)
}

/// Whether what `axis` has to say depends on what `other` says.
fn asks(axis: &Axis, other: &Axis) -> bool {
    let folds = KeyPath::parse("data.split");
    let touches = |key: &KeyPath| key.covers(&other.key) || other.key.covers(key);
    match &axis.when {
        When::Always => false,
        When::Holds(conditions) => conditions.iter().any(|condition| touches(&condition.key)),
        // The number of folds may be swept; the fold itself is what this axis says.
        When::Folds => !std::ptr::eq(axis, other) && touches(&folds),
    }
}

fn circle(axis: &Axis) -> Problem {
    Problem {
        path: axis.written.join("when"),
        place: Place::Value,
        message: format!("whether `{}` is swept depends on itself", axis.key),
        expected: "expected conditions on other keys, and not in a circle".to_owned(),
        help: None,
    }
}
