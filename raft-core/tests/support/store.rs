//! A store of snapshots in memory, and the content of one: all commands in the order applied.

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::hull::{Input, SnapshotAnswer, SnapshotDone, SnapshotJob, SnapshotWork};
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;

use super::Node;

/// What was applied, in order.
pub(crate) type Machine = Vec<(EntryId, Vec<u8>)>;

/// A snapshot of no commands that ends at `last`, of the founding cluster of three.
pub(crate) fn empty_snapshot(last: EntryId) -> Snapshot {
    Snapshot {
        id: SnapshotId {
            last,
            length: 0,
            digest: Store::digest(&[]),
        },
        configuration: super::setup(1, 3).founding,
        time: LogTime::ZERO,
    }
}

/// Snapshots that survive a crash, and what was received of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) stored: Vec<(Snapshot, Vec<u8>)>,
    pub(crate) incoming: Option<(Snapshot, Vec<u8>)>,
    /// Whether nothing can be done.
    pub(crate) is_broken: bool,
    /// Whether what is stored can't be read, until another is taken.
    pub(crate) is_rotten: bool,
}

impl Store {
    pub(crate) fn newest(&self) -> Option<&(Snapshot, Vec<u8>)> {
        let index = |(snapshot, _): &&(Snapshot, Vec<u8>)| snapshot.id.last.index;
        self.stored.iter().max_by_key(index)
    }

    /// What a store does when it is opened: only the newest is of use.
    pub(crate) fn forget_old(&mut self) {
        let newest = self.newest().map(|(snapshot, _)| snapshot.id);
        self.stored
            .retain(|(snapshot, _)| Some(snapshot.id) == newest);
    }

    /// The state that a node starts from.
    pub(crate) fn machine(&self) -> Machine {
        self.newest()
            .map_or_else(Vec::new, |(_, content)| parse(content))
    }

    pub(crate) fn restored(&self, id: SnapshotId) -> Machine {
        let found = self.stored.iter().find(|(snapshot, _)| snapshot.id == id);
        parse(&found.expect("what is restored is stored").1)
    }

    /// The content of a snapshot of this state.
    pub(crate) fn content(machine: &Machine) -> Vec<u8> {
        let mut content = Vec::new();
        for (id, payload) in machine {
            content.extend_from_slice(&id.index.get().to_le_bytes());
            content.extend_from_slice(&id.term.get().to_le_bytes());
            content.extend_from_slice(&(payload.len() as u64).to_le_bytes());
            content.extend_from_slice(payload);
        }
        content
    }

    pub(crate) fn digest(content: &[u8]) -> u64 {
        u64::from(crc32c(0, content))
    }

    /// Does a job; `None` when nobody waits for an answer. `content` is the state machine's as it
    /// was when the job was handed out.
    pub(crate) fn work(&mut self, job: SnapshotJob, content: Vec<u8>) -> Option<SnapshotDone> {
        let number = job.number;
        let answer = if self.is_broken {
            SnapshotAnswer::Failed
        } else {
            self.answer(job.work, content)?
        };
        Some(SnapshotDone { number, answer })
    }

    fn keep(&mut self, snapshot: Snapshot, content: Vec<u8>) {
        self.is_rotten = false;
        self.stored.retain(|(other, _)| other.id != snapshot.id);
        self.stored.push((snapshot, content));
    }

    fn answer(&mut self, work: SnapshotWork, content: Vec<u8>) -> Option<SnapshotAnswer> {
        Some(match work {
            SnapshotWork::Take { mark, time } => {
                let (length, digest) = (content.len() as u64, Self::digest(&content));
                let id = SnapshotId {
                    last: mark.last,
                    length,
                    digest,
                };
                let snapshot = Snapshot {
                    id,
                    configuration: mark.configuration,
                    time,
                };
                self.keep(snapshot, content);
                SnapshotAnswer::Taken { length, digest }
            }
            SnapshotWork::Begin(snapshot) => {
                let known = self.incoming.take();
                let known = known.filter(|(other, _)| other.id == snapshot.id);
                let content = known.map_or_else(Vec::new, |(_, content)| content);
                let stored = content.len() as u64;
                self.incoming = Some((snapshot, content));
                SnapshotAnswer::Begun { stored }
            }
            SnapshotWork::Write { offset, part } => {
                let (_, content) = self.incoming.as_mut().expect("begun");
                assert_eq!(offset, content.len() as u64, "right after what is there");
                content.extend_from_slice(&part);
                SnapshotAnswer::Written
            }
            SnapshotWork::Finish(snapshot) => {
                let (begun, content) = self.incoming.take().expect("begun");
                assert_eq!(begun.id, snapshot.id);
                let whole = content.len() as u64 == snapshot.id.length;
                if !whole || Self::digest(&content) != snapshot.id.digest {
                    self.incoming = Some((begun, Vec::new()));
                    return Some(SnapshotAnswer::Damaged);
                }
                self.stored.push((snapshot, content));
                SnapshotAnswer::Finished
            }
            SnapshotWork::Read { .. } if self.is_rotten => SnapshotAnswer::Failed,
            SnapshotWork::Read {
                id,
                offset,
                max_bytes,
            } => {
                let found = self.stored.iter().find(|(snapshot, _)| snapshot.id == id);
                let (_, content) = found.expect("what is read is stored");
                let start = (offset as usize).min(content.len());
                let end = start.saturating_add(max_bytes).min(content.len());
                SnapshotAnswer::Part(Bytes::copy_from_slice(&content[start..end]))
            }
            SnapshotWork::Forget(id) => {
                self.stored.retain(|(snapshot, _)| snapshot.id != id);
                return None;
            }
            SnapshotWork::Restore(_) => unreachable!("done where it is handed out"),
        })
    }
}

impl Node {
    /// Does what has its place between two entries, and leaves the rest for the store.
    pub(super) fn take_job(&mut self, job: SnapshotJob) {
        let content = Store::content(&self.machine);
        if let SnapshotWork::Restore(snapshot) = &job.work {
            let last = snapshot.id.last.index;
            self.machine = self.store.restored(snapshot.id);
            self.applied.extend(self.machine.iter().cloned());
            self.hull.step(self.now, Input::Applied(last));
        } else {
            self.jobs.push_back((job, content));
        }
    }

    /// Does the oldest job.
    pub(crate) fn store_one(&mut self) -> bool {
        let Some((job, content)) = self.jobs.pop_front() else {
            return false;
        };
        if let Some(done) = self.store.work(job, content) {
            self.hull.step(self.now, Input::Snapshot(done));
        }
        true
    }
}

fn parse(mut content: &[u8]) -> Machine {
    let mut machine = Vec::new();
    let number = |content: &mut &[u8]| {
        let (head, rest) = content.split_at(8);
        *content = rest;
        u64::from_le_bytes(head.try_into().unwrap())
    };
    while !content.is_empty() {
        let index = LogIndex::new(number(&mut content));
        let term = Term::new(number(&mut content));
        let length = number(&mut content) as usize;
        let (payload, rest) = content.split_at(length);
        machine.push((EntryId::new(term, index), payload.to_vec()));
        content = rest;
    }
    machine
}
