//! Requests to the driver that are few: they wait here for its next turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where requests of one kind wait, until the node stops.
///
/// - `any` is set as long as something waits: the driver looks every turn, and mostly finds nothing.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    any: AtomicBool,
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    asked: Vec<T>,
    closed: bool,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                asked: Vec::new(),
                closed: false,
            }),
        }
    }
}

impl<T> Waiting<T> {
    /// Queues a request, which is dropped when the node has stopped.
    ///
    /// # Errors
    ///
    /// The request, when [`MAX_WAITING`] wait already.
    pub(crate) fn push(&self, asked: T) -> Result<(), T> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.asked.len() >= MAX_WAITING {
            return Err(asked);
        }
        if !queue.closed {
            queue.asked.push(asked);
            self.any.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// All that wait.
    pub(crate) fn take(&self) -> Vec<T> {
        // Whoever asks wakes the driver afterwards: what this misses comes with the next turn.
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        core::mem::take(&mut queue.asked)
    }

    /// Takes no more requests, and drops those queued.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.closed = true;
        queue.asked.clear();
    }
}

/// Requests of one kind that may wait for the driver's next turn.
pub(crate) const MAX_WAITING: usize = 64;
