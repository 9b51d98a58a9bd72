//! Whether the runs are to end behind their epoch: a signal, a limit on the time, or a failure that ends all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::interrupt::Interrupt;

/// What asks runs to end behind the epoch in progress. Clones ask together.
#[derive(Debug, Clone, Default)]
pub struct Halt {
    interrupt: Interrupt,
    deadline: Option<Instant>,
    asked: Arc<AtomicBool>,
}

impl Halt {
    /// Asks when a signal has come, or so long after now.
    pub fn new(interrupt: Interrupt, limit: Option<Duration>) -> Self {
        // A limit beyond what a clock can tell is none.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Self { interrupt, deadline, asked: Arc::default() }
    }

    /// Asks from now on.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether runs are to end.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.interrupt.asked() || self.is_late()
    }

    /// Whether the time is up.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_and_a_call_end_the_runs() {
        assert!(!Halt::default().asked());
        assert!(!Halt::new(Interrupt::default(), Some(Duration::from_hours(1))).asked());
        assert!(!Halt::new(Interrupt::default(), Some(Duration::MAX)).asked());
        let late = Halt::new(Interrupt::default(), Some(Duration::ZERO));
        assert!(late.asked() && late.is_late());
        let halt = Halt::default();
        halt.clone().ask();
        assert!(halt.asked() && !halt.is_late());
    }
}
