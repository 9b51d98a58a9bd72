//! Random zeros in training, the identity in evaluation (`PyTorch`'s `Dropout`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::{Layer, LayerSettings, Mode, Pass, take_kept};
use crate::Result;
use crate::kernel::dropout::Mask;
use crate::model::initializer::Initializer;
use crate::setting::Problems;

/// Random zeros in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DropoutConfig {
    /// The probability of a zero; the rest is scaled by 1 / (1 − p).
    #[schemars(range(min = 0, max = 1))]
    pub p: f64,
}

impl Default for DropoutConfig {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

impl LayerSettings for DropoutConfig {
    /// Refuses what is no probability.
    fn check(&self, problems: &mut Problems) {
        problems.require((0.0..=1.0).contains(&self.p), "p", self.p, "a number from 0 to 1");
    }

    /// The mask is drawn again instead of being kept.
    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(if self.p == 0.0 { Memory::view() } else { Memory::default() })
    }

    fn build(&self, _input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Dropout::new(vec![self.p; init.runs()], ordinal)))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Dropout {
    /// p of each run.
    rates: Vec<f64>,
    /// Its place among the dropout layers, so that other layers do not change its masks.
    ordinal: u32,
    /// What the last training pass did.
    kept: Option<Kept>,
}

/// What a training pass did to its input.
#[derive(Debug)]
enum Kept {
    /// Nothing: every rate is 0.
    Everything,
    /// It multiplied by this.
    Masked(Mask),
}

impl Dropout {
    /// The `ordinal`th dropout layer of a model with a rate for each run.
    pub fn new(rates: Vec<f64>, ordinal: u32) -> Self {
        Self { rates, ordinal, kept: None }
    }
}

impl Layer for Dropout {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let Mode::Training { seeds, step } = pass.mode else {
            self.kept = None;
            return Ok(input.clone());
        };
        if self.rates.iter().all(|rate| *rate == 0.0) {
            self.kept = Some(Kept::Everything);
            return Ok(input.clone());
        }
        let mask = Mask::new(input, seeds, &self.rates, step, self.ordinal)?;
        let output = mask.apply(input)?;
        self.kept = Some(Kept::Masked(mask));
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let kept = take_kept(&mut self.kept, "a dropout layer")?;
        if !need_input_gradient {
            return Ok(None);
        }
        match kept {
            Kept::Everything => Ok(Some(gradient.clone())),
            Kept::Masked(mask) => mask.apply(gradient).map(Some),
        }
    }

    fn describe(&self) -> String {
        let rates: Vec<String> = self.rates.iter().map(f64::to_string).collect();
        match rates.split_first() {
            Some((first, others)) if others.iter().all(|rate| rate == first) => format!("Dropout({first})"),
            _ => format!("Dropout({})", rates.join(" | ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::kernel::checks::{normal, numbers};
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for p in [0.0, 0.3, 1.0] {
            let config = LayerConfig::Dropout(DropoutConfig { p });
            assert_gradients(&config, &[3]);
            assert_contract(&config, &[2, 3]);
        }
    }

    #[test]
    fn backward_uses_the_mask_of_forward_and_evaluation_is_the_identity() {
        let mut layer = build(&LayerConfig::Dropout(DropoutConfig { p: 0.4 }), &[50], 1);
        let x = normal(1, &[1, 40, 50], DType::F64);
        let pass = Pass::training(&[5], 8);
        let y = numbers(&layer.forward(&x, &pass).unwrap());
        let dx = numbers(&layer.backward(&x, true).unwrap().unwrap());
        assert_eq!(y, dx);
        assert!(y.contains(&0.0));
        assert_eq!(numbers(&layer.forward(&x, &Pass::EVALUATION).unwrap()), numbers(&x));
    }

    #[test]
    fn rates_are_shown() {
        assert_eq!(Dropout::new(vec![0.3], 0).describe(), "Dropout(0.3)");
        assert_eq!(Dropout::new(vec![0.5, 0.5], 0).describe(), "Dropout(0.5)");
        assert_eq!(Dropout::new(vec![0.1, 0.5], 0).describe(), "Dropout(0.1 | 0.5)");
    }
}
