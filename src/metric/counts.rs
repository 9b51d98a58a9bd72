//! How often each class is true, is predicted, and is both: what precision, recall and F1 are made of.

use super::{Answers, Metric};
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

/// The mean of what is said of each class that the model knows, each counting the same.
#[derive(Debug)]
pub(super) struct ClassMean {
    of: fn(Count) -> f64,
    counts: Vec<Count>,
}

impl ClassMean {
    /// With no sample seen.
    pub fn new(of: fn(Count) -> f64) -> Self {
        Self { of, counts: Vec::new() }
    }
}

impl Metric for ClassMean {
    /// A sample whose scores hold a NaN is predicted as no class.
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        let targets = targets.classes()?;
        self.counts.resize(answers.width().max(self.counts.len()), Count::default());
        for (predicted, target) in answers.predicted().iter().zip(targets) {
            let true_class = self.counts.get_mut(*target as usize);
            let count = true_class.ok_or_else(|| Error::Bug(format!("there is no class {target}")))?;
            count.support += 1;
            count.right += u64::from(*predicted == Some(*target));
            if let Some(count) = predicted.and_then(|class| self.counts.get_mut(class as usize)) {
                count.predicted += 1;
            }
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        if self.counts.iter().all(|count| count.support == 0) {
            return f64::NAN;
        }
        self.counts.iter().map(|count| (self.of)(*count)).sum::<f64>() / self.counts.len() as f64
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}
