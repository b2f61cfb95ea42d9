//! A folder in memory whose power fails when told, and what is left of it then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use raft_tokio::raft_log::{Answer, Completion, Fs, FsError, Operation};

/// A folder; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFs(Arc<Mutex<State>>);

/// What a power failure takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Loss {
    /// Names that were not synced.
    pub(crate) names: bool,
    pub(crate) contents: Contents,
}

/// What is lost of what was written and not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contents {
    Nothing,
    All,
    /// The second half of each file's last write.
    Torn,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    /// The files by name, now and as a power failure may leave them.
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// How many operations changed something, and after how many the power fails.
    changes: usize,
    power: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct File {
    now: Content,
    synced: Content,
    torn: Content,
}

/// Bytes, and then zeros up to the length.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    length: usize,
}

impl MemoryFs {
    /// A copy of the folder whose power fails after so many changes.
    pub(crate) fn failing_after(&self, changes: usize) -> Self {
        let mut state = self.0.lock().unwrap().clone();
        (state.changes, state.power) = (0, Some(changes));
        Self(Arc::new(Mutex::new(state)))
    }

    /// The folder when the power is back.
    pub(crate) fn after(&self, loss: Loss) -> Self {
        let mut state = self.0.lock().unwrap().clone();
        (state.changes, state.power) = (0, None);
        if loss.names {
            state.names = state.synced_names.clone();
        }
        for file in &mut state.files {
            file.now = match loss.contents {
                Contents::Nothing => file.now.clone(),
                Contents::All => file.synced.clone(),
                Contents::Torn => file.torn.clone(),
            };
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// How many operations changed something, or made a change lasting.
    pub(crate) fn changes(&self) -> usize {
        self.0.lock().unwrap().changes
    }

    /// All that can be read: two folders that are alike in it open alike.
    pub(crate) fn visible(&self) -> Vec<(String, Content)> {
        let state = self.0.lock().unwrap();
        let file = |(name, at): (&String, &usize)| (name.clone(), state.files[*at].now.clone());
        state.names.iter().map(file).collect()
    }

    /// What a file holds, if it is there.
    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let file = &state.files[*state.names.get(name)?];
        Some(file.now.read(0, usize::MAX))
    }
}

impl Fs for MemoryFs {
    fn start(&self, operation: Operation) -> Completion {
        let answer = self.0.lock().unwrap().run(operation);
        Box::pin(std::future::ready(answer))
    }
}

impl State {
    fn run(&mut self, operation: Operation) -> Result<Answer, FsError> {
        if self.power.is_some_and(|power| self.changes >= power) {
            return Err(FsError::Stopped);
        }
        self.changes += usize::from(is_change(&operation));
        match operation {
            Operation::Lock => {}
            Operation::List => {
                let named = |(name, at): (&String, &usize)| {
                    (name.clone(), self.files[*at].now.length as u64)
                };
                return Ok(Answer::Names(self.names.iter().map(named).collect()));
            }
            Operation::Create { name, length } => {
                if self.names.contains_key(&name) {
                    return Err(FsError::Exists { name });
                }
                self.names.insert(name, self.files.len());
                let mut file = File::default();
                file.now.length = length as usize;
                file.torn.length = length as usize;
                self.files.push(file);
            }
            Operation::Read {
                name,
                offset,
                length,
            } => {
                let read = self.file(name)?.now.read(offset as usize, length);
                return Ok(Answer::Bytes(read.into()));
            }
            Operation::Write {
                name,
                offset,
                parts,
            } => self.file(name)?.write(offset as usize, &parts),
            Operation::Sync { name } => {
                let file = self.file(name)?;
                (file.synced, file.torn) = (file.now.clone(), file.now.clone());
            }
            Operation::SetLength { name, length } => {
                self.file(name)?.now.set_length(length as usize);
            }
            Operation::Rename { from, to } => {
                let file = self.take(from)?;
                self.names.insert(to, file);
            }
            Operation::Remove { name } => {
                self.take(name)?;
            }
            Operation::SyncFolder => self.synced_names = self.names.clone(),
        }
        Ok(Answer::Done)
    }

    fn file(&mut self, name: String) -> Result<&mut File, FsError> {
        match self.names.get(&name) {
            Some(at) => Ok(&mut self.files[*at]),
            None => Err(FsError::NotFound { name }),
        }
    }

    fn take(&mut self, name: String) -> Result<usize, FsError> {
        let found = self.names.remove(&name);
        found.ok_or(FsError::NotFound { name })
    }
}

/// Whether a power failure right before it can leave anything else than one right after it.
fn is_change(operation: &Operation) -> bool {
    let looks = [Operation::Lock, Operation::List].contains(operation);
    !looks && !matches!(operation, Operation::Read { .. })
}

impl File {
    fn write(&mut self, offset: usize, parts: &[Bytes]) {
        let part = parts.concat();
        self.torn = self.now.clone();
        self.torn.write(offset, &part[..part.len() / 2]);
        self.now.write(offset, &part);
    }
}

impl Content {
    fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        let end = offset.saturating_add(length).min(self.length);
        let written = offset.min(self.bytes.len())..end.min(self.bytes.len());
        let mut read = self.bytes.get(written).unwrap_or_default().to_vec();
        read.resize(end.saturating_sub(offset), 0);
        read
    }

    fn write(&mut self, offset: usize, part: &[u8]) {
        let end = offset + part.len();
        self.length = self.length.max(end);
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(part);
    }

    fn set_length(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.length = length;
    }
}
