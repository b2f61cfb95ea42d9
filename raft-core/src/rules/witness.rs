//! How far a leader may tell a witness of its log.
//!
//! A witness votes by what it was told, and keeps no payloads: whoever lacks an entry that it knows
//! of can't be elected with its vote. If it heard of an entry before any voter had the payload on
//! its disk, one crash could leave a log that nobody can ever catch up with; and if it heard before
//! the other voters, the death of the leader alone would leave nobody who can be elected. So it
//! hears last: it tips the scales only where a voter is missing.

use alloc::vec::Vec;
use core::time::Duration;

use crate::configuration::{Configuration, MemberRole, Members};
use crate::ids::{LogIndex, NodeId};
use crate::quorum;
use crate::time::Time;

/// What a leader knows of a voter that witnesses wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voter {
    /// It holds all up to here, durably.
    pub matched: LogIndex,
    /// Whether it takes so long that nobody waits for it.
    pub is_late: bool,
}

/// Up to where witnesses may be told of a leader's log. `durable`: what the leader itself holds
/// durably. `voter`: what it knows of each member that may lead, itself among them.
pub fn told_through(
    configuration: &Configuration,
    durable: LogIndex,
    voter: impl Fn(NodeId) -> Voter,
) -> LogIndex {
    configuration
        .halves()
        .filter_map(|half| held_by_enough(half, &voter))
        .fold(durable, LogIndex::min)
}

/// The last entry held by as many of those that may lead as a majority needs, or by all of them
/// that are not late, if those are fewer. `None` if all are late.
fn held_by_enough(half: &Members, voter: impl Fn(NodeId) -> Voter) -> Option<LogIndex> {
    let able = half.iter().filter(|(_, member)| member.role.may_lead());
    let voters = able.map(|(id, _)| voter(*id));
    let mut held: Vec<LogIndex> = voters
        .filter(|voter| !voter.is_late)
        .map(|voter| voter.matched)
        .collect();
    held.sort_unstable_by(|one, other| other.cmp(one));
    let needed = quorum::majority(quorum::voters(half).count());
    let last_needed = needed.min(held.len()).checked_sub(1)?;
    held.get(last_needed).copied()
}

/// Whether there are fewer witnesses than members that may lead, so that no majority is of witnesses
/// alone and any failures that leave a majority leave somebody who can be elected.
pub fn are_few(members: &Members) -> bool {
    let count = |wanted: fn(MemberRole) -> bool| {
        let roles = members.values().map(|member| member.role);
        roles.filter(|role| wanted(*role)).count()
    };
    let witnesses = count(MemberRole::is_witness);
    witnesses == 0 || witnesses < count(MemberRole::may_lead)
}

/// Whether a voter keeps up, so that witnesses wait for it.
///
/// It is looked at in rounds: each ends when it holds what the leader held when the round began.
/// Who needs longer for one than the leader's patience is late, until it ends one in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pace {
    /// What it must hold for this round to end.
    goal: LogIndex,
    began: Time,
    is_late: bool,
    /// Whether it held all that there was when it was last looked at.
    held_all: bool,
}

impl Pace {
    /// The first round begins: the leader, whose last entry is `last`, waits for everybody.
    pub const fn begin(last: LogIndex, now: Time) -> Self {
        Self {
            goal: last,
            began: now,
            is_late: false,
            held_all: false,
        }
    }

    /// Looks at the voter, which holds all up to `matched` of a log that ends at `last`.
    pub fn observe(&mut self, matched: LogIndex, last: LogIndex, at: Moment) {
        if self.held_all && matched < last {
            // There was nothing to wait for until now.
            self.begin_round(last, at.now);
        } else if self.goal > last {
            // Nor is there yet.
            self.began = at.now;
        }
        let is_long = at.now.since(self.began) >= at.patience;
        if matched >= self.goal {
            self.is_late = is_long && !self.held_all;
            self.begin_round(last, at.now);
        } else if is_long {
            self.is_late = true;
        }
        self.held_all = matched >= last;
    }

    /// The voter is gone, as far as one can tell: nobody waits for it before it holds an entry
    /// that there is not yet, after `last`.
    pub const fn lose(&mut self, last: LogIndex, now: Time) {
        *self = Self {
            goal: last.next(),
            began: now,
            is_late: true,
            held_all: false,
        };
    }

    /// Whether nobody waits for it.
    pub const fn is_late(&self) -> bool {
        self.is_late
    }

    /// What tells two apart that go on alike from now on: times count as ages, up to where older
    /// makes no difference.
    pub fn age(&self, at: Moment) -> impl core::hash::Hash + 'static {
        let age = at.now.since(self.began).min(at.patience);
        (self.goal, age, self.is_late, self.held_all)
    }

    const fn begin_round(&mut self, last: LogIndex, now: Time) {
        self.goal = last;
        self.began = now;
    }
}

/// When a leader looks, and how long it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// When.
    pub now: Time,
    /// For how long witnesses wait for one voter.
    pub patience: Duration,
}

/// How long witnesses wait for a voter that does not answer: so long may all commands wait when one
/// dies silently, and so much longer a new leader takes to commit its first entry. Several
/// heartbeats fit in, so that one lost message makes nobody late.
pub fn patience(election_timeout: Duration) -> Duration {
    election_timeout.checked_div(2).unwrap_or_default()
}

#[cfg(test)]
mod tests;
