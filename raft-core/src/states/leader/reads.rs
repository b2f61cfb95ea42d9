//! Reads that bypass the log (paper 8; thesis 6.4): a leader says from which index on the state
//! machine may be read, once it knows that nobody had replaced it when the read came.
//!
//! ```text
//! handed in ─▶ waiting ───────────────────────▶ asked ──────────────────────────▶ resolved
//!                      own term committed;            a majority of voters answered
//!                      a round of heartbeats begins,  that round or a later one
//!                      the commit index is noted
//! ```
//!
//! An answer can't be taken for one to another round: rounds ascend within a term, a node leads a
//! term at most once (its own vote in it is durable before it leads), and who answers a heartbeat
//! of an earlier term names no round. So whatever is late, doubled or of an earlier boot confirms
//! nothing that began after it was said, and no name chosen by whoever reads is part of it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::Leader;
use super::progress::Progress;
use crate::common::Common;
use crate::common::rest::give_back;
use crate::error::Dropped;
use crate::hull::Refusal;
use crate::ids::{LogIndex, NodeId, Peer, Ticket};
use crate::message::HeartbeatReply;
use crate::quorum;
use crate::trace::EventKind;

/// Reads on their way to being confirmed.
///
/// - `asked` ascends by round and by index; no batch in it is empty.
/// - Together they are at most the settings' `max_pending_reads`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// No round has begun since these came.
    waiting: Vec<Ticket>,
    asked: VecDeque<Batch>,
}

/// Reads that share a round.
#[derive(Clone, Hash, Debug)]
struct Batch {
    round: u64,
    /// The thesis's readIndex: the commit index when the round began.
    index: LogIndex,
    tickets: Vec<Ticket>,
}

impl Leader {
    /// Takes in reads, as many as there is room for.
    pub(crate) fn read(&mut self, common: &mut Common, tickets: Vec<Ticket>) {
        let Some(mut tickets) = self.read_by_lease(common, tickets) else {
            return;
        };
        let (pending, limit) = (self.reads.pending(), common.settings.max_pending_reads);
        let room = limit.saturating_sub(pending).min(tickets.len());
        let refusal = Refusal::TooManyReads { pending, limit };
        common.resolved().refused(tickets.split_off(room), refusal);
        // [S8.12] Nothing is written for a read.
        self.reads.waiting.append(&mut tickets);
        self.advance_reads(common);
    }

    pub(crate) fn on_heartbeat_reply(
        &mut self,
        common: &mut Common,
        from: Peer,
        reply: HeartbeatReply,
    ) {
        let begun = self.round;
        let Some(progress) = self.progress_of(from) else {
            return;
        };
        let round = reply.round.unwrap_or_default();
        if round > begun {
            let (from, why) = (from.id, Dropped::Impossible);
            common.event("S8.20", EventKind::MessageDropped { from, why });
            return;
        }
        progress.hear(common.now);
        progress.answer(round);
        if let (Some(round), Some(lease)) = (reply.round, common.settings.lease) {
            let drift = lease.max_drift_per_mille;
            progress.promised.answered(round, reply.promise, drift);
        }
        self.advance_reads(common);
        self.fall_quiet(common);
    }

    /// Begins a round of heartbeats. Every read that waits and may share it does.
    pub(super) fn begin_round(&mut self, common: &Common) {
        self.round = self.round.saturating_add(1);
        self.round_begun = common.now;
        // [S8.15] Until an entry of its own term is committed, a leader can't know all that is:
        // reads wait for that.
        if common.commit_index >= self.first {
            // [T6.4.17] The commit index of now is what the reads must see at least.
            self.reads.ask(self.round, common.commit_index);
        }
    }

    /// Resolves what is confirmed by now, and begins a round for what waits when none is on its
    /// way.
    pub(super) fn advance_reads(&mut self, common: &mut Common) {
        if self.reads.pending() == 0 {
            return;
        }
        self.reads
            .resolve_through(common, self.answered_round(common));
        // [T6.4.26] All that come while a round is on its way share the next one.
        let idle = self.reads.asked.is_empty();
        if idle && !self.reads.waiting.is_empty() && common.commit_index >= self.first {
            self.begin_round(common);
            for (id, progress) in self.followers.iter_mut() {
                progress.heartbeat_due |= common.configuration().votes(*id);
            }
            // Who is a majority alone waits for nobody.
            self.reads
                .resolve_through(common, self.answered_round(common));
        }
    }

    /// The last round that a majority of the voters has answered: this node has every one.
    fn answered_round(&self, common: &Common) -> u64 {
        quorum::answered_round(common.configuration(), |id| self.round_of(common, id))
    }

    /// The last round that node `id` has answered.
    fn round_of(&self, common: &Common, id: NodeId) -> u64 {
        if common.is_me(id) {
            self.round
        } else {
            self.followers.find(&id).map_or(0, Progress::answered)
        }
    }
}

/// What whoever asks is told of reads ([`crate::explain`]).
impl Leader {
    /// The number of reads that are not confirmed yet.
    pub(crate) fn pending_reads(&self) -> usize {
        self.reads.pending()
    }

    /// The round that the oldest of them wait for, if one has begun.
    pub(crate) fn oldest_read_round(&self) -> Option<u64> {
        self.reads.asked().next().map(|(round, _)| round)
    }

    /// Whether node `id` has answered that round or a later one.
    pub(crate) fn has_answered(&self, common: &Common, id: NodeId, round: u64) -> bool {
        self.round_of(common, id) >= round
    }
}

impl Reads {
    /// The number of reads that are not confirmed yet.
    pub(crate) fn pending(&self) -> usize {
        let asked = self.asked.iter().map(|batch| batch.tickets.len());
        asked.fold(self.waiting.len(), usize::saturating_add)
    }

    /// The rounds that reads wait for, each with the index noted when it began.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (u64, LogIndex)> + Clone {
        self.asked.iter().map(|batch| (batch.round, batch.index))
    }

    /// Gives back the memory of what is empty.
    pub(super) fn give_back(&mut self) {
        give_back(&mut self.asked);
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`]: also what the followers have answered,
    /// but only while somebody waits for it. Whatever comes later needs a later round.
    pub(crate) fn fingerprint<'a>(
        &self,
        followers: impl Iterator<Item = &'a Progress>,
        into: &mut impl Hasher,
    ) {
        let Self { waiting, asked } = self;
        (waiting, asked).hash(into);
        if !asked.is_empty() {
            followers.for_each(|progress| progress.answered().hash(into));
        }
    }

    /// Gives all reads back: whether they may be answered is for another leader to say.
    pub(crate) fn abandon(self, common: &mut Common) {
        let refusal = if common.fault.is_some() {
            Refusal::Stopped
        } else {
            Refusal::LeadershipLost
        };
        for batch in self.asked {
            common.resolved().refused(batch.tickets, refusal);
        }
        common.resolved().refused(self.waiting, refusal);
    }

    fn ask(&mut self, round: u64, index: LogIndex) {
        if self.waiting.is_empty() {
            return;
        }
        self.asked.push_back(Batch {
            round,
            index,
            tickets: core::mem::take(&mut self.waiting),
        });
    }

    fn resolve_through(&mut self, common: &mut Common, answered: u64) {
        while let Some(batch) = self.asked.pop_front() {
            if batch.round > answered {
                self.asked.push_front(batch);
                return;
            }
            // [S8.20] A majority answered after the round began: no later leader had been
            // elected by then, and nothing was committed that this one did not know of.
            let (index, count) = (batch.index, batch.tickets.len());
            common.event("S8.20", EventKind::ReadsConfirmed { index, count });
            common.resolved().read_at(batch.tickets, index);
        }
    }
}
