//! What a hull wants done: data only. All of it is pulled by the driver, in any order.

use alloc::vec::Vec;
use core::ops::Range;

use crate::chunk::Chunk;
use crate::ids::{EntryId, LogIndex, NodeId, Ticket};

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
    pub chunks: Vec<Chunk>,
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
    /// The ticket handed in with the proposal or the read.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a proposal or a read.
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
}

/// Why a proposal or a read was refused. Nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Another node leads, or none is known to.
    #[error("this node is not the leader; the leader it knows of is {leader:?}")]
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
    /// The hull has stopped; see [`crate::hull::Hull::fault`].
    #[error("this node has stopped after a fault")]
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
