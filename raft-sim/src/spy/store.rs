//! A store of snapshots that is watched.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use raft_core::hull::{SnapshotAnswer, SnapshotDone};
use raft_core::ids::EntryId;
use raft_core::snapshot::SnapshotId;
use raft_core::store::{SnapshotStore, StoreJob, StoreWork};

use super::{Bearer, Fact, Journal, Passing, StandsFor};

/// A store that is watched. Behaves as the one inside.
pub struct SpyStore {
    inner: Box<dyn SnapshotStore>,
    journal: Journal,
    /// What the snapshot that is being taken stands for.
    taking: Option<EntryId>,
    /// Jobs whose success makes a snapshot durable, and which one.
    finishing: BTreeMap<u64, Finishing>,
}

/// A snapshot that is about to be durable.
#[derive(Clone, Copy, Debug)]
enum Finishing {
    /// One that was taken: its last entry.
    Taken(EntryId),
    /// One that was received.
    Received(SnapshotId),
}

impl SpyStore {
    /// Watches `inner`, which was just opened.
    pub fn new(inner: Box<dyn SnapshotStore>, journal: Journal) -> Self {
        Self {
            inner,
            journal,
            taking: None,
            finishing: BTreeMap::new(),
        }
    }
}

impl SnapshotStore for SpyStore {
    fn begin(&mut self, job: StoreJob) {
        let finishing = match &job.work {
            StoreWork::Create { mark, time } => {
                let stands = StandsFor::of(Bearer::Taken, mark, Some(*time));
                self.journal.note(Fact::StandsFor(Box::new(stands)));
                self.taking = Some(mark.last);
                None
            }
            StoreWork::Seal => self.taking.map(Finishing::Taken),
            StoreWork::Finish(snapshot) => {
                let time = Some(snapshot.time);
                let stands = StandsFor::of(Bearer::Received, &snapshot.mark(), time);
                self.journal.note(Fact::StandsFor(Box::new(stands)));
                Some(Finishing::Received(snapshot.id))
            }
            StoreWork::Forget(id) => {
                self.journal.note(Fact::LetGo(*id));
                None
            }
            StoreWork::Append(_)
            | StoreWork::Discard
            | StoreWork::Receive(_)
            | StoreWork::Write { .. }
            | StoreWork::Read { .. } => None,
        };
        if let Some(finishing) = finishing {
            self.finishing.insert(job.number, finishing);
        }
        self.inner.begin(job);
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone> {
        let answer = self.inner.poll_done(cx);
        if let Poll::Ready(done) = &answer {
            if matches!(done.answer, SnapshotAnswer::Begun { stored } if stored > 0) {
                self.journal.passed(Passing::Resumed);
            }
            if done.answer == SnapshotAnswer::Damaged {
                self.journal.passed(Passing::Garbled);
            }
            if matches!(done.answer, SnapshotAnswer::Failed) {
                self.journal.note(Fact::StoreFailed);
            }
            let stored = match (self.finishing.remove(&done.number), &done.answer) {
                (Some(Finishing::Taken(last)), SnapshotAnswer::Taken { length, digest }) => {
                    Some(SnapshotId {
                        last,
                        length: *length,
                        digest: *digest,
                    })
                }
                (Some(Finishing::Received(id)), SnapshotAnswer::Finished) => Some(id),
                _ => None,
            };
            if let Some(id) = stored {
                self.journal.note(Fact::Stored(id));
            }
        }
        answer
    }
}

impl core::fmt::Debug for SpyStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SpyStore")
            .field("taking", &self.taking)
            .field("finishing", &self.finishing)
            .finish_non_exhaustive()
    }
}
