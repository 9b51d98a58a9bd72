//! `runner run`: expand, train what is not done, compare.

use super::overrides;
use super::request::{Request, carry_out};
use crate::Result;
use crate::cli::RunArgs;
use crate::config::Experiment;
use crate::run::Selection;
use crate::store::{RunsDir, layout};

/// A run's own `config.toml` stands for itself, and leaves the experiment's file as it is.
pub fn execute(args: &RunArgs) -> Result<u8> {
    let overrides = overrides(&args.training.set, &args.grid)?;
    let mut experiments = Vec::new();
    for file in &args.files {
        let experiment = Experiment::load(file, &overrides)?;
        let is_run = file.with_file_name(layout::RECORD).is_file();
        let text = if is_run { None } else { Some(experiment.render()?) };
        experiments.push((experiment, text));
    }
    carry_out(&Request {
        experiments,
        runs: RunsDir::new(&args.runs.runs),
        selection: Selection::from(&args.selection),
        device: &args.training.device,
        slots: args.slots,
        execution: args.execution,
        force: args.force,
        fail_fast: args.ending.fail_fast,
        on_end: args.ending.on_end.as_deref(),
        verbosity: args.verbosity,
    })
}
