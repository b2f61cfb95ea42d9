//! The clock a driver is given. Nothing in this crate knows the time otherwise.

use core::task::{Context, Poll};

use raft_core::time::Time;

/// A monotonic clock and one timer on it.
pub trait Clock: Send {
    /// The time now. Never falls.
    fn now(&self) -> Time;

    /// Ready when `deadline` has passed; otherwise wakes the task then. Only the latest call
    /// counts: an earlier deadline asked for before is forgotten.
    fn poll_until(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<()>;
}
