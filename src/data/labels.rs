//! What the targets of a data set are called.

use std::collections::HashMap;

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::target::{Target, Targets, Task};
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

/// Finds classes by what is written in files.
#[derive(Debug, Clone)]
pub(super) struct ClassIndex {
    names: Vec<String>,
    texts: HashMap<String, u32>,
    /// Where all classes are numbers: `1.0` is the class `1`.
    numbers: HashMap<u64, u32>,
}

impl ClassIndex {
    /// Of all classes, in their order.
    pub fn new(classes: &[String]) -> Self {
        let mut texts = HashMap::with_capacity(classes.len());
        let mut numbers = HashMap::new();
        for (class, name) in (0u32..).zip(classes) {
            texts.entry(name.clone()).or_insert(class);
            if let Some(number) = finite(name) {
                numbers.entry(number_key(number)).or_insert(class);
            }
        }
        if !classes.iter().all(|name| finite(name).is_some()) {
            numbers.clear();
        }
        Self { names: classes.to_vec(), texts, numbers }
    }

    /// The class of that name, or of a name that is the same number.
    pub fn named(&self, field: &str) -> Option<u32> {
        let by_number = || self.numbers.get(&number_key(finite(field)?)).copied();
        self.texts.get(field).copied().or_else(by_number)
    }

    /// The same, else the class at the place that a whole number from 0 tells, unless the names are numbers.
    pub fn named_or_placed(&self, field: &str) -> Option<u32> {
        self.named(field).or_else(|| {
            let place = finite(field).filter(|place| place.fract() == 0.0 && *place >= 0.0)?;
            (self.numbers.is_empty() && place < self.names.len() as f64).then_some(place as u32)
        })
    }
}

/// What a text in a file of labels means to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The class with this number.
    Class(u32),
    /// A class of the source that `data.classes` did not choose.
    NotChosen,
}

impl Meaning {
    /// What there is to predict; nothing of a class that was not chosen.
    pub fn target(self) -> Option<Target> {
        match self {
            Self::Class(class) => Some(Target::Class(class)),
            Self::NotChosen => None,
        }
    }
}

/// What the classes of a model were chosen from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Origin {
    /// They are all that there are.
    #[default]
    All,
    /// `data.classes` chose them from these, which include them.
    Chosen(Vec<String>),
    /// `data.classes` chose them, nobody knows what from.
    Unknown,
}

impl Origin {
    /// Whether there is nothing to tell beside the classes.
    pub fn is_silent(&self) -> bool {
        !matches!(self, Self::Chosen(_))
    }
}

/// Finds what labels in files mean: they name or number the classes of the source, not those that were chosen.
#[derive(Debug, Clone)]
pub(super) struct LabelIndex {
    source: ClassIndex,
    /// What each class of the source is to the model.
    meanings: Vec<Meaning>,
    origin: Origin,
}

impl LabelIndex {
    /// Of a model that tells `classes` apart.
    pub fn new(classes: &[String], origin: &Origin) -> Self {
        let chosen = ClassIndex::new(classes);
        let names = if let Origin::Chosen(source) = origin { source } else { classes };
        let meaning =
            |name: &String| chosen.texts.get(name).map_or(Meaning::NotChosen, |class| Meaning::Class(*class));
        let meanings = names.iter().map(meaning).collect();
        Self { source: ClassIndex::new(names), meanings, origin: origin.clone() }
    }

    /// What a name, or the place of a class in the source, means.
    pub fn find(&self, field: &str) -> Option<Meaning> {
        let class = match self.origin {
            Origin::Unknown => self.source.named(field),
            Origin::All | Origin::Chosen(_) => self.source.named_or_placed(field),
        };
        self.meaning(class?)
    }

    /// What a name means.
    pub fn find_name(&self, field: &str) -> Option<Meaning> {
        self.meaning(self.source.named(field)?)
    }

    fn meaning(&self, class: u32) -> Option<Meaning> {
        self.meanings.get(class as usize).copied()
    }

    /// The names of all classes of the source.
    pub fn names(&self) -> &[String] {
        &self.source.names
    }

    /// Says why a text means nothing; to stand behind the text.
    pub fn refusal(&self, field: &str) -> String {
        let known = shown_classes(&self.source.names);
        let is_number = finite(field).is_some() && self.source.numbers.is_empty();
        match self.origin {
            Origin::Unknown if is_number => format!(
                "is a number, and the checkpoint does not tell the numbers of the classes that `data.classes` \
                 chose: train it again, or name the classes: {known}"
            ),
            Origin::All | Origin::Unknown => format!("is not one of the model's classes: {known}"),
            Origin::Chosen(_) => format!("is not one of the classes of the model's data: {known}"),
        }
    }
}

/// The number that a field is.
pub(super) fn finite(field: &str) -> Option<f64> {
    field.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Equal for equal numbers, 0 and -0 included.
pub(super) fn number_key(number: f64) -> u64 {
    (number + 0.0).to_bits()
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_number_is_a_name_first() {
        let found = |classes: &[&str], field: &str| ClassIndex::new(&names(classes)).named_or_placed(field);
        assert_eq!(found(&["5", "6"], "6"), Some(1));
        assert_eq!(found(&["5", "6"], "6.0"), Some(1));
        assert_eq!(found(&["5", "6"], "1"), None);
        assert_eq!(found(&["-1", "1"], "0"), None);
        assert_eq!(found(&["1", "01"], "1.0"), Some(0));
        assert_eq!(found(&["cat", "dog"], "1"), Some(1));
        assert_eq!(found(&["cat", "dog"], "1.0"), Some(1));
        assert_eq!(found(&["cat", "0"], "0"), Some(1));
        for field in ["2", "-1", "0.5", "nan", "inf", "1e300", ""] {
            assert_eq!(found(&["cat", "dog"], field), None, "{field}");
        }
        assert_eq!(ClassIndex::new(&names(&["cat", "dog"])).named("1"), None);
    }

    #[test]
    fn numbers_are_those_of_the_source() {
        let index = |classes: &[&str], source: &[&str]| {
            LabelIndex::new(&names(classes), &Origin::Chosen(names(source)))
        };
        let clothes = index(&["boot", "shirt"], &["shirt", "dress", "boot"]);
        let found = |field: &str| clothes.find(field);
        assert_eq!([found("0"), found("shirt")], [Some(Meaning::Class(1)); 2]);
        assert_eq!([found("2"), found("boot")], [Some(Meaning::Class(0)); 2]);
        assert_eq!([found("1"), found("dress")], [Some(Meaning::NotChosen); 2]);
        assert_eq!([found("3"), found("hat"), clothes.find_name("0")], [None; 3]);
        assert_eq!(clothes.refusal("3"), "is not one of the classes of the model's data: shirt, dress, boot");
        let digits = index(&["3", "7"], &["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(["3", "7.0"].map(|field| digits.find(field)), [0, 1].map(|c| Some(Meaning::Class(c))));
        assert_eq!(["0", "1"].map(|field| digits.find(field)), [Some(Meaning::NotChosen); 2]);
        assert_eq!(digits.find("8"), None);
    }

    #[test]
    fn places_among_chosen_classes_say_nothing_of_the_source() {
        let unknown = LabelIndex::new(&names(&["boot", "shirt"]), &Origin::Unknown);
        assert_eq!(unknown.find("shirt"), Some(Meaning::Class(1)));
        assert_eq!(unknown.find("1"), None);
        assert!(unknown.refusal("1").ends_with("train it again, or name the classes: boot, shirt"));
        assert!(unknown.refusal("hat").starts_with("is not one of the model's classes"));
        let all = LabelIndex::new(&names(&["boot", "shirt"]), &Origin::All);
        assert_eq!(all.find("1"), Some(Meaning::Class(1)));
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
