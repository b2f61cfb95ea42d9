//! A folder of the operating system that is only looked at.
//!
//! Files are opened for reading alone, and every change is refused, so that whoever gets this folder
//! can't harm it. Nothing is locked either: a node must be able to start while somebody looks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::FlockOperation;

use super::disk::{LOCK_FILE, holder};
use super::fs_error;
use crate::fs::{Answer, Completion, Fs, FsError, Operation};

/// A folder for reading, without a thread of its own: every completion is ready at once.
#[derive(Clone, Debug)]
pub(crate) struct ReadOnlyFs {
    folder: PathBuf,
}

/// Whether a node has a folder open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InUse {
    /// None has.
    No,
    /// This one has.
    By(String),
    /// It can't be told, because of this.
    Unknown(String),
}

impl ReadOnlyFs {
    /// The folder, if there is one.
    pub(crate) fn open(folder: &Path) -> Result<Self, FsError> {
        // Asks more than whether it is there: whether it is a folder, and may be read.
        fs::read_dir(folder).map_err(|error| fs_error(folder, &error))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Whether a node has the folder open.
    ///
    /// The only way to ask is to try for the lock: shared, so that others may look at the same time,
    /// and given back at once. A node that takes the folder in that very moment is refused it, as if
    /// another node had it, and has to be started again.
    pub(crate) fn in_use(&self) -> InUse {
        let path = self.folder.join(LOCK_FILE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return InUse::No,
            Err(error) => return InUse::Unknown(fs_error(&path, &error).to_string()),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => InUse::No,
            Err(rustix::io::Errno::WOULDBLOCK) => InUse::By(holder(&mut file)),
            Err(error) => InUse::Unknown(fs_error(&path, &error.into()).to_string()),
        }
    }

    /// The names and lengths of all files, by name.
    pub(crate) fn list(&self) -> Result<Vec<(String, u64)>, FsError> {
        let failed = |error: io::Error| fs_error(&self.folder, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = match entry.metadata() {
                // Nodes remove files while others look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(failed)?,
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                names.push((name, metadata.len()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// What stands at this place of a file; less only at its end.
    pub(crate) fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, FsError> {
        let path = self.folder.join(name);
        read(&path, offset, length).map_err(|error| fs_error(&path, &error))
    }
}

impl Fs for ReadOnlyFs {
    fn start(&self, operation: Operation) -> Completion {
        let answer = match operation {
            Operation::Lock => Ok(Answer::Done),
            Operation::List => self.list().map(Answer::Names),
            Operation::Read {
                name,
                offset,
                length,
            } => self.read(&name, offset, length).map(Answer::Bytes),
            Operation::Create { name, .. }
            | Operation::Write { name, .. }
            | Operation::Sync { name }
            | Operation::SetLength { name, .. }
            | Operation::Rename { from: name, .. }
            | Operation::Remove { name } => self.refused(&name),
            Operation::SyncFolder => self.refused(""),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl ReadOnlyFs {
    fn refused(&self, name: &str) -> Result<Answer, FsError> {
        let detail = format!("{}: only looked at", self.folder.join(name).display());
        Err(FsError::Denied { detail })
    }
}

fn read(path: &Path, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut file = OpenOptions::new().read(true).open(path)?;
    let there = file.metadata()?.len().saturating_sub(offset);
    let there = usize::try_from(there).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(length.min(there));
    file.seek(SeekFrom::Start(offset))?;
    // A file that is cut meanwhile is shorter than it was said to be.
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_anything_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "content").unwrap();
        let looked_at = ReadOnlyFs::open(folder.path()).unwrap();
        let name = || String::from("file");
        let changes = [
            Operation::Create {
                name: String::from("new"),
                length: 1,
            },
            Operation::Write {
                name: name(),
                offset: 0,
                parts: vec![Bytes::from("other")],
            },
            Operation::SetLength {
                name: name(),
                length: 0,
            },
            Operation::Rename {
                from: name(),
                to: String::from("new"),
            },
            Operation::Remove { name: name() },
            Operation::Sync { name: name() },
            Operation::SyncFolder,
        ];
        for change in changes {
            let mut started = looked_at.start(change.clone());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let answer = started.as_mut().poll(&mut cx);
            let refused = matches!(answer, std::task::Poll::Ready(Err(FsError::Denied { .. })));
            assert!(refused, "{change:?}: {answer:?}");
        }
        assert_eq!(looked_at.list().unwrap(), [(name(), 7)]);
        assert_eq!(looked_at.read("file", 3, 9).unwrap(), "tent");
        assert_eq!(looked_at.read("file", 30, 9).unwrap(), "");
    }

    #[test]
    fn a_lock_is_seen_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let looked_at = ReadOnlyFs::open(folder.path()).unwrap();
        assert_eq!(looked_at.in_use(), InUse::No);
        assert_eq!(looked_at.list().unwrap(), [], "no lock was made");
        let path = folder.path().join(LOCK_FILE);
        fs::write(&path, "17").unwrap();
        let node = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(looked_at.in_use(), InUse::No, "a file is no lock");
        rustix::fs::flock(&node, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(looked_at.in_use(), InUse::By(String::from("process 17")));
        assert_eq!(fs::read(&path).unwrap(), b"17");
    }
}
