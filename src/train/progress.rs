//! What the history of a training says: which epoch is the best, and whether patience has run out.
//!
//! Both are functions of the rows alone, so a resume replays the rows and saves nothing of them.

use super::config::TrainConfig;
use super::event::Row;
use crate::metric::Direction;
use crate::{Error, Result};

/// Follows the rows of a training.
#[derive(Debug, Clone)]
pub struct Progress {
    monitor: Watch,
    stopping: Option<(Watch, usize)>,
    waited: usize,
    rows: Vec<Row>,
    best: Option<usize>,
}

/// A column and the best value that it has had.
#[derive(Debug, Clone)]
struct Watch {
    column: String,
    direction: Direction,
    min_delta: f64,
    best: Option<f64>,
}

impl Watch {
    fn new(column: Option<&str>, min_delta: f64) -> Result<Self> {
        let column = column.unwrap_or("valid_loss").to_owned();
        let direction = crate::metric::direction_of(&column)
            .ok_or_else(|| Error::Request(format!("there is no metric \"{column}\" to monitor")))?;
        Ok(Self { column, direction, min_delta, best: None })
    }

    /// Whether `row` is better than all before it.
    fn improves(&mut self, row: &Row) -> bool {
        let value = row.value(&self.column).unwrap_or(f64::NAN);
        let better = match self.best {
            None => !value.is_nan(),
            Some(best) => self.direction.is_better(value, best, self.min_delta),
        };
        if better {
            self.best = Some(value);
        }
        better
    }
}

impl Progress {
    /// Nothing has been trained yet.
    pub fn new(config: &TrainConfig) -> Result<Self> {
        let stopping = match &config.early_stopping {
            Some(stopping) => {
                let column = stopping.monitor.as_deref().or(config.monitor.as_deref());
                Some((Watch::new(column, stopping.min_delta)?, stopping.patience))
            }
            None => None,
        };
        let monitor = Watch::new(config.monitor.as_deref(), 0.0)?;
        Ok(Self { monitor, stopping, waited: 0, rows: Vec::new(), best: None })
    }

    /// Takes note of an epoch; whether its weights are the best so far. Those that diverged are never.
    ///
    /// As long as the monitored column was never a number (r² of one sample is none) the first epoch is the best: a
    /// training that completes has weights to predict with.
    pub fn push(&mut self, row: Row, diverged: bool) -> bool {
        let best = !diverged && (self.monitor.improves(&row) || self.best.is_none());
        if best {
            self.best = Some(self.rows.len());
        }
        if let Some((watch, _)) = &mut self.stopping {
            self.waited = if watch.improves(&row) { 0 } else { self.waited + 1 };
        }
        self.rows.push(row);
        best
    }

    /// Whether early stopping ends the training here.
    pub fn out_of_patience(&self) -> bool {
        self.stopping.as_ref().is_some_and(|(_, patience)| self.waited >= *patience)
    }

    /// The rows so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of the best epoch; on a tie the earliest.
    pub fn best(&self) -> Option<&Row> {
        self.best.and_then(|index| self.rows.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::EarlyStoppingConfig;

    fn progress(losses: &[f64], patience: usize, min_delta: f64) -> Progress {
        let stopping = EarlyStoppingConfig { monitor: None, patience, min_delta };
        let config = TrainConfig {
            monitor: Some("valid_loss".into()),
            early_stopping: Some(stopping),
            ..TrainConfig::default()
        };
        let mut progress = Progress::new(&config).unwrap();
        for (index, loss) in losses.iter().enumerate() {
            let values = vec![("valid_loss".to_owned(), *loss)];
            progress.push(Row { epoch: index + 1, step: 0, lr: 0.1, values }, false);
        }
        progress
    }

    #[test]
    fn the_earliest_of_equal_epochs_is_best() {
        assert_eq!(progress(&[3.0, 1.0, 2.0, 1.0], 9, 0.0).best().unwrap().epoch, 2);
        assert_eq!(progress(&[f64::NAN, 4.0], 9, 0.0).best().unwrap().epoch, 2);
    }

    #[test]
    fn what_is_never_a_number_leaves_the_first_epoch_the_best_one() {
        assert_eq!(progress(&[f64::NAN, f64::NAN], 9, 0.0).best().unwrap().epoch, 1);
        assert_eq!(progress(&[f64::NAN, 4.0, 5.0], 9, 0.0).best().unwrap().epoch, 2);
        let mut diverged = progress(&[], 9, 0.0);
        assert!(!diverged.push(Row { epoch: 1, step: 0, lr: 0.1, values: Vec::new() }, true));
        assert!(diverged.best().is_none());
    }

    #[test]
    fn patience_counts_epochs_in_a_row_without_an_improvement() {
        assert!(!progress(&[3.0, 3.1, 2.9, 3.0], 2, 0.0).out_of_patience());
        assert!(progress(&[3.0, 3.1, 2.9, 3.0, 2.95], 2, 0.0).out_of_patience());
        // 2.9 is no improvement beyond 0.2, so the wait goes on; the best weights are still those of 2.9.
        let small_steps = progress(&[3.0, 2.9, 2.85], 2, 0.2);
        assert!(small_steps.out_of_patience());
        assert_eq!(small_steps.best().unwrap().epoch, 3);
        assert!(progress(&[f64::NAN, f64::NAN], 2, 0.0).out_of_patience());
    }
}
