//! The log in a folder of the operating system.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::future::poll_fn;
use std::num::NonZeroU8;

use bytes::Bytes;
use raft_core::hull::SnapshotAnswer;
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Log, Recovered, Write};
use raft_core::store::{SnapshotStore, StoreJob, StoreWork};
use raft_log::{
    FileStore, FsError, FsSettings, RunOn, StdFs, Wal, WalError, WalSettings, WritePath, Writes,
};
use support::snapshots::{STORE_SETTINGS, content, receiving, snapshot, taking};
use support::{append, chunk, empty, entries, hard, proof, wait};

/// Runs a test on a new folder for each way of using one, as far as the disk here has it.
fn each_way(test: impl Fn(&Place)) {
    for (writes, path) in [
        (Writes::Direct, WritePath::Direct),
        (Writes::Buffered, WritePath::Buffered),
    ] {
        for run_on in [RunOn::OWN_THREAD, THREE_THREADS, RunOn::CallersThread] {
            let folder = tempfile::tempdir().unwrap();
            let settings = FsSettings { writes, run_on };
            match StdFs::open_with(folder.path(), settings) {
                Ok(fs) => assert_eq!(fs.writes(), path),
                Err(error) => {
                    println!("skipped {settings:?}: {error}");
                    continue;
                }
            }
            println!("{settings:?}");
            test(&Place { folder, settings });
        }
    }
}

struct Place {
    folder: tempfile::TempDir,
    settings: FsSettings,
}

impl Place {
    fn fs(&self) -> StdFs {
        StdFs::open_with(self.folder.path(), self.settings).unwrap()
    }

    fn open(&self) -> Result<(Wal<StdFs>, Recovered), WalError> {
        let settings = WalSettings {
            groups_in_flight: match self.settings.run_on {
                RunOn::OwnThreads(threads) => threads.get().into(),
                RunOn::CallersThread => 1,
            },
            ..WalSettings::default()
        };
        wait(Wal::open(self.fs(), settings))
    }
}

const THREE_THREADS: RunOn = RunOn::OwnThreads(NonZeroU8::new(3).unwrap());

fn write(log: &mut Wal<StdFs>, write: Write) -> Durable {
    log.begin(write);
    wait(poll_fn(|cx| log.poll_durable(cx))).unwrap()
}

#[test]
fn what_is_durable_is_found_again() {
    each_way(keeps_what_is_durable);
}

fn keeps_what_is_durable(place: &Place) {
    let (mut log, recovered) = place.open().unwrap();
    assert_eq!(recovered, Recovered::default());
    let first = Write {
        identity: Some(Bytes::from("who")),
        hard: hard(1, 2, Some(3)),
        ..append(1, vec![chunk(1, 1, &[5, 50_000]), chunk(2, 3, &[0])])
    };
    assert_eq!(write(&mut log, first), proof(1));
    drop(log);
    for boot in 2..5 {
        let (mut log, recovered) = place.open().unwrap();
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

/// In memory, whatever it makes of direct writes.
#[test]
fn what_is_written_is_found_again_on_another_file_system() {
    let memory = std::path::Path::new("/dev/shm");
    let Ok(folder) = tempfile::tempdir_in(memory) else {
        println!("skipped: no folder can be made in {}", memory.display());
        return;
    };
    let settings = FsSettings::default();
    let place = Place { folder, settings };
    println!("{}", place.fs().writes());
    keeps_what_is_durable(&place);
}

/// A frame may be longer than a segment.
#[test]
fn large_writes_get_segments_of_their_own() {
    each_way(takes_large_writes);
}

fn takes_large_writes(place: &Place) {
    let (mut log, _) = place.open().unwrap();
    let chunks = [
        chunk(1, 1, &[1 << 20]),
        chunk(1, 2, &[64 << 20]),
        chunk(1, 3, &[10]),
    ];
    for (chunk, number) in chunks.iter().zip(1..) {
        write(&mut log, append(number, vec![chunk.clone()]));
    }
    drop(log);
    let (log, recovered) = place.open().unwrap();
    assert_eq!(recovered.last, LogIndex::new(3));
    for (chunk, index) in chunks.iter().zip(1..) {
        let range = LogIndex::new(index)..LogIndex::new(index + 1);
        let loaded = wait(log.load(range, 1 << 30)).unwrap();
        assert!(loaded == [chunk.clone()], "entry {index}");
    }
}

#[test]
fn a_folder_in_use_is_refused_and_says_by_whom() {
    each_way(refuses_a_second_opener);
}

fn refuses_a_second_opener(place: &Place) {
    let held = place.open().unwrap();
    let refused = place.open().unwrap_err();
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
    assert!(place.open().is_ok());
}

/// Beside the log, in its folder.
#[test]
fn a_snapshot_is_found_again_and_a_half_received_one_goes_on() {
    each_way(keeps_snapshots);
}

fn keeps_snapshots(place: &Place) {
    let start = || {
        let fs = place.fs();
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

/// Writes of every length, so that many fill blocks that the disk wrote directly before, and some roll
/// to another segment; then what an idle log says at last, and all of it again from the disk.
#[test]
fn many_writes_are_found_again_in_order() {
    each_way(|place| {
        let settings = WalSettings {
            segment_bytes: 256 << 10,
            ..WalSettings::default()
        };
        let open = || wait(Wal::open(place.fs(), settings)).unwrap();
        let (mut log, _) = open();
        let length = |index: u64| usize::try_from(index * 997 % 9_000).unwrap();
        for index in 1..=150 {
            let entry = chunk(1, index, &[length(index)]);
            assert_eq!(write(&mut log, append(index, vec![entry])), proof(index));
        }
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..20 {
            assert!(log.poll_durable(&mut cx).is_pending());
        }
        drop(log);
        let (log, recovered) = open();
        assert_eq!(recovered.last, LogIndex::new(150));
        assert_eq!(log.damage(), None);
        let all = LogIndex::new(1)..LogIndex::new(151);
        let loaded = wait(log.load(all, 4 << 20)).unwrap();
        let written: Vec<_> = (1..=150)
            .map(|index| chunk(1, index, &[length(index)]))
            .collect();
        assert!(entries(&loaded) == entries(&written));
    });
}
