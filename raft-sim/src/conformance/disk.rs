//! The disk that a log under test is on: it notes all that is done to it, and fails or is late when asked.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use raft_log::fs::{Answer, Completion, Fs, FsError, Operation};

use super::folder::Folder;
use super::platter::{Covered, Image, Platter};
use crate::lot::Lot;

/// A folder on a disk in memory, for one log. Clones are the same folder.
///
/// A log that is written over [`Fs`] takes it as it is. One that reads and writes files at once, such as an
/// embedded database with a storage of your own, takes [`TestDisk::file`].
#[derive(Clone, Debug, Default)]
pub struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    platter: Platter,
    locked: bool,
    /// Operations started so far: their numbers.
    started: usize,
    /// What happened, in order. What is done later is not noted if nobody asked for it.
    tape: Option<Vec<Step>>,
    fault: Option<Fault>,
    /// Whether a sync of the folder failed: then they all do.
    folder_failed: bool,
    /// Whether answers wait until they are let go.
    late: bool,
    waiting: VecDeque<Waiting>,
    wakers: Vec<Waker>,
    /// The real folder, if the log writes there.
    folder: Option<Folder>,
}

/// One thing that happened, for a power failure to come right after it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The disk changed: as it is now.
    Disk(Arc<Platter>),
    /// So many writes were begun.
    Begun(usize),
    /// So many writes are called durable.
    Durable(usize),
}

/// An answer that is not there yet.
#[derive(Debug)]
struct Waiting {
    number: usize,
    /// The file whose operations are served in order.
    queue: Option<String>,
    effect: Effect,
}

/// What becomes true with an answer.
#[derive(Clone, Debug)]
enum Effect {
    None,
    Synced(Covered),
    Renamed,
}

/// Which operation fails, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) operation: usize,
    pub(super) kind: FaultKind,
}

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FaultKind {
    /// It does nothing, and says that the disk is broken.
    Nothing,
    /// It does all it was asked for (but what a sync covers does not last), and says that the disk is broken.
    All,
    /// A write does its first half; the disk says that it is full.
    Half,
}

impl TestDisk {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder with these files.
    pub fn of(image: Image) -> Self {
        let state = State {
            platter: Platter::of(image),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// All files as they are now.
    pub fn image(&self) -> Image {
        self.copied().platter.image(|_| true)
    }

    /// The file of this name, created if there is none: for logs that write files themselves. What is written
    /// lasts once [`TestFile::sync`] has returned, and so does the file.
    pub fn file(&self, name: &str) -> TestFile {
        TestFile {
            disk: self.clone(),
            name: name.to_owned(),
        }
    }

    /// A real folder with the files of this one, for logs that open files by their paths; it is removed with the
    /// last clone. It is copied at each moment at which a write is begun or called durable, and the copy is what a
    /// process leaves that is killed then: no power fails there, no answer is late, and no operation fails.
    ///
    /// # Errors
    ///
    /// The system's temporary folder can't be written.
    pub fn folder(&self) -> io::Result<PathBuf> {
        let mut state = self.state();
        let folder = Folder::with(&state.platter.image(|_| true))?;
        let path = folder.path();
        state.folder = Some(folder);
        Ok(path)
    }

    /// From now on notes what happens.
    pub(super) fn record(&self) {
        self.state().tape = Some(Vec::new());
    }

    /// What has happened since it was asked to note that.
    pub(super) fn tape(&self) -> Vec<Step> {
        self.state().tape.take().unwrap_or_default()
    }

    pub(super) fn note(&self, step: Step) {
        let mut state = self.copied();
        if state.folder.is_some() {
            state.note();
        }
        if let Some(tape) = &mut state.tape {
            tape.push(step);
        }
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// How many operations were started.
    pub(super) fn started(&self) -> usize {
        self.state().started
    }

    /// What a power failure leaves now, of the undecided changes those that `keeps` says.
    pub(super) fn after_power_failure(&self, keeps: impl Fn(usize) -> bool) -> Image {
        self.copied().platter.image(keeps)
    }

    /// The disk as it is.
    pub(super) fn platter(&self) -> Platter {
        self.copied().platter.clone()
    }

    /// A disk as a process left it that was killed: nothing is lost, and nothing more lasts.
    pub(super) fn left(platter: &Platter) -> Self {
        let state = State {
            platter: platter.clone(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// From now on answers come when they are let go: those of one file in order, others in any.
    pub(super) fn be_late(&self) {
        self.state().late = true;
    }

    /// Lets one answer go, drawn from those that may. Whether there was any.
    pub(super) fn let_go(&self, lot: &mut Lot) -> bool {
        let mut state = self.state();
        let waiting = &state.waiting;
        let is_first = |at: &usize| {
            let own = waiting.get(*at).and_then(|one| one.queue.as_ref());
            own.is_none()
                || !waiting
                    .iter()
                    .take(*at)
                    .any(|before| before.queue.as_ref() == own)
        };
        let free: Vec<usize> = (0..waiting.len()).filter(is_first).collect();
        let chosen = free.get(lot.below(free.len() as u64) as usize);
        let Some(answer) = chosen.and_then(|at| state.waiting.remove(*at)) else {
            return false;
        };
        state.take_effect(answer.number, &answer.effect);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the real folder, if there is one, as it is now.
    fn copied(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if let Some(folder) = &state.folder {
            let copy = folder.image();
            assert!(copy.is_ok(), "the folder can't be copied: {copy:?}");
            state.platter = Platter::of(copy.unwrap_or_default());
        }
        state
    }

    /// Starts an operation that is answered at once.
    fn at_once(&self, operation: Operation) -> Result<Answer, FsError> {
        let mut state = self.state();
        let number = state.begin();
        let (answer, effect) = state.run(number, operation);
        state.take_effect(number, &effect);
        answer
    }
}

impl Fs for TestDisk {
    fn start(&self, operation: Operation) -> Completion {
        let mut state = self.state();
        let number = state.begin();
        let queue = file_of(&operation).map(str::to_owned);
        let (answer, effect) = state.run(number, operation);
        if !state.late {
            state.take_effect(number, &effect);
            return Box::pin(std::future::ready(answer));
        }
        state.waiting.push_back(Waiting {
            number,
            queue,
            effect,
        });
        drop(state);
        let disk = self.clone();
        Box::pin(poll_fn(move |cx| {
            let mut state = disk.state();
            if state.waiting.iter().any(|waiting| waiting.number == number) {
                state.wakers.push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(answer.clone())
        }))
    }
}

/// A file on a [`TestDisk`] that is read and written at once.
#[derive(Clone, Debug)]
pub struct TestFile {
    disk: TestDisk,
    name: String,
}

impl TestFile {
    /// How long it is, in bytes.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn length(&self) -> io::Result<u64> {
        let Answer::Names(names) = self.ask(Operation::List)? else {
            return Ok(0);
        };
        let own = names.into_iter().find(|(name, _)| *name == self.name);
        Ok(own.map_or(0, |(_, length)| length))
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// The disk failed, or the file ends before.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let read = Operation::Read {
            name: self.name.clone(),
            offset,
            length: bytes.len(),
        };
        match self.ask(read)? {
            Answer::Bytes(found) if found.len() == bytes.len() => bytes.copy_from_slice(&found),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    /// Writes from `offset` on. Does not last until [`TestFile::sync`] has returned.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let parts = vec![Bytes::copy_from_slice(bytes)];
        self.ask(Operation::Write {
            name: self.name.clone(),
            offset,
            parts,
        })
        .map(|_| ())
    }

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn set_length(&self, length: u64) -> io::Result<()> {
        self.ask(Operation::SetLength {
            name: self.name.clone(),
            length,
        })
        .map(|_| ())
    }

    /// Makes all that was done to it last.
    ///
    /// # Errors
    ///
    /// The disk failed.
    pub fn sync(&self) -> io::Result<()> {
        self.ask(Operation::Sync {
            name: self.name.clone(),
        })?;
        self.disk
            .at_once(Operation::SyncFolder)
            .map_err(io::Error::other)
            .map(|_| ())
    }

    fn ask(&self, operation: Operation) -> io::Result<Answer> {
        if self.disk.state().platter.place(&self.name).is_none() {
            let create = Operation::Create {
                name: self.name.clone(),
                length: 0,
            };
            self.disk.at_once(create).map_err(error_of)?;
        }
        self.disk.at_once(operation).map_err(error_of)
    }
}

fn error_of(error: FsError) -> io::Error {
    match error {
        FsError::NoSpace { .. } => io::Error::new(io::ErrorKind::StorageFull, error),
        other => io::Error::other(other),
    }
}

impl State {
    /// The number of an operation that starts.
    fn begin(&mut self) -> usize {
        self.started += 1;
        self.started - 1
    }

    /// What an operation answers, and what becomes true with its answer.
    fn run(&mut self, number: usize, operation: Operation) -> (Result<Answer, FsError>, Effect) {
        let fault = self.fault.take_if(|fault| fault.operation == number);
        let Some(fault) = fault else {
            return match self.make(number, operation) {
                Ok((answer, effect)) => (Ok(answer), effect),
                Err(error) => (Err(error), Effect::None),
            };
        };
        let detail = format!("operation {number} fails, as the test wants it");
        let error = match fault.kind {
            FaultKind::Half => FsError::NoSpace { detail },
            FaultKind::Nothing | FaultKind::All => FsError::Io { detail },
        };
        self.fail(number, fault.kind, operation);
        (Err(error), Effect::None)
    }

    /// What an operation does that fails.
    fn fail(&mut self, number: usize, kind: FaultKind, operation: Operation) {
        match (kind, operation) {
            (_, Operation::Sync { name }) => {
                if let Some(place) = self.platter.place(&name) {
                    let covered = self.platter.covered_of_file(place);
                    self.platter.fail_sync(&covered);
                }
            }
            (_, Operation::SyncFolder) => self.folder_failed = true,
            (FaultKind::Nothing, _) => return,
            (
                FaultKind::Half,
                Operation::Write {
                    name,
                    offset,
                    parts,
                },
            ) => {
                let mut bytes = parts.concat();
                bytes.truncate(bytes.len() / 2);
                let parts = vec![bytes.into()];
                // What it answers is that it failed, whatever it did.
                let _ = self.make(
                    number,
                    Operation::Write {
                        name,
                        offset,
                        parts,
                    },
                );
                return;
            }
            (FaultKind::Half | FaultKind::All, operation) => {
                let _ = self.make(number, operation);
                return;
            }
        }
        self.note();
    }

    fn make(&mut self, number: usize, operation: Operation) -> Result<(Answer, Effect), FsError> {
        let place = file_of(&operation).and_then(|name| self.platter.place(name));
        let there = |name: &str| {
            let name = name.to_owned();
            place.ok_or(FsError::NotFound { name })
        };
        let effect = match operation {
            Operation::Lock => self.lock()?,
            Operation::List => return Ok((Answer::Names(self.platter.list()), Effect::None)),
            Operation::Create { name, .. } if place.is_some() => {
                return Err(FsError::Exists { name });
            }
            Operation::Create { name, length } => {
                self.platter.create(name, size(length), number);
                Effect::Renamed
            }
            Operation::Read {
                name,
                offset,
                length,
            } => {
                let content = self.platter.content(there(&name)?);
                let from = content.get(size(offset)..).unwrap_or_default();
                let found = from.get(..length).unwrap_or(from);
                return Ok((Answer::Bytes(Bytes::copy_from_slice(found)), Effect::None));
            }
            Operation::Write {
                name,
                offset,
                parts,
            } => {
                let (place, bytes) = (there(&name)?, parts.concat());
                self.platter
                    .write(place, size(offset), &bytes, SECTOR_BYTES);
                Effect::None
            }
            Operation::SetLength { name, length } => {
                self.platter.set_length(there(&name)?, size(length));
                Effect::None
            }
            Operation::Sync { name } => Effect::Synced(self.platter.covered_of_file(there(&name)?)),
            Operation::Rename { from, to } => {
                there(&from)?;
                self.platter.rename(from, to, number);
                Effect::Renamed
            }
            Operation::Remove { name } => {
                there(&name)?;
                self.platter.remove(name, number);
                Effect::Renamed
            }
            Operation::SyncFolder => self.sync_folder()?,
        };
        self.note();
        Ok((Answer::Done, effect))
    }

    fn lock(&mut self) -> Result<Effect, FsError> {
        if self.locked {
            let (folder, holder) = ("the test's folder".into(), "an earlier opener".into());
            return Err(FsError::Locked { folder, holder });
        }
        self.locked = true;
        Ok(Effect::None)
    }

    fn sync_folder(&self) -> Result<Effect, FsError> {
        if self.folder_failed {
            let detail = "a sync of the folder failed before".to_owned();
            return Err(FsError::Io { detail });
        }
        Ok(Effect::Synced(self.platter.covered_of_folder()))
    }

    fn take_effect(&mut self, number: usize, effect: &Effect) {
        match effect {
            Effect::None => return,
            Effect::Synced(covered) => self.platter.sync(covered),
            Effect::Renamed => self.platter.answered(number),
        }
        self.note();
    }

    /// Notes the disk as it is.
    fn note(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.push(Step::Disk(Arc::new(self.platter.clone())));
        }
    }
}

/// The file that an operation is about.
fn file_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Create { name, .. }
        | Operation::Read { name, .. }
        | Operation::Write { name, .. }
        | Operation::Sync { name }
        | Operation::SetLength { name, .. }
        | Operation::Rename { from: name, .. }
        | Operation::Remove { name } => Some(name),
        Operation::Lock | Operation::List | Operation::SyncFolder => None,
    }
}

/// A length or a place of a file in memory.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
