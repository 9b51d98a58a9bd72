//! One step of the optimizer: at which pace, and with which limits on the gradients.

use candle_core::Tensor;

use super::gradients::Gradients;
use super::setup::Setup;
use crate::Result;
use crate::model::Model;
use crate::optimizer::{Optimizer, Pace};
use crate::scheduler::{Course, Moment, Schedule};

/// The optimizer with what it needs at every step.
pub(super) struct Stepper {
    optimizer: Box<dyn Optimizer>,
    schedule: Schedule,
    /// Gradients on their way to the optimizer.
    pub gradients: Gradients,
    /// The rates that the optimizer is set to: of the parameters in no group, then of each group.
    rates: Vec<f64>,
    /// What the schedule makes of them, and the epoch that it was asked in.
    paces: Vec<Pace>,
    paced: Option<usize>,
    taken: u64,
}

impl Stepper {
    pub fn new(setup: &Setup<'_>, model: &Model) -> Result<Self> {
        let steps = setup.train.steps(setup.data.split.train.len());
        let course = Course {
            lr: setup.optimizer.lr(),
            epochs: setup.train.epochs,
            steps: (steps as u64).saturating_mul(setup.train.epochs as u64),
        };
        let cycles_momentum = setup.scheduler.cycles_momentum();
        Ok(Self {
            optimizer: setup.optimizer.build(&model.parameters(), cycles_momentum)?,
            schedule: setup.scheduler.build(&course)?,
            gradients: Gradients::new(setup.train),
            rates: setup.optimizer.rates(),
            paces: Vec::new(),
            paced: None,
            taken: 0,
        })
    }

    /// Moves the weights along their gradients. `epoch` counts from 0, `history` are the monitored values of the epochs
    /// before. Gives the norm of the gradient before any limit, if it is wanted.
    pub fn step(
        &mut self,
        model: &mut Model,
        (epoch, history): (usize, &[f64]),
        want_norm: bool,
    ) -> Result<Option<f64>> {
        if self.paced != Some(epoch) || !self.schedule.is_steady(self.taken) {
            let at = Moment { epoch, step: self.taken, history };
            let momentum = self.schedule.momentum(&at);
            let pace = |lr: &f64| Pace { rate: self.schedule.rate(*lr, &at), momentum };
            self.paces.clear();
            self.paces.extend(self.rates.iter().map(pace));
            self.paced = Some(epoch);
        }
        let mut weights = model.weights_mut();
        let norms = self.gradients.clip(&mut weights, want_norm)?;
        self.optimizer.step(&mut weights, &self.paces)?;
        self.taken += 1;
        Ok(norms.and_then(|norms| norms.first().copied()))
    }

    /// Steps taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The rate of the last step of the parameters in no group; NaN before the first.
    pub fn lr(&self) -> f64 {
        self.paces.first().map_or(f64::NAN, |pace| pace.rate)
    }

    /// The optimizer, whose state is saved.
    pub fn optimizer(&self) -> &dyn Optimizer {
        &*self.optimizer
    }

    /// Goes on behind `taken` steps with the state that the optimizer then had.
    pub fn restore(&mut self, state: &[(String, Tensor)], taken: u64) -> Result<()> {
        self.optimizer.load_state(state)?;
        self.taken = taken;
        Ok(())
    }
}
