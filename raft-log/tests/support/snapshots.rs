//! Short ways to drive a store of snapshots.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::hull::SnapshotAnswer;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::SnapshotMark;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::{ContentDigest, SnapshotStore, StoreJob, StoreWork};
use raft_core::time::LogTime;
use raft_log::{FileStore, StoreError, StoreSettings};

use super::{MemFs, configuration, mix, run};

/// Small blocks and frequent syncs, so that a test meets many.
pub const STORE_SETTINGS: StoreSettings = StoreSettings {
    block_bytes: 256,
    sync_bytes: 512,
};

pub type Opened = Result<(FileStore<MemFs>, Option<Snapshot>), StoreError>;

/// `None` if the power fails meanwhile.
pub fn open_store(fs: &MemFs) -> Option<Opened> {
    run(FileStore::open(fs.clone(), STORE_SETTINGS))
}

pub fn opened(fs: &MemFs) -> (FileStore<MemFs>, Option<Snapshot>) {
    open_store(fs).expect("opening hangs").unwrap()
}

/// Does a job; `None` when no answer comes.
pub fn work<S: SnapshotStore>(store: &mut S, work: StoreWork) -> Option<SnapshotAnswer> {
    let (number, is_answered) = (mix(7), work.is_answered());
    store.begin(StoreJob { number, work });
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..20 {
        if let Poll::Ready(done) = store.poll_done(&mut cx) {
            assert!(is_answered, "an answer to what has none");
            assert_eq!(done.number, number);
            return Some(done.answer);
        }
    }
    None
}

/// Content of so many bytes.
pub fn content(seed: u64, length: usize) -> Bytes {
    (0..length)
        .map(|at| mix(seed ^ mix(at as u64)) as u8)
        .collect()
}

/// The snapshot of this content that ends at `last`.
pub fn snapshot(last: u64, content: &[u8]) -> Snapshot {
    let mut digest = ContentDigest::new();
    digest.update(content);
    let mark = snapshot_mark(last);
    Snapshot {
        id: SnapshotId {
            last: mark.last,
            length: content.len() as u64,
            digest: digest.finish(),
        },
        configuration: mark.configuration,
        time: LogTime::from_millis(last),
    }
}

pub fn snapshot_mark(last: u64) -> SnapshotMark {
    SnapshotMark {
        last: EntryId::new(Term::new(2), LogIndex::new(last)),
        configuration: configuration("somewhere"),
    }
}

/// The works that take a snapshot here, in parts of these lengths.
pub fn taking(last: u64, content: &Bytes, parts: &[usize]) -> Vec<StoreWork> {
    let mut works = vec![StoreWork::Create {
        mark: snapshot_mark(last),
        time: LogTime::from_millis(last),
    }];
    works.extend(
        cut(content, parts)
            .into_iter()
            .map(|(_, part)| StoreWork::Append(part)),
    );
    works.push(StoreWork::Seal);
    works
}

/// The works that receive one, in parts of these lengths.
pub fn receiving(last: u64, content: &Bytes, parts: &[usize]) -> Vec<StoreWork> {
    let snapshot = snapshot(last, content);
    let mut works = vec![StoreWork::Receive(snapshot.clone())];
    let written = cut(content, parts).into_iter();
    works.extend(written.map(|(offset, part)| StoreWork::Write { offset, part }));
    works.push(StoreWork::Finish(snapshot));
    works
}

/// The content in parts of these lengths, over and over, with where each begins.
fn cut(content: &Bytes, parts: &[usize]) -> Vec<(u64, Bytes)> {
    let mut rest = content.clone();
    let mut found = Vec::new();
    for length in parts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let offset = (content.len() - rest.len()) as u64;
        found.push((offset, rest.split_to((*length).min(rest.len()))));
    }
    found
}

/// All of a snapshot's content, read in parts of this length; the answer that is not a part instead.
pub fn read_all<S: SnapshotStore>(
    store: &mut S,
    id: SnapshotId,
    max_bytes: usize,
) -> Result<Vec<u8>, Option<SnapshotAnswer>> {
    let mut found = Vec::new();
    loop {
        let offset = found.len() as u64;
        let read = StoreWork::Read {
            id,
            offset,
            max_bytes,
        };
        match work(store, read) {
            Some(SnapshotAnswer::Part(part)) if part.is_empty() => return Ok(found),
            Some(SnapshotAnswer::Part(part)) => {
                assert!(part.len() <= max_bytes, "more than was asked for");
                found.extend_from_slice(&part);
            }
            other => return Err(other),
        }
    }
}

/// Goes on receiving where it was left, to the end; how much was there already, and whether the
/// whole was found damaged.
pub fn resume<S: SnapshotStore>(
    store: &mut S,
    snapshot: &Snapshot,
    content: &Bytes,
) -> Result<u64, u64> {
    let begun = work(store, StoreWork::Receive(snapshot.clone()));
    let Some(SnapshotAnswer::Begun { stored }) = begun else {
        panic!("not begun: {begun:?}");
    };
    let rest = content.slice(stored as usize..);
    if !rest.is_empty() {
        let write = StoreWork::Write {
            offset: stored,
            part: rest,
        };
        assert_eq!(work(store, write), Some(SnapshotAnswer::Written));
    }
    let finish = StoreWork::Finish(snapshot.clone());
    match work(store, finish) {
        Some(SnapshotAnswer::Finished) => Ok(stored),
        Some(SnapshotAnswer::Damaged) => Err(stored),
        other => panic!("not finished: {other:?}"),
    }
}
