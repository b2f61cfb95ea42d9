//! Followers: they answer leaders and candidates, and campaign when they hear neither
//! (Figure 2 AppendEntries and Followers; paper 5.2, 5.3).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::chunk::Chunk;
use crate::common::Common;
use crate::error::Dropped;
use crate::ids::{EntryId, LogIndex, NodeId, Peer, Term};
use crate::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply,
    InstallSnapshot, TimeoutNow,
};
use crate::rules::append::{self, PreviousVerdict};
use crate::rules::commit;
use crate::rules::transfer::{self, Told};
use crate::states::{Next, State};
use crate::time::Time;
use crate::trace::EventKind;

pub(crate) mod install;

/// A follower.
///
/// - The leader, once known, stays the same until the term changes.
/// - Without a `deadline` there is a leader, which has taken leave.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    led: Led,
    /// The latest heartbeat round heard of this term's leader, and answered.
    round: Option<u64>,
    /// When to look for another leader; never, while nobody wants anything.
    deadline: Option<Time>,
}

/// Who leads the current term.
#[derive(Clone, Debug)]
enum Led {
    By {
        leader: NodeId,
        /// When it was last heard, unless the connection to it is lost since.
        heard: Option<Time>,
    },
    /// Nobody is known to.
    ByNobody {
        /// How this node last failed to lead. Only to explain.
        failed: Option<Box<Failed>>,
    },
}

/// How a node failed to lead.
#[derive(Clone, Debug)]
enum Failed {
    /// These refused its last attempt to be elected.
    RefusedBy(Vec<NodeId>),
    /// It led the current term itself, in this boot.
    GaveUp,
}

impl Follower {
    pub(crate) fn new(common: &mut Common) -> Self {
        let deadline = common.now.after(common.draw_election_timeout());
        Self {
            led: Led::ByNobody { failed: None },
            round: None,
            deadline: Some(deadline),
        }
    }

    /// A follower that was something else before.
    pub(crate) fn after(common: &mut Common, before: &State) -> Self {
        let mut follower = Self::new(common);
        let failed = match before {
            State::PreCandidate(candidate) => {
                follower.round = candidate.round_heard(common.term());
                Some(candidate.refused_by())
                    .filter(|refused_by| !refused_by.is_empty())
                    .map(Failed::RefusedBy)
            }
            State::Leader(leader) => (leader.term() == common.term()).then_some(Failed::GaveUp),
            State::Follower(_) | State::Candidate(_) => None,
        };
        follower.led = Led::ByNobody {
            failed: failed.map(Box::new),
        };
        follower
    }

    /// The latest heartbeat round heard in this term.
    pub(crate) const fn round_heard(&self) -> Option<u64> {
        self.round
    }

    pub(crate) const fn leader(&self) -> Option<NodeId> {
        match self.led {
            Led::By { leader, .. } => Some(leader),
            Led::ByNobody { .. } => None,
        }
    }

    /// When a current leader was last heard.
    pub(crate) const fn heard(&self) -> Option<Time> {
        match self.led {
            Led::By { heard, .. } => heard,
            Led::ByNobody { .. } => None,
        }
    }

    /// Who refused this node's last attempt to be elected, unless a leader was heard since.
    pub(crate) fn refused_by(&self) -> &[NodeId] {
        match self.failed() {
            Some(Failed::RefusedBy(nodes)) => nodes,
            Some(Failed::GaveUp) | None => &[],
        }
    }

    /// Whether this node led the current term itself, in this boot.
    pub(crate) fn gave_up(&self) -> bool {
        matches!(self.failed(), Some(Failed::GaveUp))
    }

    fn failed(&self) -> Option<&Failed> {
        match &self.led {
            Led::By { .. } => None,
            Led::ByNobody { failed } => failed.as_deref(),
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Whether its leader has taken leave, so that it waits for nothing.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.deadline.is_none()
    }

    /// Somebody wants something: looks whether the leader that took leave is still there. That one
    /// counts as heard now, and has an election timeout to say a word.
    pub(crate) fn rouse(&mut self, common: &mut Common) {
        if !self.is_quiet() {
            return;
        }
        if let Led::By { heard, .. } = &mut self.led {
            *heard = Some(common.now);
        }
        self.restart_timer(common);
        let leader = self.leader().and_then(|id| {
            Some(Peer::new(
                id,
                common.configuration().member(id)?.incarnation,
            ))
        });
        if let Some(leader) = leader {
            // It answers nothing: whoever leads takes it for the call that it is.
            common.say(leader, Body::HeartbeatReply(HeartbeatReply::NO_ROUND));
        }
        common.event("", EventKind::Roused);
    }

    /// The leader takes leave, in a round of which this node had not heard: unless there is
    /// something that only one of the two has.
    fn take_leave(&mut self, common: &mut Common, heartbeat: Heartbeat) {
        let same =
            common.last().index == heartbeat.commit && common.commit_index == heartbeat.commit;
        if same {
            self.deadline = None;
            common.event("", EventKind::FellQuiet);
        }
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            led: _,
            round,
            deadline,
        } = self;
        (self.leader(), round, deadline.is_none()).hash(into);
    }

    /// A new term has no leader yet. The timer runs on: a later term is no sign of life.
    pub(crate) fn forget_leader(&mut self, common: &mut Common) {
        if self.gave_up() || self.leader().is_some() {
            self.led = Led::ByNobody { failed: None };
        }
        self.round = None;
        if self.is_quiet() {
            self.restart_timer(common);
        }
    }

    /// Waits for a whole election timeout from now on.
    pub(crate) fn restart_timer(&mut self, common: &mut Common) {
        self.deadline = Some(common.now.after(common.draw_election_timeout()));
    }

    /// Recognises the sender of an append or a heartbeat of this term as the leader. A second
    /// leader in one term can't be: its message is dropped.
    fn recognise(&mut self, common: &mut Common, from: Peer) -> bool {
        match self.leader() {
            Some(leader) if leader != from.id => {
                let why = Dropped::Impossible;
                common.event("F3.ES", EventKind::MessageDropped { from: from.id, why });
                return false;
            }
            Some(_) => {}
            None => {
                let term = common.term();
                common.event(
                    "F2.FOL.1",
                    EventKind::LeaderKnown {
                        leader: from.id,
                        term,
                    },
                );
            }
        }
        self.led = Led::By {
            leader: from.id,
            heard: Some(common.now),
        };
        self.restart_timer(common);
        true
    }

    pub(crate) fn on_append_entries(
        &mut self,
        common: &mut Common,
        from: Peer,
        request: AppendEntries,
    ) {
        if !is_sound(&request, common.term()) {
            let why = Dropped::Impossible;
            common.event("F3.LM", EventKind::MessageDropped { from: from.id, why });
            return;
        }
        if !self.recognise(common, from) {
            return;
        }
        if !request.chunks.iter().all(|chunk| common.keeps(chunk)) {
            let why = Dropped::OtherRole;
            common.event("", EventKind::MessageDropped { from: from.id, why });
            return;
        }
        let bytes = request.chunks.iter().map(Chunk::pinned_bytes);
        let bytes = bytes.fold(0, usize::saturating_add);
        if bytes > 0 && !common.has_room(bytes, || 0) {
            // The leader sends them again, as if they had been lost.
            let why = Dropped::NoRoom;
            common.event("", EventKind::MessageDropped { from: from.id, why });
            return;
        }
        let previous = request.previous;
        let held = if previous.index < common.entries.snapshot().index {
            // What a snapshot stands for is committed: the leader of a later term holds the same.
            Some(previous.term)
        } else {
            common.entries.term_at(previous.index)
        };
        match append::judge_previous(previous, held, common.commit_index) {
            PreviousVerdict::Held => accept(common, from, request),
            PreviousVerdict::Missing => refuse(common, from, request.request, previous),
            PreviousVerdict::ContradictsCommitted => drop_overwrite(common, from, previous),
        }
    }

    pub(crate) fn on_heartbeat(&mut self, common: &mut Common, from: Peer, heartbeat: Heartbeat) {
        let sleeps = self.is_quiet();
        if !self.recognise(common, from) {
            return;
        }
        // What comes late or twice speaks of a rest that may be over,
        let is_news = self.round.is_none_or(|round| heartbeat.round > round);
        if sleeps && !is_news {
            // and to who sleeps, of nothing that came after the farewell.
            self.deadline = None;
        }
        self.round = self.round.max(Some(heartbeat.round));
        Self::learn_commit(common, from, heartbeat.commit);
        if is_news {
            // At once, whatever the disk does: it says that this node is here, and nothing of its
            // log. Once a round: more words of it only tell how far the log is committed.
            let reply = HeartbeatReply {
                round: Some(heartbeat.round),
                promise: common.promise_silence(),
            };
            common.say(from, Body::HeartbeatReply(reply));
        }
        if heartbeat.quiet && is_news {
            self.take_leave(common, heartbeat);
        }
    }

    /// The leader tells no more than it knows this node to hold; the bound here is against messages
    /// that can't be.
    fn learn_commit(common: &mut Common, from: Peer, told: LogIndex) {
        let (term, last) = (common.term(), common.last().index);
        let believable = match &common.repair {
            Some(repair) => repair.believable(term, told),
            None => told,
        };
        if believable < told && told > common.commit_index {
            // It counts on what was lost, and may have nothing to send that could be refused.
            refuse(common, from, 0, EntryId::new(term, told));
        }
        let commit = commit::of_follower(common.commit_index, believable, last);
        common.advance_commit(commit, "S5.3.15");
    }

    /// The leader hands over to this node, unless it comes late or can't be.
    pub(crate) fn on_timeout_now(
        &self,
        common: &mut Common,
        from: Peer,
        request: TimeoutNow,
    ) -> Next {
        let told = Told {
            by_leader: self.leader() == Some(from.id),
            round: request.round,
            heard_round: self.round.unwrap_or_default(),
            leader_last: request.last,
            last: common.last(),
        };
        let why = if !transfer::holds_still(&told) {
            Dropped::LateTakeover
        } else if !common.may_campaign() {
            Dropped::MayNotLead
        } else {
            // [T3.10.18] It is as if the election timeout had passed, and nobody need be asked
            // before: the leader has seen to it that this node can win.
            let term = common.term();
            common.event(
                "T3.10.18",
                EventKind::TookOver {
                    from: from.id,
                    term,
                },
            );
            return Next::TakeOver;
        };
        common.event("T3.10.18", EventKind::MessageDropped { from: from.id, why });
        Next::Stay
    }

    pub(crate) fn on_install_snapshot(
        &mut self,
        common: &mut Common,
        from: Peer,
        request: InstallSnapshot,
    ) {
        if !install::is_sound(&request) {
            let why = Dropped::Impossible;
            common.event("F13.IS.3", EventKind::MessageDropped { from: from.id, why });
            return;
        }
        // [F13.IS.20b] Each part is a sign of life.
        if !self.recognise(common, from) {
            return;
        }
        if common.is_as_in(&request.snapshot.configuration) {
            install::receive(common, from, request);
        } else {
            let why = Dropped::OtherRole;
            common.event("", EventKind::MessageDropped { from: from.id, why });
        }
    }

    pub(crate) fn on_deadline(&mut self, common: &mut Common) -> Next {
        if self.deadline.is_none_or(|deadline| common.now < deadline) {
            return Next::Stay;
        }
        if common.is_promised() {
            let over = common.promised_until;
            self.deadline = Some(over.after(common.draw_stagger()));
            return Next::Stay;
        }
        if !common.may_campaign() {
            self.restart_timer(common);
            call_voters(common);
            return Next::Stay;
        }
        // [F2.FOL.2] An election timeout without leader or vote: campaign.
        common.event(
            "F2.FOL.2",
            EventKind::Timeout {
                term: common.term(),
            },
        );
        Next::campaign(common)
    }

    /// The connection to a node is lost. If it leads, it may be dead: look sooner, each node after
    /// a wait of its own. PreVote makes a mistaken look harmless.
    pub(crate) fn on_connection_lost(&mut self, common: &mut Common, node: NodeId) {
        let Led::By { leader, heard } = &mut self.led else {
            return;
        };
        if *leader == node && common.settings.pre_vote {
            *heard = None;
            let soon = common.now.after(common.draw_stagger());
            self.deadline = self.deadline.map(|deadline| deadline.min(soon));
        }
    }
}

/// Somebody is to look for a leader, and it can't be this node: where a leader has fallen silent, no voter may
/// know of that. Who is no member, or none any longer, is not waited for, and wakes nobody.
fn call_voters(common: &mut Common) {
    if common.is_me(common.me.id) && !common.is_removed() {
        for voter in common.other_voters() {
            common.say(voter, Body::HeartbeatReply(HeartbeatReply::NO_ROUND));
        }
    }
}

/// Whether a request's entries are whole and follow its previous entry without a gap, in terms
/// that never fall and never pass the leader's own.
fn is_sound(request: &AppendEntries, term: Term) -> bool {
    let mut last = request.previous;
    request.chunks.iter().all(|chunk| {
        let follows = chunk.first_index() == last.index.next() && chunk.term() >= last.term;
        last = chunk.last_id();
        follows
    }) && last.term <= term
}

/// Appends what is new, and acknowledges all of it once it is durable.
fn accept(common: &mut Common, from: Peer, request: AppendEntries) {
    // [S5.5.6] A request that comes again finds all of it held, appends nothing, and is answered
    // as it was the first time.
    let matching = request
        .chunks
        .last()
        .map_or(request.previous.index, Chunk::last_index);
    // They follow each other: if the first is new, all are, and mostly it is.
    let first = request.chunks.first().map(Chunk::first_index);
    if first == Some(common.last().index.next()) {
        let chunks = request.chunks.into_iter();
        chunks.for_each(|chunk| append(common, chunk));
    } else {
        // [F2.AE.4] Only entries that are not in the log yet are appended.
        let mut chunks = request.chunks.iter();
        if !chunks.all(|chunk| append_missing(common, from, chunk)) {
            return;
        }
    }
    let term = common.term();
    if let Some(repair) = &mut common.repair {
        repair.vouch(term, matching);
    }
    let commit = commit::of_follower(common.commit_index, request.commit, matching);
    common.advance_commit(commit, "F2.AE.5");
    // [T3.8.3] Nobody counts these entries as held here before they are durable here.
    let verdict = AppendVerdict::Matched(matching);
    let reply = AppendEntriesReply {
        request: request.request,
        verdict,
    };
    common.promise(from, Body::AppendEntriesReply(reply));
}

/// Appends what of a chunk is not in the log yet, removing what conflicts with it. `false` when
/// that would remove what is committed.
fn append_missing(common: &mut Common, from: Peer, chunk: &Chunk) -> bool {
    // What a snapshot stands for is held, whatever its terms were.
    let first = chunk
        .first_index()
        .max(common.entries.snapshot().index.next());
    let last = chunk.last_index();
    let held = append::held_through(chunk.term(), first, last, |index| {
        common.entries.term_at(index)
    });
    let Some(new) = chunk.slice(held.next()..last.next()) else {
        return true;
    };
    let own_last = common.last().index;
    if new.first_index() <= own_last {
        if new.first_index() <= common.commit_index {
            drop_overwrite(common, from, EntryId::new(new.term(), new.first_index()));
            return false;
        }
        // [F2.AE.3] Delete the first conflicting entry and all that follow it.
        common.truncate(new.first_index());
    }
    append(common, new);
    true
}

fn append(common: &mut Common, chunk: Chunk) {
    let last = chunk.last_id();
    common.append(chunk);
    common.event("F2.AE.4", EventKind::Appended { last });
}

/// Refuses, with a hint where the logs may still agree.
fn refuse(common: &mut Common, from: Peer, request: u64, previous: EntryId) {
    common.event("F2.AE.2", EventKind::AppendRefused { previous });
    // [S5.3.47] The refusal carries the last entry that could still match.
    let index = append::could_agree(previous, common.last().index, |index| {
        common.entries.term_at(index)
    });
    let hint = common.entries.id_at(index).unwrap_or(EntryId::ORIGIN);
    let refused = previous.index;
    let verdict = match common.repair {
        None => AppendVerdict::Conflict { refused, hint },
        Some(_) => AppendVerdict::Lost { refused, hint },
    };
    let reply = AppendEntriesReply { request, verdict };
    // It speaks in a term that must not be forgotten, so it waits for the disk like any promise.
    common.promise(from, Body::AppendEntriesReply(reply));
}

fn drop_overwrite(common: &mut Common, from: Peer, offered: EntryId) {
    let committed: LogIndex = common.commit_index;
    let why = Dropped::OverwritesCommitted { committed, offered };
    common.event("F3.SMS", EventKind::MessageDropped { from: from.id, why });
}
