//! Snapshots of a node: what it has applied, and its store. All that the store has survives a crash.

use std::hash::{Hash, Hasher};

use bytes::{Buf as _, Bytes};
use raft_core::hull::{Input, SnapshotDone, SnapshotJob, SnapshotWork};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::StoreWork;
use raft_core::store::memory::MemoryStore;

use super::node::Entry;

/// The state machine, which remembers all entries, and snapshots of it.
#[derive(Clone, Default, Debug)]
pub(super) struct Shelf {
    store: MemoryStore,
    machine: Vec<Entry>,
}

impl Shelf {
    /// The newest snapshot.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        self.store.newest()
    }

    /// The entries that the newest snapshot stands for.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let newest = self.newest().map(|newest| newest.id);
        newest.map_or_else(Vec::new, |newest| self.content(newest))
    }

    /// The node begins again, with its newest snapshot.
    pub(super) fn open(&mut self) {
        self.store = std::mem::take(&mut self.store).reopened();
        self.machine = self.entries();
    }

    /// Applies entries.
    pub(super) fn apply(&mut self, entries: &[Entry]) {
        self.machine.extend_from_slice(entries);
    }

    /// Does a job: what the hull is to be told of it, and the entries of a snapshot that was restored.
    pub(super) fn work(&mut self, job: SnapshotJob) -> (Option<Input>, Vec<Entry>) {
        let SnapshotJob { number, work } = job;
        let work = match work {
            SnapshotWork::Take { mark, time } => {
                self.store.work(StoreWork::Create { mark, time });
                self.store.work(StoreWork::Append(written(&self.machine)));
                StoreWork::Seal
            }
            SnapshotWork::Restore(snapshot) => {
                self.machine = self.content(snapshot.id);
                let applied = Input::Applied(snapshot.id.last.index);
                return (Some(applied), self.machine.clone());
            }
            SnapshotWork::Begin(snapshot) => StoreWork::Receive(snapshot),
            SnapshotWork::Write { offset, part } => StoreWork::Write { offset, part },
            SnapshotWork::Finish(snapshot) => StoreWork::Finish(snapshot),
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
        let answer = self.store.work(work);
        let done = answer.map(|answer| Input::Snapshot(SnapshotDone { number, answer }));
        (done, Vec::new())
    }

    /// Feeds what decides what is done next. What is received comes in one part, so that nothing of
    /// it is kept between two steps.
    pub(super) fn fingerprint(&self, into: &mut impl Hasher) {
        self.newest().map(|newest| newest.id).hash(into);
        (&self.machine, self.entries()).hash(into);
    }

    fn content(&self, id: SnapshotId) -> Vec<Entry> {
        read(self.store.content(id).unwrap_or_default())
    }
}

fn written(entries: &[Entry]) -> Bytes {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&entry.index.to_le_bytes());
        bytes.extend_from_slice(&entry.term.to_le_bytes());
        bytes.push(entry.content);
    }
    bytes.into()
}

/// Reads what [`written`] wrote. No configurations are among it: members do not change where
/// snapshots are taken.
fn read(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while bytes.len() >= ENTRY_BYTES {
        entries.push(Entry {
            index: bytes.get_u64_le(),
            term: bytes.get_u64_le(),
            content: bytes.get_u8(),
            sets: None,
        });
    }
    entries
}

const ENTRY_BYTES: usize = 8 + 8 + 1;
