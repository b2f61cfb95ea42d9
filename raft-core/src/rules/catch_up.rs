//! When a new member is close enough to the leader's log to count (thesis 4.2.1).
//!
//! Replication to it is looked at in rounds: each ends when it holds what the leader held when the
//! round began. A short round means that what is missing now can be sent in as short a time.

use core::time::Duration;

use crate::ids::LogIndex;
use crate::time::Time;

/// How far one new member has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rounds {
    /// What it must hold for this round to end.
    goal: LogIndex,
    began: Time,
    /// What it was known to hold when it last moved, and when that was.
    matched: LogIndex,
    moved: Time,
    /// Whether the last round that ended was short.
    was_short: bool,
    /// How many rounds in a row were not.
    long_rounds: u32,
}

/// How long things may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// A round shorter than this is short: the election timeout, because clients live with a gap
    /// of that length.
    pub short_round: Duration,
    /// Whoever does not move for so long is gone.
    pub standstill: Duration,
}

/// What the leader sees of a new member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The member holds all up to here.
    pub matched: LogIndex,
    /// The leader holds all up to here.
    pub last: LogIndex,
    /// When.
    pub now: Time,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Wait.
    Behind,
    /// It may count.
    CaughtUp,
    /// It is gone, or so slow that it never will.
    TooSlow,
}

impl Rounds {
    /// The first round begins.
    pub const fn begin(seen: &Seen) -> Self {
        Self {
            goal: seen.last,
            began: seen.now,
            matched: seen.matched,
            moved: seen.now,
            was_short: false,
            long_rounds: 0,
        }
    }

    /// Looks at the member again.
    pub fn observe(&mut self, seen: &Seen, patience: &Patience) -> Verdict {
        // Who loses what it held has its round before it again, however the last ones were: what they
        // said was said of a log that is gone.
        if seen.matched < self.matched {
            *self = Self {
                moved: self.moved,
                long_rounds: self.long_rounds,
                ..Self::begin(seen)
            };
        }
        if seen.matched > self.matched {
            self.matched = seen.matched;
            self.moved = seen.now;
        }
        let age = seen.now.since(self.began);
        // [T4.2.1.22] It holds what the leader held when the round began: the round is over,
        if seen.matched >= self.goal {
            // [T4.2.1.26] and short if it took less than an election timeout.
            self.was_short = age < patience.short_round;
            self.long_rounds = if self.was_short {
                0
            } else {
                self.long_rounds.saturating_add(1)
            };
            self.goal = seen.last;
            self.began = seen.now;
            self.moved = seen.now;
        }
        if self.has_caught_up(seen.now, patience) {
            Verdict::CaughtUp
        // [T4.2.1.25] It gets so many rounds and no more,
        } else if self.long_rounds >= MAX_LONG_ROUNDS
            // [T4.2.1.15] and who does not move at all is not waited for.
            || seen.now.since(self.moved) >= patience.standstill
        {
            Verdict::TooSlow
        } else {
            Verdict::Behind
        }
    }

    /// Whether the last round that ended was short, and the one since then is not longer yet.
    pub fn has_caught_up(&self, now: Time, patience: &Patience) -> bool {
        self.was_short && now.since(self.began) < patience.short_round
    }

    /// How many rounds in a row were not short; at [`MAX_LONG_ROUNDS`] the member is too slow.
    pub const fn long_rounds(&self) -> u32 {
        self.long_rounds
    }

    /// For how long the member has not moved.
    pub fn still(&self, now: Time) -> Duration {
        now.since(self.moved)
    }

    /// What tells two apart that go on alike from now on: times count as ages, up to where older
    /// makes no difference.
    pub fn ages(&self, now: Time, patience: &Patience) -> impl core::hash::Hash {
        let Self {
            goal,
            began,
            matched,
            moved,
            was_short,
            long_rounds,
        } = self;
        let age = |at: Time, most: Duration| now.since(at).min(most);
        (
            (*goal, *matched, *was_short, *long_rounds),
            age(*began, patience.short_round),
            age(*moved, patience.standstill),
        )
    }
}

/// How many rounds in a row may be long.
pub const MAX_LONG_ROUNDS: u32 = 10;

#[cfg(test)]
mod tests;
