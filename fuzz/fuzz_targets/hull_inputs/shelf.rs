//! A node's state machine and its store of snapshots, with answers that come when told.

use std::collections::VecDeque;

use bytes::Bytes;
use raft_core::hull::{Apply, SnapshotAnswer, SnapshotDone, SnapshotJob, SnapshotWork};
use raft_core::ids::{EntryId, LogIndex};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::memory::MemoryStore;
use raft_core::store::{ContentDigest, StoreWork};

use crate::act::Doing;

/// What is known of all that was applied: the last index, and a hash of all entries up to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    pub(crate) index: LogIndex,
    pub(crate) hash: u64,
}

/// What a node keeps beside its log.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) state: State,
    store: MemoryStore,
    /// Jobs not done yet, each with the state as it was when the job came.
    jobs: VecDeque<(SnapshotJob, State)>,
    answers: VecDeque<SnapshotDone>,
    /// Up to where a snapshot that is received was asked to be written last.
    pub(crate) received: u64,
}

impl Shelf {
    /// What a crash leaves; the state machine starts from the newest snapshot.
    pub(crate) fn reopened(&self) -> Self {
        let mut shelf = Self {
            store: self.store.clone().reopened(),
            ..Self::default()
        };
        let newest = shelf.newest().map(|snapshot| snapshot.id);
        shelf.state = newest.map_or_else(State::default, |id| shelf.restored(id));
        shelf
    }

    pub(crate) fn newest(&self) -> Option<&Snapshot> {
        self.store.newest()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.answers.is_empty()
    }

    /// Applies entries, and tells the state after each.
    pub(crate) fn apply(&mut self, apply: &Apply, mut tell: impl FnMut(EntryId, State)) {
        for entry in apply.chunks.iter().flat_map(|chunk| chunk.entries()) {
            assert_eq!(entry.id.index, self.state.index.next(), "applied in order");
            let mut digest = ContentDigest::new();
            digest.update(&self.state.hash.to_le_bytes());
            digest.update(format!("{:?} {:?}", entry.id, entry.record).as_bytes());
            self.state = State {
                index: entry.id.index,
                hash: digest.finish(),
            };
            tell(entry.id, self.state);
        }
    }

    /// Takes a job. What is to be restored is so at once: then its id comes back.
    pub(crate) fn take(&mut self, job: SnapshotJob) -> Option<EntryId> {
        if let SnapshotWork::Restore(snapshot) = &job.work {
            self.state = self.restored(snapshot.id);
            return Some(snapshot.id.last);
        }
        if let SnapshotWork::Take { mark, .. } = &job.work {
            assert_eq!(mark.last.index, self.state.index, "of what is applied");
        }
        self.jobs.push_back((job, self.state));
        None
    }

    /// Does the oldest job.
    pub(crate) fn work(&mut self, how: Doing) {
        let Some((SnapshotJob { number, work }, state)) = self.jobs.pop_front() else {
            return;
        };
        let answer = match how {
            Doing::Fails if !matches!(work, SnapshotWork::Forget(_)) => {
                Some(SnapshotAnswer::Failed)
            }
            _ => self.done(work, state, how == Doing::Spoils),
        };
        let answer = answer.map(|answer| SnapshotDone { number, answer });
        self.answers.extend(answer);
    }

    /// The n-th answer that waits.
    pub(crate) fn answer(&mut self, which: u8) -> Option<SnapshotDone> {
        let which = usize::from(which).checked_rem(self.answers.len())?;
        self.answers.remove(which)
    }

    fn done(&mut self, work: SnapshotWork, state: State, spoils: bool) -> Option<SnapshotAnswer> {
        let work = match work {
            SnapshotWork::Take { mark, time } => {
                self.store.work(StoreWork::Create { mark, time });
                self.store.work(StoreWork::Append(content(state)));
                StoreWork::Seal
            }
            SnapshotWork::Restore(_) => unreachable!("done when it came"),
            SnapshotWork::Begin(snapshot) => StoreWork::Receive(snapshot),
            SnapshotWork::Write { offset, part } => {
                let spoilt = || part.iter().map(|byte| byte ^ 1).collect();
                let part = if spoils { spoilt() } else { part };
                self.received = offset + part.len() as u64;
                StoreWork::Write { offset, part }
            }
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
        self.store.work(work)
    }

    fn restored(&self, id: SnapshotId) -> State {
        let content = self.store.content(id).expect("what is restored is stored");
        let hash = content.first_chunk().copied().map(u64::from_le_bytes);
        State {
            index: id.last.index,
            hash: hash.unwrap_or_default(),
        }
    }
}

/// What is written down of a state: long enough to be sent in parts.
fn content(State { index, hash }: State) -> Bytes {
    let times = 1 + index.get() % 40;
    hash.to_le_bytes().repeat(times as usize).into()
}
