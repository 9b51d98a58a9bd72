//! Which task a free slot takes next. Pure: time is a parameter, nothing is waited for here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::task::Task;
use crate::device::DeviceConfig;

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
    memory: Vec<Memory>,
}

/// What a device can take.
#[derive(Debug, Clone, Copy)]
struct Memory {
    device: DeviceConfig,
    /// What was free when nothing was in flight.
    capacity: u64,
    /// What those in flight may take, whether they have it already or not.
    promised: u64,
}

impl Queue {
    /// The longest first, so that no long one is left to the end; otherwise in their order. `free` is the memory of each
    /// device, as far as it is known.
    pub fn new(tasks: Vec<Task>, free: Vec<(DeviceConfig, u64)>) -> Self {
        let queued = |(position, task): (usize, Task)| Queued { position, task, attempts: 0, alone: false };
        let mut ready: Vec<Queued> = tasks.into_iter().enumerate().map(queued).collect();
        ready.sort_by(|a, b| b.task.cost.total_cmp(&a.task.cost));
        let memory = free.into_iter().map(|(device, capacity)| Memory { device, capacity, promised: 0 });
        Self { ready: ready.into(), memory: memory.collect(), ..Self::default() }
    }

    /// What a free slot on `device` takes. What does not fit beside those in flight waits for them; what fits nowhere is
    /// handed out when nothing is in flight, and then refused with the numbers.
    pub fn next(&mut self, device: DeviceConfig, now: Instant) -> Next {
        if self.is_closed {
            return Next::Nothing;
        }
        if self.is_alone {
            return Next::Later;
        }
        let fitting = self.ready.iter().position(|queued| self.has_room(device, queued.task.bytes));
        let free = fitting.and_then(|index| self.ready.remove(index)).or_else(|| {
            let is_due = self.held.front().is_some_and(|(due, _)| *due <= now);
            is_due.then(|| self.held.pop_front()).flatten().map(|(_, queued)| queued)
        });
        let next = free.or_else(|| if self.in_flight == 0 { self.alone.pop_front() } else { None });
        match next {
            Some(queued) => {
                self.in_flight += 1;
                self.promise(device, queued.task.bytes);
                self.is_alone = queued.alone;
                Next::Take(Box::new(queued))
            }
            None if self.in_flight > 0 || !self.held.is_empty() => Next::Later,
            None => Next::Nothing,
        }
    }

    /// Whether a run may be begun beside those in flight.
    fn has_room(&self, device: DeviceConfig, bytes: u64) -> bool {
        let memory = self.memory.iter().find(|memory| memory.device == device);
        let fits = memory.is_none_or(|memory| memory.promised.saturating_add(bytes) <= memory.capacity);
        self.in_flight == 0 || fits
    }

    fn promise(&mut self, device: DeviceConfig, bytes: u64) {
        if let Some(memory) = self.memory.iter_mut().find(|memory| memory.device == device) {
            memory.promised = memory.promised.saturating_add(bytes);
        }
    }

    /// A task that was taken on `device` is no longer in flight.
    pub fn done(&mut self, device: DeviceConfig, queued: &Queued) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.is_alone = false;
        if let Some(memory) = self.memory.iter_mut().find(|memory| memory.device == device) {
            memory.promised = memory.promised.saturating_sub(queued.task.bytes);
        }
    }

    /// A task is tried again.
    pub fn again(&mut self, mut queued: Queued, alone: bool) {
        queued.alone |= alone;
        if queued.alone { &mut self.alone } else { &mut self.ready }.push_back(queued);
    }

    /// A task is trained by another process: it is looked at again.
    pub fn wait(&mut self, queued: Queued, now: Instant) {
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

    const CPU: DeviceConfig = DeviceConfig::Cpu;

    fn queue(costs: &[f64]) -> Queue {
        Queue::new(costs.iter().map(|cost| Task { cost: *cost, ..task() }).collect(), Vec::new())
    }

    fn take(queue: &mut Queue, now: Instant) -> Queued {
        match queue.next(CPU, now) {
            Next::Take(queued) => *queued,
            other => panic!("expected a task, got {other:?}"),
        }
    }

    #[test]
    fn the_longest_goes_first_and_equal_ones_keep_their_order() {
        let (mut queue, now) = (queue(&[1.0, 5.0, 1.0, 9.0]), Instant::now());
        let taken: Vec<Queued> = (0..4).map(|_| take(&mut queue, now)).collect();
        assert_eq!(taken.iter().map(|queued| queued.position).collect::<Vec<_>>(), [3, 1, 0, 2]);
        assert!(matches!(queue.next(CPU, now), Next::Later), "one of them may come back");
        for queued in &taken {
            queue.done(CPU, queued);
        }
        assert!(matches!(queue.next(CPU, now), Next::Nothing));
    }

    #[test]
    fn one_that_wants_the_machine_for_itself_waits_and_has_it() {
        let (mut queue, now) = (queue(&[0.0; 3]), Instant::now());
        let (first, second) = (take(&mut queue, now), take(&mut queue, now));
        queue.done(CPU, &first);
        queue.again(first, true);
        let third = take(&mut queue, now);
        assert_eq!((second.position, third.position), (1, 2));
        queue.done(CPU, &second);
        assert!(matches!(queue.next(CPU, now), Next::Later), "the third is still in flight");
        queue.done(CPU, &third);
        let alone = take(&mut queue, now);
        assert_eq!((alone.position, alone.alone), (0, true));
        queue.again(second, false);
        assert!(matches!(queue.next(CPU, now), Next::Later), "nothing is begun beside it");
        queue.done(CPU, &alone);
        assert_eq!(take(&mut queue, now).position, 1);
    }

    #[test]
    fn what_others_train_is_looked_at_again_later() {
        let (mut queue, now) = (queue(&[0.0]), Instant::now());
        let first = take(&mut queue, now);
        assert_eq!(queue.only_held(), None);
        queue.done(CPU, &first);
        queue.wait(first, now);
        assert_eq!(queue.only_held(), Some(1));
        assert!(matches!(queue.next(CPU, now), Next::Later));
        let again = take(&mut queue, now + PATIENCE);
        queue.done(CPU, &again);
        assert!(matches!(queue.next(CPU, now), Next::Nothing));
    }

    #[test]
    fn a_closed_queue_hands_out_nothing() {
        let (mut queue, now) = (queue(&[0.0; 2]), Instant::now());
        take(&mut queue, now);
        queue.close();
        assert!(queue.is_closed() && matches!(queue.next(CPU, now), Next::Nothing));
    }

    #[test]
    fn runs_share_the_memory_and_the_largest_is_tried_by_itself() {
        let gpu = DeviceConfig::Cuda(0);
        let tasks = [6, 5, 4, 90].map(|bytes| Task { bytes, ..task() }).to_vec();
        let (mut queue, now) = (Queue::new(tasks, vec![(CPU, 10), (gpu, 100)]), Instant::now());
        let (first, third) = (take(&mut queue, now), take(&mut queue, now));
        assert_eq!((first.position, third.position), (0, 2), "5 do not fit beside 6, 4 do");
        assert!(matches!(queue.next(CPU, now), Next::Later));
        let Next::Take(second) = queue.next(gpu, now) else { panic!("the other device has room") };
        queue.done(gpu, &second);
        queue.done(CPU, &first);
        assert!(matches!(queue.next(CPU, now), Next::Later), "90 fit nowhere");
        queue.done(CPU, &third);
        assert_eq!(take(&mut queue, now).position, 3, "it is refused where it is tried, with the numbers");
    }
}
