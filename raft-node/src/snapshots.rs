//! Snapshots at work: content on its way between the state machine, the store, and the hull.
//!
//! What is due, what is needed and what may go is the hull's to say; this does it. A snapshot is
//! taken and put in place part by part, one at a time: entries, elections and reads go on
//! meanwhile, and no snapshot is ever in memory as a whole.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use raft_core::hull::{SnapshotAnswer, SnapshotDone, SnapshotJob, SnapshotWork};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::{SnapshotStore, StoreJob, StoreWork};

use crate::first_state::Restoration;
use crate::session::{Sessions, SessionsReader};
use crate::state_machine::{StateError, StateMachine, StateReader};

/// See the module.
///
/// - Each job of the hull that has an answer is answered once, or was overtaken by a start.
/// - While there is a `restoring`, no entry is applied.
pub(crate) struct Snapshots<S> {
    store: Box<dyn SnapshotStore>,
    last_number: u64,
    /// The hull's jobs that the store does as they are: by its number, theirs.
    passed_on: BTreeMap<u64, u64>,
    taking: Option<Taking>,
    restoring: Option<Restoring<S>>,
    /// What the hull needs no longer, and this does until it is restored.
    forget_later: Option<SnapshotId>,
    part_bytes: usize,
}

/// A snapshot that is being written.
struct Taking {
    /// The hull's job.
    hull: u64,
    /// The store's, which is under way.
    store: u64,
    reader: SessionsReader,
}

/// A snapshot that takes the place of the state.
struct Restoring<S> {
    state: Restoration<S>,
    /// The store's job that is under way.
    store: u64,
}

/// What has come of the store's answers.
pub(crate) enum Progress<S> {
    /// For the hull.
    Done(SnapshotDone),
    /// The state that the snapshot holds.
    Restored(Snapshot, Sessions<S>),
    /// Something went on here.
    Nothing,
}

impl<S: StateMachine> Snapshots<S> {
    /// Parts are of `part_bytes` at most, but for those the hull asks for.
    pub(crate) fn new(store: Box<dyn SnapshotStore>, part_bytes: usize) -> Self {
        Self {
            store,
            last_number: 0,
            passed_on: BTreeMap::new(),
            taking: None,
            restoring: None,
            forget_later: None,
            part_bytes: part_bytes.max(1),
        }
    }

    /// Whether a snapshot is taking the place of the state.
    pub(crate) const fn is_restoring(&self) -> bool {
        self.restoring.is_some()
    }

    /// Begins what the hull asks for. The answer, if there is one already.
    pub(crate) fn begin(
        &mut self,
        job: SnapshotJob,
        sessions: &Sessions<S>,
    ) -> Option<SnapshotDone> {
        let SnapshotJob { number, work } = job;
        let work = match work {
            SnapshotWork::Take { mark, time } => {
                let Ok(reader) = sessions.snapshot() else {
                    return Some(failed(number));
                };
                let store = self.ask(StoreWork::Create { mark, time });
                self.taking = Some(Taking {
                    hull: number,
                    store,
                    reader,
                });
                return None;
            }
            SnapshotWork::Restore(snapshot) => {
                self.restore(snapshot, sessions);
                return None;
            }
            SnapshotWork::Forget(id) => {
                self.forget(id);
                return None;
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
        };
        let store = self.ask(work);
        self.passed_on.insert(store, number);
        None
    }

    /// Begins to put this snapshot in place of the state, and gives up any other.
    pub(crate) fn restore(&mut self, snapshot: Snapshot, sessions: &Sessions<S>) {
        let store = self.read(snapshot.id, 0);
        // [F13.IS.8a]'s other half: nothing of the old state is taken over.
        let state = Restoration::new(snapshot, sessions);
        self.restoring = Some(Restoring { state, store });
        self.forget_restored();
    }

    /// The next thing that has come of it.
    ///
    /// # Errors
    ///
    /// The snapshot that is to be the state can't be: the node can't go on.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress<S>, StateError>> {
        let Poll::Ready(SnapshotDone { number, answer }) = self.store.poll_done(cx) else {
            return Poll::Pending;
        };
        if let Some(hull) = self.passed_on.remove(&number) {
            let done = SnapshotDone {
                number: hull,
                answer,
            };
            return Poll::Ready(Ok(Progress::Done(done)));
        }
        if let Some(taking) = self.taking.take_if(|taking| taking.store == number) {
            let done = self.go_on_taking(taking, answer);
            return Poll::Ready(Ok(done.map_or(Progress::Nothing, Progress::Done)));
        }
        if let Some(restoring) = self.restoring.take_if(|now| now.store == number) {
            return Poll::Ready(self.go_on_restoring(restoring, answer));
        }
        // Of a snapshot that was to be restored and was overtaken.
        Poll::Ready(Ok(Progress::Nothing))
    }

    /// [S7.44] A part of the state at a time goes to the store, beside all else.
    fn go_on_taking(&mut self, taking: Taking, answer: SnapshotAnswer) -> Option<SnapshotDone> {
        let Taking {
            hull, mut reader, ..
        } = taking;
        match answer {
            SnapshotAnswer::Written => {
                let work = reader
                    .next_part(self.part_bytes)
                    .map_or(StoreWork::Seal, StoreWork::Append);
                let store = self.ask(work);
                self.taking = Some(Taking {
                    hull,
                    store,
                    reader,
                });
                None
            }
            SnapshotAnswer::Taken { .. } => Some(SnapshotDone {
                number: hull,
                answer,
            }),
            _ => {
                self.ask(StoreWork::Discard);
                Some(failed(hull))
            }
        }
    }

    fn go_on_restoring(
        &mut self,
        mut restoring: Restoring<S>,
        answer: SnapshotAnswer,
    ) -> Result<Progress<S>, StateError> {
        let SnapshotAnswer::Part(part) = answer else {
            return Err(StateError::Unreadable);
        };
        if !part.is_empty() {
            restoring.state.write(&part)?;
            let (id, read) = (restoring.state.snapshot().id, restoring.state.length());
            restoring.store = self.read(id, read);
            self.restoring = Some(restoring);
            return Ok(Progress::Nothing);
        }
        let snapshot = restoring.state.snapshot().clone();
        let sessions = restoring.state.finish()?;
        self.forget_restored();
        Ok(Progress::Restored(snapshot, sessions))
    }

    fn forget(&mut self, id: SnapshotId) {
        let restoring = self.restoring.as_ref().map(|now| now.state.snapshot().id);
        if restoring == Some(id) {
            self.forget_later = Some(id);
        } else {
            self.ask(StoreWork::Forget(id));
        }
    }

    fn forget_restored(&mut self) {
        if let Some(id) = self.forget_later.take() {
            self.ask(StoreWork::Forget(id));
        }
    }

    fn read(&mut self, id: SnapshotId, offset: u64) -> u64 {
        let max_bytes = self.part_bytes;
        self.ask(StoreWork::Read {
            id,
            offset,
            max_bytes,
        })
    }

    fn ask(&mut self, work: StoreWork) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        let number = self.last_number;
        self.store.begin(StoreJob { number, work });
        number
    }
}

const fn failed(number: u64) -> SnapshotDone {
    SnapshotDone {
        number,
        answer: SnapshotAnswer::Failed,
    }
}

#[cfg(test)]
mod tests;
