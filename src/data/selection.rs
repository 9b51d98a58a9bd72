//! Which classes of a data set are used, and their numbers among those.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Samples;
use super::labels::Labels;
use crate::target::Targets;
use crate::{Error, Result};

/// A class, by its name or by its position among the classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a class is named by its text, or by its number from 0")]
pub enum ClassName {
    /// Its position, from 0.
    Number(u32),
    /// Its name.
    Name(String),
}

/// The classes that are kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    labels: Labels,
    /// The new number of each class of the source; `None` where all are kept.
    numbers: Option<Vec<Option<u32>>>,
}

impl Selection {
    /// Those that are `wanted`, in that order; all without.
    pub fn new(labels: &Labels, wanted: Option<&[ClassName]>) -> Result<Self> {
        let Some(wanted) = wanted else { return Ok(Self { labels: labels.clone(), numbers: None }) };
        let Labels::Classes(names) = labels else {
            return Err(Error::Request(
                "`data.classes` chooses among classes, but the targets are numbers: leave it out".to_owned(),
            ));
        };
        let mut numbers = vec![None; names.len()];
        let mut kept = Vec::with_capacity(wanted.len());
        for class in wanted {
            let found = position(names, class)?;
            if numbers[found].is_some() {
                return Err(Error::Request(format!("`data.classes` names \"{}\" twice", names[found])));
            }
            numbers[found] = Some(kept.len() as u32);
            kept.push(names[found].clone());
        }
        Ok(Self { labels: Labels::Classes(kept), numbers: Some(numbers) })
    }

    /// What the targets are called.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The usable rows of `samples` whose classes are kept; an error that names a class without any.
    pub fn rows(&self, samples: &Samples) -> Result<Vec<u32>> {
        let mut rows = samples.usable();
        let Some(numbers) = &self.numbers else { return Ok(rows) };
        let classes = samples.targets().classes()?;
        let mut counts = vec![0usize; self.labels.classes().len()];
        rows.retain(|row| match numbers[classes[*row as usize] as usize] {
            Some(class) => {
                counts[class as usize] += 1;
                true
            }
            None => false,
        });
        match counts.iter().position(|count| *count == 0) {
            Some(empty) => Err(Error::Request(format!(
                "no sample is of the class \"{}\", which `data.classes` names",
                self.labels.classes()[empty]
            ))),
            None => Ok(rows),
        }
    }

    /// Targets by the numbers of the classes that are kept.
    pub fn renumbered(&self, targets: Targets) -> Result<Targets> {
        let Some(numbers) = &self.numbers else { return Ok(targets) };
        let number = |class: &u32| numbers.get(*class as usize).copied().flatten();
        let kept: Option<Vec<u32>> = targets.classes()?.iter().map(number).collect();
        let kept = kept.ok_or_else(|| Error::Bug("a sample of a class that is not kept".to_owned()))?;
        Ok(Targets::Classes(kept))
    }
}

fn position(names: &[String], class: &ClassName) -> Result<usize> {
    match class {
        ClassName::Number(number) if (*number as usize) < names.len() => Ok(*number as usize),
        ClassName::Number(number) => Err(Error::Request(format!(
            "`data.classes` names {number}, but there are {} classes (0 to {})",
            names.len(),
            names.len().saturating_sub(1)
        ))),
        ClassName::Name(name) => names.iter().position(|known| known == name).ok_or_else(|| {
            Error::Request(format!(
                "`data.classes` names \"{name}\", but the classes are: {}",
                names.join(", ")
            ))
        }),
    }
}
