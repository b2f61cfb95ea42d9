//! A log whose snapshot is damaged: it is given up, and what it promised is not.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use bytes::Bytes;
use raft_core::configuration::Configuration;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::{Log as _, Recovered, Write};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;
use raft_log::{Wal, WalError};
use support::crashes::crash_twice;
use support::idle::closed;
use support::*;

/// A snapshot up to this entry of term 1.
fn stored(last: u64) -> Snapshot {
    Snapshot {
        id: SnapshotId {
            last: EntryId::new(Term::new(1), LogIndex::new(last)),
            length: 0,
            digest: 0,
        },
        configuration: Configuration::default(),
        time: LogTime::ZERO,
    }
}

/// Opens the log and ties it to this snapshot; nothing when the power failed.
fn joined(fs: &MemFs, stored: Option<Snapshot>) -> Option<(Wal<MemFs>, Recovered)> {
    let (wal, recovered) = run(Wal::open(fs.clone(), SETTINGS))?.unwrap();
    Some(run(wal.join(recovered, stored, false))?.unwrap())
}

/// Nothing is left of the log but what must not be forgotten.
fn assert_given_up(recovered: &Recovered, whole: &Recovered) {
    assert_eq!(recovered.hard, whole.hard);
    assert_eq!(recovered.identity, whole.identity);
    assert_eq!(
        (recovered.last, &recovered.snapshot),
        (LogIndex::ZERO, &None)
    );
    assert!(recovered.runs.is_empty() && recovered.configurations.is_empty());
    let term = whole.runs.last().unwrap().term;
    let end = EntryId::new(term, whole.last);
    assert_eq!(recovered.lost_through, Some(end));
}

/// What was written to this file is there under another name.
fn assert_kept_aside(fs: &MemFs, name: &str, content: &[u8]) {
    let kept = &fs.image()[&format!("{name}.damaged")];
    let (front, never_written) = content.split_at(kept.len());
    assert!(front == kept && !kept.is_empty(), "{name}");
    assert!(never_written.iter().all(|byte| *byte == 0), "{name}");
}

#[test]
fn a_log_goes_on_from_a_snapshot_that_reaches_its_beginning() {
    let (image, whole, _) = closed();
    let begins_after = whole.snapshot.as_ref().unwrap().last.index.get();
    for last in [begins_after, begins_after + 1] {
        let fs = MemFs::of(image.clone());
        let (log, recovered) = joined(&fs, Some(stored(last))).unwrap();
        assert!(log.damage().is_none());
        assert_eq!(recovered.stored, Some(stored(last)));
        let whole = Recovered {
            stored: Some(stored(last)),
            ..whole.clone()
        };
        assert_eq!(recovered, whole);
    }
}

#[test]
fn a_log_without_the_snapshot_it_begins_after_is_given_up() {
    let (image, whole, _) = closed();
    let begins_after = whole.snapshot.as_ref().unwrap().last.index.get();
    for kept in [None, Some(stored(begins_after - 1))] {
        let fs = MemFs::of(image.clone());
        let (log, recovered) = joined(&fs, kept.clone()).unwrap();
        assert_given_up(&recovered, &whole);
        assert_eq!(recovered.stored, kept);
        assert!(matches!(log.damage(), Some(WalError::Corrupt { .. })));
        for (name, content) in &image {
            assert_kept_aside(&fs, name, content);
        }
        drop(log);
        let again = fs.crash(Crash::KeepAll);
        let (log, recovered) = joined(&again, kept).unwrap();
        assert_given_up(&recovered, &whole);
        assert!(log.damage().is_none(), "it was told");
    }
}

/// A witness keeps no snapshots: what it needs of one stands in its log.
#[test]
fn a_witness_goes_on_without_a_snapshot() {
    let (image, whole, _) = closed();
    let fs = MemFs::of(image);
    let (wal, recovered) = open(&fs);
    let (log, recovered) = run(wal.join(recovered, None, true)).unwrap().unwrap();
    assert!(log.damage().is_none());
    assert_eq!(recovered, whole);
}

/// What comes then is a log like any; what it promised before is forgotten when it reaches as far.
#[test]
fn it_begins_anew_and_is_whole_when_it_reaches_as_far_again() {
    let (image, whole, _) = closed();
    let mut fs = MemFs::of(image);
    let entry = |number, index| Write {
        hard: whole.hard,
        ..append(number, vec![chunk(2, index, &[5])])
    };
    for index in 1..=whole.last.get() {
        let (mut log, recovered) = joined(&fs, None).unwrap();
        assert!(recovered.lost_through.is_some(), "{index}");
        assert_eq!(recovered.identity, whole.identity);
        assert_eq!(recovered.last.get(), index - 1);
        // The power fails before it is durable: a torn frame is not another damage.
        log.begin(entry(index, index));
        drop(log);
        fs = fs.crash(Crash::Some(index));
        let (mut log, recovered) = joined(&fs, None).unwrap();
        assert!(log.damage().is_none(), "{index}");
        if recovered.last.get() < index {
            write(&mut log, entry(index, index));
        }
        settle(&mut log);
        drop(log);
        fs = fs.crash(Crash::KeepAll);
    }
    assert!(!fs.image().contains_key("REPAIR"));
    let (log, recovered) = joined(&fs, None).unwrap();
    assert!(log.damage().is_none());
    assert_eq!(recovered.lost_through, None);
    assert_eq!(recovered.last, whole.last);
    assert_eq!(recovered.identity, Some(Bytes::from("who")));
}

/// The power fails at each operation or the process ends, and the power fails at each of the next opening.
#[test]
fn a_crash_at_each_operation_forgets_nothing() {
    let (image, whole, _) = closed();
    let opens = |fs: &MemFs| joined(fs, None).is_some();
    let crashes = crash_twice(&image, opens, |last| {
        let (_, recovered) = joined(last, None).unwrap();
        assert_given_up(&recovered, &whole);
        for (name, content) in &image {
            assert_kept_aside(last, name, content);
        }
    });
    assert!(crashes > 200, "{crashes}");
}

/// Nothing says who the node is: then nobody may go on in its name.
#[test]
fn a_log_that_knows_nobody_is_refused_and_left_as_it_is() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append(1, vec![chunk(1, 1, &[10])]));
    let compacted = Write {
        snapshot: Some(mark(1, 1).into()),
        ..empty(2)
    };
    write(&mut log, compacted);
    settle(&mut log);
    drop(log);
    let fs = fs.crash(Crash::KeepAll);
    let (wal, recovered) = open(&fs);
    let before = fs.image();
    let refused = run(wal.join(recovered, None, false)).unwrap();
    assert!(matches!(refused, Err(WalError::Corrupt { .. })));
    assert_eq!(fs.image(), before);
}
