//! What a driver does with snapshots for its hull, and answers: data only.

use bytes::Bytes;

use crate::log::SnapshotMark;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::time::LogTime;

/// Something to be done with a snapshot. Answer it with [`SnapshotDone`] under the same number,
/// where the work says that it has an answer.
///
/// Jobs are begun in the order they come, and each sees what those before it did; they may end in
/// any order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotJob {
    /// The job's number; the answer names it.
    pub number: u64,
    /// What is to be done.
    pub work: SnapshotWork,
}

/// What is to be done with a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotWork {
    /// Write the state machine's state down: as it is after all entries handed out so far by
    /// [`crate::hull::Hull::next_apply`], and before any handed out later. It is durable before
    /// [`SnapshotAnswer::Taken`]. A state machine that can be looked at as it was may go on
    /// meanwhile.
    Take {
        /// What the snapshot stands for, with the configuration as of then. Part of what is
        /// stored.
        mark: SnapshotMark,
        /// The log time of that entry. Part of what is stored.
        time: LogTime,
    },
    /// Replace the state machine's state by this snapshot's, which is stored: after all entries
    /// handed out so far were applied, and before any handed out later. The answer is
    /// [`crate::hull::Input::Applied`] with the snapshot's last index. A failure is the driver's
    /// end: this node can't go on without.
    Restore(Snapshot),
    /// Prepare to receive this snapshot, of which a part may be there from earlier, and throw away
    /// what was received of any other. Answered by [`SnapshotAnswer::Begun`].
    Begin(Snapshot),
    /// Write a part of what is received, at this offset, which is where the last part ended.
    /// Answered by [`SnapshotAnswer::Written`]; it need not be durable yet.
    Write {
        /// Where in the content.
        offset: u64,
        /// The bytes.
        part: Bytes,
    },
    /// All of the content was written: compare it with the snapshot's length and digest, make it
    /// durable, and only then let it count as stored. Answered by [`SnapshotAnswer::Finished`] or
    /// [`SnapshotAnswer::Damaged`].
    Finish(Snapshot),
    /// Read a part of a stored snapshot. Answered by [`SnapshotAnswer::Part`].
    Read {
        /// Which snapshot.
        id: SnapshotId,
        /// Where the part begins.
        offset: u64,
        /// How long it may be; shorter only where the content ends.
        max_bytes: usize,
    },
    /// This stored snapshot is no longer needed. No answer.
    Forget(SnapshotId),
}

/// The answer to a [`SnapshotJob`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotDone {
    /// The number of the job answered.
    pub number: u64,
    /// What came of it.
    pub answer: SnapshotAnswer,
}

/// What came of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotAnswer {
    /// The snapshot is stored, durably.
    Taken {
        /// The bytes of its content.
        length: u64,
        /// What its content hashes to.
        digest: u64,
    },
    /// So many bytes of the snapshot's content are there already.
    Begun {
        /// The bytes.
        stored: u64,
    },
    /// The part is written.
    Written,
    /// The snapshot received is stored, durably, and its content is what it should be.
    Finished,
    /// The content is not what it should be, and was thrown away.
    Damaged,
    /// The bytes asked for.
    Part(Bytes),
    /// It could not be done; what was stored before is still stored. The hull tries again in its
    /// time.
    Failed,
}
