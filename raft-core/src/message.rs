//! The messages nodes exchange: one struct each, with only its own fields (Figure 2, thesis 9.6).
//!
//! Every message may be lost, doubled, late and out of order. Each carries its sender's term, and
//! each reply names the request it answers, so that a late one can't be taken for another.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::few::Few;
use crate::ids::{EntryId, LogIndex, Peer, Term};
use crate::snapshot::Snapshot;

/// One message from one life of a node to one life of another.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it.
    pub from: Peer,
    /// Whom it is for. A node drops what is for another life of it.
    pub to: Peer,
    /// The sender's current term when it was sent (for [`Body::PreVote`] too: the term it would
    /// campaign in is the next one).
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Body {
    /// Would you vote for me? Changes nothing at the receiver (thesis 9.6).
    PreVote(PreVote),
    /// The answer to [`Body::PreVote`].
    PreVoteReply(PreVoteReply),
    /// Vote for me (Figure 2).
    RequestVote(RequestVote),
    /// The answer to [`Body::RequestVote`].
    RequestVoteReply(RequestVoteReply),
    /// Entries, or a probe for where the logs agree (Figure 2).
    AppendEntries(AppendEntries),
    /// The answer to [`Body::AppendEntries`]; success promises durability.
    AppendEntriesReply(AppendEntriesReply),
    /// The leader is alive, and this much is committed (Figure 2's empty AppendEntries).
    Heartbeat(Heartbeat),
    /// The answer to [`Body::Heartbeat`]: contact, and nothing about the log.
    HeartbeatReply(HeartbeatReply),
    /// Campaign at once: the leader hands over to you (thesis 3.10).
    TimeoutNow(TimeoutNow),
    /// You are no member any more: told to who asks for votes or pre-votes (thesis 4.2.3).
    Removed(Removed),
    /// A part of a snapshot, or the question how much of it is there (Figure 13).
    InstallSnapshot(Box<InstallSnapshot>),
    /// The answer to [`Body::InstallSnapshot`].
    InstallSnapshotReply(InstallSnapshotReply),
}

/// Asks whether a vote would be granted in the term after the message's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PreVote {
    /// Which attempt of the sender this is; the reply names it.
    pub attempt: u64,
    /// The sender's last entry: its own term and index, never the current term.
    pub last: EntryId,
}

/// Answers a [`PreVote`]. The message's term is the refuser's own, never an echo.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PreVoteReply {
    /// The attempt answered.
    pub attempt: u64,
    /// The term the sender of the request asked about (the one after its own).
    pub asked: Term,
    /// Whether the vote would be granted.
    pub granted: bool,
}

/// Asks for a vote in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RequestVote {
    /// The candidate's last entry (Figure 2's lastLogIndex and lastLogTerm).
    pub last: EntryId,
    /// Whether the present leader asked for this election (leadership transfer, thesis 3.10), so
    /// that having heard from it is no reason to refuse.
    pub transfer: bool,
}

/// Answers a [`RequestVote`]. A candidate asks once a term, so the term of a grant names the
/// request. A refusal may answer a request of an earlier term; it takes no grant back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RequestVoteReply {
    /// Whether the vote is granted; then the grant is durable.
    pub granted: bool,
}

/// Carries entries, or none to probe.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct AppendEntries {
    /// The request's number; the reply names it. Unique among
    /// those of one term to one follower.
    pub request: u64,
    /// The entry right before the first one sent (Figure 2's prevLogIndex and prevLogTerm).
    pub previous: EntryId,
    /// The leader's commit index.
    pub commit: LogIndex,
    /// The entries, contiguous, in order of index. On the wire they travel beside the message, as
    /// the bytes they are.
    #[serde(skip)]
    pub chunks: Few<Chunk>,
}

/// Answers an [`AppendEntries`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct AppendEntriesReply {
    /// The request answered. A success may answer all up to this one.
    pub request: u64,
    /// What became of it.
    pub verdict: AppendVerdict,
}

/// What became of an [`AppendEntries`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AppendVerdict {
    /// The follower's log matches the leader's up to this index, durably.
    Matched(LogIndex),
    /// The follower's log does not hold the request's previous entry. The hint is the last entry
    /// of the follower's that could still match (paper 5.3: conflict index and term).
    Conflict {
        /// The previous entry's index that was refused.
        refused: LogIndex,
        /// Where to look next.
        hint: EntryId,
    },
    /// The sender is not (or no longer) leader: the message's term is later than the request's.
    StaleTerm,
    /// As [`AppendVerdict::Conflict`], of a follower that lost entries: whatever it acknowledged
    /// before, it is not known to hold any more.
    Lost {
        /// The index of an entry that the sender takes it to hold, and it does not.
        refused: LogIndex,
        /// Where to look next.
        hint: EntryId,
    },
}

/// Says that the leader is alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The round's number; the reply names it. Rounds of one term ascend. A round is
    /// answered once: a further heartbeat of it only tells the commit index.
    pub round: u64,
    /// The leader's commit index, but at most what this follower is known to hold durably in
    /// this term, because a heartbeat has no previous entry to check.
    pub commit: LogIndex,
    /// Whether the leader is about to fall silent because nobody wants anything of it: who holds
    /// all that is committed, and nothing else, need not expect to hear from it again.
    pub quiet: bool,
}

/// Answers a [`Heartbeat`] at once, waiting for nothing. Never moves a match index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// The round answered, of the leader of the message's term: its sender followed that leader
    /// after the round began. `None` in answer to a heartbeat of an earlier term, whose rounds a
    /// leader of this one must not take for its own, and in answer to none: then it is a call, of one
    /// who looks for a leader that may be silent ([`quiescent_after`]).
    ///
    /// [`quiescent_after`]: crate::settings::Settings::quiescent_after
    pub round: Option<u64>,
    /// For so long after it took in that heartbeat the sender gives its vote to nobody, and does
    /// not campaign, unless that leader asks for it (thesis 6.4.1). Zero: it promises nothing.
    pub promise: Duration,
}

impl HeartbeatReply {
    /// Answers a heartbeat of an earlier term, or none.
    pub const NO_ROUND: Self = Self {
        round: None,
        promise: Duration::ZERO,
    };
}

/// Asks a follower that holds all of the leader's log to campaign at once (thesis 3.10). It has no
/// reply: a candidate's requests say that it was obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct TimeoutNow {
    /// The heartbeat round in which it was sent. It is good for that round only: who has heard of
    /// a later one knows that it comes late, and is told anew if it still holds.
    pub round: u64,
    /// The leader's last entry when it was sent, which the receiver had acknowledged.
    pub last: EntryId,
}

/// Says that a committed configuration does not hold the receiver. A fact for ever, whatever the
/// message's term: it only keeps from campaigning who knows of no later configuration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// The index of the configuration's entry.
    pub configuration: LogIndex,
}

/// Carries a part of a snapshot; an empty one asks how much of the snapshot is there.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct InstallSnapshot {
    /// The request's number; the reply names it. Counted together with those of
    /// [`AppendEntries`].
    pub request: u64,
    /// Which snapshot (Figure 13's lastIncludedIndex and lastIncludedTerm, and more).
    pub snapshot: Snapshot,
    /// Where in its content the part begins.
    pub offset: u64,
    /// The part. It is the last one when it ends where the content does (Figure 13's done).
    pub part: Bytes,
}

/// Answers an [`InstallSnapshot`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct InstallSnapshotReply {
    /// The request answered.
    pub request: u64,
    /// What became of it.
    pub verdict: InstallVerdict,
}

/// What became of an [`InstallSnapshot`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum InstallVerdict {
    /// So many bytes of the snapshot's content are there; the next part begins after them. They
    /// may be fewer again after a crash.
    Stored(u64),
    /// The follower's log matches the leader's up to this index, durably: the snapshot is
    /// installed, or was not needed.
    Matched(LogIndex),
    /// The sender is not (or no longer) leader: the message's term is later than the request's.
    StaleTerm,
}

/// The queues towards one peer. What stands in one never waits behind what stands in another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lane {
    /// Votes, heartbeats, replies and the word to take over: small and urgent.
    Control,
    /// Entries.
    Entries,
    /// Snapshot parts.
    Snapshot,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Control, Self::Entries, Self::Snapshot];
}

impl Body {
    /// The name of the message's kind, as the paper has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PreVote(_) => "PreVote",
            Self::PreVoteReply(_) => "PreVoteReply",
            Self::RequestVote(_) => "RequestVote",
            Self::RequestVoteReply(_) => "RequestVoteReply",
            Self::AppendEntries(_) => "AppendEntries",
            Self::AppendEntriesReply(_) => "AppendEntriesReply",
            Self::Heartbeat(_) => "Heartbeat",
            Self::HeartbeatReply(_) => "HeartbeatReply",
            Self::TimeoutNow(_) => "TimeoutNow",
            Self::Removed(_) => "Removed",
            Self::InstallSnapshot(_) => "InstallSnapshot",
            Self::InstallSnapshotReply(_) => "InstallSnapshotReply",
        }
    }

    /// An entry that the message says is in its sender's log, if it names one.
    pub(crate) fn named_entry(&self) -> Option<EntryId> {
        match self {
            Self::PreVote(PreVote { last, .. }) | Self::RequestVote(RequestVote { last, .. }) => {
                Some(*last)
            }
            Self::AppendEntries(AppendEntries { previous, .. }) => Some(*previous),
            Self::TimeoutNow(TimeoutNow { last, .. }) => Some(*last),
            Self::InstallSnapshot(install) => Some(install.snapshot.id.last),
            Self::AppendEntriesReply(AppendEntriesReply {
                verdict: AppendVerdict::Conflict { hint, .. } | AppendVerdict::Lost { hint, .. },
                ..
            }) => Some(*hint),
            Self::PreVoteReply(_)
            | Self::RequestVoteReply(_)
            | Self::AppendEntriesReply(_)
            | Self::Heartbeat(_)
            | Self::HeartbeatReply(_)
            | Self::Removed(_)
            | Self::InstallSnapshotReply(_) => None,
        }
    }

    /// Whether it asks, as a leader or a candidate does: its sender counts for nothing by it.
    pub(crate) const fn is_request(&self) -> bool {
        match self {
            Self::PreVote(_)
            | Self::RequestVote(_)
            | Self::AppendEntries(_)
            | Self::InstallSnapshot(_)
            | Self::Heartbeat(_) => true,
            Self::PreVoteReply(_)
            | Self::RequestVoteReply(_)
            | Self::AppendEntriesReply(_)
            | Self::InstallSnapshotReply(_)
            | Self::HeartbeatReply(_)
            | Self::TimeoutNow(_)
            | Self::Removed(_) => false,
        }
    }

    /// Whether its sender looks for a leader: it campaigns, or calls.
    pub(crate) const fn seeks_leader(&self) -> bool {
        match self {
            Self::PreVote(_) | Self::RequestVote(_) => true,
            Self::HeartbeatReply(reply) => reply.round.is_none(),
            Self::PreVoteReply(_)
            | Self::RequestVoteReply(_)
            | Self::AppendEntries(_)
            | Self::AppendEntriesReply(_)
            | Self::InstallSnapshot(_)
            | Self::InstallSnapshotReply(_)
            | Self::Heartbeat(_)
            | Self::TimeoutNow(_)
            | Self::Removed(_) => false,
        }
    }

    /// The lane the message travels in.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::AppendEntries(_) => Lane::Entries,
            Self::InstallSnapshot(_) => Lane::Snapshot,
            Self::PreVote(_)
            | Self::PreVoteReply(_)
            | Self::RequestVote(_)
            | Self::RequestVoteReply(_)
            | Self::AppendEntriesReply(_)
            | Self::Heartbeat(_)
            | Self::HeartbeatReply(_)
            | Self::TimeoutNow(_)
            | Self::Removed(_)
            | Self::InstallSnapshotReply(_) => Lane::Control,
        }
    }
}

/// Chunks in one AppendEntries, whatever they weigh: entries may weigh nothing, and a receiver that
/// takes fewer would be sent the same ones for ever.
pub const MAX_CHUNKS: usize = 1_024;
