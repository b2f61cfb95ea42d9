//! What a node keeps in memory in place of its disk: the log and the store that others are compared
//! with, under the driver and the faults of a world.
//!
//! They outlive the node's processes, as if some other process kept them, and lose nothing in a crash.
//! What they do takes as long as on the node's disk, and stalls with it; it never fails.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use raft_core::hull::{SnapshotAnswer, SnapshotDone};
use raft_core::ids::LogIndex;
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Durable, Loading, Log, LogError, Recovered, Write};
use raft_core::store::memory::MemoryStore;
use raft_core::store::{SnapshotStore, StoreJob};
use raft_log::fs::{Completion, Fs as _, Operation};

use crate::disk::SimFs;

/// What outlives the node's processes.
#[derive(Debug, Default)]
struct Contents {
    log: MemoryLog,
    store: MemoryStore,
}

/// One process's view of it: the log.
pub(crate) struct KeptLog {
    contents: Arc<Mutex<Contents>>,
    fs: SimFs,
    /// What is written, and when the answer comes.
    answers: VecDeque<(Result<Durable, LogError>, Completion)>,
    waker: Option<Waker>,
}

/// One process's view of it: the store.
pub(crate) struct KeptStore {
    contents: Arc<Mutex<Contents>>,
    fs: SimFs,
    /// What is done, and when the answer comes.
    answers: VecDeque<(SnapshotDone, Completion)>,
    waker: Option<Waker>,
}

impl KeptLog {
    /// Opens what the node's earlier processes left, as a start does.
    pub(crate) fn open(fs: SimFs) -> (Self, Recovered) {
        let contents = fs.lasting::<Mutex<Contents>>();
        let recovered = {
            let mut kept = lock(&contents);
            kept.store = std::mem::take(&mut kept.store).reopened();
            Recovered {
                stored: kept.store.newest().cloned(),
                ..kept.log.recovered()
            }
        };
        let log = Self {
            contents,
            fs,
            answers: VecDeque::new(),
            waker: None,
        };
        (log, recovered)
    }

    /// The store beside it.
    pub(crate) fn store(&self) -> KeptStore {
        KeptStore {
            contents: self.contents.clone(),
            fs: self.fs.clone(),
            answers: VecDeque::new(),
            waker: None,
        }
    }
}

impl Log for KeptLog {
    fn begin(&mut self, write: Write) {
        let written = {
            let mut kept = lock(&self.contents);
            kept.log.begin(write);
            let mut cx = Context::from_waker(Waker::noop());
            kept.log.poll_durable(&mut cx)
        };
        if let Poll::Ready(written) = written {
            self.answers
                .push_back((written, self.fs.start(Operation::SyncFolder)));
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        self.waker = Some(cx.waker().clone());
        let Some((_, takes)) = self.answers.front_mut() else {
            return Poll::Pending;
        };
        // Whatever the disk says: it is only asked for how long it takes.
        if takes.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let answered = self.answers.pop_front();
        answered.map_or(Poll::Pending, |(written, _)| Poll::Ready(written))
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        lock(&self.contents).log.load(range, max_bytes)
    }
}

impl SnapshotStore for KeptStore {
    fn begin(&mut self, job: StoreJob) {
        let done = {
            let mut kept = lock(&self.contents);
            kept.store.begin(job);
            let mut cx = Context::from_waker(Waker::noop());
            kept.store.poll_done(&mut cx)
        };
        if let Poll::Ready(done) = done {
            let lasting = matches!(
                done.answer,
                SnapshotAnswer::Taken { .. } | SnapshotAnswer::Finished
            );
            let takes = self.fs.start(match lasting {
                true => Operation::SyncFolder,
                false => Operation::List,
            });
            self.answers.push_back((done, takes));
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<SnapshotDone> {
        self.waker = Some(cx.waker().clone());
        let Some((_, takes)) = self.answers.front_mut() else {
            return Poll::Pending;
        };
        if takes.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let answered = self.answers.pop_front();
        answered.map_or(Poll::Pending, |(done, _)| Poll::Ready(done))
    }
}

/// A poisoned lock still holds what was written before the panic.
fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}
