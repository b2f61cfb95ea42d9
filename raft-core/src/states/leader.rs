//! Leaders: they take proposals, replicate them, and decide what is committed
//! (Figure 2 Leaders; paper 5.3, 5.4.2, 8; thesis 6.2, 6.4, 10.2.1).

use crate::by_id::ById;
use crate::chunk::ChunkBuilder;
use crate::common::Common;
use crate::hull::{Doubt, Loaded, Proposals, Refusal};
use crate::ids::{LogIndex, NodeId, Peer, Term};
use crate::message::{AppendEntriesReply, Body, Heartbeat, Lane, Message};
use crate::quorum::{self, Tally};
use crate::states::Next;
use crate::time::{LogTime, Time};
use crate::trace::EventKind;
use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

mod attendance;
mod commit;
mod lag;
pub(crate) mod lease;
mod membership;
pub(crate) mod parts;
pub(crate) mod progress;
mod quiet;
mod reads;
mod replicate;
mod send_snapshot;
mod tickets;
mod transfer;
mod witnesses;

use attendance::Attendance;
use membership::Membership;
use progress::Progress;
use quiet::Rest;
use reads::Reads;
use tickets::Tickets;
use transfer::{Handover, Preference};
use witnesses::Witnesses;

/// The leader of the current term.
///
/// - `followers` holds a progress for each other node that the configuration in force sends the log
///   to, in the life that was admitted, and for nobody else.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    /// The term it leads: while it resigns, the current one may be later already.
    term: Term,
    followers: ById<Progress>,
    /// The highest number of a request to anybody who was a follower in this term and is none now: who
    /// is added again tells what is new by it.
    spent: u64,
    tickets: Tickets,
    reads: Reads,
    /// The entry it took office with. Once that is committed, so is all that was committed before.
    first: LogIndex,
    membership: Membership,
    /// The last heartbeat round begun, and when.
    round: u64,
    round_begun: Time,
    /// Whether it has told anybody to take over, and may trust no promise since.
    gave_up_lease: bool,
    /// When the next round begins; never, while nobody wants anything.
    heartbeat_due: Option<Time>,
    rest: Rest,
    /// Whether the last tick came late and no quorum had been heard: it was given one more round.
    woke_late: bool,
    attendance: Attendance,
    /// For whom witnesses wait, where there are witnesses.
    witnesses: Option<Box<Witnesses>>,
    /// Leadership on its way to another; no proposals are taken meanwhile.
    handover: Option<Handover>,
    preference: Preference,
    elected: Time,
    /// Log time when this leader was elected.
    elected_log_time: LogTime,
}

impl Leader {
    /// Takes office: a no-op goes into the log, so that what earlier leaders left is committed
    /// with it.
    pub(crate) fn new(common: &mut Common) -> Self {
        // [F2.STATE.7] Begin right after the own last entry.
        let next = common.last().index.next();
        let now = common.now;
        let follow = |peer: Peer| (peer.id, Progress::new(peer, next, now));
        let followers = common.others().into_iter().map(follow).collect();
        let mut leader = Self {
            term: common.term(),
            followers,
            spent: 0,
            tickets: Tickets::default(),
            reads: Reads::default(),
            first: next,
            membership: Membership::default(),
            round: 0,
            round_begun: now,
            gave_up_lease: false,
            heartbeat_due: Some(now.after(common.settings.heartbeat_interval)),
            rest: Rest::default(),
            woke_late: false,
            attendance: Attendance::new(now),
            witnesses: None,
            handover: None,
            preference: Preference::default(),
            elected: now,
            elected_log_time: common.entries.time(),
        };
        let mut no_op = ChunkBuilder::new();
        // [S8.18] It can't fail: an empty builder has room for an empty record.
        if no_op.push_no_op().is_ok() {
            common.append_as_leader(no_op, leader.log_time(now));
        }
        leader.follow_roles(common);
        leader
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let transfer = self.transfer_deadline();
        transfer.into_iter().chain(self.heartbeat_due).min()
    }

    /// Its first entry: the no-op with which it took office.
    pub(crate) const fn first(&self) -> LogIndex {
        self.first
    }

    /// The term it leads, or led.
    pub(crate) const fn term(&self) -> Term {
        self.term
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, common: &Common, into: &mut impl Hasher) {
        let Self {
            term,
            followers,
            spent,
            tickets,
            reads,
            first,
            membership,
            round,
            // It counts as the age of what followers are asked.
            round_begun: _,
            gave_up_lease,
            heartbeat_due: _,
            rest,
            woke_late,
            attendance,
            witnesses,
            handover,
            preference,
            elected: _,
            elected_log_time: _,
        } = self;
        (term, spent, tickets, first).hash(into);
        (round, woke_late, gave_up_lease).hash(into);
        reads.fingerprint(followers.values(), into);
        self.is_quiet().hash(into);
        rest.fingerprint(common, into);
        attendance.fingerprint(into);
        if let Some(witnesses) = witnesses {
            witnesses.fingerprint(common, into);
        }
        handover.as_ref().map(Handover::identity).hash(into);
        preference.fingerprint(into);
        self.log_time(common.now).hash(into);
        membership.fingerprint(common, into);
        for progress in followers.values() {
            progress.fingerprint(common, into);
        }
    }

    pub(crate) const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The last heartbeat round begun.
    pub(crate) const fn round(&self) -> u64 {
        self.round
    }

    pub(crate) const fn followers(&self) -> &ById<Progress> {
        &self.followers
    }

    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) const fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Bytes of payload proposed and not committed.
    pub(crate) const fn uncommitted_bytes(&self) -> usize {
        self.tickets.bytes()
    }

    /// The first follower after `after`, or of all, to whom there may be something to send.
    pub(crate) fn next_follower(&self, common: &Common, after: Option<NodeId>) -> Option<NodeId> {
        // There are so few that looking at each costs less than a search.
        let is_later = |id: NodeId| after.is_none_or(|after| id > after);
        self.followers
            .iter()
            .find(|(id, progress)| {
                let something = || progress.has_something(common);
                is_later(**id) && (something() || self.is_takeover_due(common, **id))
            })
            .map(|(id, _)| *id)
    }

    /// Appends proposals, or refuses them all.
    pub(crate) fn propose(&mut self, common: &mut Common, proposals: Proposals) {
        let Proposals { tickets, builder } = proposals;
        if let Some(refusal) = self.objection(common, &builder) {
            common.resolved().refused(tickets, refusal);
            return;
        }
        let bytes = builder.payload_bytes();
        // [F2.LEAD.2] Append first; the ticket comes back once the entry is committed, and whoever
        // applies it answers the client.
        let first = common.last().index.next();
        if common
            .append_as_leader(builder, self.log_time(common.now))
            .is_some()
        {
            self.tickets.add(first, tickets, bytes);
        }
    }

    /// What speaks against appending these records, if anything.
    fn objection(&self, common: &Common, records: &ChunkBuilder) -> Option<Refusal> {
        // [T3.10.15] Who hands over takes nothing new, so that the other can have all of it.
        if let Some(to) = self.transferring_to() {
            return Some(Refusal::Transferring { to });
        }
        let payload_bytes = records.payload_bytes();
        let limits = common.settings.chunk_limits;
        if payload_bytes > limits.max_payload_bytes as usize
            || records.len() > limits.max_entries as usize
        {
            return Some(Refusal::TooLarge { payload_bytes });
        }
        let uncommitted_bytes = self.tickets.bytes();
        let limit = common.settings.max_uncommitted_bytes;
        // No-ops weigh nothing, and what comes alone is taken: no budget may stop those for ever.
        let full = uncommitted_bytes > 0
            && payload_bytes > 0
            && uncommitted_bytes.saturating_add(payload_bytes) > limit;
        if full {
            return Some(Refusal::Busy {
                uncommitted_bytes,
                limit,
            });
        }
        let under_way = || self.bytes_under_way(common);
        let crowded = payload_bytes > 0 && !common.has_room(payload_bytes, under_way);
        crowded.then_some(Refusal::MemoryFull {
            bytes: payload_bytes,
            limit: common.settings.max_memory_bytes,
        })
    }

    /// What followers' windows keep alive beside the entries in memory.
    pub(crate) fn bytes_under_way(&self, common: &Common) -> usize {
        let first = common.first_in_memory();
        let followers = self.followers.values();
        let bytes = followers.map(|progress| progress.bytes_beside(first));
        bytes.fold(0, usize::saturating_add)
    }

    /// The log time now: it goes on from the highest one seen, at this node's own pace.
    fn log_time(&self, now: Time) -> LogTime {
        // [T6.3.36] No stamp is lower than the one before it, whichever clock that came from.
        self.elected_log_time.after(now.since(self.elected))
    }

    pub(crate) fn on_append_reply(
        &mut self,
        common: &mut Common,
        from: Peer,
        reply: AppendEntriesReply,
    ) -> Next {
        let Some(progress) = self.progress_of(from) else {
            return Next::Stay;
        };
        progress.hear(common.now);
        progress.on_reply(common, reply);
        self.advance_commit(common)
    }

    pub(crate) fn on_connection_lost(&mut self, common: &Common, node: NodeId) {
        if let Some(progress) = self.followers.find_mut(&node) {
            progress.suspect_loss();
        }
        self.lose_voter(common, node);
    }

    pub(crate) fn on_loaded(&mut self, common: &mut Common, loaded: Loaded) {
        if let Some(progress) = self
            .followers
            .values_mut()
            .find(|progress| progress.awaits(loaded.number))
        {
            progress.on_loaded(common, loaded.result);
        }
    }

    /// Begins a heartbeat round, unless the leader has to give up.
    pub(crate) fn on_deadline(&mut self, common: &mut Common) -> Next {
        let handed_nothing_over = self.check_transfer(common);
        let Some(due) = self.heartbeat_due.filter(|due| *due <= common.now) else {
            // A change of members has waited for that.
            return match handed_nothing_over {
                true => self.advance_membership(common),
                false => Next::Stay,
            };
        };
        let interval = common.settings.heartbeat_interval;
        // A leader that was stopped itself has heard nobody: it listens for a round before it
        // draws conclusions, but not twice in a row, or a slow one would never give up.
        let late = common.now.since(due) > interval;
        let unheard = common.settings.check_quorum && !self.hears_quorum(common);
        let alone = unheard && (!late || self.woke_late);
        self.woke_late = late && unheard;
        let timeout = common.settings.election_timeout;
        if is_quorum_alone(common) {
            // Nobody misses it, nor will those who join later have done so.
            self.attendance = Attendance::new(common.now);
        }
        let absent = self.attendance.tick(common.now, timeout) && common.settings.check_quorum;
        if absent {
            let term = common.term();
            common.event("T6.2.21", EventKind::OftenAway { term });
            return Next::Follower;
        }
        if alone || common.is_disk_stalled() {
            // [T6.2.21] Without a majority, or a disk, nothing can be committed here: step down.
            common.event(
                "T6.2.21",
                EventKind::QuorumLost {
                    term: common.term(),
                },
            );
            return Next::Follower;
        }
        self.heartbeat_due = Some(common.now.after(interval));
        for progress in self.followers.values_mut() {
            progress.on_tick(common);
        }
        self.tend_witnesses(common);
        self.begin_round(common);
        self.advance_reads(common);
        self.yield_to_preferred(common);
        // Time alone may decide that a new member is gone.
        let next = self.advance_membership(common);
        self.consider_leave(common);
        self.fall_quiet(common);
        next
    }

    /// Whether a majority was heard within the last election timeout.
    fn hears_quorum(&self, common: &Common) -> bool {
        let heard = |id| {
            let recent = |progress: &Progress| {
                common.now.since(progress.heard()) < common.settings.election_timeout
            };
            Some(common.is_me(id) || self.followers.find(&id).is_some_and(recent))
        };
        quorum::tally(common.configuration(), heard) == Tally::Won
    }

    /// Whether there may be something to send to a follower in this lane.
    #[inline]
    pub(crate) fn may_send(&self, common: &Common, to: NodeId, lane: Lane) -> bool {
        let progress = self.followers.find(&to);
        progress.is_some_and(|progress| match lane {
            Lane::Control => progress.may_speak(common) || self.is_takeover_due(common, to),
            Lane::Entries => progress.may_append(common),
            Lane::Snapshot => progress.may_send_part(common),
        })
    }

    /// The next message for a follower.
    pub(crate) fn next_send(
        &mut self,
        common: &mut Common,
        to: NodeId,
        lane: Lane,
        room: usize,
    ) -> Option<Message> {
        let quiet = self.takes_leave();
        let progress = self.followers.find_mut(&to)?;
        let peer = progress.peer();
        let body = match lane {
            Lane::Control => {
                // [S5.3.15] Each heartbeat tells how far the log is committed, but no further
                // than this follower is known to hold it.
                match progress.take_heartbeat(common) {
                    Some(commit) => {
                        progress.promised.ask(self.round, self.round_begun);
                        let round = self.round;
                        Body::Heartbeat(Heartbeat {
                            round,
                            commit,
                            quiet,
                        })
                    }
                    None => Body::TimeoutNow(self.take_takeover(common, to)?),
                }
            }
            // [T10.2.1.5] Entries go out as soon as they are appended, side by side with the own
            // write to disk.
            Lane::Entries => Body::AppendEntries(progress.next_append(common, room)?),
            Lane::Snapshot => Body::InstallSnapshot(Box::new(progress.next_part(common, room)?)),
        };
        Some(common.message(peer, body))
    }

    /// Gives up office: what is not committed is now for a later leader to decide.
    pub(crate) fn resign(mut self, common: &mut Common) {
        self.end_transfer(common);
        let why = if common.fault.is_some() {
            Doubt::Stopped
        } else {
            Doubt::LeadershipLost
        };
        if let Some(out) = common.out.there_mut() {
            out.loads.forget_peers();
        }
        common.snapshots.forget_reads();
        self.reads.abandon(common);
        self.tickets.abandon(common, self.term, why);
        self.membership.abandon(common, self.term, why);
    }

    /// The follower's progress, if exactly this life of it is a member.
    fn progress_of(&mut self, peer: Peer) -> Option<&mut Progress> {
        self.followers
            .find_mut(&peer.id)
            .filter(|progress| progress.peer() == peer)
    }

    /// The highest index known to be on the disk of node `id`.
    pub(crate) fn matched(&self, common: &Common, id: NodeId) -> LogIndex {
        // [S6.37] A leader that the configuration in force does not hold counts for nothing in it.
        if common.is_me(id) {
            // [T10.2.1.6] The leader itself counts with what is durable on its own disk.
            common.disk.durable_index()
        } else {
            self.matched_by(id)
        }
    }

    /// The same, of another node.
    fn matched_by(&self, id: NodeId) -> LogIndex {
        self.followers
            .find(&id)
            .map_or(LogIndex::ZERO, Progress::matched)
    }
}

/// Whether this node is a quorum without anybody else: then nobody waits for it in vain.
pub(crate) fn is_quorum_alone(common: &Common) -> bool {
    let me = |id| Some(common.is_me(id));
    quorum::tally(common.configuration(), me) == Tally::Won
}
