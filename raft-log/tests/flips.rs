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
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Log, LogError, Recovered};
use raft_log::{Fs, Operation, WalSettings};
use support::idle::Image;
use support::modelled::{Modelled, Spec, State};
use support::*;

/// A log at rest.
struct Resting {
    image: Image,
    /// What opening it found after each of its writes, and before the first.
    states: Vec<State>,
}

impl Resting {
    /// A log that made these writes.
    fn after(specs: &[Spec], settings: WalSettings, rests_between: bool) -> Self {
        let life = Modelled::open(MemFs::new(), settings, &[MemoryLog::new()]);
        let mut life = life.unwrap().unwrap();
        for spec in specs {
            life.write(spec);
            if rests_between {
                life.rest();
            }
        }
        life.rest();
        Self {
            image: life.fs.image(),
            states: life.history(),
        }
    }

    fn whole(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Opens it with each byte flipped by each mask in turn. How often it was cut, and given up.
    fn flip(&self, masks: &[u8]) -> (usize, usize) {
        // Each file on a thread of its own.
        thread::scope(|scope| {
            let names = self.image.keys();
            let flip = names.map(|name| scope.spawn(move || self.flip_file(name, masks)));
            let threads: Vec<_> = flip.collect();
            let found = threads.into_iter().map(|thread| thread.join().unwrap());
            found.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
        })
    }

    fn flip_file(&self, name: &str, masks: &[u8]) -> (usize, usize) {
        let (mut cut, mut given_up) = (0, 0);
        let mut image = self.image.clone();
        for at in 0..self.image[name].len() {
            for mask in masks {
                image.get_mut(name).unwrap()[at] ^= mask;
                let fs = MemFs::of(image.clone());
                let flip = format!("{name} {at} {mask:#x}");
                if let Some(found) = self.judge(&fs, &flip) {
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

    /// Opens a damaged image of it: it is as whole as ever, or says how far it reached, remembers who
    /// it is and for whom it voted, and holds what it held after one of its writes, or nothing. What was
    /// found, where damage was.
    fn judge(&self, fs: &MemFs, flip: &str) -> Option<Recovered> {
        let (log, found) = try_open(fs).unwrap_or_else(|error| panic!("{flip}: {error}"));
        let entries = entries(&load_all(&log, &found));
        let (whole, held) = self.whole();
        if log.damage().is_none() {
            assert_eq!((&found, &entries), (whole, held), "{flip}");
            return None;
        }
        assert_eq!(found.hard, whole.hard, "{flip}");
        assert_eq!(found.identity, whole.identity, "{flip}");
        let lost_through = found.lost_through.expect(flip);
        assert!(lost_through >= end_of(whole), "{flip}: {lost_through}");
        assert!(lost_through.term <= whole.hard.term, "{flip}");
        let promised = |state: &State| Recovered {
            hard: found.hard,
            identity: found.identity.clone(),
            lost_through: found.lost_through,
            ..state.0.clone()
        };
        let was_once = |state: &State| state.1 == entries && promised(state) == found;
        assert!(
            self.states.iter().any(was_once),
            "{flip}: {found:?} with {entries:?}"
        );
        Some(found)
    }
}

fn end_of(recovered: &Recovered) -> EntryId {
    let term = recovered.runs.last().map_or(Term::ZERO, |run| run.term);
    EntryId::new(term, recovered.last)
}

/// A write of a vote in this term, or of none, and of these entries.
fn plain(term: u64, vote: Option<u64>, append: Vec<raft_core::chunk::Chunk>) -> Spec {
    Spec {
        hard: hard(1, term, vote),
        append,
        ..Spec::default()
    }
}

/// Four segments with all that a frame can hold: who the node is, votes, a configuration, entries that
/// take the place of others, and a snapshot.
fn eventful() -> Resting {
    let identity = Some(Bytes::from("who"));
    Resting::after(
        &[
            Spec {
                identity,
                ..plain(1, Some(1), vec![chunk(1, 1, &[10, 20]), chunk(1, 3, &[30])])
            },
            plain(1, Some(1), vec![chunk(1, 4, &[300])]),
            plain(
                2,
                Some(3),
                vec![configuration_chunk(2, 5, "there"), chunk(2, 6, &[20])],
            ),
            Spec {
                truncate_from: Some(LogIndex::new(5)),
                ..plain(4, None, vec![chunk(4, 5, &[200])])
            },
            Spec {
                snapshot: Some(mark(1, 3)),
                ..plain(4, Some(2), vec![chunk(4, 6, &[40, 50])])
            },
            plain(5, Some(2), vec![chunk(5, 8, &[300])]),
            plain(6, None, vec![chunk(6, 9, &[10])]),
        ],
        WalSettings {
            segment_bytes: 1024,
            ..SETTINGS
        },
        false,
    )
}

/// A log of which older segments were dropped, as it has a snapshot of all but its last entry, one of
/// so many bytes a frame.
fn compacted(frames: &[usize]) -> Resting {
    let mut specs = vec![Spec {
        identity: Some(Bytes::from("who")),
        ..plain(1, None, vec![chunk(1, 1, &[10])])
    }];
    specs.extend((2..).zip(frames).map(|(index, bytes)| Spec {
        snapshot: Some(mark(1, index - 1)),
        drop_before: LogIndex::new(index),
        ..plain(1, None, vec![chunk(1, index, &[*bytes])])
    }));
    Resting::after(&specs, SETTINGS, true)
}

/// Whatever is flipped is found, or harmless: no wrong entry, vote, identity or snapshot is told.
#[test]
fn flip_every_byte() {
    let log = eventful();
    assert_eq!(log.image.len(), 4, "segments");
    let (cut, given_up) = log.flip(&[EVERY_BIT, 1, 2, 4, 8, 16, 32, 64, 128]);
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
    let (cut, _) = Resting::after(&specs, SETTINGS, false).flip(&[EVERY_BIT, 1]);
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
        let (_, given_up) = log.flip(&[EVERY_BIT, 4]);
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
