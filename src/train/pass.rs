//! The passes of one epoch over the training part.

use std::ops::ControlFlow;

use super::evaluate::Tally;
use super::event::{Event, Observer, StepRow};
use super::gradients::Place;
use super::trainer::Trainer;
use crate::Result;
use crate::data::augment::Draw;
use crate::model::Pass;
use crate::rng::{Purpose, Stream};

impl Trainer<'_> {
    /// The optimizer's steps of an epoch, from 1; what the observer answered to them.
    pub(super) fn pass(
        &mut self,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<(Tally, ControlFlow<()>)> {
        let train = self.setup.train;
        let order = self.order(epoch);
        let history = self.monitored();
        let mut batches = (train.batches(self.setup.data.split.train.len()) as u64) * (epoch as u64 - 1);
        let draw = Draw { seed: self.setup.seed, epoch: epoch as u32 };
        let mut tally = Tally::new(self.setup.metrics);
        let mut flow = ControlFlow::Continue(());
        for rows in order.chunks(train.batch_size.saturating_mul(train.accumulate)) {
            let loss = self.learn(rows, draw, &mut batches, &mut tally)?;
            if self.stepper.taken() == 0 {
                self.model.assert_gradients()?;
            }
            let step = self.stepper.taken() + 1;
            let is_logged = train.log_every.is_some_and(|every| step.is_multiple_of(every));
            let norm = self.stepper.step(&mut self.model, (epoch - 1, &history), is_logged)?;
            if let Some(gradient_norm) = norm {
                let row = StepRow { step, lr: self.stepper.lr(), loss, gradient_norm };
                if observer.on(&Event::StepTaken { row: &row })?.is_break() {
                    flow = ControlFlow::Break(());
                }
            }
        }
        Ok((tally, flow))
    }

    /// Leaves the gradient of the mean loss over `rows` with the model, taken batch by batch; gives that mean, which is
    /// no finite number where no row weighs anything.
    ///
    /// `batches` counts them through the whole training: random masks depend on it.
    pub(super) fn learn(
        &mut self,
        rows: &[u32],
        draw: Draw,
        batches: &mut u64,
        tally: &mut Tally,
    ) -> Result<f64> {
        let parts = rows.chunks(self.setup.train.batch_size);
        let count = parts.len();
        let (mut sum, mut weight) = (0.0, 0.0);
        for (index, batch_rows) in parts.enumerate() {
            let batch = self.setup.data.gather_to_train(batch_rows, draw, self.setup.device)?;
            let seeds = [self.setup.seed];
            let pass = Pass::training(&seeds, *batches).with_lengths(batch.inputs.lengths.as_deref());
            let outputs = self.model.forward(&batch.inputs.values, &pass)?;
            let value = self.loss.evaluate(&outputs, &batch.targets, true)?;
            sum += value.sums.iter().sum::<f64>();
            weight += value.weights.iter().sum::<f64>();
            let place = Place { is_first: index == 0, whole: (index + 1 == count).then_some(weight) };
            self.stepper.gradients.backward(&mut self.model, &value, place)?;
            tally.add(self.loss, &value, &outputs, &batch.targets)?;
            *batches += 1;
        }
        Ok(sum / weight)
    }

    /// The rows of an epoch, from 1, in the order of their batches.
    pub(super) fn order(&self, epoch: usize) -> Vec<u32> {
        let rows = &self.setup.data.split.train.rows;
        let mut order: Vec<u32> = if self.setup.train.shuffle {
            let stream = Stream::new(self.setup.seed, Purpose::Shuffle, epoch as u32, 0);
            stream.permutation(rows.len()).into_iter().map(|position| rows[position as usize]).collect()
        } else {
            rows.clone()
        };
        if self.setup.train.drop_last {
            order.truncate(self.setup.train.batches(order.len()) * self.setup.train.batch_size);
        }
        order
    }

    /// The values of the column that the schedule follows; none where it follows none.
    fn monitored(&self) -> Vec<f64> {
        let Some(column) = self.setup.scheduler.monitor() else { return Vec::new() };
        self.progress.rows().iter().map(|row| row.value(column).unwrap_or(f64::NAN)).collect()
    }
}
