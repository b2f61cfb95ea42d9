//! A disk in memory that can crash, fail and hold its answers back.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use bytes::Bytes;
use raft_log::{Answer, Completion, Fs, FsError, Operation};

/// Bytes that a crash keeps or loses together.
pub const SECTOR: usize = 128;

#[derive(Clone, Default, Debug)]
pub struct MemFs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default, Debug)]
struct Disk {
    files: Vec<MemFile>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    /// How many changes of names were made durable and forgotten.
    forgotten_names: usize,
    locked: bool,
    /// Operations started so far.
    started: usize,
    /// The operation during which the power fails.
    crash_at: Option<usize>,
    /// Answers to operations from `held` on are held back.
    held: Option<usize>,
    /// Those among them that were let go all the same.
    let_go: BTreeSet<usize>,
    /// Syncs that were asked for and not yet answered: operation, file, changes covered.
    syncs: Vec<(usize, Sync)>,
    failure: Option<(&'static str, FsError)>,
    /// Whether a sync of the folder failed: then they all do.
    folder_failed: bool,
    /// The operation that fails.
    fail_at: Option<usize>,
    /// The names of the operations started.
    log: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Sync {
    File { file: usize, changes: usize },
    Folder { changes: usize },
}

#[derive(Clone, Default, Debug)]
struct MemFile {
    synced: Vec<u8>,
    current: Vec<u8>,
    changes: Vec<Change>,
    forgotten: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLength(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

/// What a crash does with what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    KeepAll,
    LoseAll,
    /// Each sector, length and name on its own, by this seed.
    Some(u64),
}

impl MemFs {
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these files.
    pub fn of(image: BTreeMap<String, Vec<u8>>) -> Self {
        let mut disk = Disk::default();
        for (name, content) in image {
            disk.names.insert(name, disk.files.len());
            disk.files.push(MemFile {
                synced: content.clone(),
                current: content,
                ..MemFile::default()
            });
        }
        disk.synced_names.clone_from(&disk.names);
        Self {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// What a process would read now.
    pub fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let disk = self.disk();
        let content =
            |(name, file): (&String, &usize)| (name.clone(), disk.files[*file].current.clone());
        disk.names.iter().map(content).collect()
    }

    /// The disk after a power failure.
    pub fn crash(&self, crash: Crash) -> Self {
        let disk = self.disk();
        let mut dice = Dice(crash, 0);
        let mut names = disk.synced_names.clone();
        for change in &disk.name_changes {
            if dice.keeps() {
                change.apply(&mut names);
            }
        }
        let content = |(name, file): (String, usize)| {
            let file = &disk.files[file];
            let mut content = file.synced.clone();
            for change in &file.changes {
                if dice.keeps() {
                    change.apply(&mut content);
                }
            }
            (name, content)
        };
        Self::of(names.into_iter().map(content).collect())
    }

    /// The disk after the process was killed: nothing is lost, and nothing more is durable.
    pub fn kill(&self) -> Self {
        let disk = self.disk();
        let left = Disk {
            files: disk.files.clone(),
            names: disk.names.clone(),
            synced_names: disk.synced_names.clone(),
            name_changes: disk.name_changes.clone(),
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(left)),
        }
    }

    /// The disk for whoever opens it next without a power failure. After a failed sync of the folder that
    /// takes one (assumption 7).
    pub fn restart(&self) -> Self {
        let folder_failed = self.disk().folder_failed;
        match folder_failed {
            true => self.crash(Crash::LoseAll),
            false => self.kill(),
        }
    }

    /// From now on answers come only when they are released.
    pub fn hold(&self) {
        let mut disk = self.disk();
        disk.held = Some(disk.started);
    }

    /// Lets all answers held back so far go, and holds those to come.
    pub fn release(&self) {
        let mut disk = self.disk();
        let started = disk.started;
        disk.held = Some(started);
        disk.finish_syncs(|number| number < started);
    }

    /// Lets some of the answers go that are held back, by this seed.
    pub fn release_some(&self, seed: u64) {
        let mut disk = self.disk();
        let held = disk.held.unwrap_or(disk.started)..disk.started;
        let chosen = held.filter(|number| mix(seed ^ mix(*number as u64)) & 1 == 1);
        let chosen: BTreeSet<usize> = chosen.collect();
        disk.finish_syncs(|number| chosen.contains(&number));
        disk.let_go.extend(chosen);
    }

    /// Lets all answers go, from now on at once.
    pub fn unhold(&self) {
        let mut disk = self.disk();
        let started = disk.started;
        disk.held = None;
        disk.finish_syncs(|number| number < started);
    }

    /// Fails the next operation of this kind.
    pub fn fail_next(&self, kind: &'static str, error: FsError) {
        self.disk().failure = Some((kind, error));
    }

    /// Fails the operation of this number. What it did is there, and not durable.
    pub fn fail_at(&self, operation: usize) {
        self.disk().fail_at = Some(operation);
    }

    /// The power fails during the operation of this number.
    pub fn crash_at(&self, operation: usize) {
        self.disk().crash_at = Some(operation);
    }

    /// Runs something during which neither the power fails nor an operation.
    pub fn safely<T>(&self, run: impl FnOnce() -> T) -> T {
        let mut disk = self.disk();
        let (crash_at, fail_at) = (disk.crash_at.take(), disk.fail_at.take());
        drop(disk);
        let result = run();
        let mut disk = self.disk();
        (disk.crash_at, disk.fail_at) = (crash_at, fail_at);
        result
    }

    pub fn started(&self) -> usize {
        self.disk().started
    }

    /// The kinds of operations since the last call.
    pub fn drain_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.disk().log)
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl Fs for MemFs {
    fn start(&self, operation: Operation) -> Completion {
        let mut disk = self.disk();
        let number = disk.started;
        disk.started += 1;
        if disk.crash_at.is_some_and(|crash_at| number > crash_at) {
            return Box::pin(std::future::pending());
        }
        let kind = kind(&operation);
        disk.log.push(kind);
        if disk.fail_at == Some(number) {
            match operation {
                Operation::SyncFolder => disk.fail_folder_sync(number),
                Operation::Sync { .. } => {}
                other => {
                    let _ = disk.run(number, other);
                }
            }
            let detail = String::from("as asked for");
            return Box::pin(std::future::ready(Err(FsError::Io { detail })));
        }
        let result = match disk.failure.take() {
            Some((failing, error)) if failing == kind => {
                if operation == Operation::SyncFolder {
                    disk.fail_folder_sync(number);
                }
                Err(error)
            }
            other => {
                disk.failure = other;
                disk.run(number, operation)
            }
        };
        if disk.crash_at == Some(number) {
            return Box::pin(std::future::pending());
        }
        if disk.held.is_none() {
            disk.finish_syncs(|other| other <= number);
        }
        drop(disk);
        let fs = self.clone();
        Box::pin(poll_fn(move |_| {
            let disk = fs.disk();
            let held = disk.held.is_some_and(|held| number >= held);
            if held && !disk.let_go.contains(&number) {
                Poll::Pending
            } else {
                Poll::Ready(result.clone())
            }
        }))
    }
}

pub fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Lock => "lock",
        Operation::List => "list",
        Operation::Create { .. } => "create",
        Operation::Read { .. } => "read",
        Operation::Write { .. } => "write",
        Operation::Sync { .. } => "sync",
        Operation::SetLength { .. } => "set length",
        Operation::Rename { .. } => "rename",
        Operation::Remove { .. } => "remove",
        Operation::SyncFolder => "sync folder",
    }
}

impl Disk {
    fn run(&mut self, number: usize, operation: Operation) -> Result<Answer, FsError> {
        match operation {
            Operation::Lock => {
                assert!(!self.locked, "the log locks once");
                self.locked = true;
            }
            Operation::List => {
                let entry = |(name, file): (&String, &usize)| {
                    (name.clone(), self.files[*file].current.len() as u64)
                };
                return Ok(Answer::Names(self.names.iter().map(entry).collect()));
            }
            Operation::Create { name, length } => {
                if self.names.contains_key(&name) {
                    return Err(FsError::Exists { name });
                }
                let file = self.files.len();
                self.files.push(MemFile::default());
                self.files[file].change(Change::SetLength(length as usize));
                self.names.insert(name.clone(), file);
                self.name_changes.push(NameChange::Add(name, file));
            }
            Operation::Sync { name } => {
                let changes = self.file(&name)?.changes.len() + self.file(&name)?.forgotten;
                let file = self.names[&name];
                self.syncs.push((number, Sync::File { file, changes }));
            }
            Operation::Rename { from, to } => {
                self.file(&from)?;
                let change = NameChange::Rename(from, to);
                change.apply(&mut self.names);
                self.name_changes.push(change);
            }
            Operation::SyncFolder if self.folder_failed => {
                let detail = String::from("a sync of the folder failed before");
                return Err(FsError::Io { detail });
            }
            Operation::SyncFolder => {
                let changes = self.name_changes.len() + self.forgotten_names;
                self.syncs.push((number, Sync::Folder { changes }));
            }
            Operation::Remove { name } => {
                self.file(&name)?;
                self.names.remove(&name);
                self.name_changes.push(NameChange::Remove(name));
            }
            other => return self.run_on_content(other),
        }
        Ok(Answer::Done)
    }

    fn run_on_content(&mut self, operation: Operation) -> Result<Answer, FsError> {
        match operation {
            Operation::Read {
                name,
                offset,
                length,
            } => {
                let content = &self.file(&name)?.current;
                let start = content.len().min(offset as usize);
                let end = content.len().min(start + length);
                return Ok(Answer::Bytes(Bytes::copy_from_slice(&content[start..end])));
            }
            Operation::Write {
                name,
                offset,
                parts,
            } => {
                let file = self.file(&name)?;
                let bytes = parts.concat();
                for (sector, at) in bytes.chunks(SECTOR).zip((0..).step_by(SECTOR)) {
                    file.change(Change::Write {
                        offset: offset as usize + at,
                        bytes: sector.to_vec(),
                    });
                }
            }
            Operation::SetLength { name, length } => {
                self.file(&name)?.change(Change::SetLength(length as usize));
            }
            other => unreachable!("the log never asks for {other:?}"),
        }
        Ok(Answer::Done)
    }

    fn file(&mut self, name: &str) -> Result<&mut MemFile, FsError> {
        match self.names.get(name) {
            Some(file) => Ok(&mut self.files[*file]),
            None => Err(FsError::NotFound {
                name: String::from(name),
            }),
        }
    }

    /// What was not durable before is taken for written from now on, and is not.
    fn fail_folder_sync(&mut self, number: usize) {
        self.finish_syncs(|other| other < number);
        self.forgotten_names += self.name_changes.len();
        self.name_changes.clear();
        self.folder_failed = true;
    }

    /// Lets these syncs take effect.
    fn finish_syncs(&mut self, are_over: impl Fn(usize) -> bool) {
        for (number, sync) in std::mem::take(&mut self.syncs) {
            match sync {
                _ if !are_over(number) => self.syncs.push((number, sync)),
                Sync::File { file, changes } => self.files[file].sync(changes),
                Sync::Folder { changes } => {
                    let now = changes.saturating_sub(self.forgotten_names);
                    for change in self.name_changes.drain(..now) {
                        change.apply(&mut self.synced_names);
                    }
                    self.forgotten_names += now;
                }
            }
        }
    }
}

impl NameChange {
    /// A rename whose file is not known under the old name, because its creation was lost, changes
    /// nothing.
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl MemFile {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.changes.push(change);
    }

    /// Makes the first `changes` changes ever made durable.
    fn sync(&mut self, changes: usize) {
        let now = changes.saturating_sub(self.forgotten);
        for change in self.changes.drain(..now) {
            change.apply(&mut self.synced);
        }
        self.forgotten += now;
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLength(length) => content.resize(*length, 0),
        }
    }
}

/// Draws what a crash keeps.
struct Dice(Crash, u64);

impl Dice {
    fn keeps(&mut self) -> bool {
        match self.0 {
            Crash::KeepAll => true,
            Crash::LoseAll => false,
            Crash::Some(seed) => {
                self.1 += 1;
                mix(seed ^ mix(self.1)) & 1 == 1
            }
        }
    }
}

/// Spreads the bits of a number.
pub const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
