//! Real files: one folder, and a thread that does its input and output in order.
//!
//! Only this file and those below it know threads and operating-system files. Waking up a second
//! thread costs more than a small write to a quick disk, so there is one unless more are asked for; what
//! overlaps is the driver's work with the disk's. Who drives a log on a thread that may block can do without
//! ([`RunOn`]). Only files are made beside all that, each on a thread that ends with it: that takes long, and
//! is rare.

use std::fmt;
use std::io;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;

use super::{Answer, Completion, Fs, FsError, Operation};
use direct::Gathered;
use disk::Disk;
use threads::Threads;

mod creations;
mod direct;
mod disk;
mod files;
mod flights;
mod open_file;
#[cfg(feature = "cli")]
pub(crate) mod read_only;
mod threads;

/// A folder of the operating system. Clones share the folder, its lock and its threads.
///
/// Operations take effect one after the other, in the order in which they were started; only a file that
/// is made holds up nothing but what concerns it, and direct writes that do not meet may be done side by side.
/// Dropping the last clone waits until all that was started is done, and gives up the lock.
#[derive(Clone, Debug)]
pub struct StdFs {
    runner: Runner,
    writes: WritePath,
}

impl StdFs {
    /// Opens a folder with the default settings, creating it durably if it is not there.
    ///
    /// # Errors
    ///
    /// See [`StdFs::open_with`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, FsError> {
        Self::open_with(folder, FsSettings::default())
    }

    /// Opens a folder, creating it durably if it is not there.
    ///
    /// # Errors
    ///
    /// The folder can't be created or is none, there can be no more threads, or it was
    /// [`Writes::Direct`] that was asked for, and the file system refuses it.
    pub fn open_with(folder: impl Into<PathBuf>, settings: FsSettings) -> Result<Self, FsError> {
        let folder = folder.into();
        disk::create_folder(&folder).map_err(|error| fs_error(&folder, &error))?;
        let writes = settings.writes.chosen(&folder)?;
        let disk = Disk::new(folder.clone(), writes);
        let runner = match settings.run_on {
            RunOn::OwnThreads(most) => {
                let threads = Threads::start(disk, most);
                let threads = threads.map_err(|error| fs_error(&folder, &error))?;
                Runner::Threads(Arc::new(threads))
            }
            RunOn::CallersThread => {
                let gathered = Gathered::default();
                Runner::Caller(Arc::new(Mutex::new(OnCaller { disk, gathered })))
            }
        };
        Ok(Self { runner, writes })
    }

    /// Which way writes go to the disk, as was settled on opening.
    pub const fn writes(&self) -> WritePath {
        self.writes
    }
}

impl Fs for StdFs {
    fn start(&self, operation: Operation) -> Completion {
        let (reply, answer) = oneshot::channel();
        // Where the disk is gone, so is the reply, and whoever waits is told.
        match &self.runner {
            Runner::Threads(threads) => threads.push(operation, reply),
            Runner::Caller(here) => {
                // One that panicked has left the files in a state that nobody knows.
                if let Ok(mut here) = here.lock() {
                    if let Some(flight) = here.disk.start(operation, reply) {
                        flight.fly(&mut here.gathered);
                    }
                }
            }
        }
        Box::pin(async move { answer.await.unwrap_or(Err(FsError::Stopped)) })
    }
}

/// How a folder is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FsSettings {
    /// Which way writes go to the disk.
    pub writes: Writes,
    /// Which thread does the operations.
    pub run_on: RunOn,
}

/// Which way writes are to go to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Writes {
    /// Direct where the file system has it, which is tried with an unnamed file on opening; else
    /// buffered. [`StdFs::writes`] says what came of it.
    #[default]
    Auto,
    /// Direct, or the folder is not opened. For those who would rather know at once.
    Direct,
    /// Buffered. What was written stays in the system's memory, so that reading it soon after does
    /// not wait for the disk; the processor copies more.
    Buffered,
}

impl Writes {
    fn chosen(self, folder: &Path) -> Result<WritePath, FsError> {
        if self == Self::Buffered {
            return Ok(WritePath::Buffered);
        }
        match (direct::probe(folder), self) {
            (Ok(()), _) => Ok(WritePath::Direct),
            (Err(_), Self::Auto) => Ok(WritePath::Buffered),
            (Err(error), _) => {
                let folder = folder.display();
                let detail = format!(
                    "{folder}: the file system refuses direct writes ({error}); choose Writes::Auto"
                );
                Err(FsError::Io { detail })
            }
        }
    }
}

/// Which way writes go to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WritePath {
    /// Whole blocks within a file that was synced go past the system's memory, and are durable
    /// when they are written: nothing is left to a sync. All others go as [`WritePath::Buffered`].
    Direct,
    /// Into the system's memory, and to the disk with the sync.
    Buffered,
}

impl fmt::Display for WritePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct (O_DIRECT, RWF_DSYNC)",
            Self::Buffered => "buffered, then fdatasync",
        })
    }
}

/// Which thread does the operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunOn {
    /// So many of the folder's own: whoever starts an operation never waits for the disk. They take operations
    /// in the order in which they were started; with more than one, direct writes to different parts of a file
    /// are done side by side. More than [`WalSettings::groups_in_flight`](crate::WalSettings) have nothing to
    /// do, and as waking a thread costs more than a quick disk takes for a small write, more than one pay only
    /// with several groups.
    OwnThreads(NonZeroU8),
    /// The one that starts them: [`Fs::start`] returns when the operation is over (but for making a
    /// file), and blocks its thread until then, also for the operations that other threads started before. Saves handing
    /// each write over to another thread and waking up again. Only where the thread has nothing
    /// else to do meanwhile: never on that of an asynchronous runtime.
    CallersThread,
}

impl RunOn {
    /// One of the folder's own.
    pub const OWN_THREAD: Self = Self::OwnThreads(NonZeroU8::MIN);
}

impl Default for RunOn {
    fn default() -> Self {
        Self::OWN_THREAD
    }
}

#[derive(Clone, Debug)]
enum Runner {
    Threads(Arc<Threads>),
    Caller(Arc<Mutex<OnCaller>>),
}

/// What does operations on the thread that starts them.
#[derive(Debug)]
struct OnCaller {
    disk: Disk,
    gathered: Gathered,
}

/// Where the answer to an operation goes.
type Reply = oneshot::Sender<Result<Answer, FsError>>;

/// Whoever asked may no longer care.
fn answer(reply: Reply, result: Result<Answer, FsError>) {
    let _ = reply.send(result);
}

fn fs_error(path: &Path, error: &io::Error) -> FsError {
    let name = || path.display().to_string();
    let detail = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsError::NoSpace { detail },
        io::ErrorKind::NotFound => FsError::NotFound { name: name() },
        io::ErrorKind::AlreadyExists => FsError::Exists { name: name() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FsError::Denied { detail }
        }
        _ => FsError::Io { detail },
    }
}

#[cfg(test)]
mod tests;
