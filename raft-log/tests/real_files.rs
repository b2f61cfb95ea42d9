//! The log in a folder of the operating system.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::future::poll_fn;

use bytes::Bytes;
use raft_core::hull::SnapshotAnswer;
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Log, Recovered, Write};
use raft_core::store::{SnapshotStore, StoreJob, StoreWork};
use raft_log::{FileStore, FsError, StdFs, Wal, WalError, WalSettings};
use support::snapshots::{STORE_SETTINGS, content, receiving, snapshot, taking};
use support::{append, chunk, empty, entries, hard, proof, wait};

fn open(folder: &tempfile::TempDir) -> Result<(Wal<StdFs>, Recovered), WalError> {
    wait(Wal::open(
        StdFs::open(folder.path()).unwrap(),
        WalSettings::default(),
    ))
}

fn write(log: &mut Wal<StdFs>, write: Write) -> Durable {
    log.begin(write);
    wait(poll_fn(|cx| log.poll_durable(cx))).unwrap()
}

#[test]
fn what_is_durable_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, recovered) = open(&folder).unwrap();
    assert_eq!(recovered, Recovered::default());
    let first = Write {
        identity: Some(Bytes::from("who")),
        hard: hard(1, 2, Some(3)),
        ..append(1, vec![chunk(1, 1, &[5, 50_000]), chunk(2, 3, &[0])])
    };
    assert_eq!(write(&mut log, first), proof(1));
    drop(log);
    for boot in 2..5 {
        let (mut log, recovered) = open(&folder).unwrap();
        assert_eq!(recovered.hard.term.get(), 2);
        assert_eq!(recovered.identity, Some(Bytes::from("who")));
        assert_eq!(recovered.last, LogIndex::new(3));
        let all = LogIndex::new(1)..LogIndex::new(9);
        let loaded = wait(log.load(all, 1 << 20)).unwrap();
        let written = [chunk(1, 1, &[5, 50_000]), chunk(2, 3, &[0])];
        assert_eq!(entries(&loaded), entries(&written));
        write(
            &mut log,
            Write {
                hard: hard(boot, 2, Some(3)),
                ..empty(boot)
            },
        );
    }
}

/// A frame may be longer than a segment.
#[test]
fn large_writes_get_segments_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = open(&folder).unwrap();
    let chunks = [
        chunk(1, 1, &[1 << 20]),
        chunk(1, 2, &[64 << 20]),
        chunk(1, 3, &[10]),
    ];
    for (chunk, number) in chunks.iter().zip(1..) {
        write(&mut log, append(number, vec![chunk.clone()]));
    }
    drop(log);
    let (log, recovered) = open(&folder).unwrap();
    assert_eq!(recovered.last, LogIndex::new(3));
    for (chunk, index) in chunks.iter().zip(1..) {
        let range = LogIndex::new(index)..LogIndex::new(index + 1);
        let loaded = wait(log.load(range, 1 << 30)).unwrap();
        assert!(loaded == [chunk.clone()], "entry {index}");
    }
}

#[test]
fn a_folder_in_use_is_refused_and_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let held = open(&folder).unwrap();
    let refused = open(&folder).unwrap_err();
    assert!(
        matches!(
            &refused,
            WalError::Fs {
                cause: FsError::Locked { .. },
                ..
            }
        ),
        "{refused}"
    );
    let text = refused.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    drop(held);
    assert!(open(&folder).is_ok());
}

/// Beside the log, in its folder.
#[test]
fn a_snapshot_is_found_again_and_a_half_received_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let fs = StdFs::open(folder.path()).unwrap();
        let log = wait(Wal::open(fs.clone(), WalSettings::default()))
            .unwrap()
            .0;
        let (store, newest) = wait(FileStore::open(fs, STORE_SETTINGS)).unwrap();
        (log, store, newest)
    };
    let job = |store: &mut FileStore<StdFs>, work| {
        store.begin(StoreJob { number: 1, work });
        wait(poll_fn(|cx| store.poll_done(cx))).answer
    };
    let (taken, received) = (content(5, 1_000), content(9, 5_000));
    let (log, mut store, newest) = start();
    assert_eq!(newest, None);
    for work in taking(5, &taken, &[300]) {
        assert_ne!(job(&mut store, work), SnapshotAnswer::Failed);
    }
    for work in receiving(9, &received, &[700]).into_iter().take(5) {
        assert_ne!(job(&mut store, work), SnapshotAnswer::Failed);
    }
    drop((log, store));
    let (_log, mut store, newest) = start();
    let newest = newest.unwrap();
    assert_eq!(newest, snapshot(5, &taken));
    let read = StoreWork::Read {
        id: newest.id,
        offset: 100,
        max_bytes: 600,
    };
    let part = SnapshotAnswer::Part(taken.slice(100..700));
    assert_eq!(job(&mut store, read), part);
    let begun = job(&mut store, StoreWork::Receive(snapshot(9, &received)));
    assert_eq!(begun, SnapshotAnswer::Begun { stored: 2_772 });
}
