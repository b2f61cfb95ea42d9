//! What keeps the log durable: the contract between the hull and whatever writes.
//!
//! The hull hands out a [`Write`] for all that has to be durable, and gets a [`Durable`] back when
//! it is. The two are tied by a one-shot [`Receipt`], so that a promise of durability can't be
//! made for anything else (Figure 2: "updated on stable storage before responding to RPCs").

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::configuration::Configuration;
use crate::few::Few;
use crate::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use crate::snapshot::Snapshot;
pub use crate::snapshot::SnapshotMark;
use crate::time::{LogTime, Millis};

pub mod memory;

/// A durable log. Object safe. Three methods, because each further one is a crash window.
///
/// The contract, numbered so that tests can name its clauses:
///
/// 1. **Atomic.** After a crash, each write is there whole or not at all: hard state, truncation,
///    entries, identity and compaction of one [`Write`] stand or fall together.
/// 2. **In order.** Writes take effect in the order of the `begin` calls. When one is durable, all
///    before it are; when one is lost in a crash, all after it are.
/// 3. **Durable.** `poll_durable` returns a write's [`Durable`] only when it will survive a power
///    failure. It may return only the latest of several that became durable together.
/// 4. **Truncation first.** Within a write, `truncate_from` removes that index and all after it
///    before `append` is added. Removed entries never come back.
/// 5. **Contiguous.** `append` continues the log right after its last entry. A write that leaves
///    a gap is refused with [`LogError::Impossible`] and latches the log.
/// 6. **A failure is final.** After an error, `poll_durable` returns the same error for ever, and
///    nothing that was begun is retried. Only opening the log again clears it.
/// 7. **Reads see what was begun.** `load` returns entries of every write begun so far, durable
///    or not, and the entries as they are at the time of the call.
/// 8. **Reads are bounded.** `load` returns chunks from the range's start on, contiguous, with at
///    least one entry if there is one, and stops at about `max_bytes`. A range below the first
///    kept entry answers [`LogError::Compacted`]; one past the last answers what there is.
///
/// `raft_sim::conformance` asks a log for all of this, with the power failing at every change of its disk.
///
/// Boundary cases:
///
/// | the log holds | `load(1..5)` | `append` starts at | `truncate_from` |
/// |---|---|---|---|
/// | nothing | no chunks | 1 | 1 or more: no effect |
/// | 1 to 3 | 1 to 3 | 4 | 1: empty; 4 or more: no effect |
/// | a snapshot of 1 to 3 only | `Compacted` | 4 | 4 or more: no effect; 3 or less: `Impossible` |
/// | a snapshot of 1 to 3, and 4 | `Compacted` | 5 | 4: only the snapshot |
pub trait Log: Send {
    /// Starts a write. Never blocks; several may be under way, as many as the hull hands out.
    fn begin(&mut self, write: Write);

    /// The next acknowledgement, in order.
    ///
    /// # Errors
    ///
    /// The log failed; see clause 6.
    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>>;

    /// Reads entries back.
    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading;
}

/// Entries on their way from the log.
pub type Loading = Pin<Box<dyn Future<Output = Result<Vec<Chunk>, LogError>> + Send>>;

/// All that has to be durable since the last write, as one atomic batch.
#[derive(Debug)]
pub struct Write {
    /// The hard state after this write.
    pub hard: HardState,
    /// Remove this index and all after it, before anything is appended.
    pub truncate_from: Option<LogIndex>,
    /// Entries to append, contiguous.
    pub append: Few<Chunk>,
    /// A snapshot that now stands for all entries up to its index.
    pub snapshot: Option<Box<SnapshotMark>>,
    /// Entries before this index may be forgotten; zero for none.
    pub drop_before: LogIndex,
    /// What the node keeps beside the log (who it is, how its cluster was founded); `None` leaves
    /// what is there. The log neither reads nor changes it.
    pub identity: Option<Bytes>,
    /// Turned into the proof of durability by whoever made the write durable.
    pub receipt: Receipt,
}

impl Write {
    /// A write of a node's identity alone, before there is a hull. The acknowledgement means
    /// nothing to any hull.
    pub const fn of_identity(hard: HardState, identity: Bytes) -> Self {
        Self {
            hard,
            truncate_from: None,
            append: Few::new(),
            snapshot: None,
            drop_before: LogIndex::ZERO,
            identity: Some(identity),
            receipt: Receipt::new(hard.boot, BatchNumber::ZERO),
        }
    }
}

/// What must survive a crash beside the log (Figure 2's persistent state).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct HardState {
    /// How often the folder was opened.
    pub boot: Boot,
    /// The latest term seen.
    pub term: Term,
    /// Who got the vote in that term, if anyone.
    pub vote: Option<NodeId>,
    /// Whether it went to another life of that node than the one that the voter knows as a member.
    pub to_other_life: bool,
    /// For how long this boot may promise a leader at a time to give nobody else its vote (thesis
    /// 6.4.1): the next one waits as long before it gives any.
    #[serde(default)]
    pub promise: Millis,
}

/// The number of a write within one boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BatchNumber(u64);

impl BatchNumber {
    /// Before the first write.
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many batches lie between `earlier` (exclusive) and `self` (inclusive); zero when
    /// `earlier` is not earlier.
    pub(crate) const fn distance_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Comes with a [`Write`] and becomes the proof that it is durable. Not `Clone`: one write, one
/// proof.
#[derive(Debug)]
#[must_use = "dropping a receipt leaves the hull waiting for ever"]
pub struct Receipt {
    boot: Boot,
    batch: BatchNumber,
}

impl Receipt {
    pub(crate) const fn new(boot: Boot, batch: BatchNumber) -> Self {
        Self { boot, batch }
    }

    /// The receipt of the `number`th write of a log that is tested without a hull. What it proves means
    /// nothing to any hull.
    pub const fn of_no_hull(number: u64) -> Self {
        Self::new(Boot::new(0), BatchNumber(number))
    }

    /// The number of the write it came with, for logs that tell several acknowledgements apart.
    pub const fn batch(&self) -> BatchNumber {
        self.batch
    }

    /// Says that the write is durable. Call this after the sync has succeeded and never before:
    /// it is the only way to a [`Durable`], for every log.
    pub const fn synced(self) -> Durable {
        Durable {
            boot: self.boot,
            batch: self.batch,
        }
    }
}

/// Proof that a write, and all before it, are durable. It names a write of one boot, never an
/// index: the same index may be written, truncated and written again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durable {
    pub(crate) boot: Boot,
    pub(crate) batch: BatchNumber,
}

impl Durable {
    /// The number of the last write that it proves durable.
    pub const fn batch(self) -> BatchNumber {
        self.batch
    }
}

/// What opening a log found. The log's own `open` returns it; the hull starts from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The hard state; the default for a new folder.
    pub hard: HardState,
    /// What the node kept beside the log.
    pub identity: Option<Bytes>,
    /// What the log begins after: entries up to here are in a snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// The newest snapshot in the store of whoever drives the hull: the state machine starts from
    /// it. It stands for as much as [`Self::snapshot`] or more. No log knows of it; who has a store
    /// fills it in.
    pub stored: Option<Snapshot>,
    /// The terms of all entries kept, as runs in order: each run's first entry. An entry's term
    /// is the one of the last run that begins at or before it.
    pub runs: Vec<EntryId>,
    /// The last entry's index; the snapshot's, or zero, when no entry is kept.
    pub last: LogIndex,
    /// The highest log time any kept entry carries.
    pub time: LogTime,
    /// Whether any of them is kept without its payload, as witnesses keep them.
    pub holds_ids_only: bool,
    /// The configurations among the entries kept, in order.
    pub configurations: Vec<(LogIndex, Configuration)>,
    /// How far the log once reached, if some of it was damaged and is lost: no entry that it ever
    /// called durable is later than this one, which may itself never have been. Where a removal may be
    /// among what is lost, so that entries stand here again which had been removed, it is later than
    /// they are: the hard state's term with the last index will do. `None` for a whole log. A log that lost entries says so at each opening until it reaches as far again, and
    /// never loses the hard state with them: then it must not open at all.
    pub lost_through: Option<EntryId>,
}

/// Why a log can't go on. The same error is returned ever after (clause 6).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The storage below failed. Nothing more will be written by this node until its log is
    /// opened again.
    #[error("log storage failed while it tried to {action}: {detail}")]
    Storage {
        /// What was tried.
        action: &'static str,
        /// What the storage said.
        detail: String,
    },
    /// There is no room for the write. Free some, then start the node again.
    #[error("log storage is full: {detail}")]
    Full {
        /// What the storage said.
        detail: String,
    },
    /// Bytes read back are not what was written. Opening the log again finds out how much is lost.
    #[error("log is corrupt in {file} at offset {offset}: expected {expected}, found {found}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where in the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The entries asked for were compacted away.
    #[error("entries before {first} were compacted away")]
    Compacted {
        /// The first entry that is kept.
        first: LogIndex,
    },
    /// The caller broke the contract; the log refused and latched.
    #[error("impossible write: {reason}")]
    Impossible {
        /// Which clause was broken, and how.
        reason: &'static str,
    },
}
