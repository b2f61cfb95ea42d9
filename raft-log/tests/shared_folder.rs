//! The log and the store of snapshots in one folder: what fails for one of them concerns the other.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::hull::SnapshotAnswer;
use raft_core::ids::LogIndex;
use raft_core::log::{Log, Write};
use raft_core::store::{SnapshotStore, StoreJob, StoreWork};
use raft_log::{FileStore, FsError, Wal};
use support::snapshots::{STORE_SETTINGS, content, opened, taking, work};
use support::*;

/// How many writes there are, each in a segment of its own.
const WRITES: u64 = 8;

/// Where the snapshots end that are taken, one after the other.
const ENDS: [u64; 3] = [3, 5, 7];

/// What a process does with both, and what it was told.
struct Process {
    log: Wal<MemFs>,
    store: FileStore<MemFs>,
    works: VecDeque<StoreWork>,
    /// Whether the store has a job that it has not answered.
    waits: bool,
    begun: u64,
    durable: u64,
    /// How many snapshots were called stored.
    taken: usize,
    failed: bool,
}

impl Process {
    fn start(fs: &MemFs) -> Self {
        let content = content(1, 700);
        Self {
            log: open(fs).0,
            store: opened(fs).0,
            works: ENDS
                .into_iter()
                .flat_map(|last| taking(last, &content, &[400, 300]))
                .collect(),
            waits: false,
            begun: 0,
            durable: 0,
            taken: 0,
            failed: false,
        }
    }

    /// Begins the next write when the last is durable, and looks once for an answer.
    fn turn_log(&mut self) {
        if self.begun == self.durable && self.begun < WRITES {
            self.begun += 1;
            let entry = append(self.begun, vec![chunk(2, self.begun, &[1_500])]);
            self.log.begin(self.compacted(entry));
        }
        match poll(&mut self.log) {
            Poll::Ready(Ok(durable)) => {
                assert_eq!(durable, proof(self.begun));
                self.durable = self.begun;
            }
            Poll::Ready(Err(_)) => self.failed = true,
            Poll::Pending => {}
        }
    }

    /// The log goes on after what is stored.
    fn compacted(&self, write: Write) -> Write {
        match self.stored() {
            Some(stored) if stored < self.begun => Write {
                snapshot: Some(mark(2, stored).into()),
                drop_before: LogIndex::new(stored + 1),
                ..write
            },
            _ => write,
        }
    }

    /// Begins the next job when the last is answered, and looks once for an answer.
    fn turn_store(&mut self) {
        if !self.waits {
            let Some(work) = self.works.pop_front() else {
                return;
            };
            self.waits = true;
            self.store.begin(StoreJob { number: 1, work });
        }
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(done) = self.store.poll_done(&mut cx) else {
            return;
        };
        self.waits = false;
        match done.answer {
            SnapshotAnswer::Taken { .. } => self.taken += 1,
            SnapshotAnswer::Failed => self.works.clear(),
            _ => {}
        }
    }

    /// Where the last snapshot ends that was called stored.
    fn stored(&self) -> Option<u64> {
        self.taken
            .checked_sub(1)
            .and_then(|taken| ENDS.get(taken).copied())
    }

    /// Goes on until there is nothing more to do, or the log has failed.
    fn run(&mut self, turns_of_log: usize) {
        for _ in 0..400 {
            for _ in 0..turns_of_log {
                self.turn_log();
            }
            self.turn_store();
            if self.failed {
                return;
            }
        }
    }
}

/// The system reports a failed sync of a folder once, to whoever asked for it, and takes all changes of
/// names for written from then on, whoever made them. So a failure that the store met must not let the
/// log promise what is in a segment that no disk knows, nor remove segments before an older one is gone.
#[test]
fn whatever_fails_for_the_store_the_log_keeps_what_it_promised() {
    let mut failures = 0;
    for turns_of_log in 1..=4 {
        for failing in 0.. {
            let fs = MemFs::new();
            let mut process = Process::start(&fs);
            let before = fs.started();
            fs.fail_at(before + failing);
            process.run(turns_of_log);
            if fs.started() <= before + failing {
                assert_eq!((process.durable, process.stored()), (WRITES, Some(7)));
                break;
            }
            failures += 1;
            for crash in [Crash::LoseAll, Crash::Some(failing as u64), Crash::KeepAll] {
                let what = format!("operation {failing} failed, {turns_of_log} turns, {crash:?}");
                let left = fs.crash(crash);
                let (log, recovered) =
                    try_open(&left).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(log.damage().is_none(), "{what}: {:?}", log.damage());
                assert!(
                    recovered.last.get() >= process.durable,
                    "{what}: {recovered:?}"
                );
                let newest = opened(&left).1.map(|stored| stored.id.last.index.get());
                assert!(newest >= process.stored(), "{what}: {newest:?}");
            }
        }
    }
    assert!(failures > 200, "{failures}");
}

/// Nobody knows what it holds, so nothing more is written there: snapshot after snapshot would be left
/// behind. What was stored before is still read.
#[test]
fn a_store_whose_folder_failed_to_sync_begins_nothing_more() {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    let first = content(1, 700);
    let mut id = None;
    for job in taking(3, &first, &[700]) {
        if let Some(SnapshotAnswer::Taken { .. }) = work(&mut store, job) {
            id = Some(snapshots::snapshot(3, &first).id);
        }
    }
    let detail = String::from("broken");
    for job in taking(5, &content(2, 700), &[700]) {
        if matches!(job, StoreWork::Seal) {
            fs.fail_next(
                "sync folder",
                FsError::Io {
                    detail: detail.clone(),
                },
            );
            assert_eq!(work(&mut store, job), Some(SnapshotAnswer::Failed));
        } else {
            assert_eq!(work(&mut store, job), Some(SnapshotAnswer::Written));
        }
    }
    let files = fs.image();
    for job in taking(7, &content(3, 700), &[700]) {
        assert_eq!(work(&mut store, job), Some(SnapshotAnswer::Failed));
    }
    assert_eq!(fs.image(), files);
    let read = StoreWork::Read {
        id: id.unwrap(),
        offset: 0,
        max_bytes: 700,
    };
    let part: Bytes = first;
    assert_eq!(work(&mut store, read), Some(SnapshotAnswer::Part(part)));
    // Opened anew, it has whatever the disk shows, and goes on.
    drop(store);
    let (mut store, _) = run(FileStore::open(fs.crash(Crash::LoseAll), STORE_SETTINGS))
        .unwrap()
        .unwrap();
    for job in taking(9, &content(4, 700), &[700]) {
        assert_ne!(work(&mut store, job), Some(SnapshotAnswer::Failed));
    }
}
