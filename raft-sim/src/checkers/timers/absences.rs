//! How often a leader was away for so long that its followers may have given it up.
//!
//! A leader looks at its clock in nearly every step, so that a long time between two steps is one
//! between two looks, give or take a heartbeat. What it may be excused with is counted generously,
//! what it may be blamed for strictly.

use std::time::Duration;

use raft_core::time::Time;

use super::Pace;

/// What one leader has missed in its term.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absences {
    since: Time,
    perhaps: u32,
    surely: u32,
}

impl Absences {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            since: now,
            perhaps: 0,
            surely: 0,
        }
    }

    /// The node makes a step, so long after the one before.
    pub(super) fn step(&mut self, now: Time, stop: Duration, pace: Pace) {
        let timeout = pace.election_timeout;
        let present = now.since(self.since).saturating_sub(stop);
        if present >= timeout * 5 {
            self.perhaps = 0;
        }
        if present >= timeout * 3 {
            self.surely = 0;
        }
        if stop + pace.heartbeat_interval * 2 >= timeout {
            self.perhaps += 1;
            self.since = now;
        }
        if stop >= timeout {
            self.surely += 1;
        }
    }

    /// It was the only one that counts: none of them is to be blamed for.
    pub(super) const fn missed_nobody(&mut self) {
        self.surely = 0;
    }

    /// Whether it may give up because of them.
    pub(super) const fn excuse(self) -> bool {
        self.perhaps >= 3
    }

    /// Whether it must have given up because of them.
    pub(super) const fn are_too_many(self) -> bool {
        self.surely >= 5
    }
}
