//! What is asked of a store, and in which order.

use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;
use raft_core::configuration::Configuration;
use raft_core::ids::EntryId;
use raft_core::store::ContentDigest;
use raft_core::time::LogTime;

use super::*;
use crate::session::SessionLimits;
use crate::state_machine::{Command, StateReader, StateWriter, WholeReader, WholeWriter};

/// A machine without a state.
struct Nothing;

impl StateMachine for Nothing {
    fn apply(&mut self, _: Command<'_>) -> Bytes {
        Bytes::new()
    }

    fn snapshot(&self) -> Result<Box<dyn StateReader>, StateError> {
        Ok(Box::new(WholeReader::new(Bytes::new())))
    }

    fn restore(&self) -> Box<dyn StateWriter<Self>> {
        Box::new(WholeWriter::new(|_: &[u8]| Ok(Self)))
    }
}

/// A store that does nothing by itself: what it was asked for, and what it has answered.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<(Vec<StoreJob>, Vec<SnapshotDone>)>>);

impl Store {
    /// Answers what it was asked last.
    fn answer(&self, part: Bytes) {
        let mut store = self.0.lock().unwrap();
        let number = store.0.last().unwrap().number;
        let answer = SnapshotAnswer::Part(part);
        store.1.push(SnapshotDone { number, answer });
    }

    /// Which snapshots it was to forget so far.
    fn forgotten(&self) -> Vec<SnapshotId> {
        let asked = &self.0.lock().unwrap().0;
        let forgotten = asked.iter().filter_map(|job| match job.work {
            StoreWork::Forget(id) => Some(id),
            _ => None,
        });
        forgotten.collect()
    }
}

impl SnapshotStore for Store {
    fn begin(&mut self, job: StoreJob) {
        self.0.lock().unwrap().0.push(job);
    }

    fn poll_done(&mut self, _: &mut Context<'_>) -> Poll<SnapshotDone> {
        let answered = self.0.lock().unwrap().1.pop();
        answered.map_or(Poll::Pending, Poll::Ready)
    }
}

fn snapshot_of(content: &[u8]) -> Snapshot {
    let mut digest = ContentDigest::new();
    digest.update(content);
    Snapshot {
        id: SnapshotId {
            last: EntryId::ORIGIN,
            length: content.len() as u64,
            digest: digest.finish(),
        },
        configuration: Configuration::default(),
        time: LogTime::ZERO,
    }
}

/// A store lets go of a file at once. Who still reads from it could not go on, and would have to stop.
#[test]
fn a_snapshot_is_forgotten_when_the_state_was_restored_from_it_and_not_before() {
    let sessions = Sessions::new(Nothing, SessionLimits::DEFAULT);
    let content = sessions.snapshot().unwrap().next_part(1_000).unwrap();
    let snapshot = snapshot_of(&content);
    let store = Store::default();
    let mut snapshots = Snapshots::new(Box::new(store.clone()), 1_000);
    snapshots.restore(snapshot.clone(), &sessions);
    let forget = SnapshotJob {
        number: 1,
        work: SnapshotWork::Forget(snapshot.id),
    };
    assert!(snapshots.begin(forget, &sessions).is_none());
    let mut cx = Context::from_waker(Waker::noop());
    for part in [content, Bytes::new()] {
        assert_eq!(store.forgotten(), [], "it is being read");
        store.answer(part);
        assert!(matches!(snapshots.poll(&mut cx), Poll::Ready(Ok(_))));
    }
    assert!(!snapshots.is_restoring());
    assert_eq!(store.forgotten(), [snapshot.id]);
}
