//! Why a log could not be opened, and what goes wrong with a store of snapshots. What goes wrong
//! later with a log is a [`raft_core::log::LogError`].

use raft_core::snapshot::SnapshotId;

use crate::fs::FsError;
use crate::settings::{Listed, SettingsProblem};

/// Why a log could not be opened. Nothing was changed on disk, unless the disk itself failed while
/// a torn tail was cut, which the next opening does again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WalError {
    /// The folder can't be used; see the cause.
    #[error("log can't {action}: {cause}")]
    Fs {
        /// What was tried.
        action: &'static str,
        /// What the file system said.
        cause: FsError,
    },
    /// What was once durable is damaged or missing, and it can't be told what of it must not be
    /// forgotten (who this node is, its term and its vote), or entries are missing that only the
    /// others could tell apart from those that were forgotten for a snapshot. This node can't be
    /// started from this folder any more: it may have promised what it no longer knows. Add it to
    /// its cluster again as a new one, with an empty folder.
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
    /// Written by a later version of this library; use that one.
    #[error("{file} has log format version {version}; this build reads {supported}")]
    UnknownVersion {
        /// The file.
        file: String,
        /// The version found.
        version: u16,
        /// The version this build reads and writes.
        supported: u16,
    },
    /// The settings can't be used.
    #[error("log settings: {}", Listed(problems))]
    Settings {
        /// All that is wrong with them.
        problems: Vec<SettingsProblem>,
    },
}

/// Why a store could not be opened, or why a job failed. Snapshots that counted before count still.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder can't be used; see the cause. What was being written is begun anew.
    #[error("snapshots can't {action}: {cause}")]
    Fs {
        /// What was tried.
        action: &'static str,
        /// What the file system said.
        cause: FsError,
    },
    /// A snapshot that counts is damaged. At an opening it is set aside, and the others send another;
    /// where it is read, the read fails.
    #[error("snapshot is corrupt in {file} at offset {offset}: expected {expected}, found {found}")]
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
    /// Written by a later version of this library; use that one.
    #[error("{file} has snapshot format version {version}; this build reads {supported}")]
    UnknownVersion {
        /// The file.
        file: String,
        /// The version found.
        version: u16,
        /// The version this build reads and writes.
        supported: u16,
    },
    /// A part of a snapshot was asked for that does not count here. Nothing was changed.
    #[error("there is no snapshot {id:?} here")]
    Missing {
        /// Which.
        id: SnapshotId,
    },
    /// A part came, or an end, of a snapshot that was not begun, or whose file failed since: begin
    /// it again.
    #[error("no snapshot is being written")]
    NotBegun,
    /// A part came that does not follow the one before, or goes beyond the end. Nothing was changed.
    #[error("a part at offset {offset} came where {expected} was due")]
    OutOfPlace {
        /// Where the part begins.
        offset: u64,
        /// Where it should.
        expected: u64,
    },
    /// The settings can't be used.
    #[error("store settings: {}", Listed(problems))]
    Settings {
        /// All that is wrong with them.
        problems: Vec<SettingsProblem>,
    },
}
