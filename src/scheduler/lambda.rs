//! A factor that the user writes, as `torch.optim.lr_scheduler.LambdaLR`.

use exmex::{Express, FlatEx, FloatOpsFactory, MatchLiteral, literal_matcher_from_pattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::setting::Problems;
use crate::{Error, Result};

/// The one variable.
const EPOCH: &str = "epoch";
/// Far more than anyone writes; the parser calls itself for every bracket.
const MOST_CHARACTERS: usize = 500;
/// Epochs that are tried before the training; nobody has so many.
const MOST_TRIED: usize = 1_000_000;

// With an exponent too, as in 1e-3.
literal_matcher_from_pattern!(Number, r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?");

type Expression = FlatEx<f64, FloatOpsFactory<f64>, Number>;

/// lr(epoch) = lr · `expression`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LambdaConfig {
    /// The factor of an epoch, counted from 0, as in `0.95 ^ epoch`: with `+ - * / ^`, brackets, `exp`, `ln`,
    /// `log2`, `log10`, `sqrt`, `abs`, `floor`, `ceil`, `round`, `min(a, b)`, `max(a, b)`, `sin`, `cos`, `tan`, `PI` and `E`.
    /// A sign comes before a power, and powers go from left to right: `-2 ^ 2` is 4, `2 ^ 3 ^ 2` is 64.
    pub expression: String,
}

impl Curve for LambdaConfig {
    /// Tries every one of the epochs.
    fn check(&self, around: &Surroundings<'_>, problems: &mut Problems) {
        if let Err((message, expected)) = self.parse().and_then(|factor| factor.check(around.epochs)) {
            problems.refuse("expression", message, expected);
        }
    }

    fn build(&self, _course: &Course) -> Result<Box<dyn Scheduler>> {
        let factor = self.parse().map_err(|(message, _)| Error::Request(message))?;
        Ok(Box::new(factor))
    }
}

impl LambdaConfig {
    /// The factor; what is wrong and what was expected.
    fn parse(&self) -> Result<Factor, (String, String)> {
        let text = &self.expression;
        let expected = "expected an expression of `epoch`, as in \"0.95 ^ epoch\"";
        let refuse = |message: String| (message, expected.to_owned());
        // The parser cuts texts at bytes.
        if !text.is_ascii() || text.len() > MOST_CHARACTERS {
            return Err(refuse(format!(
                "the expression is longer than {MOST_CHARACTERS} characters or has some beyond ASCII"
            )));
        }
        let parsed = Expression::parse(text)
            .map_err(|error| refuse(format!("\"{text}\" is no expression: {}", error.msg())))?;
        match parsed.var_names().iter().find(|name| *name != EPOCH) {
            Some(name) => Err(refuse(format!("unknown variable `{name}` in \"{text}\""))),
            None => Ok(Factor { has_epoch: !parsed.var_names().is_empty(), parsed }),
        }
    }
}

struct Factor {
    parsed: Expression,
    has_epoch: bool,
}

impl Factor {
    /// NaN where it has no value.
    fn at(&self, epoch: usize) -> f64 {
        let variables = [epoch as f64];
        let variables = if self.has_epoch { &variables[..] } else { &[] };
        self.parsed.eval(variables).unwrap_or(f64::NAN)
    }

    fn check(&self, epochs: usize) -> Result<(), (String, String)> {
        for epoch in 0..epochs.min(MOST_TRIED) {
            let factor = self.at(epoch);
            if !(factor >= 0.0 && factor.is_finite()) {
                let message = format!("the expression is {factor} for epoch {epoch}");
                return Err((message, "expected a number, 0 or more, for every epoch from 0".to_owned()));
            }
        }
        Ok(())
    }
}

impl Scheduler for Factor {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        lr * self.at(at.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(expression: &str) -> String {
        let mut problems = Problems::default();
        LambdaConfig { expression: expression.to_owned() }
            .check(&Surroundings { epochs: 12, columns: &[], has_momentum: true }, &mut problems);
        let found = problems.into_found();
        assert!(found.iter().all(|problem| problem.path.to_string() == "expression"), "{found:?}");
        found.first().map(|problem| problem.message.clone()).unwrap_or_default()
    }

    #[test]
    fn what_is_no_factor_is_refused() {
        assert_eq!(problem("0.95 ^ epoch"), "");
        assert_eq!(problem("1"), "");
        assert_eq!(problem("1e-1 * max(0.5, 1 - epoch / 11)"), "");
        assert_eq!(problem("1 / (1 + step)"), "unknown variable `step` in \"1 / (1 + step)\"");
        assert_eq!(problem("1 - epoch / 4"), "the expression is -0.25 for epoch 5");
        assert_eq!(problem("1 / epoch"), "the expression is inf for epoch 0");
        assert_eq!(problem("sqrt(3 - epoch)"), "the expression is NaN for epoch 4");
        for broken in ["", "(", "0.95 ^", "epoch)", "1 2", "é", "{é}", "{", "0.5 ^ éé", "1..2", ",", "()"]
        {
            assert_ne!(problem(broken), "", "{broken}");
        }
        assert!(problem(&"(".repeat(600)).contains("longer than 500"));
    }

    #[test]
    fn no_text_is_a_panic() {
        let pieces = [
            "epoch", "(", ")", "{", "}", "^", "-", "1", ".", "e", "sin", "max", ",", " ", "PI", "x", "\\",
            "/",
        ];
        let mut draws = crate::rng::Stream::new(1, crate::rng::Purpose::Synthetic, 0, 0).draws();
        for _ in 0..3000 {
            let length = (draws.uniform() * 12.0) as usize;
            let text: String =
                (0..length).map(|_| pieces[(draws.uniform() * pieces.len() as f64) as usize]).collect();
            problem(&text);
        }
        problem(&"(".repeat(500));
        problem(&"-".repeat(500));
        problem(&"sin ".repeat(120));
    }
}
