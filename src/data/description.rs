//! What a data set consists of, as plain facts: for `runner data show`.

use super::dataset::{Content, Samples};
use super::preprocessing::Transform;
use super::table::{Column, ColumnValues};
use super::text::Texts;
use super::{Part, Prepared};
use crate::Result;
use crate::sample::SampleShape;
use crate::target::Targets;

/// Words of a vocabulary that are named.
const MOST_FREQUENT: usize = 10;

/// The facts of a data set that is split.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Samples in all, those that no part has among them, and of the source's own test set.
    pub samples: usize,
    /// What a sample looks like to a model.
    pub shape: SampleShape,
    /// The parts by name with their sizes.
    pub parts: Vec<(&'static str, usize)>,
    /// Each class with its samples in each of the parts; empty where the targets are numbers.
    pub classes: Vec<(String, Vec<usize>)>,
    /// Name, mean and extremes of the number to predict in the training part.
    pub target: Option<NumberFacts>,
    /// The columns of a table, as the source has them.
    pub columns: Vec<ColumnFacts>,
    /// Other facts by name.
    pub facts: Vec<(&'static str, String)>,
}

/// A number over some samples.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberFacts {
    /// What it is called.
    pub name: String,
    /// Its mean.
    pub mean: f64,
    /// The smallest one.
    pub minimum: f64,
    /// The largest one.
    pub maximum: f64,
}

impl NumberFacts {
    /// Of at least one number.
    pub(super) fn of(name: &str, numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut count, mut sum, mut minimum, mut maximum) = (0usize, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers.filter(|number| !number.is_nan()) {
            count += 1;
            sum += number;
            minimum = number.min(minimum);
            maximum = number.max(maximum);
        }
        (count > 0).then(|| Self { name: name.to_owned(), mean: sum / count as f64, minimum, maximum })
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// `number` or `category`.
    pub kind: &'static str,
    /// Rows without a value.
    pub missing: usize,
    /// Its range, or its categories.
    pub about: String,
}

impl Prepared {
    /// The facts; nothing is computed from the samples before they are asked for.
    pub fn describe(&self) -> Result<Description> {
        let parts = self.parts();
        let mut classes: Vec<(String, Vec<usize>)> =
            self.classes().iter().map(|name| (name.clone(), vec![0; parts.len()])).collect();
        for (index, (_, part)) in parts.iter().enumerate() {
            if let Targets::Classes(targets) = self.targets(part.set, &part.rows)? {
                for class in targets {
                    classes[class as usize].1[index] += 1;
                }
            }
        }
        let dataset = self.dataset();
        let target = match self.targets(self.split.train.set, &self.split.train.rows)? {
            Targets::Values(values) => NumberFacts::of(
                self.preprocessing.labels().name(),
                values.iter().map(|value| f64::from(*value)),
            ),
            Targets::Classes(_) => None,
        };
        let (columns, facts) = content_facts(self, dataset.main.content());
        Ok(Description {
            samples: dataset.main.len() + dataset.test.as_ref().map_or(0, Samples::len),
            shape: self.shape(),
            parts: parts.iter().map(|(name, part)| (*name, part.len())).collect(),
            classes,
            target,
            columns,
            facts,
        })
    }

    /// Rows of the training part with their labels in words: one of each class in turn, or the first ones.
    pub fn examples(&self, count: usize) -> Result<Vec<(u32, String)>> {
        let part = &self.split.train;
        let mut seen = vec![0usize; self.classes().len()];
        let mut ranked = Vec::with_capacity(part.len());
        match self.targets(part.set, &part.rows)? {
            Targets::Classes(classes) => {
                for (row, class) in part.rows.iter().zip(classes) {
                    let class = class as usize;
                    ranked.push((seen[class], class, *row, self.classes()[class].clone()));
                    seen[class] += 1;
                }
                ranked.sort_by_key(|(turn, class, ..)| (*turn, *class));
            }
            Targets::Values(values) => {
                ranked
                    .extend(part.rows.iter().zip(values).map(|(row, value)| (0, 0, *row, value.to_string())));
            }
        }
        Ok(ranked.into_iter().take(count).map(|(_, _, row, label)| (row, label)).collect())
    }

    /// The parts that there are, by name.
    pub fn parts(&self) -> Vec<(&'static str, &Part)> {
        let optional = [("valid", self.split.valid.as_ref()), ("test", self.split.test.as_ref())];
        let others = optional.into_iter().filter_map(|(name, part)| Some((name, part?)));
        std::iter::once(("train", &self.split.train)).chain(others).collect()
    }
}

/// How long texts are, and of what words.
fn text_facts(prepared: &Prepared, texts: &Texts) -> Vec<(&'static str, String)> {
    let lengths = || (0..texts.rows()).filter_map(|row| texts.row(row)).map(<[u32]>::len);
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let mean = texts.tokens().len() as f64 / texts.rows().max(1) as f64;
    let mut facts = vec![
        ("tokens", format!("{}, {} different ones", texts.tokens().len(), texts.words().len())),
        ("lengths", format!("from {shortest} to {longest} tokens, mean {mean:.1}")),
    ];
    if let Transform::Text(transform) = prepared.preprocessing.transform() {
        let frequent: Vec<&str> = transform.words().take(MOST_FREQUENT).collect();
        facts.push(("frequent", frequent.join(" ")));
    }
    facts
}

/// What is known of the content by its sort.
fn content_facts(prepared: &Prepared, content: &Content) -> (Vec<ColumnFacts>, Vec<(&'static str, String)>) {
    match content {
        Content::Images(images) => {
            (Vec::new(), vec![("values", format!("bytes from 0 to {}", images.maximum()))])
        }
        Content::Texts { texts, .. } => (Vec::new(), text_facts(prepared, texts)),
        Content::Table(table) => (table.columns().iter().map(column_facts).collect(), Vec::new()),
    }
}

/// Categories of a column that are named.
const NAMED_CATEGORIES: usize = 10;

fn column_facts(column: &Column) -> ColumnFacts {
    let (kind, about) = match &column.values {
        ColumnValues::Numbers(numbers) => {
            let facts = NumberFacts::of(&column.name, numbers.iter().copied());
            let range = facts.map(|facts| format!("{} to {}", facts.minimum, facts.maximum));
            ("number", range.unwrap_or_default())
        }
        ColumnValues::Categories { names, .. } => {
            let named: Vec<&str> = names.iter().take(NAMED_CATEGORIES).map(String::as_str).collect();
            let more = match names.len() - named.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            ("category", format!("{}{more}", named.join(", ")))
        }
    };
    ColumnFacts { name: column.name.clone(), kind, missing: column.values.missing(), about }
}
