//! Why a log could not be opened. What goes wrong later is a [`raft_core::log::LogError`].

use crate::fs::FsError;

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
    /// What was once durable is damaged or missing. Do not start this node from this folder
    /// before it was looked at: it may have promised what it no longer has.
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
    #[error("log settings: {reason}")]
    Settings {
        /// Which, and why.
        reason: &'static str,
    },
}
