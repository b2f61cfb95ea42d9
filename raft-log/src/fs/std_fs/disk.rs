//! What does the operations on a folder, one after the other, on whatever thread it is asked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::creations::Creations;
use super::direct::Gathered;
use super::files::Files;
use super::open_file::OpenFile;
use super::{Reply, WritePath, fs_error};
use crate::fs::{Answer, FsError, Operation};

/// A folder with its lock.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    files: Files,
    creations: Creations,
    lock: Option<File>,
    /// Why a sync of the folder failed: what it was to make durable is not known.
    failed_sync: Option<FsError>,
    /// Where the parts of a direct write are put together; `None` if all writes are buffered.
    gathered: Option<Gathered>,
}

impl Disk {
    pub(super) fn new(folder: PathBuf, writes: WritePath) -> Self {
        Self {
            files: Files::new(folder.clone()),
            folder,
            creations: Creations::default(),
            lock: None,
            failed_sync: None,
            gathered: (writes == WritePath::Direct).then(Gathered::default),
        }
    }

    /// Does an operation, and replies: at once, unless it is to make a file. That goes on beside whatever
    /// comes next, but for what concerns that file.
    pub(super) fn start(&mut self, operation: Operation, reply: Reply) {
        self.wait_for_creation(&operation);
        let files = &mut self.files;
        let (result, name) = match operation {
            Operation::Create { name, length } => match files.path(&name) {
                Ok(path) => return self.creations.begin(name, path, length, reply),
                Err(error) => (Err(error), name),
            },
            Operation::Lock => return answer(reply, self.lock()),
            Operation::SyncFolder => return answer(reply, self.sync_folder()),
            Operation::List => (self.list().map(Answer::Names), String::new()),
            Operation::Read {
                name,
                offset,
                length,
            } => {
                let read = files.open(&name).and_then(|file| file.read(offset, length));
                (read.map(Answer::Bytes), name)
            }
            Operation::Write {
                name,
                offset,
                parts,
            } => {
                let gathered = self.gathered.as_mut();
                (done(files.write(&name, offset, &parts, gathered)), name)
            }
            Operation::Sync { name } => {
                let synced = files.open(&name).and_then(OpenFile::sync);
                (done(synced), name)
            }
            Operation::SetLength { name, length } => {
                let set = files.open(&name).and_then(|file| file.set_length(length));
                (done(set), name)
            }
            Operation::Rename { from, to } => (done(files.rename(&from, &to)), from),
            Operation::Remove { name } => (done(files.remove(&name)), name),
        };
        answer(
            reply,
            result.map_err(|error| fs_error(&self.folder.join(name), &error)),
        );
    }

    /// What is done to one file is done in order.
    fn wait_for_creation(&mut self, operation: &Operation) {
        match operation {
            Operation::Lock | Operation::List | Operation::SyncFolder => {}
            Operation::Rename { from, to } => {
                self.creations.finish(from);
                self.creations.finish(to);
            }
            Operation::Create { name, .. }
            | Operation::Read { name, .. }
            | Operation::Write { name, .. }
            | Operation::Sync { name }
            | Operation::SetLength { name, .. }
            | Operation::Remove { name } => self.creations.finish(name),
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
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.creations.finish_all();
        if let Some(lock) = &self.lock {
            // Closing the file is not enough while another thread starts a process, which has all
            // files for a moment. If this fails, closing it does what it can.
            let _ = rustix::fs::flock(lock, FlockOperation::Unlock);
        }
    }
}

/// Whoever asked may no longer care.
fn answer(reply: Reply, result: Result<Answer, FsError>) {
    let _ = reply.send(result);
}

fn done(result: io::Result<()>) -> io::Result<Answer> {
    result.map(|()| Answer::Done)
}

/// Creates the folder and those above it, each durable in the one above.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
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
pub(super) fn holder(file: &mut File) -> String {
    let mut id = String::new();
    let read = file.take(20).read_to_string(&mut id);
    if read.is_ok() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("process {id}")
    } else {
        String::from("another process")
    }
}

pub(super) const LOCK_FILE: &str = "LOCK";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_given_up_even_if_somebody_else_has_its_file_still() {
        let folder = tempfile::tempdir().unwrap();
        let disk = || Disk::new(folder.path().to_owned(), WritePath::Buffered);
        let mut first = disk();
        assert_eq!(first.lock(), Ok(Answer::Done));
        let as_a_new_process_has_it = first.lock.as_ref().unwrap().try_clone().unwrap();
        drop(first);
        assert_eq!(disk().lock(), Ok(Answer::Done));
        drop(as_a_new_process_has_it);
    }
}
