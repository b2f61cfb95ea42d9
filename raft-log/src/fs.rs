//! What the log asks of a disk: flat names in one folder, every operation a completion.
//!
//! The trait knows nothing of frames or entries. What it promises, and what a disk may do to
//! bytes that were not synced, is `docs/assumptions.md`.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::rare::Site;

#[cfg(all(feature = "cli", unix))]
pub(crate) mod rehearsal;
#[cfg(unix)]
pub mod std_fs;

/// One folder of a disk.
///
/// An operation starts when [`Fs::start`] is called, not when its completion is first polled, and
/// goes on when the completion is dropped. Operations on one file take effect in the order in
/// which they were started, but for writes that do not meet: of those under way any may be on the disk first.
/// Operations on different files, and on the folder, take effect in any order.
pub trait Fs: Clone + Send + Sync + 'static {
    /// Starts an operation. Does not wait for the disk, so that whoever starts one may have other
    /// things to do; an implementation that does wait says so, and is for threads that may
    /// (`RunOn::CallersThread` of real files).
    fn start(&self, operation: Operation) -> Completion;

    /// Whether to do the rare thing at this site, this time: never, but in a simulated world. One
    /// that answers `true` must answer `false` now and then, or nothing goes on.
    fn rarely(&self, site: Site) -> bool {
        let _ = site;
        false
    }
}

/// An operation under way.
pub type Completion = Pin<Box<dyn Future<Output = Result<Answer, FsError>> + Send>>;

/// What can be asked of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Takes the folder for this process until the last clone of the [`Fs`] is dropped. Answers
    /// [`FsError::Locked`] if another has it.
    Lock,
    /// Asks for the names of all files. Answers [`Answer::Names`].
    List,
    /// Creates a file that reads as zeros. Answers [`FsError::Exists`] if there is one already.
    /// Durable after a [`Operation::Sync`] of the file and a [`Operation::SyncFolder`].
    Create {
        /// The new file.
        name: String,
        /// Its length in bytes.
        length: u64,
    },
    /// Reads. Answers [`Answer::Bytes`], fewer than asked for only at the end of the file.
    Read {
        /// The file.
        name: String,
        /// Where to start, in bytes.
        offset: u64,
        /// How many bytes.
        length: usize,
    },
    /// Writes, growing the file if needed. Not durable until a [`Operation::Sync`].
    Write {
        /// The file.
        name: String,
        /// Where to start, in bytes.
        offset: u64,
        /// What to write, one part after the other.
        parts: Vec<Bytes>,
    },
    /// Makes the file's content and length durable, as of all operations started before.
    Sync {
        /// The file.
        name: String,
    },
    /// Cuts the file, or lengthens it with zeros. Not durable until a [`Operation::Sync`].
    SetLength {
        /// The file.
        name: String,
        /// The new length in bytes.
        length: u64,
    },
    /// Renames a file, replacing the one that had the new name. Atomic; durable after a
    /// [`Operation::SyncFolder`].
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Removes a file. Durable after a [`Operation::SyncFolder`].
    Remove {
        /// The file.
        name: String,
    },
    /// Makes creations, renames and removals durable that completed before.
    ///
    /// After one that failed, all later ones fail, until the folder is opened anew: the system takes
    /// the changes for written that it could not write, whoever made them, and says so only once.
    SyncFolder,
}

/// What an operation found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// The names in the folder with the files' lengths in bytes, in any order.
    Names(Vec<(String, u64)>),
    /// What was read.
    Bytes(Bytes),
}

/// Why an operation failed. What it did before it failed is not known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FsError {
    /// The disk or the quota is full.
    #[error("no space left: {detail}")]
    NoSpace {
        /// What the system said, and of which file.
        detail: String,
    },
    /// There is no such file.
    #[error("{name} not found")]
    NotFound {
        /// The file.
        name: String,
    },
    /// There is such a file already.
    #[error("{name} exists already")]
    Exists {
        /// The file.
        name: String,
    },
    /// Another process, or another opener in this one, has the folder.
    #[error("{folder} is in use by {holder}; stop it, or choose another folder")]
    Locked {
        /// The folder.
        folder: String,
        /// Who has it, as far as can be told.
        holder: String,
    },
    /// The system does not let us.
    #[error("permission denied: {detail}")]
    Denied {
        /// What the system said, and of which file.
        detail: String,
    },
    /// Anything else; take the disk for broken.
    #[error("input/output error: {detail}")]
    Io {
        /// What the system said, and of which file.
        detail: String,
    },
    /// The disk no longer answers, because whoever served it has ended.
    #[error("the disk has been shut down")]
    Stopped,
}
