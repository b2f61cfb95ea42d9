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
    perhaps: Times,
    surely: Times,
}

/// How often it was away since it was last there for long.
#[derive(Clone, Copy, Debug)]
struct Times {
    count: u32,
    /// The end of the last time, or when this began.
    last: Time,
}

impl Absences {
    pub(super) const fn new(now: Time) -> Self {
        let never = Times {
            count: 0,
            last: now,
        };
        Self {
            perhaps: never,
            surely: never,
        }
    }

    /// The node makes a step, so long after the one before.
    pub(super) fn step(&mut self, now: Time, stop: Duration, pace: Pace) {
        let timeout = pace.election_timeout;
        let perhaps = stop + pace.heartbeat_interval * 2 >= timeout;
        self.perhaps.step(now, stop, (perhaps, timeout * 5));
        // What may have been an absence makes none before it last longer: the leader need not think so.
        self.surely.step(now, stop, (stop >= timeout, timeout * 3));
    }

    /// It was the only one that counts: none of them is to be blamed for, and none an excuse.
    pub(super) const fn missed_nobody(&mut self) {
        (self.perhaps.count, self.surely.count) = (0, 0);
    }

    /// Whether it may give up because of them.
    pub(super) const fn excuse(self) -> bool {
        self.perhaps.count >= 3
    }

    /// Whether it must have given up because of them.
    pub(super) const fn are_too_many(self) -> bool {
        self.surely.count >= 5
    }
}

impl Times {
    /// One step, so long after the one before: whether it ends an absence, and how long a leader is there
    /// until those before are forgotten.
    fn step(&mut self, now: Time, stop: Duration, (away, forgotten_after): (bool, Duration)) {
        if now.since(self.last).saturating_sub(stop) >= forgotten_after {
            self.count = 0;
        }
        if away {
            self.count += 1;
            self.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        election_timeout: Duration::from_millis(1_000),
        heartbeat_interval: Duration::from_millis(330),
        stalled_write_after: Duration::from_secs(9),
        check_quorum: true,
    };

    /// After steps that are so many milliseconds apart.
    fn after(gaps: impl IntoIterator<Item = u64>) -> Absences {
        let mut now = Time::from_millis(5_000);
        let mut absences = Absences::new(now);
        for gap in gaps {
            let gap = Duration::from_millis(gap);
            now = now.after(gap);
            absences.step(now, gap, PACE);
        }
        absences
    }

    #[test]
    fn five_absences_without_presence_between_them_are_too_many() {
        assert!(after([1_000, 300, 1_000, 300, 1_000, 300, 1_000, 300, 1_000]).are_too_many());
        assert!(!after([1_000; 4]).are_too_many());
    }

    #[test]
    fn who_missed_nobody_is_neither_blamed_nor_excused() {
        let mut absences = after([1_000; 5]);
        assert!(absences.are_too_many() && absences.excuse());
        absences.missed_nobody();
        assert!(!absences.are_too_many() && !absences.excuse());
    }

    /// Heartbeats are so rare that each gap between two may be taken for an absence.
    #[test]
    fn a_leader_may_forget_absences_that_lie_far_apart_however_rarely_it_speaks() {
        let rare = [[1_000].as_slice(), &[350; 12]].concat().repeat(8);
        let absences = after(rare);
        assert!(!absences.are_too_many(), "{absences:?}");
        assert!(
            absences.excuse(),
            "and it may have missed that it was there"
        );
    }
}
