//! The log in memory keeps the contract of `Log`, whose clauses these tests name by number.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::Configuration;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Log, LogError, SnapshotMark, Write};
use raft_core::record::ClientHeader;
use raft_core::time::{LogTime, Millis};

use support::{id, ids, ids_of, index, peer};

/// The entries from `first` on of `term`, stamped with `time`; none has a payload.
fn no_ops(first: u64, term: u64, count: usize, time: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for _ in 0..count {
        builder.push_no_op().unwrap();
    }
    seal(builder, first, term, time)
}

/// Commands of one byte each; with their headers they weigh 25.
fn commands(first: u64, term: u64, count: usize) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for _ in 0..count {
        builder.push_client(ClientHeader::default(), b"x").unwrap();
    }
    seal(builder, first, term, 0)
}

fn voters(size: u64) -> Configuration {
    Configuration::of_voters((1..=size).map(peer))
}

fn seal(builder: ChunkBuilder, first: u64, term: u64, time: u64) -> Chunk {
    let time = LogTime::from_millis(time);
    let chunk = builder.seal(Term::new(term), index(first), time, crc32c);
    chunk.unwrap()
}

/// A write of nothing but this hard state.
fn write(hard: HardState) -> Write {
    Write {
        identity: None,
        ..Write::of_identity(hard, Bytes::new())
    }
}

fn append(chunks: Vec<Chunk>) -> Write {
    Write {
        append: chunks.into(),
        ..write(HardState::default())
    }
}

fn truncate(from: u64) -> Write {
    Write {
        truncate_from: Some(index(from)),
        ..write(HardState::default())
    }
}

fn snapshot(last: EntryId) -> Write {
    let configuration = voters(3);
    Write {
        snapshot: Some(Box::new(SnapshotMark {
            last,
            configuration,
        })),
        ..write(HardState::default())
    }
}

fn log_of(chunks: Vec<Chunk>) -> MemoryLog {
    let mut log = MemoryLog::new();
    log.write(append(chunks)).unwrap();
    log
}

fn read(log: &MemoryLog, from: u64, to: u64, max_bytes: usize) -> Vec<EntryId> {
    ids(&log.read(index(from)..index(to), max_bytes).unwrap())
}

/// Clauses 1 and 2: what a later write does not name stays as the earlier ones left it.
#[test]
fn what_was_written_is_recovered() {
    let hard = HardState {
        boot: Boot::new(3),
        term: Term::new(4),
        vote: Some(NodeId::new(2)),
        to_other_life: true,
        promise: Millis::new(700),
    };
    let mut log = MemoryLog::new();
    let identity = Bytes::from_static(b"who I am");
    log.write(Write::of_identity(hard, identity.clone()))
        .unwrap();
    let mut builder = ChunkBuilder::new();
    builder.push_config(&voters(5)).unwrap();
    let configuration = seal(builder, 5, 2, 9);
    let entries = vec![
        no_ops(1, 1, 2, 5),
        no_ops(3, 1, 1, 7),
        no_ops(4, 2, 1, 8),
        configuration,
        no_ops(6, 4, 2, 6),
    ];
    log.write(Write {
        append: entries.into(),
        ..write(hard)
    })
    .unwrap();
    let recovered = log.recovered();
    assert_eq!(recovered.hard, hard);
    assert_eq!(recovered.identity, Some(identity));
    assert_eq!(recovered.snapshot, None);
    assert_eq!(recovered.runs, [id(1, 1), id(4, 2), id(6, 4)]);
    assert_eq!(recovered.last, index(7));
    assert_eq!(recovered.time, LogTime::from_millis(9), "the highest");
    assert_eq!(recovered.configurations, [(index(5), voters(5))]);
    assert_eq!(log.last_id(), id(7, 4));
}

/// Clauses 2 and 3.
#[test]
fn a_write_is_acknowledged_once() {
    let mut log = MemoryLog::new();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(log.poll_durable(&mut context), Poll::Pending);
    let begun = append(vec![no_ops(1, 1, 1, 0)]);
    let batch = begun.receipt.batch();
    log.begin(begun);
    let Poll::Ready(Ok(durable)) = log.poll_durable(&mut context) else {
        unreachable!("what is in memory is durable at once");
    };
    assert_eq!(durable.batch(), batch);
    assert_eq!(log.poll_durable(&mut context), Poll::Pending);
}

/// Clause 4, and the table of boundary cases.
#[test]
fn a_truncation_takes_its_index_and_all_after_it() {
    let mut log = log_of(vec![no_ops(1, 1, 2, 0), no_ops(3, 2, 2, 0)]);
    log.write(truncate(5)).unwrap();
    assert_eq!(read(&log, 1, 9, 1), ids_of(1, &[1, 1, 2, 2]), "no effect");
    log.write(truncate(4)).unwrap();
    assert_eq!(read(&log, 1, 9, 1), ids_of(1, &[1, 1, 2]));
    let overwrite = Write {
        append: no_ops(2, 5, 1, 0).into(),
        ..truncate(2)
    };
    log.write(overwrite).unwrap();
    assert_eq!(read(&log, 1, 9, 1), ids_of(1, &[1, 5]));
    log.write(truncate(1)).unwrap();
    assert_eq!(read(&log, 1, 9, 1), []);
    assert_eq!(log.last_id(), EntryId::ORIGIN);
}

/// Clause 4, after a snapshot.
#[test]
fn a_snapshot_stands_for_what_is_before_it_and_is_not_truncated() {
    let mut log = log_of(vec![no_ops(1, 1, 2, 0), no_ops(3, 2, 2, 0)]);
    log.write(snapshot(id(3, 2))).unwrap();
    assert_eq!(read(&log, 4, 9, 1), ids_of(4, &[2]));
    let compacted = LogError::Compacted { first: index(4) };
    assert_eq!(log.read(index(3)..index(5), 1), Err(compacted));
    log.write(truncate(4)).unwrap();
    assert_eq!(log.last_id(), id(3, 2));
    let recovered = log.recovered();
    assert_eq!(recovered.snapshot.map(|mark| mark.last), Some(id(3, 2)));
    assert_eq!((recovered.last, recovered.runs), (index(3), vec![]));
    let refused = log.write(truncate(3));
    assert!(matches!(refused, Err(LogError::Impossible { .. })));
}

/// Clauses 5 and 6.
#[test]
fn a_gap_is_refused_and_the_log_answers_nothing_else_ever_after() {
    for first in [1, 4] {
        let mut log = log_of(vec![no_ops(1, 1, 2, 0)]);
        let mut context = Context::from_waker(Waker::noop());
        let refused = log.write(append(vec![no_ops(first, 1, 1, 0)]));
        assert!(
            matches!(refused, Err(LogError::Impossible { .. })),
            "{first}"
        );
        for _ in 0..2 {
            log.begin(append(vec![no_ops(3, 1, 1, 0)]));
            let polled = log.poll_durable(&mut context);
            assert_eq!(polled, Poll::Ready(refused.clone()), "{first}");
        }
        assert_eq!(log.last_id(), id(2, 1));
    }
}

/// Clause 7.
#[test]
fn what_was_begun_is_loaded() {
    let log = log_of(vec![no_ops(1, 1, 2, 0)]);
    let mut context = Context::from_waker(Waker::noop());
    let loading = pin!(log.load(index(2)..index(3), 1));
    let Poll::Ready(Ok(found)) = loading.poll(&mut context) else {
        unreachable!("what is in memory is there at once");
    };
    assert_eq!(ids(&found), ids_of(2, &[1]));
}

/// Clause 8.
#[test]
fn reads_stop_at_about_the_bytes_asked_for_and_hold_an_entry() {
    let log = log_of(vec![
        commands(1, 1, 2),
        no_ops(3, 1, 1, 0),
        no_ops(4, 1, 1, 0),
        commands(5, 1, 2),
    ]);
    let last = |from, max_bytes| {
        let found = read(&log, from, 99, max_bytes);
        assert_eq!(found.first().map(|id| id.index), Some(index(from)));
        found.last().map(|id| id.index)
    };
    for (max_bytes, through) in [
        (0, 1),
        (49, 1),
        (50, 2),
        (51, 4),
        (74, 4),
        (75, 4),
        (100, 6),
    ] {
        assert_eq!(last(1, max_bytes), Some(index(through)), "{max_bytes}");
    }
    assert_eq!(last(3, 0), Some(index(3)), "none weighs anything");
    assert_eq!(last(2, 25), Some(index(2)));
    assert_eq!(last(2, 1_000), Some(index(6)));
    assert_eq!(read(&log, 2, 4, 1_000), ids_of(2, &[1, 1]));
    assert_eq!(read(&log, 7, 9, 1_000), []);
    assert_eq!(log.read(LogIndex::ZERO..index(2), 1).ok(), None);
}
