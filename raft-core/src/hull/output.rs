//! What a hull wants done: data only. All of it is pulled by the driver, in any order.

use core::fmt;
use core::ops::Range;

use crate::chunk::Chunk;
use crate::few::Few;
use crate::ids::{EntryId, LogIndex, NodeId, Ticket};
use crate::rules::reconfigure::TargetProblem;

/// Entries to read back from the log; answer with [`crate::hull::Loaded`] under the same number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Load {
    /// The load's number; the answer names it.
    pub number: u64,
    /// Which entries.
    pub range: Range<LogIndex>,
    /// About how many bytes of payload at once.
    pub max_bytes: usize,
}

/// Entries to apply: committed, durable on this node, and right after those handed out before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Apply {
    /// The entries, in order; never empty.
    pub chunks: Few<Chunk>,
}

impl Apply {
    /// The last entry's index: what to report as applied.
    pub fn last_index(&self) -> LogIndex {
        self.chunks.last().map_or(LogIndex::ZERO, Chunk::last_index)
    }
}

/// A ticket and what became of it. Every ticket comes back exactly once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The ticket handed in with the proposal, the read or the request.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a proposal, a read, or a request to hand over leadership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Committed as this entry. It will be applied on every node.
    Committed(EntryId),
    /// A state machine that has applied all up to this index, on any node, reflects everything that
    /// was committed anywhere before the read was handed in. Wait for that, then read there.
    ReadAt(LogIndex),
    /// Not in any log, and never will be. Hand it in again where the refusal points.
    Refused(Refusal),
    /// It was appended as this entry and may or may not be committed, now or later. Retrying is
    /// safe only under the same session and serial (thesis 6.3).
    Unknown {
        /// The entry it was appended as.
        id: EntryId,
        /// Why nobody here can say.
        why: Doubt,
    },
    /// Leadership was handed over: `to` was told to take over, and this node gave up office in a
    /// later term. That it is `to` who wins that term is likely, not certain.
    HandedOver {
        /// Who was told to take over.
        to: NodeId,
    },
    /// Leadership was to be handed over, and was not.
    NotHandedOver(NotHandedOver),
    /// A change of members was begun and is given up: the members are those they were.
    Withdrawn(Withdrawal),
}

/// Why a change of members was given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Withdrawal {
    /// Somebody asked for that ([`crate::hull::Input::CancelReconfigure`]).
    #[error("the change was cancelled")]
    Cancelled,
    /// A new member is gone, or too slow ever to catch up. See that it runs and is reached under
    /// its address, and try again.
    #[error("{node} did not catch up")]
    NotCaughtUp {
        /// The new member.
        node: NodeId,
    },
}

/// Where to go instead, as the end of a sentence.
struct Where(Option<NodeId>);

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(leader) => write!(f, "ask {leader}, the leader it knows of"),
            None => f.write_str("it knows of none: try again soon"),
        }
    }
}

/// Why a proposal, a read, or a request to hand over leadership was refused. Nothing was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Another node leads, or none is known to.
    #[error("this node is not the leader; {}", Where(*leader))]
    NotLeader {
        /// Where to go, if known. Otherwise try again soon.
        leader: Option<NodeId>,
    },
    /// More is proposed than committed already; wait for outcomes, then try again.
    #[error(
        "{uncommitted_bytes} bytes are uncommitted, of at most {limit} (max_uncommitted_bytes)"
    )]
    Busy {
        /// Bytes uncommitted now.
        uncommitted_bytes: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// This node's disk is so far behind that no more may wait for it in memory; try again later,
    /// when it has caught up.
    #[error(
        "what is not durable yet leaves no room for {bytes} bytes, of {limit} (max_memory_bytes)"
    )]
    MemoryFull {
        /// Bytes that were proposed.
        bytes: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// The batch holds more than one chunk may (settings: `chunk_limits`); split it.
    #[error("the batch holds {payload_bytes} bytes, more than one chunk may")]
    TooLarge {
        /// Bytes in the batch.
        payload_bytes: usize,
    },
    /// More reads wait for this leader to be confirmed than may; wait for outcomes, then try again.
    #[error("{pending} reads wait to be confirmed, of at most {limit} (max_pending_reads)")]
    TooManyReads {
        /// Reads that wait now.
        pending: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// This node led when the read was handed in, and lost leadership before a quorum confirmed it.
    /// Reads change nothing, so this one may be tried again at once, wherever the leader is.
    #[error("leadership was lost before the read was confirmed")]
    LeadershipLost,
    /// Leadership is being handed over. Try again soon: here if that fails, at the new leader
    /// otherwise.
    #[error("leadership is being handed over to {to}")]
    Transferring {
        /// To whom.
        to: NodeId,
    },
    /// The node that was to lead already does.
    #[error("this node leads already")]
    AlreadyLeads,
    /// The node that was to lead never may: it is no voter in the configuration in force.
    #[error("{node} is not a voter that may lead")]
    MayNotLead {
        /// That node.
        node: NodeId,
    },
    /// The node that was to lead, or every one that may, has not been heard for an election
    /// timeout. Name another, or try again when it is back.
    #[error("nobody was heard lately that could take over")]
    NobodyToLead,
    /// A change of members is not finished: its configuration is not committed, or leads on to
    /// another one. Wait for it, or cancel it.
    #[error("the members are changing since {since}")]
    ChangeUnderWay {
        /// The index of the latest configuration's entry.
        since: LogIndex,
    },
    /// This leader has committed nothing in its own term yet, and may not know which configuration
    /// is committed. Try again soon.
    #[error("nothing is committed in this leader's own term yet")]
    TermNotCommitted,
    /// The members can't become what is wanted.
    #[error("the target can't be: {0}")]
    Target(TargetProblem),
    /// There is no change of members that could still be cancelled.
    #[error("there is no change of members to cancel")]
    NothingToCancel,
    /// The hull has stopped; see [`crate::hull::Hull::fault`].
    #[error("this node has stopped after a fault")]
    Stopped,
}

/// Why leadership was not handed over, although that was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotHandedOver {
    /// It did not take over within an election timeout. This node leads on and takes proposals
    /// again, unless it is deposed yet.
    #[error("{to} did not take over within an election timeout")]
    TimedOut {
        /// Who was to lead.
        to: NodeId,
    },
    /// This node lost leadership for another reason before the other was told to take over.
    #[error("leadership was lost before it was handed over")]
    LeadershipLost,
    /// This node stopped after a fault.
    #[error("this node stopped before leadership was handed over")]
    Stopped,
}

/// Why the fate of an appended proposal is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Doubt {
    /// This node lost leadership; a later leader decides.
    #[error("leadership was lost before the entry was committed")]
    LeadershipLost,
    /// This node stopped after a fault.
    #[error("this node stopped before the entry was committed")]
    Stopped,
}
