//! The contract of [`raft_core::log::Log`], clause by clause.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use raft_core::ids::{LogIndex, Term};
use raft_core::log::{Log, LogError, Write};
use raft_log::fs::{Completion, Fs, Operation};
use raft_log::rare::Site;
use raft_log::{FsError, Wal};
use support::*;

fn index(index: u64) -> LogIndex {
    LogIndex::new(index)
}

/// Clause 1: every part of a write is there, or none is.
#[test]
fn clause_1_a_write_is_there_whole_or_not_at_all() {
    for seed in 0..200 {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        write(&mut log, append(1, vec![chunk(1, 1, &[10; 9])]));
        let (before, entries_before) = (
            open(&MemFs::of(fs.image())).1,
            load_all(&log, &open(&MemFs::of(fs.image())).1),
        );
        fs.hold();
        log.begin(Write {
            hard: hard(2, 3, Some(4)),
            truncate_from: Some(index(5)),
            append: vec![chunk(3, 5, &[100; 4]), chunk(3, 9, &[1])].into(),
            snapshot: Some(mark(1, 2).into()),
            identity: Some(Bytes::from("who")),
            ..empty(2)
        });
        assert!(poll(&mut log).is_pending());
        let (found, after) = open(&fs.crash(Crash::Some(seed)));
        if after == before {
            assert_eq!(entries(&load_all(&found, &after)), entries(&entries_before));
        } else {
            assert_eq!(after.hard, hard(2, 3, Some(4)));
            assert_eq!(after.identity, Some(Bytes::from("who")));
            assert_eq!(after.snapshot, Some(mark(1, 2)));
            assert_eq!(after.runs, [mark(1, 3).last, mark(3, 5).last]);
            assert_eq!(after.last, index(9));
        }
    }
}

/// Clause 2: what survives a crash is a prefix of what was begun.
#[test]
fn clause_2_writes_survive_in_order() {
    let mut lost = [0; 7];
    for seed in 0..500 {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        fs.hold();
        for number in 1..=6 {
            log.begin(append(number, vec![chunk(1, number, &[300])]));
            if number == 3 {
                fs.release();
                assert!(poll(&mut log).is_pending());
            }
        }
        let (found, recovered) = open(&fs.crash(Crash::Some(seed)));
        let survived = recovered.last.get();
        lost[survived as usize] += 1;
        let indexes: Vec<_> = entries(&load_all(&found, &recovered))
            .iter()
            .map(|entry| entry.1)
            .collect();
        assert_eq!(indexes, (1..=survived).collect::<Vec<_>>());
    }
    assert!(lost[0] > 0 && lost[1] > 0, "{lost:?}");
}

/// Clause 3: no proof before the sync, and of the folder too for a new segment.
#[test]
fn clause_3_a_proof_comes_only_after_the_sync() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    fs.drain_log();
    fs.hold();
    log.begin(empty(1));
    assert_eq!(fs.drain_log(), ["create"]);
    assert!(poll(&mut log).is_pending());
    fs.release();
    assert!(poll(&mut log).is_pending());
    assert_eq!(fs.drain_log(), ["write", "sync", "sync folder"]);
    assert!(poll(&mut log).is_pending());
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(1))));
    let (_, recovered) = open(&fs.crash(Crash::LoseAll));
    assert_eq!(recovered.hard, empty(1).hard);
}

/// Clause 3: what is begun while a sync runs is covered by the next one, and the last proof
/// stands for all.
#[test]
fn clause_3_writes_begun_during_a_sync_share_the_next_one() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, empty(1));
    fs.drain_log();
    fs.hold();
    for number in 2..=5 {
        log.begin(empty(number));
    }
    assert_eq!(fs.drain_log(), ["write", "sync"]);
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(2))));
    assert_eq!(fs.drain_log(), ["write", "sync"]);
    assert!(poll(&mut log).is_pending());
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(5))));
    assert!(poll(&mut log).is_pending());
}

/// A disk under a log that asks for the first of two syncs only when its write is over, and so after the second.
#[derive(Clone)]
struct Apart {
    disk: MemFs,
    asked: Arc<AtomicBool>,
}

impl Fs for Apart {
    fn start(&self, operation: Operation) -> Completion {
        self.disk.start(operation)
    }

    fn rarely(&self, site: Site) -> bool {
        site == Site::SyncApart && !self.asked.swap(true, Ordering::Relaxed)
    }
}

/// Clause 3: what a sync failed to make durable a later one does not, whatever that says: the system has forgotten
/// that there is something to write.
#[test]
fn clause_3_no_sync_counts_that_ends_after_one_that_failed() {
    let fs = Apart {
        disk: MemFs::new(),
        asked: Arc::new(AtomicBool::new(true)),
    };
    let opened = run(Wal::open(fs.clone(), WITH_GROUPS)).unwrap();
    let (mut log, _) = opened.unwrap();
    write(&mut log, append(1, vec![chunk(1, 1, &[10])]));
    fs.disk.hold();
    fs.asked.store(false, Ordering::Relaxed);
    fs.disk.drain_log();
    log.begin(append(2, vec![chunk(1, 2, &[10])]));
    let detail = String::from("as asked for");
    fs.disk.fail_next("sync", FsError::Io { detail });
    log.begin(append(3, vec![chunk(1, 3, &[10])]));
    assert_eq!(fs.disk.drain_log(), ["write", "write", "sync"]);
    fs.disk.release();
    assert!(poll(&mut log).is_pending());
    assert_eq!(fs.disk.drain_log(), ["sync"], "that of the first");
    fs.disk.release();
    assert!(matches!(poll(&mut log), Poll::Ready(Err(_))));
}

/// Clause 4: truncation comes first, and what was removed stays removed.
#[test]
fn clause_4_removed_entries_never_come_back() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(
        &mut log,
        append(1, vec![chunk(1, 1, &[10, 10]), chunk(1, 3, &[10, 10])]),
    );
    write(
        &mut log,
        Write {
            truncate_from: Some(index(4)),
            append: chunk(2, 4, &[20]).into(),
            ..empty(2)
        },
    );
    write(
        &mut log,
        Write {
            truncate_from: Some(index(2)),
            ..empty(3)
        },
    );
    for _ in 0..2 {
        let (log, recovered) = open(&fs.crash(Crash::LoseAll));
        assert_eq!(recovered.last, index(1));
        assert_eq!(recovered.runs, [mark(1, 1).last]);
        assert_eq!(load_all(&log, &recovered).len(), 1);
    }
}

/// Clause 5: a gap is refused and latches.
#[test]
fn clause_5_a_gap_is_refused_for_ever() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append(1, vec![chunk(1, 1, &[10, 10])]));
    log.begin(append(2, vec![chunk(1, 4, &[10])]));
    let refused = poll(&mut log);
    assert!(matches!(
        refused,
        Poll::Ready(Err(LogError::Impossible { .. }))
    ));
    log.begin(append(3, vec![chunk(1, 3, &[10])]));
    assert_eq!(poll(&mut log), refused);
    assert_eq!(open(&fs.crash(Crash::KeepAll)).1.last, index(2));
}

/// Clause 4: nothing is truncated that a snapshot stands for.
#[test]
fn clause_4_truncation_into_a_snapshot_is_refused() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(
        &mut log,
        Write {
            append: chunk(1, 1, &[1; 4]).into(),
            snapshot: Some(mark(1, 3).into()),
            ..empty(1)
        },
    );
    log.begin(Write {
        truncate_from: Some(index(3)),
        ..empty(2)
    });
    assert!(matches!(
        poll(&mut log),
        Poll::Ready(Err(LogError::Impossible { .. }))
    ));
}

/// Clause 6: after each kind of failure, the same error for ever, and nothing is tried again.
#[test]
fn clause_6_a_failure_is_final() {
    let broken = FsError::Io {
        detail: String::from("broken"),
    };
    let full = FsError::NoSpace {
        detail: String::from("full"),
    };
    for kind in ["write", "sync", "create", "sync folder"] {
        for error in [&broken, &full] {
            let fs = MemFs::new();
            let (mut log, _) = open(&fs);
            if kind == "write" || kind == "sync" {
                write(&mut log, empty(1));
            }
            fs.fail_next(kind, error.clone());
            log.begin(empty(2));
            log.begin(empty(3));
            let failed = Poll::Ready(finish(&mut log));
            match &failed {
                Poll::Ready(Err(LogError::Full { .. })) => assert_eq!(error, &full),
                Poll::Ready(Err(LogError::Storage { .. })) => assert_eq!(error, &broken),
                other => panic!("{other:?}"),
            }
            fs.drain_log();
            log.begin(empty(4));
            for _ in 0..20 {
                assert_eq!(poll(&mut log), failed);
            }
            assert_eq!(fs.drain_log(), [""; 0], "nothing is tried again");
        }
    }
}

/// Clause 7: entries are there from `begin` on, in memory and from the disk alike.
#[test]
fn clause_7_reads_see_what_was_begun() {
    let fs = MemFs::new();
    let (mut log, recovered) = open(&fs);
    fs.hold();
    log.begin(append(1, vec![chunk(1, 1, &[10, 10, 10])]));
    log.begin(Write {
        truncate_from: Some(index(3)),
        append: chunk(2, 3, &[10]).into(),
        ..empty(2)
    });
    let begun = load_all(&log, &recovered);
    assert_eq!(entries(&begun).last().unwrap().0, Term::new(2));
    assert_eq!(entries(&begun).len(), 3);
    for _ in 0..4 {
        fs.release();
        let _ = poll(&mut log);
    }
    let reading = log.load(index(1)..index(4), 1000);
    log.begin(Write {
        truncate_from: Some(index(1)),
        ..empty(3)
    });
    fs.release();
    assert_eq!(
        entries(&run(reading).unwrap().unwrap()),
        entries(&begun),
        "as of the call"
    );
    assert_eq!(load_all(&log, &recovered), []);
}

/// Clause 8 and the table of boundary cases.
#[test]
fn clause_8_reads_are_bounded() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    let load = |log: &Wal<MemFs>, range: std::ops::Range<u64>, bytes| {
        let range = index(range.start)..index(range.end);
        run(log.load(range, bytes)).unwrap().map(|chunks| {
            entries(&chunks)
                .iter()
                .map(|entry| entry.1)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(load(&log, 1..5, 100), Ok(vec![]), "nothing");
    write(&mut log, append(1, vec![chunk(1, 1, &[10, 10, 10])]));
    assert_eq!(load(&log, 1..5, 1000), Ok(vec![1, 2, 3]));
    assert_eq!(load(&log, 1..5, 0), Ok(vec![1]), "at least one");
    assert_eq!(load(&log, 2..3, 1000), Ok(vec![2]));
    assert_eq!(load(&log, 4..9, 1000), Ok(vec![]), "past the last");
    for (start, end) in [(1, 1), (2, 2), (3, 2), (4, 4)] {
        assert_eq!(load(&log, start..end, 1000), Ok(vec![]), "of no entries");
    }
    write(&mut log, append(2, vec![chunk(1, 4, &[10, 10, 10])]));
    let two_and_a_half = 5 * (10 + 24);
    assert_eq!(load(&log, 1..9, two_and_a_half), Ok(vec![1, 2, 3]), "about");
    write(
        &mut log,
        Write {
            truncate_from: Some(index(4)),
            snapshot: Some(mark(1, 3).into()),
            ..empty(3)
        },
    );
    let compacted = Err(LogError::Compacted { first: index(4) });
    assert_eq!(load(&log, 1..5, 1000), compacted, "only a snapshot");
    assert_eq!(load(&log, 4..5, 1000), Ok(vec![]));
    write(&mut log, append(4, vec![chunk(2, 4, &[10])]));
    assert_eq!(load(&log, 1..5, 1000), compacted, "a snapshot, and 4");
    assert_eq!(load(&log, 4..5, 1000), Ok(vec![4]));
    write(
        &mut log,
        Write {
            truncate_from: Some(index(4)),
            ..empty(5)
        },
    );
    assert_eq!(load(&log, 4..5, 1000), Ok(vec![]), "only the snapshot");
}

/// Clause 8: no more is read than was asked for, or is of use at once.
#[test]
fn clause_8_reads_that_answer_nothing_are_not_begun() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    let chunks = (1..=6).map(|first| chunk(1, first, &[10])).collect();
    write(&mut log, append(1, chunks));
    let reads = |range: std::ops::Range<u64>, max_bytes| {
        fs.drain_log();
        let range = index(range.start)..index(range.end);
        let found = run(log.load(range, max_bytes)).unwrap().unwrap();
        assert_eq!(fs.drain_log().len(), found.len());
        found.len()
    };
    assert_eq!(reads(1..7, 0), 1);
    assert_eq!(reads(2..5, 1_000), 3);
    assert_eq!(reads(1..7, 1_000), 6);
    assert_eq!(reads(7..9, 1_000), 0);
}

/// Clause 8: however little each weighs.
#[test]
fn clause_8_one_read_returns_a_bounded_number_of_chunks() {
    let fs = MemFs::new();
    let (mut log, recovered) = open(&fs);
    let chunks = (1..=1_030).map(|first| chunk(1, first, &[0])).collect();
    write(&mut log, append(1, chunks));
    let range = index(1)..index(2_000);
    let found = run(log.load(range, usize::MAX)).unwrap().unwrap();
    assert_eq!(found.len(), 1_024);
    assert_eq!(load_all(&log, &recovered).len(), 1_030);
}
