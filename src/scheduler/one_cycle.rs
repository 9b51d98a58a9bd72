//! Up and down once in a training, step by step, as `torch.optim.lr_scheduler.OneCycleLR`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::check_above_zero;
use super::cosine::half_wave;
use super::{Course, Curve, Moment, Scheduler, Surroundings};
use crate::Result;
use crate::setting::Problems;

/// From `max_lr` / `div_factor` up to `max_lr` and down to `max_lr` / `div_factor` / `final_div_factor`, while the
/// momentum goes the other way. A group whose rate is a multiple of `optimizer.lr` has that multiple here too.
///
/// Source: Smith and Topin, "Super-convergence", 2018, in the form of `torch.optim.lr_scheduler.OneCycleLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneCycleConfig {
    /// The highest rate; `optimizer.lr` does not matter.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_lr: f64,
    /// The part of the steps in which the rate rises.
    #[serde(default = "default_pct_start")]
    #[schemars(range(min = 0, max = 1))]
    pub pct_start: f64,
    /// The form of the ways up and down.
    #[serde(default)]
    pub anneal_strategy: AnnealStrategy,
    /// Whether the momentum, or the first beta, falls while the rate rises, and rises while it falls.
    #[serde(default = "yes")]
    pub cycle_momentum: bool,
    /// The lowest momentum.
    #[serde(default = "default_base_momentum")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub base_momentum: f64,
    /// The highest momentum.
    #[serde(default = "default_max_momentum")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub max_momentum: f64,
    /// How many times lower than the highest rate the first is.
    #[serde(default = "default_div_factor")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub div_factor: f64,
    /// How many times lower than the first rate the last is.
    #[serde(default = "default_final_div_factor")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub final_div_factor: f64,
    /// Whether the rate comes down as it went up, and only then goes on to the lowest.
    #[serde(default)]
    pub three_phase: bool,
}

fn default_pct_start() -> f64 {
    0.3
}

fn yes() -> bool {
    true
}

fn default_base_momentum() -> f64 {
    0.85
}

fn default_max_momentum() -> f64 {
    0.95
}

fn default_div_factor() -> f64 {
    25.0
}

fn default_final_div_factor() -> f64 {
    1e4
}

/// How a rate goes from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnnealStrategy {
    /// Half a wave of a cosine.
    #[default]
    Cos,
    /// A straight line.
    Linear,
}

impl AnnealStrategy {
    /// From `start` at 0 to `end` at 1.
    fn between(self, start: f64, end: f64, way: f64) -> f64 {
        match self {
            Self::Cos => half_wave(start, end, way),
            Self::Linear => (end - start) * way + start,
        }
    }
}

impl Curve for OneCycleConfig {
    fn follows_length(&self) -> bool {
        true
    }

    fn check(&self, around: &Surroundings<'_>, problems: &mut Problems) {
        check_above_zero("max_lr", self.max_lr, problems);
        let part = (0.0..=1.0).contains(&self.pct_start);
        problems.require(part, "pct_start", self.pct_start, "a number from 0 to 1");
        for (key, value) in [("base_momentum", self.base_momentum), ("max_momentum", self.max_momentum)] {
            problems.require((0.0..1.0).contains(&value), key, value, "a number from 0 to below 1");
        }
        check_above_zero("div_factor", self.div_factor, problems);
        check_above_zero("final_div_factor", self.final_div_factor, problems);
        if self.cycle_momentum && !around.has_momentum {
            let message = "`cycle_momentum` with an optimizer that has no momentum";
            problems.refuse("cycle_momentum", message, "expected false, or another optimizer");
        }
    }

    fn cycles_momentum(&self) -> bool {
        self.cycle_momentum
    }

    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>> {
        let total = course.steps as f64;
        let first = self.max_lr / self.div_factor;
        let last = first / self.final_div_factor;
        let (low, high) = (self.base_momentum, self.max_momentum);
        let up =
            Phase { end: self.pct_start * total - 1.0, rates: (first, self.max_lr), momenta: (high, low) };
        let phases = if self.three_phase {
            let down = Phase {
                end: 2.0 * self.pct_start * total - 2.0,
                rates: (self.max_lr, first),
                momenta: (low, high),
            };
            vec![up, down, Phase { end: total - 1.0, rates: (first, last), momenta: (high, high) }]
        } else {
            vec![up, Phase { end: total - 1.0, rates: (self.max_lr, last), momenta: (low, high) }]
        };
        Ok(Box::new(OneCycle { config: self.clone(), phases, lr: course.lr }))
    }
}

/// A way of rate and momentum that ends with the step `end`.
struct Phase {
    end: f64,
    rates: (f64, f64),
    momenta: (f64, f64),
}

struct OneCycle {
    config: OneCycleConfig,
    phases: Vec<Phase>,
    /// The optimizer's own rate, by which those of groups are measured.
    lr: f64,
}

impl OneCycle {
    /// The value of a step that goes with the rates or the momenta of the phases.
    fn value(&self, step: u64, ends: fn(&Phase) -> (f64, f64)) -> f64 {
        let step = step as f64;
        let mut start = 0.0;
        let mut value = f64::NAN;
        for phase in &self.phases {
            let (from, to) = ends(phase);
            // A phase without a length is over at once, and the last one's end lasts.
            let way = if phase.end > start { ((step - start) / (phase.end - start)).min(1.0) } else { 1.0 };
            value = self.config.anneal_strategy.between(from, to, way);
            if step <= phase.end {
                break;
            }
            start = phase.end;
        }
        value
    }
}

impl Scheduler for OneCycle {
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64 {
        self.value(at.step, |phase| phase.rates) * (lr / self.lr)
    }

    fn momentum(&self, at: &Moment<'_>) -> Option<f64> {
        self.config.cycle_momentum.then(|| self.value(at.step, |phase| phase.momenta))
    }

    fn changes_every_step(&self) -> bool {
        true
    }
}
