//! Snapshots of a directed node: its state machine, which remembers all commands, and its store.

use bytes::{Buf, Bytes};
use raft_core::chunk::Chunk;
use raft_core::hull::{Input, SnapshotAnswer, SnapshotDone, SnapshotJob, SnapshotWork};
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::record::Record;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::StoreWork;
use raft_core::store::memory::MemoryStore;

use crate::spy::{Fact, Journal, RestoredFact};

/// What a node has applied, and the snapshots of it. The store works at once, and all that it has
/// survives a crash.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    store: MemoryStore,
    machine: Vec<(EntryId, Bytes)>,
}

impl Shelf {
    /// The newest snapshot.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        self.store.newest()
    }

    /// The node starts: from its newest snapshot.
    pub(super) fn open(&mut self, journal: &Journal) {
        self.store = core::mem::take(&mut self.store).reopened();
        self.machine.clear();
        if let Some(id) = self.newest().map(|newest| newest.id) {
            self.restore(id, journal);
        }
    }

    /// Applies entries.
    pub(super) fn apply(&mut self, chunks: &[Chunk], journal: &Journal) {
        for entry in chunks.iter().flat_map(Chunk::entries) {
            if let Record::Client { payload, .. } = entry.record {
                journal.applied(entry.id, entry.time, payload);
                let command = Bytes::copy_from_slice(payload);
                self.machine.push((entry.id, command));
            }
        }
    }

    /// Does a job; what the hull is to be told of it.
    pub(super) fn work(&mut self, job: SnapshotJob, journal: &Journal) -> Option<Input> {
        let SnapshotJob { number, work } = job;
        let work = match work {
            SnapshotWork::Take { mark, time } => {
                let last = mark.last;
                self.store.work(StoreWork::Create { mark, time });
                self.store.work(StoreWork::Append(self.content()));
                let answer = self.store.work(StoreWork::Seal)?;
                if let SnapshotAnswer::Taken { length, digest } = answer {
                    journal.note(Fact::Stored(SnapshotId {
                        last,
                        length,
                        digest,
                    }));
                }
                return Some(Input::Snapshot(SnapshotDone { number, answer }));
            }
            SnapshotWork::Restore(snapshot) => {
                self.restore(snapshot.id, journal);
                return Some(Input::Applied(snapshot.id.last.index));
            }
            SnapshotWork::Begin(snapshot) => StoreWork::Receive(snapshot),
            SnapshotWork::Write { offset, part } => StoreWork::Write { offset, part },
            SnapshotWork::Finish(snapshot) => {
                let id = snapshot.id;
                let answer = self.store.work(StoreWork::Finish(snapshot))?;
                if answer == SnapshotAnswer::Finished {
                    journal.note(Fact::Stored(id));
                }
                return Some(Input::Snapshot(SnapshotDone { number, answer }));
            }
            SnapshotWork::Read {
                id,
                offset,
                max_bytes,
            } => StoreWork::Read {
                id,
                offset,
                max_bytes,
            },
            SnapshotWork::Forget(id) => StoreWork::Forget(id),
        };
        let answer = self.store.work(work)?;
        Some(Input::Snapshot(SnapshotDone { number, answer }))
    }

    fn restore(&mut self, id: SnapshotId, journal: &Journal) {
        let content = self.store.content(id).unwrap_or_default();
        self.machine = commands(content);
        journal.note(Fact::Restored(RestoredFact {
            commands: self.machine.len(),
            last: self.machine.last().map(|(id, _)| *id),
        }));
    }

    /// The machine as bytes: of each command its entry, its length and itself.
    fn content(&self) -> Bytes {
        let mut content = Vec::new();
        for (id, command) in &self.machine {
            let length = command.len() as u64;
            for number in [id.term.get(), id.index.get(), length] {
                content.extend_from_slice(&number.to_le_bytes());
            }
            content.extend_from_slice(command);
        }
        content.into()
    }
}

/// Reads what [`Shelf::content`] wrote.
fn commands(mut content: &[u8]) -> Vec<(EntryId, Bytes)> {
    let mut commands = Vec::new();
    while content.len() >= HEAD_BYTES {
        let term = Term::new(content.get_u64_le());
        let index = LogIndex::new(content.get_u64_le());
        let length = usize::try_from(content.get_u64_le()).unwrap_or(usize::MAX);
        let (command, rest) = content.split_at(length.min(content.len()));
        commands.push((EntryId::new(term, index), Bytes::copy_from_slice(command)));
        content = rest;
    }
    commands
}

const HEAD_BYTES: usize = 3 * 8;
