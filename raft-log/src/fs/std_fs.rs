//! Real files: one folder, and one thread that does all its input and output in order.
//!
//! This is the only file of the crate that knows threads and operating-system files. Waking up a
//! second thread costs more than most writes, so there is exactly one; what overlaps is the
//! driver's work with the disk's.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use futures_channel::oneshot;
use rustix::fs::FlockOperation;

use super::{Answer, Completion, Fs, FsError, Operation};

#[cfg(feature = "cli")]
pub(crate) mod read_only;

/// A folder of the operating system. Clones share the folder, its lock and its thread.
///
/// Operations take effect one after the other, in the order in which they were started. Dropping
/// the last clone waits until all that was started is done, and gives up the lock.
#[derive(Clone, Debug)]
pub struct StdFs {
    thread: Arc<DiskThread>,
}

impl StdFs {
    /// Opens a folder, creating it durably if it is not there.
    ///
    /// # Errors
    ///
    /// The folder can't be created or is none, or there can be no more threads.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, FsError> {
        let folder = folder.into();
        create_folder(&folder).map_err(|error| fs_error(&folder, &error))?;
        let (sender, jobs) = mpsc::channel();
        let disk = Disk {
            folder: folder.clone(),
            open: BTreeMap::new(),
            lock: None,
            failed_sync: None,
        };
        let handle = thread::Builder::new()
            .name(String::from("quorate-disk"))
            .spawn(move || disk.serve(&jobs))
            .map_err(|error| fs_error(&folder, &error))?;
        Ok(Self {
            thread: Arc::new(DiskThread {
                jobs: Some(sender),
                handle: Some(handle),
            }),
        })
    }
}

impl Fs for StdFs {
    fn start(&self, operation: Operation) -> Completion {
        let (answer, answered) = oneshot::channel();
        if let Some(jobs) = &self.thread.jobs {
            // A thread that has ended drops the job, which the completion then reports.
            let _ = jobs.send(Job { operation, answer });
        }
        Box::pin(async move { answered.await.unwrap_or(Err(FsError::Stopped)) })
    }
}

/// The thread's owner, which ends it. Jobs are bounded by who starts them: the log has one group
/// under way, and loads are bounded by whoever asks for them.
#[derive(Debug)]
struct DiskThread {
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
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
    answer: oneshot::Sender<Result<Answer, FsError>>,
}

/// What the thread has.
///
/// - A file with unsynced writes stays open: the kernel tells a failed write only to descriptors
///   that were open when it failed.
struct Disk {
    folder: PathBuf,
    open: BTreeMap<String, OpenFile>,
    lock: Option<File>,
    /// Why a sync of the folder failed: what it was to make durable is not known.
    failed_sync: Option<FsError>,
}

struct OpenFile {
    file: File,
    /// Whether it was written since its last sync.
    dirty: bool,
    /// Whether its length was set since its last sync.
    resized: bool,
}

impl Disk {
    fn serve(mut self, jobs: &Receiver<Job>) {
        while let Ok(Job { operation, answer }) = jobs.recv() {
            let result = self.run(operation);
            // Whoever asked may no longer care.
            let _ = answer.send(result);
        }
    }

    fn run(&mut self, operation: Operation) -> Result<Answer, FsError> {
        let folder = self.folder.clone();
        let done = |result: io::Result<()>, name: &str| match result {
            Ok(()) => Ok(Answer::Done),
            Err(error) => Err(fs_error(&folder.join(name), &error)),
        };
        match operation {
            Operation::Lock => self.lock(),
            Operation::List => self
                .list()
                .map(Answer::Names)
                .map_err(|error| fs_error(&folder, &error)),
            Operation::Create { name, length } => done(self.create(&name, length), &name),
            Operation::Read {
                name,
                offset,
                length,
            } => self
                .read(&name, offset, length)
                .map(Answer::Bytes)
                .map_err(|error| fs_error(&folder.join(&name), &error)),
            Operation::Write {
                name,
                offset,
                parts,
            } => done(self.write(&name, offset, &parts), &name),
            Operation::Sync { name } => done(self.sync(&name), &name),
            Operation::SetLength { name, length } => done(self.set_length(&name, length), &name),
            Operation::Rename { from, to } => done(self.rename(&from, &to), &from),
            Operation::Remove { name } => done(self.remove(&name), &name),
            Operation::SyncFolder => self.sync_folder(),
        }
    }

    fn sync_folder(&mut self) -> Result<Answer, FsError> {
        if let Some(error) = &self.failed_sync {
            return Err(error.clone());
        }
        let synced = sync_folder(&self.folder).map_err(|error| fs_error(&self.folder, &error));
        self.failed_sync = synced.as_ref().err().cloned();
        synced.map(|()| Answer::Done)
    }

    fn lock(&mut self) -> Result<Answer, FsError> {
        let path = self.folder.join(LOCK_FILE);
        let failed = |error: io::Error| fs_error(&path, &error);
        if self.lock.is_some() {
            return Ok(Answer::Done);
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        if let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            return Err(FsError::Locked {
                folder: self.folder.display().to_string(),
                holder: holder(&mut file),
            });
        }
        file.set_len(0).map_err(failed)?;
        let id = std::process::id().to_string();
        file.write_all(id.as_bytes()).map_err(failed)?;
        self.lock = Some(file);
        Ok(Answer::Done)
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                names.push((name, metadata.len()));
            }
        }
        Ok(names)
    }

    /// The zeros are written, not only promised: later writes then change no metadata, which makes
    /// their syncs cheaper (70 to 80 us a block on ext4, against 100 for space that was only
    /// reserved, and 240 and more for a sparse file), and a full disk is known here.
    fn create(&mut self, name: &str, length: u64) -> io::Result<()> {
        let path = self.path(name)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        let mut left = length;
        while left > 0 {
            let portion = left.min(ZEROS.len() as u64);
            let zeros = usize::try_from(portion).ok().and_then(|at| ZEROS.get(..at));
            file.write_all(zeros.unwrap_or(&[]))?;
            left = left.saturating_sub(portion);
        }
        self.keep_open(name, file).dirty = true;
        Ok(())
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = &mut self.file(name)?.file;
        let size = file.metadata()?.len();
        let there = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(there)];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }

    fn write(&mut self, name: &str, offset: u64, parts: &[Bytes]) -> io::Result<()> {
        let open = self.file(name)?;
        open.dirty = true;
        open.file.seek(SeekFrom::Start(offset))?;
        for parts in parts.chunks(MAX_PARTS) {
            let mut slices: Vec<IoSlice<'_>> =
                parts.iter().map(|part| IoSlice::new(part)).collect();
            write_all_vectored(&mut open.file, &mut slices)?;
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let open = self.file(name)?;
        if open.resized {
            open.file.sync_all()?;
        } else {
            open.file.sync_data()?;
        }
        open.dirty = false;
        open.resized = false;
        Ok(())
    }

    fn set_length(&mut self, name: &str, length: u64) -> io::Result<()> {
        let open = self.file(name)?;
        open.dirty = true;
        open.resized = true;
        open.file.set_len(length)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)?;
        self.open.remove(to);
        if let Some(open) = self.open.remove(from) {
            self.open.insert(String::from(to), open);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        fs::remove_file(self.path(name)?)
    }

    /// The open file of this name.
    fn file(&mut self, name: &str) -> io::Result<&mut OpenFile> {
        if !self.open.contains_key(name) {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(self.path(name)?)?;
            self.keep_open(name, file);
        }
        self.open
            .get_mut(name)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn keep_open(&mut self, name: &str, file: File) -> &mut OpenFile {
        if self.open.len() >= MAX_OPEN_FILES {
            self.open.retain(|_, open| open.dirty);
        }
        self.open.entry(String::from(name)).or_insert(OpenFile {
            file,
            dirty: false,
            resized: false,
        })
    }

    /// Names are flat: nothing outside the folder can be reached.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let flat = Path::new(name).file_name().is_some_and(|last| last == name);
        if flat {
            Ok(self.folder.join(name))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

fn write_all_vectored(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty parts would make a finished write look like one that wrote nothing.
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Creates the folder and those above it, each durable in the one above.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        sync_folder(above.unwrap_or(Path::new(".")))?;
    }
    if folder.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Who wrote its process id into the lock file.
fn holder(file: &mut File) -> String {
    let mut id = String::new();
    let read = file.take(20).read_to_string(&mut id);
    if read.is_ok() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("process {id}")
    } else {
        String::from("another process")
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

const LOCK_FILE: &str = "LOCK";
/// Files without unsynced writes are closed when there are more.
const MAX_OPEN_FILES: usize = 64;
/// How many parts go into one system call.
const MAX_PARTS: usize = 512;
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

#[cfg(test)]
mod tests;
