//! The table `optimizer`: a rule with its own keys, and beside them the keys that every rule has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grouping::Grouping;
use super::{Optimizer, RuleConfig, check_decay, check_lr};
use crate::model::Parameter;
use crate::setting::{Flat, Problems};
use crate::{Error, Result};

/// The table `optimizer`.
pub type OptimizerConfig = Flat<OptimizerSettings, RuleConfig>;

/// What every rule has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Whether `weight_decay` reaches biases and the parameters of normalisation layers too: all that have one
    /// dimension.
    pub decay_bias: bool,
    /// Parameters with settings of their own; of several that match one, the first counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupConfig>,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self { decay_bias: true, groups: Vec::new() }
    }
}

/// Parameters with settings of their own; what is left out is that of all others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// A name as in `layers.0.weight`, or the start of names up to a dot, as in `layers.0`.
    #[schemars(length(min = 1))]
    pub r#match: String,
    /// The learning rate, which the schedule changes as it does that of all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lr: Option<f64>,
    /// As `optimizer.weight_decay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub weight_decay: Option<f64>,
}

impl GroupConfig {
    /// Whether the parameter is named by `match`, or lies below what is.
    pub(super) fn matches(&self, name: &str) -> bool {
        name.strip_prefix(&self.r#match).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    fn check(&self, problems: &mut Problems) {
        if self.r#match.is_empty() {
            problems.refuse("match", "an empty name", "expected one as in \"layers.0\"");
        }
        if let Some(lr) = self.lr {
            check_lr(lr, problems);
        }
        if let Some(weight_decay) = self.weight_decay {
            check_decay(weight_decay, problems);
        }
    }
}

impl Flat<OptimizerSettings, RuleConfig> {
    /// The learning rate that a schedule starts from.
    pub fn lr(&self) -> f64 {
        self.kind.rule().lr()
    }

    /// The learning rates that a schedule starts from: that of the parameters in no group, then each group's.
    pub fn rates(&self) -> Vec<f64> {
        let lr = self.lr();
        std::iter::once(lr).chain(self.common.groups.iter().map(|group| group.lr.unwrap_or(lr))).collect()
    }

    /// Numbers that are kept for each one that is trained; with `cycles_momentum` every step brings a momentum.
    pub fn buffers(&self, cycles_momentum: bool) -> u64 {
        self.kind.rule().buffers(cycles_momentum)
    }

    /// Refuses what `torch.optim` refuses, a learning rate of 0 and numbers that are not finite.
    pub fn check(&self, problems: &mut Problems) {
        self.kind.rule().check(problems);
        problems.within("groups", |problems| {
            for (index, group) in self.common.groups.iter().enumerate() {
                problems.within_entry(index, |problems| group.check(problems));
            }
        });
    }

    /// Refuses a group that none of the parameters with these names, those that are trained, is in.
    ///
    /// # Errors
    /// [`Error::Request`] with the name that leads nowhere.
    pub fn check_names(&self, names: &[&str]) -> Result<()> {
        for (index, group) in self.common.groups.iter().enumerate() {
            let earlier = &self.common.groups[..index];
            let wanted = &group.r#match;
            let mut matched = names.iter().filter(|name| group.matches(name)).peekable();
            if matched.peek().is_none() {
                return Err(Error::Request(format!(
                    "optimizer.groups[{index}] matches no parameter that is trained: there is no \"{wanted}\" among {}",
                    names.join(", ")
                )));
            }
            if matched.all(|name| earlier.iter().any(|earlier| earlier.matches(name))) {
                return Err(Error::Request(format!(
                    "optimizer.groups[{index}] is left without a parameter: the groups before it take all of \"{wanted}\""
                )));
            }
        }
        Ok(())
    }

    /// The optimizer for parameters with these names, whose order is that of every later call; state only for
    /// the trainable. With `cycles_momentum` every step brings a momentum of its own.
    pub fn build(
        &self,
        parameters: &[(String, &Parameter)],
        cycles_momentum: bool,
    ) -> Result<Box<dyn Optimizer>> {
        let grouping = Grouping::new(&self.common, self.kind.rule().weight_decay(), parameters);
        self.kind.rule().build(&grouping, cycles_momentum)
    }
}
