//! Falling silent while nobody wants anything, and speaking again: an option, in no paper.
//!
//! ```text
//! awake ── at rest for as long as the settings say ──▶ taking leave ── all have answered ──▶ quiet
//!   ▲                                                        │                                 │
//!   └──────────── somebody wants something, or says something ┴─────────────────────────────────┘
//! ```
//!
//! It takes leave with an ordinary round of heartbeats that say so ([`Heartbeat::quiet`]). Only when
//! every follower has answered that round does it stop its clock: until then it speaks on, so that
//! who was not reached does not campaign against it. Nothing rests on its silence being kept: who
//! does not believe it, or missed it, asks for pre-votes, and that wakes it.
//!
//! Awake again, it counts all followers as heard just now: it has as long to find out whom it
//! still has as a leader that was elected a moment ago.
//!
//! [`Heartbeat::quiet`]: crate::message::Heartbeat::quiet

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::Leader;
use super::attendance::Attendance;
use super::progress::{Mode, Progress};
use crate::common::Common;
use crate::common::rest::give_back;
use crate::time::Time;
use crate::trace::EventKind;

/// How far a leader is on its way to being quiet.
///
/// - `farewell` is only set while `at_rest_since` is, and names no round after the last one begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    /// At which tick it was first found that nobody wants anything.
    at_rest_since: Option<Time>,
    /// The first round in which it took leave.
    farewell: Option<u64>,
}

impl Rest {
    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self {
            at_rest_since,
            farewell,
        } = self;
        let most = common.settings.quiescent_after.unwrap_or_default();
        let age = at_rest_since.map(|since| common.now.since(since).min(most));
        (age, farewell).hash(into);
    }
}

impl Leader {
    /// Whether it has fallen silent, and expects to hear nothing.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.heartbeat_due.is_none()
    }

    /// The first round in which it took leave, if it has.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) const fn farewell(&self) -> Option<u64> {
        self.rest.farewell
    }

    /// Whether its heartbeats say that it falls silent.
    pub(super) const fn takes_leave(&self) -> bool {
        self.rest.farewell.is_some()
    }

    /// Somebody wants something, or says something. A quiet leader begins a round as soon as it is
    /// asked what time it is.
    pub(crate) fn rouse(&mut self, common: &mut Common) {
        self.rest = Rest::default();
        if self.is_quiet() {
            let now = common.now;
            self.heartbeat_due = Some(now);
            self.attendance = Attendance::new(now);
            self.woke_late = false;
            for progress in self.followers.values_mut() {
                progress.hear(now);
            }
            common.event("", EventKind::Roused);
        }
    }

    /// Takes leave of the followers in the round that begins, if it is time.
    pub(super) fn consider_leave(&mut self, common: &Common) {
        let Some(patience) = common.settings.quiescent_after else {
            return;
        };
        if !self.is_at_rest(common) {
            self.rest = Rest::default();
            return;
        }
        let since = *self.rest.at_rest_since.get_or_insert(common.now);
        if common.now.since(since) < patience {
            return;
        }
        self.rest.farewell.get_or_insert(self.round);
    }

    /// Falls silent once every follower has answered the round in which it took leave.
    pub(super) fn fall_quiet(&mut self, common: &mut Common) {
        let Some(farewell) = self.rest.farewell else {
            return;
        };
        let mut followers = self.followers.values();
        let known = followers.all(|progress| progress.answered() >= farewell);
        if known && !self.is_quiet() && self.is_at_rest(common) {
            self.heartbeat_due = None;
            common.event("", EventKind::FellQuiet);
        }
    }

    /// Gives back the memory of what is empty, once this node is at rest.
    pub(crate) fn give_back(&mut self) {
        self.tickets.give_back();
        self.reads.give_back();
        for progress in self.followers.values_mut() {
            progress.give_back();
        }
    }

    /// Whether nobody wants anything of this leader, and every follower has all that it has, and
    /// knows what is committed.
    fn is_at_rest(&self, common: &Common) -> bool {
        let last = common.last().index;
        let stored = common.commit_index == last
            && common.disk.durable_index() == last
            && common.disk.is_durable(common.covering_batch());
        let standing = common.configurations.standing();
        let (ahead, _) = standing.preferred;
        let yields = ahead > 0 && common.settings.hand_over_after.is_some();
        stored
            && !yields
            && self.reads.pending() == 0
            && self.transferring_to().is_none()
            && common.configuration().is_settled()
            && standing.may_lead
            && self.followers.values().all(|follower| {
                let silent = common.now.since(follower.heard());
                silent < common.settings.election_timeout && follower.is_at_rest(common)
            })
    }
}

impl Progress {
    /// Gives back the memory of what is empty.
    fn give_back(&mut self) {
        if let Mode::Replicate { in_flight, .. } = &mut self.mode {
            give_back(in_flight);
        }
        if self.loaded.is_empty() {
            self.loaded = Vec::new();
        }
    }

    /// Whether the follower has all that there is, and has acknowledged it.
    fn is_at_rest(&self, common: &Common) -> bool {
        let Mode::Replicate { in_flight, .. } = &self.mode else {
            return false;
        };
        let last = common.last().index;
        in_flight.is_empty()
            && self.matched == last
            && self.told_commit == last
            && self.loading.is_none()
    }
}
