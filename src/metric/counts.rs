//! How often each class is true, is predicted, and is both: what precision, recall and F1 are made of.

use super::Answers;
use crate::target::Targets;
use crate::{Error, Result};

/// Of one class.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Samples of the class for which it was predicted.
    pub right: u64,
    /// Samples for which it was predicted.
    pub predicted: u64,
    /// Samples of the class.
    pub support: u64,
}

impl Count {
    /// right / predicted; 0 for a class that is never predicted.
    pub fn precision(self) -> f64 {
        quotient(self.right, self.predicted)
    }

    /// right / support; 0 for a class without samples.
    pub fn recall(self) -> f64 {
        quotient(self.right, self.support)
    }

    /// 2 right / (predicted + support); 0 for a class that is neither predicted nor there.
    pub fn f1(self) -> f64 {
        quotient(2 * self.right, self.predicted + self.support)
    }
}

fn quotient(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Of all classes that the model knows.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<Count>);

impl Counts {
    /// Takes in a batch. A sample whose scores hold a NaN is predicted as no class.
    pub fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        let targets = targets.classes()?;
        self.0.resize(answers.width().max(self.0.len()), Count::default());
        for (predicted, target) in answers.predicted().iter().zip(targets) {
            let true_class = self.0.get_mut(*target as usize);
            let count = true_class.ok_or_else(|| Error::Bug(format!("there is no class {target}")))?;
            count.support += 1;
            count.right += u64::from(*predicted == Some(*target));
            if let Some(count) = predicted.and_then(|class| self.0.get_mut(class as usize)) {
                count.predicted += 1;
            }
        }
        Ok(())
    }

    /// The mean over the classes, each counting the same; NaN before the first sample.
    pub fn mean(&self, of: fn(Count) -> f64) -> f64 {
        if self.0.iter().all(|count| count.support == 0) {
            return f64::NAN;
        }
        self.0.iter().map(|count| of(*count)).sum::<f64>() / self.0.len() as f64
    }
}
