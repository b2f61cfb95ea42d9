//! Real files: one folder, and one thread that does its input and output in order.
//!
//! Only this file and those below it know threads and operating-system files. Waking up a second
//! thread costs more than most writes, so there is at most one; what overlaps is the driver's work
//! with the disk's. Who drives a log on a thread that may block can do without ([`RunOn`]). Only
//! files are made beside all that, each on a thread that ends with it: that takes long, and is rare.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;

use super::{Answer, Completion, Fs, FsError, Operation};
use disk::Disk;

mod creations;
mod direct;
mod disk;
mod files;
mod open_file;
#[cfg(feature = "cli")]
pub(crate) mod read_only;

/// A folder of the operating system. Clones share the folder, its lock and its thread.
///
/// Operations take effect one after the other, in the order in which they were started; only a file that
/// is made holds up nothing but what concerns it. Dropping the last clone waits until all that was started is done, and gives up the lock.
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
            RunOn::OwnThread => {
                let thread = DiskThread::start(disk).map_err(|error| fs_error(&folder, &error))?;
                Runner::Thread(Arc::new(thread))
            }
            RunOn::CallersThread => Runner::Caller(Arc::new(Mutex::new(disk))),
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
            Runner::Thread(thread) => thread.start_job(Job { operation, reply }),
            Runner::Caller(disk) => {
                // One that panicked has left the files in a state that nobody knows.
                if let Ok(mut disk) = disk.lock() {
                    disk.start(operation, reply);
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RunOn {
    /// One of the folder's own: whoever starts an operation never waits for the disk.
    #[default]
    OwnThread,
    /// The one that starts them: [`Fs::start`] returns when the operation is over (but for making a
    /// file), and blocks its thread until then, also for the operations that other threads started before. Saves handing
    /// each write over to another thread and waking up again. Only where the thread has nothing
    /// else to do meanwhile: never on that of an asynchronous runtime.
    CallersThread,
}

#[derive(Clone, Debug)]
enum Runner {
    Thread(Arc<DiskThread>),
    Caller(Arc<Mutex<Disk>>),
}

/// The thread's owner, which ends it. Jobs are bounded by who starts them: the log has as
/// many groups under way as it is told, and loads are bounded by whoever asks for them.
#[derive(Debug)]
struct DiskThread {
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl DiskThread {
    fn start(disk: Disk) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let handle = thread::Builder::new()
            .name(String::from("quorate-disk"))
            .spawn(move || serve(disk, &jobs))?;
        Ok(Self {
            jobs: Some(sender),
            handle: Some(handle),
        })
    }

    fn start_job(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(handle) = self.handle.take() else {
            return;
        };
        // A completion may wake, and so drop, the last owner on the disk thread itself.
        if handle.thread().id() != thread::current().id() {
            let _ = handle.join();
        }
    }
}

struct Job {
    operation: Operation,
    reply: Reply,
}

/// Where the answer to an operation goes.
type Reply = oneshot::Sender<Result<Answer, FsError>>;

fn serve(mut disk: Disk, jobs: &Receiver<Job>) {
    while let Ok(Job { operation, reply }) = jobs.recv() {
        disk.start(operation, reply);
    }
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
