//! Many small files, read on all cores.

use crate::device;

/// Starting a thread takes as long as reading so many runs.
const SMALLEST_SHARE: usize = 32;
/// More threads than this only wait for the disk.
const MOST_THREADS: usize = 8;

/// What `read` makes of every item, in their order. It is given the items in stretches, each on a thread of its
/// own, so that it can keep what it learns from one item for the next.
pub(super) fn side_by_side<T: Sync, R: Send>(items: &[T], read: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    in_stretches(items, device::available_cores().min(MOST_THREADS), read)
}

fn in_stretches<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    read: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(threads.max(1)).max(SMALLEST_SHARE);
    let mut stretches = items.chunks(share);
    let Some(first) = stretches.next() else { return Vec::new() };
    let read = &read;
    std::thread::scope(|scope| {
        let others: Vec<_> = stretches
            .map(|stretch| {
                let started = std::thread::Builder::new().spawn_scoped(scope, move || read(stretch));
                (stretch, started)
            })
            .collect();
        let mut all = read(first);
        for (stretch, started) in others {
            match started.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(made)) => all.extend(made),
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // The system has no more threads to give.
                Err(_) => all.extend(read(stretch)),
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items_whatever_the_threads() {
        for count in [0, 1, SMALLEST_SHARE, SMALLEST_SHARE + 1, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            for threads in [0, 1, 2, 7, 5_000] {
                let made = in_stretches(&items, threads, |some| some.iter().map(|item| item + 1).collect());
                assert_eq!(made, (1..=count).collect::<Vec<_>>(), "{count} on {threads}");
            }
        }
    }

    #[test]
    fn few_items_are_one_stretch_and_many_are_as_many_as_threads() {
        let stretches = |count: usize, threads| {
            let items = vec![(); count];
            in_stretches(&items, threads, |some| vec![some.len()]).len()
        };
        assert_eq!(stretches(SMALLEST_SHARE, 4), 1);
        assert_eq!(stretches(100 * SMALLEST_SHARE, 4), 4);
    }
}
