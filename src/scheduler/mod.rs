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
use serde::{Deserialize, Deserializer, Serialize};

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
use crate::setting::{self, Kind, Problems};

/// The curve of the table `scheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = setting::by_kind::<Self>)]
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

impl Kind for CurveConfig {
    const KINDS: &'static [&'static str] = &[
        "constant",
        "lambda",
        "step",
        "multi_step",
        "exponential",
        "linear",
        "polynomial",
        "cosine",
        "cosine_warm_restarts",
        "one_cycle",
        "reduce_on_plateau",
    ];
    const DEFAULT: Option<&'static str> = Some("constant");

    fn read<'de, D: Deserializer<'de>>(kind: &str, rest: D) -> std::result::Result<Self, D::Error> {
        match kind {
            "lambda" => LambdaConfig::deserialize(rest).map(Self::Lambda),
            "step" => StepConfig::deserialize(rest).map(Self::Step),
            "multi_step" => MultiStepConfig::deserialize(rest).map(Self::MultiStep),
            "exponential" => ExponentialConfig::deserialize(rest).map(Self::Exponential),
            "linear" => LinearConfig::deserialize(rest).map(Self::Linear),
            "polynomial" => PolynomialConfig::deserialize(rest).map(Self::Polynomial),
            "cosine" => CosineConfig::deserialize(rest).map(Self::Cosine),
            "cosine_warm_restarts" => {
                CosineWarmRestartsConfig::deserialize(rest).map(Self::CosineWarmRestarts)
            }
            "one_cycle" => OneCycleConfig::deserialize(rest).map(Self::OneCycle),
            "reduce_on_plateau" => ReduceOnPlateauConfig::deserialize(rest).map(Self::ReduceOnPlateau),
            _ => ConstantConfig::deserialize(rest).map(Self::Constant),
        }
    }

    fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "lambda" => setting::keys_of::<LambdaConfig>(),
            "step" => setting::keys_of::<StepConfig>(),
            "multi_step" => setting::keys_of::<MultiStepConfig>(),
            "exponential" => setting::keys_of::<ExponentialConfig>(),
            "linear" => setting::keys_of::<LinearConfig>(),
            "polynomial" => setting::keys_of::<PolynomialConfig>(),
            "cosine" => setting::keys_of::<CosineConfig>(),
            "cosine_warm_restarts" => setting::keys_of::<CosineWarmRestartsConfig>(),
            "one_cycle" => setting::keys_of::<OneCycleConfig>(),
            "reduce_on_plateau" => setting::keys_of::<ReduceOnPlateauConfig>(),
            _ => setting::keys_of::<ConstantConfig>(),
        }
    }
}

impl<'de> Deserialize<'de> for CurveConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        setting::read_kind(deserializer)
    }
}

impl CurveConfig {
    /// Writes out what follows from a curve of `epochs` epochs.
    fn resolve(&mut self, epochs: usize) {
        match self {
            Self::Cosine(config) => config.resolve(epochs),
            Self::Linear(config) => config.resolve(epochs),
            Self::Polynomial(config) => config.resolve(epochs),
            _ => {}
        }
    }

    fn check(&self, around: &Surroundings<'_>, problems: &mut Problems) {
        match self {
            Self::Constant(_) => {}
            Self::Lambda(config) => config.check(around.epochs, problems),
            Self::Step(config) => config.check(problems),
            Self::MultiStep(config) => config.check(problems),
            Self::Exponential(config) => config.check(problems),
            Self::Linear(config) => config.check(problems),
            Self::Polynomial(config) => config.check(problems),
            Self::Cosine(config) => config.check(problems),
            Self::CosineWarmRestarts(config) => config.check(problems),
            Self::OneCycle(config) => config.check(around.has_momentum, problems),
            Self::ReduceOnPlateau(config) => config.check(around.columns, problems),
        }
    }

    fn build(&self, course: &Course) -> Result<Box<dyn Scheduler>> {
        Ok(match self {
            Self::Constant(config) => Box::new(config.clone()),
            Self::Lambda(config) => config.build()?,
            Self::Step(config) => Box::new(config.clone()),
            Self::MultiStep(config) => Box::new(config.clone()),
            Self::Exponential(config) => Box::new(config.clone()),
            Self::Linear(config) => config.build(course.epochs),
            Self::Polynomial(config) => config.build(course.epochs),
            Self::Cosine(config) => config.build(course.epochs),
            Self::CosineWarmRestarts(config) => Box::new(config.clone()),
            Self::OneCycle(config) => config.build(course),
            Self::ReduceOnPlateau(config) => config.build()?,
        })
    }
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
        for kind in CurveConfig::KINDS {
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
