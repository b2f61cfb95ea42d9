//! The shortest correct store does what the contract says.

use alloc::vec;

use super::*;
use crate::configuration::Configuration;
use crate::ids::{EntryId, LogIndex, Term};

fn mark(index: u64) -> SnapshotMark {
    SnapshotMark {
        last: EntryId::new(Term::new(1), LogIndex::new(index)),
        configuration: Configuration::default(),
    }
}

fn take(store: &mut MemoryStore, index: u64, parts: &[&'static [u8]]) -> Snapshot {
    let (mark, time) = (mark(index), LogTime::ZERO);
    store.work(StoreWork::Create { mark, time });
    for part in parts {
        store.work(StoreWork::Append(Bytes::from_static(part)));
    }
    let Some(SnapshotAnswer::Taken { length, digest }) = store.work(StoreWork::Seal) else {
        panic!("it is taken");
    };
    let snapshot = store.newest().unwrap().clone();
    assert_eq!((snapshot.id.length, snapshot.id.digest), (length, digest));
    snapshot
}

fn write(offset: u64, part: &'static [u8]) -> StoreWork {
    let part = Bytes::from_static(part);
    StoreWork::Write { offset, part }
}

#[test]
fn what_is_not_sealed_does_not_count() {
    let mut store = MemoryStore::new();
    let first = take(&mut store, 3, &[b"one"]);
    let (mark, time) = (mark(5), LogTime::ZERO);
    store.work(StoreWork::Create { mark, time });
    store.work(StoreWork::Append(Bytes::from_static(b"two")));
    assert_eq!(store.newest(), Some(&first));
    let mut store = store.reopened();
    assert_eq!(store.work(StoreWork::Seal), Some(SnapshotAnswer::Failed));
    assert_eq!(store.newest(), Some(&first));
}

#[test]
fn what_was_received_goes_on_where_it_was() {
    let mut leader = MemoryStore::new();
    let offered = take(&mut leader, 7, &[b"abc", b"def"]);
    let mut store = MemoryStore::new();
    let begun = |store: &mut MemoryStore, snapshot: &Snapshot| {
        store.work(StoreWork::Receive(snapshot.clone()))
    };
    assert_eq!(
        begun(&mut store, &offered),
        Some(SnapshotAnswer::Begun { stored: 0 })
    );
    assert_eq!(store.work(write(0, b"abcd")), Some(SnapshotAnswer::Written));
    assert_eq!(store.work(write(3, b"de")), Some(SnapshotAnswer::Failed));
    let mut store = store.reopened();
    assert_eq!(
        begun(&mut store, &offered),
        Some(SnapshotAnswer::Begun { stored: 4 })
    );
    assert_eq!(store.work(write(4, b"ef")), Some(SnapshotAnswer::Written));
    let finish = StoreWork::Finish(offered.clone());
    assert_eq!(store.work(finish), Some(SnapshotAnswer::Finished));
    assert_eq!(store.newest(), Some(&offered));
    assert_eq!(store.content(offered.id), Some(&b"abcdef"[..]));
}

#[test]
fn another_snapshot_begins_anew_and_damage_is_told() {
    let mut leader = MemoryStore::new();
    let first = take(&mut leader, 7, &[b"abcd"]);
    let second = take(&mut leader, 8, &[b"abce"]);
    let mut store = MemoryStore::new();
    store.work(StoreWork::Receive(first));
    store.work(write(0, b"abcd"));
    let begun = store.work(StoreWork::Receive(second.clone()));
    assert_eq!(begun, Some(SnapshotAnswer::Begun { stored: 0 }));
    store.work(write(0, b"abcd"));
    let finish = StoreWork::Finish(second.clone());
    assert_eq!(store.work(finish.clone()), Some(SnapshotAnswer::Damaged));
    assert_eq!(store.newest(), None);
    store.work(write(0, b"abce"));
    assert_eq!(store.work(finish), Some(SnapshotAnswer::Finished));
    assert_eq!(store.newest(), Some(&second));
}

#[test]
fn parts_are_read_and_old_ones_go() {
    let mut store = MemoryStore::new();
    let first = take(&mut store, 7, &[b"abcdef"]);
    let second = take(&mut store, 9, &[b"xyz"]);
    let read = |store: &mut MemoryStore, offset, max_bytes| {
        let id = first.id;
        store.work(StoreWork::Read {
            id,
            offset,
            max_bytes,
        })
    };
    let part = |bytes: &'static [u8]| Some(SnapshotAnswer::Part(Bytes::from_static(bytes)));
    assert_eq!(read(&mut store, 2, 3), part(b"cde"));
    assert_eq!(read(&mut store, 4, 100), part(b"ef"));
    assert_eq!(read(&mut store, 6, 100), part(b""));
    assert_eq!(read(&mut store, 7, 100), Some(SnapshotAnswer::Failed));
    assert_eq!(store.work(StoreWork::Forget(first.id)), None);
    assert_eq!(read(&mut store, 0, 1), Some(SnapshotAnswer::Failed));
    assert_eq!(store.newest(), Some(&second));
}

#[test]
fn answers_come_in_order_and_a_reopened_store_owes_none() {
    let mut store = MemoryStore::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(store.poll_done(&mut cx).is_pending());
    let (mark, time) = (mark(5), LogTime::ZERO);
    let works = vec![
        StoreWork::Create { mark, time },
        StoreWork::Discard,
        StoreWork::Seal,
    ];
    for (number, work) in (1..).zip(works) {
        store.begin(StoreJob { number, work });
    }
    let expected = [(1, SnapshotAnswer::Written), (3, SnapshotAnswer::Failed)];
    for (number, answer) in expected {
        let done = SnapshotDone { number, answer };
        assert_eq!(store.poll_done(&mut cx), Poll::Ready(done));
    }
    store.begin(StoreJob {
        number: 4,
        work: StoreWork::Seal,
    });
    assert!(store.reopened().poll_done(&mut cx).is_pending());
}
