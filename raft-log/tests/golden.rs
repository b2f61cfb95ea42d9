//! The bytes of format version 1 of log and snapshots, written and read back. See `docs/log-format.md`.
//!
//! The files under `tests/golden` never change: a later version adds its own, and goes on reading
//! these.
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::{ExpectFile, expect_file};
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::Write;
use raft_core::time::LogTime;
use support::snapshots::{content, opened, read_all, snapshot, taking, work};
use support::*;

/// A small log with everything in it: two segments, the second of which repeats the first's.
fn log() -> BTreeMap<String, Vec<u8>> {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(
        &mut log,
        Write {
            identity: Some(Bytes::from("identity")),
            hard: hard(1, 2, Some(3)),
            ..append(
                1,
                vec![chunk(1, 1, &[5, 0]), configuration_chunk(2, 3, "host:1")],
            )
        },
    );
    write(
        &mut log,
        Write {
            truncate_from: Some(LogIndex::new(3)),
            snapshot: Some(mark(1, 1).into()),
            drop_before: LogIndex::new(2),
            hard: hard(1, 4, None),
            ..append(2, vec![chunk(4, 3, &[700])])
        },
    );
    write(&mut log, append(3, vec![chunk(4, 4, &[600])]));
    settle(&mut log);
    fs.image()
}

/// The segments as they are written.
fn written() -> [(&'static str, ExpectFile); 2] {
    [
        (
            "0000000000000001.wal",
            expect_file!["golden/v1-twice-segment-1.hex"],
        ),
        (
            "0000000000000002.wal",
            expect_file!["golden/v1-twice-segment-2.hex"],
        ),
    ]
}

/// What is read: as it is written, and as it was before a new identity was said twice.
const READ: [[&str; 2]; 2] = [
    [
        include_str!("golden/v1-twice-segment-1.hex"),
        include_str!("golden/v1-twice-segment-2.hex"),
    ],
    [
        include_str!("golden/v1-segment-1.hex"),
        include_str!("golden/v1-segment-2.hex"),
    ],
];

/// Rows of an offset and 32 bytes.
fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, offset) in bytes.chunks(32).zip((0..).step_by(32)) {
        write!(text, "{offset:04x} ").unwrap();
        for word in row.chunks(4) {
            text.push(' ');
            for byte in word {
                write!(text, "{byte:02x}").unwrap();
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn version_1_is_written_as_it_is_read() {
    let log = log();
    assert_eq!(log.len(), 2);
    for (name, expected) in written() {
        expected.assert_eq(&to_hex(&log[name]));
    }
}

#[test]
fn version_1_is_read_as_it_always_was() {
    READ.into_iter().for_each(is_read);
}

fn is_read(segments: [&str; 2]) {
    let names = ["0000000000000001.wal", "0000000000000002.wal"].map(String::from);
    let files = names.into_iter().zip(segments.map(of_hex));
    let (log, recovered) = open(&MemFs::of(files.collect()));
    assert_eq!(recovered.hard, hard(1, 1, None));
    assert_eq!(recovered.identity, Some(Bytes::from("identity")));
    assert_eq!(recovered.snapshot, Some(mark(1, 1)));
    let id = |term, index| EntryId::new(Term::new(term), LogIndex::new(index));
    assert_eq!(recovered.runs, [id(1, 2), id(4, 3)]);
    assert_eq!(recovered.last, LogIndex::new(4));
    assert_eq!(recovered.time, LogTime::from_millis(7));
    assert_eq!(recovered.configurations, []);
    let expected = [
        chunk(1, 1, &[5, 0]),
        chunk(4, 3, &[700]),
        chunk(4, 4, &[600]),
    ];
    let found = entries(&load_all(&log, &recovered));
    assert_eq!(found, entries(&expected)[1..]);
}

/// A snapshot of three blocks.
fn snapshot_file() -> (String, Vec<u8>) {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    for job in taking(5, &content(5, 600), &[100]) {
        work(&mut store, job).unwrap();
    }
    fs.image().pop_first().unwrap()
}

#[test]
fn version_1_of_a_snapshot_is_written_as_it_always_was() {
    let (name, bytes) = snapshot_file();
    let expected = "snapshot-0000000000000005-0000000000000002-0000000000000258-4825a217d6a3e3cd";
    assert_eq!(name, expected);
    expect_file!["golden/v1-snapshot.hex"].assert_eq(&to_hex(&bytes));
}

#[test]
fn version_1_of_a_snapshot_is_read_as_it_always_was() {
    let bytes = of_hex(include_str!("golden/v1-snapshot.hex"));
    let content = content(5, 600);
    let expected = snapshot(5, &content);
    let (name, _) = snapshot_file();
    let (mut store, newest) = opened(&MemFs::of([(name, bytes)].into()));
    assert_eq!(newest, Some(expected.clone()));
    assert_eq!(read_all(&mut store, expected.id, 100).unwrap(), content);
}
