//! Schedules of the learning rate over the epochs.
//!
//! A schedule is a closed formula of the epoch, so a resume needs no state.

mod constant;
mod cosine;
mod step;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use constant::ConstantConfig;
pub use cosine::CosineConfig;
pub use step::StepConfig;

use crate::setting::{self, Kind, Problems};

/// The settings under `scheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = setting::by_kind::<Self>)]
pub enum SchedulerConfig {
    /// The same rate always.
    Constant(ConstantConfig),
    /// A fall every so many epochs.
    Step(StepConfig),
    /// Half a wave of a cosine.
    Cosine(CosineConfig),
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self::Constant(ConstantConfig {})
    }
}

impl Kind for SchedulerConfig {
    const KINDS: &'static [&'static str] = &["constant", "step", "cosine"];
    const DEFAULT: Option<&'static str> = Some("constant");

    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "step" => StepConfig::deserialize(rest).map(Self::Step),
            "cosine" => CosineConfig::deserialize(rest).map(Self::Cosine),
            _ => ConstantConfig::deserialize(rest).map(Self::Constant),
        }
    }

    fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "step" => setting::keys_of::<StepConfig>(),
            "cosine" => setting::keys_of::<CosineConfig>(),
            _ => setting::keys_of::<ConstantConfig>(),
        }
    }
}

impl<'de> Deserialize<'de> for SchedulerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        setting::read_kind(deserializer)
    }
}

impl SchedulerConfig {
    /// Writes out what follows from a training of `epochs` epochs.
    pub fn resolve(&mut self, epochs: usize) {
        match self {
            Self::Constant(_) | Self::Step(_) => {}
            Self::Cosine(config) => config.resolve(epochs),
        }
    }

    /// Refuses lengths of 0 and rates that are negative or not finite.
    pub fn check(&self, problems: &mut Problems) {
        match self {
            Self::Constant(_) => {}
            Self::Step(config) => config.check(problems),
            Self::Cosine(config) => config.check(problems),
        }
    }

    /// The schedule for a training of `epochs` epochs.
    pub fn build(&self, epochs: usize) -> Box<dyn Scheduler> {
        match self {
            Self::Constant(config) => Box::new(config.clone()),
            Self::Step(config) => Box::new(config.clone()),
            Self::Cosine(config) => config.build(epochs),
        }
    }
}

/// The learning rate of every epoch.
pub trait Scheduler: Send {
    /// The rate in `epoch`, from 0, of a training whose optimizer is set to `base_lr`.
    fn rate(&self, base_lr: f64, epoch: usize) -> f64;
}

/// Checks the rates of 12 epochs from 0.1 on against these:
///
/// ```python
/// # PyTorch 2.15
/// def rates(make):
///     optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
///     scheduler = make(optimizer)
///     rates = []
///     for _ in range(12):
///         rates.append(optimizer.param_groups[0]["lr"])
///         optimizer.step()
///         scheduler.step()
///     return rates
/// ```
#[cfg(test)]
fn check_rates(config: &str, expected: [f64; 12]) {
    let mut config: SchedulerConfig =
        setting::read(&toml::Value::Table(toml::from_str(config).unwrap())).unwrap();
    config.resolve(expected.len());
    let scheduler = config.build(expected.len());
    for (epoch, expected) in expected.into_iter().enumerate() {
        let rate = scheduler.rate(0.1, epoch);
        assert!(
            (rate - expected).abs() <= 1e-6 * expected + 1e-15,
            "epoch {epoch}: {rate} is not {expected}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SchedulerConfig, Vec<setting::Problem>> {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap()))
    }

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        read(text).unwrap().check(&mut problems);
        problems.into_found().iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in SchedulerConfig::KINDS {
            let required = if *kind == "step" { "step_size = 3" } else { "" };
            let mut config = read(&format!("kind = '{kind}'\n{required}")).unwrap();
            config.resolve(7);
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written).unwrap(), config);
            let keys: Vec<&str> =
                written.lines().skip(1).filter_map(|line| line.split(" = ").next()).collect();
            assert_eq!(keys, SchedulerConfig::keys(kind));
            assert_eq!(problems(&written), [""; 0]);
        }
        assert_eq!(read("").unwrap(), SchedulerConfig::default());
    }

    #[test]
    fn what_cannot_work_is_refused_at_its_key() {
        let missing = read("kind = 'step'").unwrap_err();
        assert_eq!(missing[0].message, "missing key `step_size`");
        assert_eq!(problems("kind = 'step'\nstep_size = 0\ngamma = 0"), ["step_size", "gamma"]);
        assert_eq!(problems("kind = 'step'\nstep_size = 1\ngamma = inf"), ["gamma"]);
        assert_eq!(problems("kind = 'cosine'\nt_max = 0\neta_min = -1"), ["t_max", "eta_min"]);
        assert_eq!(problems("kind = 'cosine'\neta_min = nan"), ["eta_min"]);
    }
}
