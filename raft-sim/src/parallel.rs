//! Many worlds on all cores, heard of in the order of their seeds: what comes out does not depend
//! on how many work.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Runs `work` for each seed on as many threads as `jobs` (as there are cores, if `None`), and
/// gives the results to `take`, on this thread and in the order of the seeds. After a `Break` no
/// result is given any more, and no further seed is begun.
pub fn in_order<T: Send>(
    seeds: Range<u64>,
    jobs: Option<NonZeroUsize>,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(u64, T) -> ControlFlow<()>,
) {
    let jobs = jobs
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let desk = Desk::new(seeds, jobs as u64 * AHEAD);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                // Whoever waits for a worker that panicked is let go.
                let _leaving = Leaving(&desk);
                while let Some(seed) = desk.next_seed() {
                    desk.put(seed, work(seed));
                }
            });
        }
        // The same when `take` panics.
        let _leaving = Leaving(&desk);
        while let Some((seed, result)) = desk.next_result() {
            if take(seed, result).is_break() {
                return;
            }
        }
    });
}

/// Where seeds are handed out and results are laid down.
struct Desk<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// No seed is begun that is so far beyond the first one nobody has heard of.
    ahead: u64,
}

struct State<T> {
    /// What is not handed out yet.
    seeds: Range<u64>,
    /// The next one to hear of.
    next: u64,
    end: u64,
    results: BTreeMap<u64, T>,
    over: bool,
}

impl<T> Desk<T> {
    const fn new(seeds: Range<u64>, ahead: u64) -> Self {
        Self {
            ahead,
            changed: Condvar::new(),
            state: Mutex::new(State {
                next: seeds.start,
                end: seeds.end,
                seeds,
                results: BTreeMap::new(),
                over: false,
            }),
        }
    }

    /// A seed to work on; waits while there are too many results that nobody has heard of.
    fn next_seed(&self) -> Option<u64> {
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            let first = state.next;
            match state.seeds.start {
                seed if seed >= state.seeds.end => return None,
                seed if seed - first < self.ahead => return state.seeds.next(),
                _ => state = self.wait(state),
            }
        }
    }

    fn put(&self, seed: u64, result: T) {
        self.state().results.insert(seed, result);
        self.changed.notify_all();
    }

    /// The next result in the order of seeds; waits for it.
    fn next_result(&self) -> Option<(u64, T)> {
        let mut state = self.state();
        loop {
            if state.over || state.next >= state.end {
                return None;
            }
            let seed = state.next;
            if let Some(result) = state.results.remove(&seed) {
                state.next += 1;
                self.changed.notify_all();
                return Some((seed, result));
            }
            state = self.wait(state);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the work when it leaves early: a worker that panicked will never deliver.
struct Leaving<'a, T>(&'a Desk<T>);

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let done = state.next >= state.end || state.seeds.is_empty();
        if thread::panicking() || !done {
            state.over = true;
        }
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Seeds that each worker may be ahead of the slowest.
const AHEAD: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(count: usize) -> Option<NonZeroUsize> {
        NonZeroUsize::new(count)
    }

    #[test]
    fn results_come_in_order_however_many_work() {
        for count in [1, 2, 7] {
            let mut heard = Vec::new();
            in_order(
                3..1_000,
                jobs(count),
                |seed| seed * 2,
                |seed, result| {
                    heard.push((seed, result));
                    ControlFlow::Continue(())
                },
            );
            let all: Vec<_> = (3..1_000).map(|seed| (seed, seed * 2)).collect();
            assert_eq!(heard, all);
        }
    }

    #[test]
    fn nothing_is_heard_after_a_break() {
        for count in [1, 4] {
            let mut heard = Vec::new();
            in_order(
                0..500,
                jobs(count),
                |seed| seed,
                |seed, _| {
                    heard.push(seed);
                    match seed {
                        20 => ControlFlow::Break(()),
                        _ => ControlFlow::Continue(()),
                    }
                },
            );
            assert_eq!(heard, (0..=20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_in_the_work_ends_it_all() {
        let told = std::panic::catch_unwind(|| {
            let fail = |seed| assert_ne!(seed, 5, "five is not liked");
            in_order(0..5_000, jobs(3), fail, |_, ()| ControlFlow::Continue(()));
        });
        assert!(told.is_err());
    }
}
