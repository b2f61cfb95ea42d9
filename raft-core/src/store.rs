//! Where snapshots are kept: the contract between a driver and its store.
//!
//! The core knows what a snapshot stands for ([`crate::snapshot::Snapshot`]) and when one is due; a
//! store knows bytes. It keeps one snapshot that counts, seldom a few for as long as an older one is
//! still being sent, and beside them at most one that is being written here and one that comes from
//! a leader. How a store is opened is its own affair: whoever opens it hands the newest snapshot to
//! [`crate::log::Recovered::stored`]. One that looks through that snapshot when it is opened may hand
//! its content to a [`StartReader`] on the way, so that a start reads it once.

use core::task::{Context, Poll};

use bytes::Bytes;

use crate::hull::{SnapshotAnswer, SnapshotDone};
use crate::log::SnapshotMark;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::time::LogTime;

pub mod digest;
pub mod memory;

pub use digest::ContentDigest;

/// Keeps snapshots.
///
/// The contract, numbered so that tests can name its clauses:
///
/// 1. `begin` never blocks. Jobs take effect in the order they were begun, and each sees what those
///    before it did; they may be answered in any order.
/// 2. Each job is answered once, under its number, but for [`StoreWork::Discard`] and
///    [`StoreWork::Forget`], which have no answer.
/// 3. What is not sealed or finished does not count: whatever a crash, a failure or a later job
///    leaves of it, the snapshots stored before it are stored still.
/// 4. [`SnapshotAnswer::Taken`] and [`SnapshotAnswer::Finished`] come when a crash can no longer take
///    the snapshot away. A snapshot that is whole counts from then on, or from the next start on if
///    the crash came just before.
/// 5. What is received survives a restart as far as it is intact, and is told by
///    [`SnapshotAnswer::Begun`] when the same snapshot is begun again: fewer bytes perhaps than were
///    written, and never other ones.
/// 6. Length and digest ([`ContentDigest`]) are of the content alone, so that any two stores agree.
///    No content is finished whose length or digest is not the snapshot's.
/// 7. [`SnapshotAnswer::Failed`] says that a job was not done. The store goes on with what follows;
///    what belongs to the same snapshot may fail, too, and all but reads where nothing can be made
///    durable any more.
/// 8. At the next opening the newest snapshot counts, and any other goes, but for what was received
///    of one.
pub trait SnapshotStore: Send {
    /// Begins a job.
    fn begin(&mut self, job: StoreJob);

    /// The next answer; registers the waker when there is none yet.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone>;
}

/// Takes the content of the snapshot that a node starts from, while its store is opened.
pub trait StartReader: Send {
    /// From here on comes the content of this snapshot, from its beginning. What came of another
    /// before does not count: that one turned out to be damaged.
    fn begin(&mut self, snapshot: &Snapshot);

    /// The next bytes of it, cut anywhere. They are what was stored; all that was is there when the
    /// store is open.
    fn read(&mut self, content: &[u8]);
}

/// Something for a store to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreJob {
    /// The job's number; its answer names it.
    pub number: u64,
    /// What is to be done.
    pub work: StoreWork,
}

/// What a store can be asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreWork {
    /// Begin a snapshot that is taken here, aside from those that count. What an unfinished one
    /// left goes. Answered by [`SnapshotAnswer::Written`].
    Create {
        /// What it will stand for.
        mark: SnapshotMark,
        /// The log time of its last entry.
        time: LogTime,
    },
    /// The next part of its content. Answered by [`SnapshotAnswer::Written`]; it need not be
    /// durable.
    Append(Bytes),
    /// All of its content was appended. Answered by [`SnapshotAnswer::Taken`] once it is durable
    /// and counts.
    Seal,
    /// It is given up. No answer.
    Discard,
    /// Prepare to receive this snapshot. What is there of exactly this one counts, and of any other
    /// goes. Answered by [`SnapshotAnswer::Begun`].
    Receive(Snapshot),
    /// Write a part of what is received; it begins where the last one ended, and does not go beyond
    /// the end. Answered by
    /// [`SnapshotAnswer::Written`]; it need not be durable.
    Write {
        /// Where in the content.
        offset: u64,
        /// The bytes.
        part: Bytes,
    },
    /// All of its content was written. Answered by [`SnapshotAnswer::Finished`] once it is durable
    /// and counts, or by [`SnapshotAnswer::Damaged`] if the content is not what it should be, which
    /// is then thrown away.
    Finish(Snapshot),
    /// Read a part of one that counts. Answered by [`SnapshotAnswer::Part`], shorter than asked for
    /// only where the content ends.
    Read {
        /// Which snapshot.
        id: SnapshotId,
        /// Where the part begins.
        offset: u64,
        /// How long it may be; at least 1.
        max_bytes: usize,
    },
    /// This one is no longer needed. No answer.
    Forget(SnapshotId),
}

impl StoreWork {
    /// Whether an answer comes.
    pub const fn is_answered(&self) -> bool {
        !matches!(self, Self::Discard | Self::Forget(_))
    }
}
