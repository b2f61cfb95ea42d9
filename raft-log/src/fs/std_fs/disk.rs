//! What does the operations on a folder, one after the other, on whatever thread it is asked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::FlockOperation;

use super::creations::Creations;
use super::files::Files;
use super::flights::{Blocks, Flight, Flights};
use super::{Reply, WritePath, answer, fs_error};
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
    writes: WritePath,
    /// The direct writes under way, which whoever asks this for something does.
    flights: Arc<Flights>,
}

impl Disk {
    pub(super) fn new(folder: PathBuf, writes: WritePath) -> Self {
        Self {
            files: Files::new(folder.clone()),
            folder,
            creations: Creations::default(),
            lock: None,
            failed_sync: None,
            writes,
            flights: Arc::default(),
        }
    }

    /// Does an operation, and replies: at once, unless it is to make a file, or a sync that waits for direct
    /// writes. That goes on beside whatever comes next, but for what concerns that file. A direct write is only
    /// begun, and returned, to be done without keeping others from here.
    pub(super) fn start(&mut self, operation: Operation, reply: Reply) -> Option<Flight> {
        self.wait_for_file(&operation);
        let files = &mut self.files;
        let (result, name) = match operation {
            Operation::Create { name, length } => match files.path(&name) {
                Ok(path) => {
                    self.creations.begin(name, path, length, reply);
                    return None;
                }
                Err(error) => (Err(error), name),
            },
            Operation::Lock => {
                answer(reply, self.lock());
                return None;
            }
            Operation::SyncFolder => {
                answer(reply, self.sync_folder());
                return None;
            }
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
            } => return self.write(name, offset, parts, reply),
            Operation::Sync { name } => match files.open(&name).map(|file| file.is_synced()) {
                Ok(true) => {
                    self.flights.sync(name, reply);
                    return None;
                }
                Ok(false) => (done(self.sync(&name)), name),
                Err(error) => (Err(error), name),
            },
            Operation::SetLength { name, length } => {
                let set = files.open(&name).and_then(|file| file.set_length(length));
                (done(set), name)
            }
            Operation::Rename { from, to } => (done(files.rename(&from, &to)), from),
            Operation::Remove { name } => (done(files.remove(&name)), name),
        };
        let told = |error| fs_error(&self.folder.join(name), &error);
        answer(reply, result.map_err(told));
        None
    }

    /// What is done to one file is done in order, but for direct writes that do not meet.
    fn wait_for_file(&mut self, operation: &Operation) {
        let (creations, flights) = (&mut self.creations, &self.flights);
        let mut wait_for = |name: &str| {
            creations.finish(name);
            flights.wait_for(name);
        };
        match operation {
            Operation::Lock | Operation::List | Operation::SyncFolder => {}
            Operation::Rename { from, to } => {
                wait_for(from);
                wait_for(to);
            }
            Operation::Create { name, .. }
            | Operation::Read { name, .. }
            | Operation::SetLength { name, .. }
            | Operation::Remove { name } => wait_for(name),
            Operation::Write { name, .. } | Operation::Sync { name } => creations.finish(name),
        }
        self.note_failures(operation);
    }

    /// What a failed direct write leaves is not known.
    fn note_failures(&mut self, operation: &Operation) {
        let (Operation::Write { name, .. } | Operation::Sync { name }) = operation else {
            return;
        };
        if self.flights.take_failed(name) {
            // One that can't be opened fails in what is asked for, too.
            if let Ok(file) = self.files.open(name) {
                file.distrust();
            }
        }
    }

    fn direct(
        &mut self,
        name: &str,
        offset: u64,
        parts: &[Bytes],
    ) -> io::Result<Option<Arc<File>>> {
        match self.writes {
            WritePath::Direct => self.files.direct(name, offset, parts),
            WritePath::Buffered => Ok(None),
        }
    }

    fn write(
        &mut self,
        name: String,
        offset: u64,
        parts: Vec<Bytes>,
        reply: Reply,
    ) -> Option<Flight> {
        let path = self.folder.join(&name);
        let written = match self.direct(&name, offset, &parts) {
            Ok(Some(file)) => {
                let blocks = Blocks {
                    path,
                    file,
                    offset,
                    parts,
                };
                return Some(self.flights.begin(name, blocks, reply));
            }
            Ok(None) => self.write_buffered(&name, offset, &parts),
            Err(error) => Err(error),
        };
        answer(
            reply,
            done(written).map_err(|error| fs_error(&path, &error)),
        );
        None
    }

    fn write_buffered(&mut self, name: &str, offset: u64, parts: &[Bytes]) -> io::Result<()> {
        self.flights.wait_for(name);
        self.files.open(name)?.write_buffered(offset, parts)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.flights.wait_for(name);
        self.files.open(name)?.sync()
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

fn done(result: io::Result<()>) -> io::Result<Answer> {
    result.map(|()| Answer::Done)
}

/// Creates the folder and those above it, each durable in the one above. One that is there need not be durable:
/// it may have been made a moment ago, by an opening that failed then, too.
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
        sync_folder(above(path))?;
    }
    if !folder.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    match sync_folder(above(folder)).map_err(|error| error.kind()) {
        // Who may not look into it can't have made the folder. And it may be of another file system than the
        // folder is, where that is mounted: one that knows no such thing.
        Err(io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => Ok(()),
        synced => synced.map_err(io::Error::from),
    }
}

/// The folder that this one is in.
fn above(path: &Path) -> &Path {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.unwrap_or(Path::new("."))
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
    use futures_channel::oneshot;

    use super::super::direct::{self, Gathered};
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

    /// What it left on the disk is not known, and a sync that had nothing to do would pass for one that made it
    /// durable.
    #[test]
    fn after_a_failed_direct_write_a_file_is_written_buffered_until_it_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [0; 8192]).unwrap();
        let mut disk = Disk::new(folder.path().to_owned(), WritePath::Direct);
        if direct::probe(folder.path()).is_err() {
            println!("skipped, as there are no direct writes here");
            return;
        }
        let name = || String::from("file");
        let sync = || Operation::Sync { name: name() };
        let write = || Operation::Write {
            name: name(),
            offset: 4096,
            parts: vec![Bytes::from(vec![1; 4096])],
        };
        let mut ask = |operation| {
            let (reply, mut answers) = oneshot::channel();
            let flight = disk.start(operation, reply);
            if let Some(file) = disk.files.open("file").ok().filter(|_| flight.is_none()) {
                file.break_direct(&path);
            }
            let flown = flight.map(|flight| flight.fly(&mut Gathered::default()));
            (flown.is_some(), answers.try_recv().unwrap().unwrap())
        };
        assert_eq!(ask(sync()), (false, Ok(Answer::Done)));
        assert!(matches!(ask(write()), (true, Err(FsError::Io { .. }))));
        assert_eq!(ask(write()), (false, Ok(Answer::Done)));
        assert_eq!(ask(write()), (false, Ok(Answer::Done)));
        assert_eq!(ask(sync()), (false, Ok(Answer::Done)));
        let flies = ask(write()).0;
        assert!(flies, "all that was buffered is on the disk");
    }
}
