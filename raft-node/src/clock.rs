//! The clock a driver is given. Nothing in this crate knows the time otherwise.

use core::task::{Context, Poll};

use raft_core::time::Time;

use crate::rare::Site;

/// A monotonic clock and one timer on it.
pub trait Clock: Send {
    /// The time now. Never falls.
    fn now(&self) -> Time;

    /// Ready when `deadline` has passed; otherwise wakes the task then. Only the latest call
    /// counts: an earlier deadline asked for before is forgotten.
    fn poll_until(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether to do the rare thing at this site, this time: never, but in a simulated world. One
    /// that answers `true` must answer `false` now and then, or nothing goes on.
    fn rarely(&self, site: Site) -> bool {
        let _ = site;
        false
    }
}
