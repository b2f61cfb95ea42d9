//! Snapshots: what stands for a prefix of the log (paper 7).
//!
//! Here is what the core knows of one. Its content is the state machine's, and lies in a store
//! that the driver keeps: it comes past the core only in parts, on its way from a leader to a
//! follower. What is to be done with content is a [`crate::hull::SnapshotJob`].

use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::ids::EntryId;
use crate::time::LogTime;

/// A snapshot, as all who have it know it: the paper's "small amount of metadata" (section 7), and
/// what tells its content from any other.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// What it stands for, and which content it is.
    pub id: SnapshotId,
    /// The configuration as of its last entry, not the latest one.
    pub configuration: Configuration,
    /// The log time that its entries had come to, so that a leader whose log holds no other goes
    /// on from there. It may be a little later.
    pub time: LogTime,
}

/// Which snapshot: parts of two that differ in any of this are never joined.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SnapshotId {
    /// The last entry it stands for (the paper's last included index and term).
    pub last: EntryId,
    /// The bytes of its content.
    pub length: u64,
    /// What the content hashes to, in whatever way the stores of the cluster agree on. Two nodes
    /// may write different bytes for the same state.
    pub digest: u64,
}

impl Snapshot {
    /// What the log keeps of it.
    pub fn mark(&self) -> SnapshotMark {
        SnapshotMark {
            last: self.id.last,
            configuration: self.configuration.clone(),
        }
    }
}

/// A snapshot that the log may begin after.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SnapshotMark {
    /// The last entry it stands for.
    pub last: EntryId,
    /// The configuration as of that entry, not the latest one.
    pub configuration: Configuration,
}
