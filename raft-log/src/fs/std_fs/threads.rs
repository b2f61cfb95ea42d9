//! The threads that do a folder's operations: they take them one after the other, in order, and do direct writes
//! side by side.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU8;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::Reply;
use super::direct::Gathered;
use super::disk::Disk;
use crate::fs::Operation;

/// Their owner, which ends them. Jobs are bounded by who starts them: the log has as many groups under
/// way as it is told, and loads are bounded by whoever asks for them.
#[derive(Debug)]
pub(super) struct Threads {
    queue: Arc<Queue>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start(disk: Disk, most: NonZeroU8) -> io::Result<Self> {
        let disk = Arc::new(Mutex::new(disk));
        let mut threads = Self {
            queue: Arc::default(),
            handles: Vec::new(),
        };
        for _ in 0..most.get() {
            let (disk, queue) = (Arc::clone(&disk), Arc::clone(&threads.queue));
            let builder = thread::Builder::new().name(String::from("quorate-disk"));
            let handle = builder.spawn(move || serve(&disk, &queue))?;
            threads.handles.push(handle);
        }
        Ok(threads)
    }

    /// Hands an operation over. Where the threads are gone, so is the reply, and whoever waits is told.
    pub(super) fn push(&self, operation: Operation, reply: Reply) {
        let mut jobs = self.queue.jobs();
        if jobs.takes_more {
            jobs.waiting.push_back((operation, reply));
            drop(jobs);
            self.queue.changed.notify_one();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.jobs().takes_more = false;
        self.queue.changed.notify_all();
        // A completion may wake, and so drop, the last owner on one of them, which may have the disk: the others
        // end when it passes that on.
        let me = thread::current().id();
        if self.handles.iter().any(|handle| handle.thread().id() == me) {
            return;
        }
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

#[derive(Debug)]
struct Jobs {
    waiting: VecDeque<(Operation, Reply)>,
    takes_more: bool,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            takes_more: true,
        }
    }
}

impl Queue {
    /// The next one; `None` if there will be none.
    fn next(&self) -> Option<(Operation, Reply)> {
        let idle = |jobs: &mut Jobs| jobs.waiting.is_empty() && jobs.takes_more;
        let waited = self.changed.wait_while(self.jobs(), idle);
        let mut jobs = waited.unwrap_or_else(PoisonError::into_inner);
        jobs.waiting.pop_front()
    }

    /// Nobody panics with half of a change made.
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has the disk takes the next operation, so that they are taken in order.
fn serve(disk: &Mutex<Disk>, queue: &Queue) {
    let mut gathered = Gathered::default();
    loop {
        let Ok(mut turn) = disk.lock() else {
            // One that panicked has left the files in a state that nobody knows.
            let mut jobs = queue.jobs();
            jobs.takes_more = false;
            jobs.waiting.clear();
            return;
        };
        let Some((operation, reply)) = queue.next() else {
            return;
        };
        let flight = turn.start(operation, reply);
        drop(turn);
        if let Some(flight) = flight {
            flight.fly(&mut gathered);
        }
    }
}
