//! Schedules of the learning rate over a training.
//!
//! A schedule is a closed formula of the epoch, the step and the metrics so far, so a resume needs no state.
//! Each file holds one curve; [`Schedule`] puts the warm-up before it.

mod check;
mod constant;
mod cosine;
mod cosine_warm_restarts;
mod exponential;
mod lambda;
mod linear;
mod multi_step;
mod one_cycle;
#[cfg(test)]
mod parity;
mod polynomial;
mod reduce_on_plateau;
mod schedule;
mod settings;
mod step;
mod warmup;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use constant::ConstantConfig;
pub use cosine::CosineConfig;
pub use cosine_warm_restarts::CosineWarmRestartsConfig;
pub use exponential::ExponentialConfig;
pub use lambda::LambdaConfig;
pub use linear::LinearConfig;
pub use multi_step::MultiStepConfig;
pub use one_cycle::{AnnealStrategy, OneCycleConfig};
pub use polynomial::PolynomialConfig;
pub use reduce_on_plateau::{ReduceOnPlateauConfig, ThresholdMode};
pub use schedule::Schedule;
pub use settings::{Course, SchedulerConfig, SchedulerSettings, Surroundings};
pub use step::StepConfig;
pub use warmup::WarmupConfig;

use crate::Result;
use crate::setting::{self, Problems, kind};

/// The curve of the table `scheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(tag = "kind", transform = setting::by_kind::<Self>)]
pub enum CurveConfig {
    /// The same rate always.
    Constant(ConstantConfig),
    /// A factor of the epoch that is written as an expression.
    Lambda(LambdaConfig),
    /// A fall every so many epochs.
    Step(StepConfig),
    /// A fall at each of some epochs.
    MultiStep(MultiStepConfig),
    /// A fall every epoch.
    Exponential(ExponentialConfig),
    /// A straight line between two factors.
    Linear(LinearConfig),
    /// A power of the epochs that are left.
    Polynomial(PolynomialConfig),
    /// Half a wave of a cosine.
    Cosine(CosineConfig),
    /// Half waves of a cosine, one behind the other.
    CosineWarmRestarts(CosineWarmRestartsConfig),
    /// Up and down once in the training, changing with every step.
    OneCycle(OneCycleConfig),
    /// A fall whenever a metric stands still.
    ReduceOnPlateau(ReduceOnPlateauConfig),
}

impl Default for CurveConfig {
    fn default() -> Self {
        Self::Constant(ConstantConfig {})
    }
}

kind!(CurveConfig, default = "constant");

impl CurveConfig {
    /// The settings of the curve.
    fn curve(&self) -> &dyn Curve {
        match self {
            Self::Constant(config) => config,
            Self::Lambda(config) => config,
            Self::Step(config) => config,
            Self::MultiStep(config) => config,
            Self::Exponential(config) => config,
            Self::Linear(config) => config,
            Self::Polynomial(config) => config,
            Self::Cosine(config) => config,
            Self::CosineWarmRestarts(config) => config,
            Self::OneCycle(config) => config,
            Self::ReduceOnPlateau(config) => config,
        }
    }
}

/// What the settings of a curve have to say.
trait Curve {
    /// The settings with what follows from a curve of so many epochs, where that is known, and from a training
    /// that watches the column `monitor`; none where nothing follows.
    fn resolved(&self, _epochs: Option<usize>, _monitor: &str) -> Option<CurveConfig> {
        None
    }

    /// Whether the rates follow from the length of the whole training: another length gives others from the start.
    fn follows_length(&self) -> bool {
        false
    }

    /// Refuses lengths of 0, rates that are negative or not finite, and what does not fit the surroundings.
    fn check(&self, _around: &Surroundings<'_>, _problems: &mut Problems) {}

    /// The column whose values the curve follows, if it follows one.
    fn monitor(&self) -> Option<&str> {
        None
    }

    /// Whether steps get a momentum from the curve.
    fn cycles_momentum(&self) -> bool {
        false
    }

    /// The curve for a training.
    ///
    /// # Errors
    /// [`Error::Request`](crate::Error::Request) for settings that [`check`](Self::check) refuses.
    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>>;
}

/// Where a training stands when it asks for a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment<'a> {
    /// Epochs that are done.
    pub epoch: usize,
    /// Steps of the optimizer that are done.
    pub step: u64,
    /// The values of the monitored column in the epochs that are done; empty where nothing is monitored.
    pub history: &'a [f64],
}

/// A curve of the learning rate.
pub trait Scheduler: Send {
    /// The rate at a moment for parameters whose rate is set to `lr`.
    fn rate(&self, lr: f64, at: &Moment<'_>) -> f64;

    /// The momentum at a moment, if the curve has one.
    fn momentum(&self, _at: &Moment<'_>) -> Option<f64> {
        None
    }

    /// Whether rates change within an epoch.
    fn changes_every_step(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Kind;

    fn read(text: &str) -> Result<SchedulerConfig, Vec<setting::Problem>> {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap()))
    }

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        let columns = ["train_loss".to_owned(), "valid_loss".to_owned()];
        let around = Surroundings { epochs: 7, columns: &columns, has_momentum: false };
        read(text).unwrap().check(&around, &mut problems);
        problems.into_found().iter().map(|problem| problem.path.to_string()).collect()
    }

    /// What a kind does not do without.
    fn required(kind: &str) -> &'static str {
        match kind {
            "lambda" => "expression = '0.9 ^ epoch'",
            "step" => "step_size = 3",
            "multi_step" => "milestones = [2, 4]",
            "exponential" => "gamma = 0.9",
            "cosine_warm_restarts" => "t_0 = 2",
            "one_cycle" => "max_lr = 0.1\ncycle_momentum = false",
            _ => "",
        }
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in CurveConfig::kinds() {
            let mut config = read(&format!("kind = '{kind}'\n{}", required(kind))).unwrap();
            config.resolve(7, "valid_loss");
            let written = toml::to_string(&config).unwrap();
            assert!(written.starts_with(&format!("kind = \"{kind}\"\n")), "{written}");
            assert_eq!(read(&written).unwrap(), config);
            let keys: Vec<&str> =
                written.lines().skip(1).filter_map(|line| line.split(" = ").next()).collect();
            assert_eq!(keys, CurveConfig::keys(kind));
            assert_eq!(problems(&written), [""; 0]);

            config.common.warmup = Some(WarmupConfig { steps: None, epochs: Some(2) });
            let written = toml::to_string(&config).unwrap();
            assert_eq!(read(&written).unwrap(), config, "{written}");
        }
        assert_eq!(read("").unwrap(), SchedulerConfig::default());
    }

    #[test]
    fn defaults_are_those_of_pytorch() {
        for (kind, written) in [
            ("step", "gamma = 0.1"),
            ("multi_step", "gamma = 0.1"),
            ("linear", "start_factor = 0.3333333333333333\nend_factor = 1"),
            ("polynomial", "power = 1"),
            ("cosine", "eta_min = 0"),
            ("cosine_warm_restarts", "t_mult = 1\neta_min = 0"),
            (
                "one_cycle",
                "pct_start = 0.3\nanneal_strategy = 'cos'\nbase_momentum = 0.85\nmax_momentum = 0.95\n\
                 div_factor = 25\nfinal_div_factor = 1e4\nthree_phase = false",
            ),
            (
                "reduce_on_plateau",
                "factor = 0.1\npatience = 10\nthreshold = 1e-4\nthreshold_mode = 'rel'\ncooldown = 0\nmin_lr = 0\neps = 1e-8",
            ),
        ] {
            let short = format!("kind = '{kind}'\n{}", required(kind));
            assert_eq!(read(&short).unwrap(), read(&format!("{short}\n{written}")).unwrap(), "{kind}");
        }
        let cycles = read("kind = 'one_cycle'\nmax_lr = 1").unwrap().cycles_momentum();
        assert!(cycles);
    }

    #[test]
    fn lengths_follow_from_the_training_less_the_warm_up() {
        let length = |text: &str, key: &str| {
            let mut config = read(text).unwrap();
            config.resolve(20, "valid_loss");
            let written = toml::Value::try_from(&config).unwrap();
            written.get(key).and_then(toml::Value::as_integer)
        };
        assert_eq!(length("kind = 'cosine'", "t_max"), Some(20));
        assert_eq!(length("kind = 'cosine'\nt_max = 5\nwarmup = { epochs = 4 }", "t_max"), Some(5));
        assert_eq!(length("kind = 'cosine'\nwarmup = { epochs = 4 }", "t_max"), Some(16));
        assert_eq!(length("kind = 'cosine'\nwarmup = { epochs = 40 }", "t_max"), Some(1));
        assert_eq!(length("kind = 'cosine'\nwarmup = { steps = 40 }", "t_max"), None);
        assert_eq!(length("kind = 'linear'\nwarmup = { epochs = 4 }", "total_iters"), Some(16));
        assert_eq!(length("kind = 'polynomial'", "total_iters"), Some(20));
    }

    #[test]
    fn what_cannot_work_is_refused_at_its_key() {
        for (kind, key) in [
            ("step", "step_size"),
            ("lambda", "expression"),
            ("multi_step", "milestones"),
            ("exponential", "gamma"),
            ("cosine_warm_restarts", "t_0"),
            ("one_cycle", "max_lr"),
        ] {
            let missing = read(&format!("kind = '{kind}'")).unwrap_err();
            assert_eq!(missing[0].message, format!("missing key `{key}`"));
        }
        for (text, at) in [
            ("kind = 'step'\nstep_size = 0\ngamma = 0", &["step_size", "gamma"][..]),
            ("kind = 'step'\nstep_size = 1\ngamma = inf", &["gamma"]),
            ("kind = 'cosine'\nt_max = 0\neta_min = -1", &["t_max", "eta_min"]),
            ("kind = 'cosine'\neta_min = nan", &["eta_min"]),
            ("kind = 'lambda'\nexpression = '1 - epoch'", &["expression"]),
            ("kind = 'lambda'\nexpression = '6 - epoch'", &[]),
            ("kind = 'lambda'\nexpression = '2 - epoch'\nwarmup = { epochs = 4 }", &[]),
            (
                "kind = 'multi_step'\nmilestones = [2, 2, 1]\ngamma = -1",
                &["milestones[1]", "milestones[2]", "gamma"],
            ),
            ("kind = 'exponential'\ngamma = 0", &["gamma"]),
            (
                "kind = 'linear'\nstart_factor = 0\nend_factor = 1.5\ntotal_iters = 0",
                &["start_factor", "end_factor", "total_iters"],
            ),
            ("kind = 'polynomial'\ntotal_iters = 0\npower = 0", &["total_iters", "power"]),
            (
                "kind = 'cosine_warm_restarts'\nt_0 = 0\nt_mult = 0\neta_min = -1",
                &["t_0", "t_mult", "eta_min"],
            ),
            ("kind = 'one_cycle'\nmax_lr = 1", &["cycle_momentum"]),
            (
                "kind = 'one_cycle'\ncycle_momentum = false\nmax_lr = 0\npct_start = 2\nbase_momentum = 1\n\
                 max_momentum = -1\ndiv_factor = 0\nfinal_div_factor = nan",
                &["max_lr", "pct_start", "base_momentum", "max_momentum", "div_factor", "final_div_factor"],
            ),
            (
                "kind = 'reduce_on_plateau'\nmonitor = 'valid_los'\nfactor = 1\nthreshold = -1\nmin_lr = -1\neps = -1",
                &["monitor", "factor", "threshold", "min_lr", "eps"],
            ),
            ("warmup = { steps = 1, epochs = 1 }", &["warmup.epochs"]),
            ("warmup = {}", &["warmup"]),
        ] {
            assert_eq!(problems(text), at, "{text}");
        }
    }
}
