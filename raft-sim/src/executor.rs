//! The executor: one thread, one queue, no chance.
//!
//! A task is a number. Waking puts it into the queue once; the world takes the numbers out in
//! that order and polls what they stand for. So a world runs the same way every time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Who can be polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TaskId {
    /// A node's process, by the node's number.
    Node(usize),
    /// A client, by its number.
    Client(usize),
}

/// The tasks that were woken and not yet polled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ready(Arc<Mutex<VecDeque<Arc<Task>>>>);

impl Ready {
    /// The next task to poll.
    pub(crate) fn next(&self) -> Option<TaskId> {
        let task = self.queue().pop_front()?;
        // From here on a wake counts anew: what it tells may come after what this poll sees.
        task.queued.store(false, Ordering::Relaxed);
        Some(task.id)
    }

    /// Forgets all: the world has ended. What is queued would keep the queue alive otherwise.
    pub(crate) fn clear(&self) {
        self.queue().clear();
    }

    /// A waker for a task.
    pub(crate) fn waker(&self, id: TaskId) -> Waker {
        Waker::from(Arc::new(Task {
            id,
            queued: AtomicBool::new(false),
            ready: self.clone(),
        }))
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Task {
    id: TaskId,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let ready = self.ready.clone();
            ready.queue().push_back(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_once_in_the_order_they_were_woken() {
        let ready = Ready::default();
        let (first, second) = (ready.waker(TaskId::Node(0)), ready.waker(TaskId::Client(4)));
        second.wake_by_ref();
        first.wake_by_ref();
        second.wake_by_ref();
        assert_eq!(ready.next(), Some(TaskId::Client(4)));
        second.wake_by_ref();
        assert_eq!(ready.next(), Some(TaskId::Node(0)));
        assert_eq!(ready.next(), Some(TaskId::Client(4)));
        assert_eq!(ready.next(), None);
    }
}
