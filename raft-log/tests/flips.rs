//! Every byte of a log at rest, flipped in turn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of the tests"
)]

mod support;

use std::thread;

use bytes::Bytes;
use raft_core::ids::LogIndex;
use raft_core::log::{Log, LogError};
use raft_log::{Fs, Operation};
use support::modelled::Spec;
use support::resting::{Resting, compacted, eventful, plain};
use support::*;

/// Opens it with each byte flipped by each mask in turn. How often it was cut, and given up.
fn flip(log: &Resting, masks: &[u8]) -> (usize, usize) {
    // Each file on a thread of its own.
    thread::scope(|scope| {
        let names = log.image.keys();
        let flip = names.map(|name| scope.spawn(move || flip_file(log, name, masks)));
        let threads: Vec<_> = flip.collect();
        let found = threads.into_iter().map(|thread| thread.join().unwrap());
        found.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    })
}

fn flip_file(log: &Resting, name: &str, masks: &[u8]) -> (usize, usize) {
    let (mut cut, mut given_up) = (0, 0);
    let mut image = log.image.clone();
    for at in 0..log.image[name].len() {
        for mask in masks {
            image.get_mut(name).unwrap()[at] ^= mask;
            let fs = MemFs::of(image.clone());
            let flip = format!("{name} {at} {mask:#x}");
            if let Some(found) = log.judge(&fs, &flip) {
                if *mask == EVERY_BIT {
                    let (log, again) = open(&MemFs::of(fs.image()));
                    assert!(log.damage().is_none(), "{flip}: it was cut off");
                    assert_eq!(again, found, "{flip}: at the next opening");
                }
                let nothing_left = found.last == LogIndex::ZERO;
                given_up += usize::from(nothing_left);
                cut += usize::from(!nothing_left);
            }
            image.get_mut(name).unwrap()[at] ^= mask;
        }
    }
    (cut, given_up)
}

/// Whatever is flipped is found, or harmless: no wrong entry, vote, identity or snapshot is told.
#[test]
fn flip_every_byte() {
    let log = eventful();
    assert_eq!(log.image.len(), 4, "segments");
    let (cut, given_up) = flip(&log, &[EVERY_BIT, 1, 2, 4, 8, 16, 32, 64, 128]);
    assert!(
        cut > 9 * 1000 && given_up > 9 * 200,
        "cut {cut}, given up {given_up}"
    );
}

/// As above, where the frame's checksum is put together from those of long chunks.
#[test]
fn flip_every_byte_of_long_chunks() {
    let identity = Some(Bytes::from("who"));
    let long = vec![chunk(1, 2, &[4_000, 200]), chunk(1, 4, &[5_000])];
    let specs = [
        Spec {
            identity,
            ..plain(1, Some(1), vec![chunk(1, 1, &[10])])
        },
        plain(1, Some(1), long),
        plain(1, Some(1), vec![chunk(1, 5, &[10])]),
    ];
    let (cut, _) = flip(&Resting::after(&specs, SETTINGS, false), &[EVERY_BIT, 1]);
    assert!(cut > 2 * 9_000, "cut {cut}");
}

/// Where older segments went, the first frame of the newest would be all that says who the node is
/// (found by asking for each bit of such a log).
#[test]
fn flip_every_byte_where_older_segments_were_dropped() {
    for (frames, left) in [
        (&[1500, 1500][..], 2),
        (&[1500, 200], 2),
        (&[1500, 200, 100], 1),
    ] {
        let log = compacted(frames);
        assert_eq!(log.image.len(), left, "{frames:?}");
        let (_, given_up) = flip(&log, &[EVERY_BIT, 4]);
        assert!(given_up > 200, "{frames:?}: {given_up}");
    }
}

/// What rots while the log is open is not read as an entry, and what is whole can be read beside it.
#[test]
fn flip_every_byte_under_an_open_log() {
    let log = eventful();
    let (found, held) = log.whole();
    let fs = MemFs::of(log.image.clone());
    let (wal, _) = open(&fs);
    let image = fs.image();
    let first = found.snapshot.as_ref().unwrap().last.index.next();
    let mut refused = 0;
    for (name, content) in &image {
        for (byte, offset) in content.iter().zip(0..) {
            put(&fs, name, offset, !byte);
            let all = first..found.last.next();
            match run(wal.load(all, usize::MAX)).unwrap() {
                Ok(chunks) => assert_eq!(entries(&chunks), *held, "{name} {offset}"),
                Err(LogError::Corrupt { file, .. }) => {
                    assert_eq!(file, *name, "{offset}");
                    refused += 1;
                }
                Err(error) => panic!("{name} {offset}: {error}"),
            }
            put(&fs, name, offset, *byte);
        }
    }
    assert!(refused > 500, "{refused}");
    assert_eq!(entries(&load_all(&wal, found)), *held);
}

/// Puts one byte to where it is read from.
fn put(fs: &MemFs, name: &str, offset: u64, byte: u8) {
    let write = Operation::Write {
        name: name.to_owned(),
        offset,
        parts: vec![Bytes::from(vec![byte])],
    };
    run(fs.start(write)).unwrap().unwrap();
}

const EVERY_BIT: u8 = 0xff;
