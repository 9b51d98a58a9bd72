//! The angle between all predictions and all targets, as `torch.nn.functional.cosine_similarity`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Answers, Direction, Measured, Metric};
use crate::Result;
use crate::target::{Targets, TaskKind};

/// Σ prediction · target / (√Σ prediction² · √Σ target²), from −1 to 1: the cosine of the angle between the vector of
/// all predictions of a part and that of its targets. A vector shorter than 1e-8 is taken to have that length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CosineSimilarityConfig {}

const ABOUT: About = About {
    name: "cosine_similarity",
    direction: Direction::Maximise,
    unit: None,
    task: TaskKind::Regression,
};

impl Measured for CosineSimilarityConfig {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn build(&self) -> Box<dyn Metric> {
        Box::new(CosineSimilarity::default())
    }
}

/// PyTorch's `eps`.
const SHORTEST: f64 = 1e-8;

#[derive(Debug, Default)]
pub(super) struct CosineSimilarity {
    /// Σ prediction · target.
    products: f64,
    /// Σ prediction².
    predictions: f64,
    /// Σ target².
    targets: f64,
    samples: u64,
}

impl Metric for CosineSimilarity {
    fn update(&mut self, answers: &Answers<'_>, targets: &Targets) -> Result<()> {
        for (value, target) in answers.values().iter().zip(targets.values()?) {
            let (value, target) = (f64::from(*value), f64::from(*target));
            self.products += value * target;
            self.predictions += value * value;
            self.targets += target * target;
            self.samples += 1;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        if self.samples == 0 {
            return f64::NAN;
        }
        // The largest of NaN and a number is the number, but the sum of the products is NaN as well.
        self.products / (self.predictions.sqrt().max(SHORTEST) * self.targets.sqrt().max(SHORTEST))
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers stand as the reference printed them")]
mod tests {
    use super::super::checks::{check_values, values};
    use super::*;

    /// ```python
    /// # PyTorch 2.15
    /// y = np.array([0.5, -1.25, 3.0, 7.5, 0.25, 2.0, -4.5])
    /// p = np.array([0.25, -1.0, 2.5, 9.0, 0.75, 2.0, -3.25])
    /// F.cosine_similarity(torch.tensor(y), torch.tensor(p), dim=0).item()
    /// F.cosine_similarity(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64), dim=0).item()
    /// ```
    #[test]
    fn is_that_of_pytorch() {
        let (predicted, targets) = values();
        check_values(&mut CosineSimilarity::default(), &predicted, &targets, 0.9791003774008548);
        check_values(&mut CosineSimilarity::default(), &[0.0; 3], &[1.0; 3], 0.0);
        check_values(&mut CosineSimilarity::default(), &[f32::NAN; 3], &[1.0; 3], f64::NAN);
    }
}
