//! A folder in which changes take place in memory alone, and are kept in their order: what whoever
//! works on it would do to the real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::std_fs::read_only::ReadOnlyFs;
use super::{Answer, Completion, Fs, FsError, Operation};

/// A folder that is read, and changed in memory. Clones share the changes.
#[derive(Clone, Debug)]
pub(crate) struct Rehearsal {
    state: Arc<Mutex<State>>,
}

/// A change of the folder that would be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A file is made anew and gets this many bytes.
    Written { name: String, bytes: u64 },
    /// A file is cut.
    Cut { name: String, from: u64, to: u64 },
    /// A file gets another name.
    Renamed { from: String, to: String },
    /// A file goes.
    Removed { name: String },
}

#[derive(Debug)]
struct State {
    folder: ReadOnlyFs,
    files: BTreeMap<String, Held>,
    changes: Vec<Change>,
}

/// What a file holds after the changes.
#[derive(Debug)]
enum Held {
    /// The beginning of what a real file of this name holds.
    Real { name: String, length: u64 },
    /// This.
    New(Vec<u8>),
}

impl Held {
    fn length(&self) -> u64 {
        match self {
            Self::Real { length, .. } => *length,
            Self::New(bytes) => bytes.len() as u64,
        }
    }
}

impl Rehearsal {
    /// A rehearsal over a folder as it is now.
    pub(crate) fn of(folder: ReadOnlyFs) -> Result<Self, FsError> {
        let real = |(name, length): (String, u64)| {
            let held = Held::Real {
                name: name.clone(),
                length,
            };
            (name, held)
        };
        let files = folder.list()?.into_iter().map(real).collect();
        let state = State {
            folder,
            files,
            changes: Vec::new(),
        };
        Ok(Self {
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// The changes so far, in their order.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fs for Rehearsal {
    fn start(&self, operation: Operation) -> Completion {
        let answer = self.state().run(operation);
        Box::pin(std::future::ready(answer))
    }
}

impl State {
    fn run(&mut self, operation: Operation) -> Result<Answer, FsError> {
        match operation {
            Operation::Lock | Operation::SyncFolder => {}
            Operation::List => {
                let named = |(name, held): (&String, &Held)| (name.clone(), held.length());
                return Ok(Answer::Names(self.files.iter().map(named).collect()));
            }
            Operation::Create { name, length } => self.create(name, length)?,
            Operation::Read {
                name,
                offset,
                length,
            } => return self.read(&name, offset, length).map(Answer::Bytes),
            Operation::Write {
                name,
                offset,
                parts,
            } => self.write(&name, offset, &parts)?,
            Operation::Sync { name } => {
                self.held(&name)?;
            }
            Operation::SetLength { name, length } => self.set_length(&name, length)?,
            Operation::Rename { from, to } => {
                let held = self.take(&from)?;
                self.files.insert(to.clone(), held);
                self.changes.push(Change::Renamed { from, to });
            }
            Operation::Remove { name } => {
                self.take(&name)?;
                self.changes.push(Change::Removed { name });
            }
        }
        Ok(Answer::Done)
    }

    fn create(&mut self, name: String, length: u64) -> Result<(), FsError> {
        if self.files.contains_key(&name) {
            return Err(FsError::Exists { name });
        }
        let zeros = usize::try_from(length).map_err(|_| not_rehearsed(&name))?;
        self.files.insert(name.clone(), Held::New(vec![0; zeros]));
        let bytes = length;
        self.changes.push(Change::Written { name, bytes });
        Ok(())
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> Result<Bytes, FsError> {
        match self.held(name)? {
            Held::Real { name, length: all } => {
                let left = usize::try_from(all.saturating_sub(offset)).unwrap_or(usize::MAX);
                self.folder.read(name, offset, length.min(left))
            }
            Held::New(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(start..).unwrap_or_default();
                let part = rest.get(..length).unwrap_or(rest);
                Ok(Bytes::copy_from_slice(part))
            }
        }
    }

    /// Writes to a file that was made here: nobody who opens a log writes to another.
    fn write(&mut self, name: &str, offset: u64, parts: &[Bytes]) -> Result<(), FsError> {
        let Some(Held::New(bytes)) = self.files.get_mut(name) else {
            return Err(not_rehearsed(name));
        };
        let start = usize::try_from(offset).map_err(|_| not_rehearsed(name))?;
        let part = parts.concat();
        let end = start.saturating_add(part.len());
        bytes.resize(bytes.len().max(end), 0);
        if let Some(place) = bytes.get_mut(start..end) {
            place.copy_from_slice(&part);
        }
        Ok(())
    }

    fn set_length(&mut self, name: &str, to: u64) -> Result<(), FsError> {
        let from = self.held(name)?.length();
        if to == from {
            return Ok(());
        }
        let Some(Held::Real { length, .. }) = self.files.get_mut(name).filter(|_| to < from) else {
            return Err(not_rehearsed(name));
        };
        *length = to;
        let name = String::from(name);
        self.changes.push(Change::Cut { name, from, to });
        Ok(())
    }

    fn held(&self, name: &str) -> Result<&Held, FsError> {
        self.files.get(name).ok_or_else(|| missing(name))
    }

    fn take(&mut self, name: &str) -> Result<Held, FsError> {
        self.files.remove(name).ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> FsError {
    let name = String::from(name);
    FsError::NotFound { name }
}

/// An answer to what opening never does.
fn not_rehearsed(name: &str) -> FsError {
    let detail = format!("{name}: such a change can't be rehearsed");
    FsError::Io { detail }
}
