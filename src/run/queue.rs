//! Which task a free slot takes next. Pure: time is a parameter, nothing is waited for here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::task::Task;

/// How long a run of another process is left in peace before it is looked at again.
const PATIENCE: Duration = Duration::from_millis(200);

/// A task and what has become of it so far.
#[derive(Debug)]
pub(super) struct Queued {
    /// Its place in the request.
    pub position: usize,
    pub task: Task,
    /// How often this request has tried it.
    pub attempts: u32,
    /// Whether it is tried with nothing beside it.
    pub alone: bool,
}

/// What a free slot is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// This one.
    Take(Box<Queued>),
    /// Ask again: what is in flight, or another process, decides what there will be.
    Later,
    /// There will be nothing more.
    Nothing,
}

/// The tasks that are not done.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Queued>,
    /// Those that want the machine for themselves.
    alone: VecDeque<Queued>,
    /// Those that another process trains, and when to look again.
    held: VecDeque<(Instant, Queued)>,
    in_flight: usize,
    is_alone: bool,
    is_closed: bool,
}

impl Queue {
    /// The longest first, so that no long one is left to the end; otherwise in their order.
    pub fn new(tasks: Vec<Task>) -> Self {
        let queued = |(position, task): (usize, Task)| Queued { position, task, attempts: 0, alone: false };
        let mut ready: Vec<Queued> = tasks.into_iter().enumerate().map(queued).collect();
        ready.sort_by(|a, b| b.task.cost.total_cmp(&a.task.cost));
        Self { ready: ready.into(), ..Self::default() }
    }

    pub fn next(&mut self, now: Instant) -> Next {
        if self.is_closed {
            return Next::Nothing;
        }
        if self.is_alone {
            return Next::Later;
        }
        let free = self.ready.pop_front().or_else(|| {
            let is_due = self.held.front().is_some_and(|(due, _)| *due <= now);
            is_due.then(|| self.held.pop_front()).flatten().map(|(_, queued)| queued)
        });
        let next = free.or_else(|| if self.in_flight == 0 { self.alone.pop_front() } else { None });
        match next {
            Some(queued) => {
                self.in_flight += 1;
                self.is_alone = queued.alone;
                Next::Take(Box::new(queued))
            }
            None if self.in_flight > 0 || !self.held.is_empty() => Next::Later,
            None => Next::Nothing,
        }
    }

    /// A task that was taken needs no more; gives back whether nothing else was in flight with it.
    pub fn done(&mut self) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.is_alone = false;
        self.in_flight == 0
    }

    /// A task that was taken is tried again.
    pub fn again(&mut self, mut queued: Queued, alone: bool) {
        self.done();
        queued.alone |= alone;
        if queued.alone { &mut self.alone } else { &mut self.ready }.push_back(queued);
    }

    /// A task that was taken is trained by another process: it is looked at again.
    pub fn wait(&mut self, queued: Queued, now: Instant) {
        self.done();
        self.held.push_back((now + PATIENCE, queued));
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Nothing more is handed out.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// How many runs other processes train, if there is nothing else to do than to wait for them.
    pub fn only_held(&self) -> Option<usize> {
        let is_idle = self.ready.is_empty() && self.alone.is_empty() && self.in_flight == 0;
        (is_idle && !self.held.is_empty()).then_some(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::task::tests::task;

    fn queue(costs: &[f64]) -> Queue {
        Queue::new(costs.iter().map(|cost| Task { cost: *cost, ..task() }).collect())
    }

    fn take(queue: &mut Queue, now: Instant) -> Queued {
        match queue.next(now) {
            Next::Take(queued) => *queued,
            other => panic!("expected a task, got {other:?}"),
        }
    }

    #[test]
    fn the_longest_goes_first_and_equal_ones_keep_their_order() {
        let (mut queue, now) = (queue(&[1.0, 5.0, 1.0, 9.0]), Instant::now());
        let order: Vec<usize> = (0..4).map(|_| take(&mut queue, now).position).collect();
        assert_eq!(order, [3, 1, 0, 2]);
        assert!(matches!(queue.next(now), Next::Later), "one of them may come back");
        for _ in 0..4 {
            queue.done();
        }
        assert!(matches!(queue.next(now), Next::Nothing));
    }

    #[test]
    fn one_that_wants_the_machine_for_itself_waits_and_has_it() {
        let (mut queue, now) = (queue(&[0.0; 3]), Instant::now());
        let first = take(&mut queue, now);
        let second = take(&mut queue, now);
        queue.again(first, true);
        let third = take(&mut queue, now);
        assert_eq!((second.position, third.position), (1, 2));
        queue.done();
        assert!(matches!(queue.next(now), Next::Later), "the third is still in flight");
        queue.done();
        let alone = take(&mut queue, now);
        assert_eq!((alone.position, alone.alone), (0, true));
        queue.again(second, false);
        queue.in_flight += 1;
        queue.is_alone = true;
        assert!(matches!(queue.next(now), Next::Later), "nothing is begun beside it");
        assert!(queue.done());
        assert_eq!(take(&mut queue, now).position, 1);
    }

    #[test]
    fn what_others_train_is_looked_at_again_later() {
        let (mut queue, now) = (queue(&[0.0]), Instant::now());
        let first = take(&mut queue, now);
        assert_eq!(queue.only_held(), None);
        queue.wait(first, now);
        assert_eq!(queue.only_held(), Some(1));
        assert!(matches!(queue.next(now), Next::Later));
        assert_eq!(take(&mut queue, now + PATIENCE).position, 0);
        queue.done();
        assert!(matches!(queue.next(now), Next::Nothing));
    }

    #[test]
    fn a_closed_queue_hands_out_nothing() {
        let (mut queue, now) = (queue(&[0.0; 2]), Instant::now());
        take(&mut queue, now);
        queue.close();
        assert!(matches!(queue.next(now), Next::Nothing));
    }
}
