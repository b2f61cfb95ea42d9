//! Candidates: they ask for votes in a new term (Figure 2 Candidates; paper 5.2).

use alloc::collections::BTreeMap;
use core::hash::{Hash, Hasher};

use crate::common::Common;
use crate::ids::{NodeId, Peer};
use crate::log::BatchNumber;
use crate::message::{Body, RequestVote, RequestVoteReply};
use crate::quorum::{self, Tally};
use crate::states::Next;
use crate::time::Time;
use crate::trace::EventKind;

/// A candidate of the current term.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Answers in this term of the other nodes, each in the life that gave it: a snapshot that is put in place
    /// meanwhile may bring a configuration in which another life goes by the same name.
    votes: BTreeMap<Peer, bool>,
    /// The write that makes this node's own vote durable. The vote counts only then, or the node
    /// could win the same term twice.
    own_vote: BatchNumber,
    deadline: Time,
}

impl Candidate {
    /// Opens a new term and asks all other members. `transfer`: the leader wants this election, so
    /// that to have heard from it is no reason to refuse. Nothing keeps it: the next election is
    /// an ordinary one again.
    pub(crate) fn new(common: &mut Common, transfer: bool) -> Self {
        common.open_term();
        // [S5.4.1.10] The request tells the last entry's index and term.
        let request = RequestVote {
            last: common.last(),
            transfer,
        };
        // [F2.CAN.4] Ask all others. The request waits until term, own vote and the entries it
        // boasts of are durable: after a crash the old answers of this term would still count.
        for peer in common.other_voters() {
            common.promise(peer, Body::RequestVote(request));
        }
        // [F2.CAN.3] Restart the election timer.
        let deadline = common.now.after(common.draw_election_timeout());
        Self {
            votes: BTreeMap::new(),
            own_vote: common.covering_batch(),
            deadline,
        }
    }

    pub(crate) const fn deadline(&self) -> Time {
        self.deadline
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self {
            votes,
            own_vote,
            deadline: _,
        } = self;
        // A refusal leads to nothing, and is no different from no answer.
        let granted = votes.iter().filter(|(_, granted)| **granted);
        granted.for_each(|(voter, _)| voter.hash(into));
        common.disk.batches_until(*own_vote).hash(into);
    }

    pub(crate) fn on_reply(
        &mut self,
        common: &Common,
        from: Peer,
        reply: RequestVoteReply,
    ) -> Next {
        // [S5.2.10] One vote for each voter, however often its answer comes.
        if common.configuration().admits(from) {
            // A vote given stays given: a refusal that comes after it answers an older request.
            *self.votes.entry(from).or_default() |= reply.granted;
        }
        self.count(common)
    }

    /// The vote of node `id`, if it is known by now.
    pub(crate) fn vote_of(&self, common: &Common, id: NodeId) -> Option<bool> {
        // [T4.2.2.17] Its own vote counts where it is a voter, and only there.
        if common.is_me(id) {
            self.has_own_vote(common).then_some(true)
        } else {
            let incarnation = common.configuration().member(id)?.incarnation;
            self.votes.get(&Peer::new(id, incarnation)).copied()
        }
    }

    /// Whether this node's own vote is durable, and counts.
    pub(crate) fn has_own_vote(&self, common: &Common) -> bool {
        common.disk.is_durable(self.own_vote)
    }

    /// What the votes so far lead to. Losing changes nothing before the timer does: another
    /// candidate of this term may win, and if none does this one tries again.
    pub(crate) fn count(&self, common: &Common) -> Next {
        match quorum::tally(common.configuration(), |id| self.vote_of(common, id)) {
            // [F2.CAN.5] A majority makes a leader.
            Tally::Won => Next::Leader,
            Tally::Lost | Tally::Pending => Next::Stay,
        }
    }

    pub(crate) fn on_deadline(&self, common: &mut Common) -> Next {
        if common.now < self.deadline {
            return Next::Stay;
        }
        if !common.may_campaign() {
            return Next::Follower;
        }
        // [F2.CAN.7] Nobody won in time: start over.
        common.event(
            "F2.CAN.7",
            EventKind::Timeout {
                term: common.term(),
            },
        );
        Next::campaign(common)
    }
}
