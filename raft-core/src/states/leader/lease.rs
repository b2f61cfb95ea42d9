//! Leases: reads that ask nobody, on the strength of promises (thesis 6.4.1).
//!
//! A follower that answers a heartbeat may promise to give nobody its vote for a while, of its own
//! clock, whatever terms it hears of and however often it starts again
//! ([`Common::is_promised`]). While promises of a majority last, nobody else is elected, so that
//! nothing is committed that this leader does not know of. Two things end that: time, by clocks that
//! run apart no further than the settings say; and the leader's own wish that another campaign, for
//! that is what those who promised do not refuse.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use super::Leader;
use super::progress::Progress;
use crate::common::Common;
use crate::ids::{NodeId, Ticket};
use crate::quorum;
use crate::rules::lease;
use crate::time::Time;
use crate::trace::EventKind;

/// What a follower has promised, on the leader's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    /// The round in which it was last asked, and when that began, until that is answered.
    asked: Option<(u64, Time)>,
    /// Until when it gives nobody its vote.
    until: Time,
}

impl Promised {
    /// Nothing was promised.
    pub(super) const NONE: Self = Self {
        asked: None,
        until: Time::ZERO,
    };

    /// A heartbeat of this round goes out, which began at `begun`.
    pub(super) fn ask(&mut self, round: u64, begun: Time) {
        // One at a time: which round an answer is to is then all that need be known.
        self.asked.get_or_insert((round, begun));
    }

    /// The follower has answered this round with a promise.
    pub(super) fn answered(&mut self, round: u64, promise: Duration, max_drift_per_mille: u16) {
        if let Some((_, begun)) = self.asked.filter(|(asked, _)| *asked <= round) {
            self.asked = None;
            let until = lease::counts_until(begun, promise, max_drift_per_mille);
            self.until = self.until.max(until);
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`]: how old the question is, and how long the
    /// promise lasts.
    pub(super) fn fingerprint(&self, now: Time, into: &mut impl Hasher) {
        let Self { asked, until } = self;
        let asked = asked.map(|(round, begun)| (round, now.since(begun)));
        (asked, until.since(now)).hash(into);
    }

    /// Until when it gives nobody its vote.
    pub(crate) const fn until(&self) -> Time {
        self.until
    }
}

impl Leader {
    /// Until when nobody else can be elected, as far as was promised; at the origin of time, when
    /// there is no lease.
    pub(crate) fn lease_end(&self, common: &Common) -> Time {
        if self.gave_up_lease || common.settings.lease.is_none() {
            return Time::ZERO;
        }
        quorum::lease_end(common.configuration(), |id| self.promised_until(common, id))
    }

    /// Whether nobody else can be elected at `now`.
    pub(crate) fn holds_lease(&self, common: &Common, now: Time) -> bool {
        now < self.lease_end(common)
    }

    /// Whether it has told somebody to take over, which ends all leases in its term.
    pub(crate) const fn gave_up_lease(&self) -> bool {
        self.gave_up_lease
    }

    /// Until when node `id` gives nobody else its vote.
    pub(crate) fn promised_until(&self, common: &Common, id: NodeId) -> Time {
        if common.is_me(id) {
            // Whoever leads votes for nobody; when it does not any more, its lease is gone.
            common.now.after(Duration::MAX)
        } else {
            let promised = |progress: &Progress| progress.promised().until();
            self.followers.find(&id).map_or(Time::ZERO, promised)
        }
    }

    /// Answers reads at once, if a lease allows it. Otherwise they come back.
    pub(super) fn read_by_lease(
        &self,
        common: &mut Common,
        tickets: Vec<Ticket>,
    ) -> Option<Vec<Ticket>> {
        // What leaders of earlier terms have committed is not known before.
        let knows_all = common.commit_index >= self.first;
        if tickets.is_empty() || !knows_all || !self.holds_lease(common, common.now) {
            return Some(tickets);
        }
        // [T6.4.1.7] Nobody else leads: what this leader knows to be committed is all there is.
        let (index, count) = (common.commit_index, tickets.len());
        common.event("T6.4.1.7", EventKind::ReadsConfirmed { index, count });
        common.resolved().read_at(tickets, index);
        None
    }

    /// Before another is told to campaign, which those who promised will not refuse.
    pub(super) fn give_up_lease(&mut self) {
        // [T6.4.1.8] For good in this term: the word may be late, and is obeyed then.
        self.gave_up_lease = true;
    }
}
