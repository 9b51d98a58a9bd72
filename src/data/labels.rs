//! What the targets of a data set are called.

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::target::{Targets, Task};
use crate::{Error, Result};

/// As many names of classes are shown in a message.
const MOST_SHOWN: usize = 20;

/// What the targets are called: in files, tables and messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// The name of every class; targets are positions in it.
    Classes(Vec<String>),
    /// The name of the number to predict.
    Target(String),
}

impl Labels {
    /// The name of every class; none where the targets are numbers.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Classes(classes) => classes,
            Self::Target(_) => &[],
        }
    }

    /// What the number to predict is called; nothing for classes.
    pub fn name(&self) -> &str {
        match self {
            Self::Classes(_) => "",
            Self::Target(name) => name,
        }
    }

    /// What there is to predict.
    pub fn task(&self) -> Task {
        match self {
            Self::Classes(classes) => Task::Classification { classes: classes.len() },
            Self::Target(_) => Task::Regression,
        }
    }

    /// Holds targets to the labels.
    ///
    /// # Errors
    /// [`Error::Bug`] for targets of the other sort and for a class without a name.
    pub fn expect(&self, targets: &Targets) -> Result<()> {
        let fits = match (self, targets) {
            (Self::Classes(names), Targets::Classes(classes)) => {
                classes.iter().all(|class| (*class as usize) < names.len())
            }
            (Self::Target(_), Targets::Values(_)) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(Error::Bug(format!("targets that do not fit to {self:?}"))) }
    }
}

/// The class that a number in a file of labels stands for: the one of that name, else the one at that place.
pub(super) fn numbered_class(classes: &[String], number: u32) -> Option<u32> {
    let name = number.to_string();
    let named = classes.iter().position(|class| *class == name).map(|class| class as u32);
    let is_named_by_numbers = || classes.iter().all(|class| class.parse::<u32>().is_ok());
    named.or_else(|| ((number as usize) < classes.len() && !is_named_by_numbers()).then_some(number))
}

/// The class that a text in a file of labels stands for: the one of that name, else the one at that place.
pub(super) fn class_of(classes: &[String], name: &str) -> Option<u32> {
    let named = classes.iter().position(|class| class == name).map(|class| class as u32);
    named.or_else(|| numbered_class(classes, name.parse().ok()?))
}

/// The first of the names of classes, for a message.
pub fn shown_classes(classes: &[String]) -> String {
    let shown = classes.iter().take(MOST_SHOWN).map(String::as_str);
    shown.chain((classes.len() > MOST_SHOWN).then_some("…")).collect::<Vec<_>>().join(", ")
}

/// The names of classes in the order of their text, whole numbers by their value, and the place that each of `names`
/// has in it.
pub(super) fn sorted_classes(names: &IndexSet<String>) -> (Vec<String>, Vec<u32>) {
    let number = |name: &String| name.parse::<i64>().ok();
    let are_numbers = names.iter().all(|name| number(name).is_some());
    let mut order: Vec<usize> = (0..names.len()).collect();
    // A stable sort after the one by text, so that `1` and `01` have an order too.
    order.sort_by_key(|position| &names[*position]);
    if are_numbers {
        order.sort_by_key(|position| number(&names[*position]));
    }
    let mut places = vec![0; names.len()];
    for (place, position) in order.iter().enumerate() {
        places[*position] = place as u32;
    }
    (order.iter().map(|position| names[*position].clone()).collect(), places)
}

/// As many names as there are different targets up to the largest, two at least; `names` where it has enough.
pub(super) fn class_names(targets: &[u32], names: &[&str]) -> Vec<String> {
    let count = targets.iter().max().map_or(0, |largest| *largest as usize + 1).max(2);
    match names.get(..count) {
        Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        None => (0..count).map(|class| class.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_unless_they_have_names() {
        assert_eq!(class_names(&[0, 3, 1], &[]), ["0", "1", "2", "3"]);
        assert_eq!(class_names(&[0, 0], &[]), ["0", "1"]);
        assert_eq!(class_names(&[0, 2], &["a", "b", "c", "d"]), ["a", "b", "c"]);
        assert_eq!(class_names(&[0, 2], &["a"]), ["0", "1", "2"]);
    }

    #[test]
    fn classes_are_sorted_by_text_or_value() {
        let sorted = |names: &[&str]| sorted_classes(&names.iter().map(|name| (*name).to_owned()).collect());
        let (names, places) = sorted(&["pos", "neg", "Zero", "10", "9"]);
        assert_eq!(names, ["10", "9", "Zero", "neg", "pos"]);
        assert_eq!(places, [4, 3, 2, 0, 1]);
        assert_eq!(sorted(&["10", "9", "-1", "09"]).0, ["-1", "09", "9", "10"]);
    }

    #[test]
    fn a_number_is_a_name_first() {
        let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(numbered_class(&classes(&["5", "6"]), 6), Some(1));
        assert_eq!(numbered_class(&classes(&["5", "6"]), 1), None);
        assert_eq!(numbered_class(&classes(&["cat", "dog"]), 1), Some(1));
        assert_eq!(numbered_class(&classes(&["cat", "dog"]), 2), None);
    }

    #[test]
    fn targets_are_held_to_their_labels() {
        let classes = Labels::Classes(class_names(&[1], &[]));
        assert!(classes.expect(&Targets::Classes(vec![0, 1])).is_ok());
        assert!(classes.expect(&Targets::Classes(vec![2])).is_err());
        assert!(classes.expect(&Targets::Values(vec![0.0])).is_err());
        let number = Labels::Target("y".into());
        assert!(number.expect(&Targets::Values(vec![0.5])).is_ok() && number.classes().is_empty());
    }
}
