//! Pre-candidates: they ask whether they would be elected before they disturb anyone
//! (thesis 9.6).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::common::Common;
use crate::error::Dropped;
use crate::ids::{NodeId, Peer, Term};
use crate::message::{Body, PreVote, PreVoteReply};
use crate::quorum::{self, Tally};
use crate::states::{Next, State};
use crate::time::Time;
use crate::trace::EventKind;

/// A node that asks. Its term and vote are those it had.
#[derive(Clone, Debug)]
pub(crate) struct PreCandidate {
    /// Names this attempt; answers to an earlier one of this start don't count. One that is late from before
    /// a restart may: it was true then, and nothing follows from a mistake but an election.
    attempt: u64,
    votes: BTreeMap<Peer, bool>,
    deadline: Time,
    /// The term that it asks in, and the latest heartbeat round heard of its leader: who finds that one
    /// alive after all must not take for news what was said before.
    term: Term,
    round: Option<u64>,
}

impl PreCandidate {
    /// Asks all other members.
    pub(crate) fn new(common: &mut Common, attempt: u64, before: &State) -> Self {
        let last = common.last();
        for peer in common.other_voters() {
            common.say(peer, Body::PreVote(PreVote { attempt, last }));
        }
        let votes = BTreeMap::from([(common.me, true)]);
        let deadline = common.now.after(common.draw_retry());
        Self {
            attempt,
            votes,
            deadline,
            term: common.term(),
            round: before.round_heard(common.term()),
        }
    }

    /// The latest heartbeat round heard in this term.
    pub(crate) fn round_heard(&self, term: Term) -> Option<u64> {
        self.round.filter(|_| self.term == term)
    }

    pub(crate) const fn deadline(&self) -> Time {
        self.deadline
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            attempt,
            votes,
            deadline: _,
            term: _,
            round,
        } = self;
        (attempt, votes, round).hash(into);
    }

    pub(crate) fn on_reply(
        &mut self,
        common: &mut Common,
        from: Peer,
        reply: PreVoteReply,
    ) -> Next {
        if reply.attempt != self.attempt || reply.asked != common.term().next() {
            let why = Dropped::StaleReply;
            common.event("T9.6.8a", EventKind::MessageDropped { from: from.id, why });
            return Next::Stay;
        }
        if common.configuration().admits(from) {
            self.votes.insert(from, reply.granted);
        }
        self.count(common)
    }

    /// What node `id` has answered, if it has.
    pub(crate) fn vote_of(&self, common: &Common, id: NodeId) -> Option<bool> {
        let incarnation = common.configuration().member(id)?.incarnation;
        self.votes.get(&Peer::new(id, incarnation)).copied()
    }

    /// Who has refused.
    pub(crate) fn refused_by(&self) -> Vec<NodeId> {
        let refused = self.votes.iter().filter(|(_, granted)| !**granted);
        refused.map(|(peer, _)| peer.id).collect()
    }

    /// What the answers so far lead to.
    pub(crate) fn count(&self, common: &Common) -> Next {
        match quorum::tally(common.configuration(), |id| self.vote_of(common, id)) {
            // The disk may have stalled since the question went out: then no vote could be given.
            Tally::Won if common.may_campaign() => Next::Candidate,
            Tally::Won => Next::Follower,
            Tally::Lost => Next::Follower,
            Tally::Pending => Next::Stay,
        }
    }

    pub(crate) fn on_deadline(&self, common: &mut Common) -> Next {
        if common.now < self.deadline {
            return Next::Stay;
        }
        if common.may_campaign() {
            Next::PreCandidate
        } else {
            Next::Follower
        }
    }
}
