//! What opening does with torn and damaged files.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::task::Poll;

use bytes::Bytes;
use raft_core::chunk::ChunkBuilder;
use raft_core::ids::{LogIndex, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{Log, LogError, Write};
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;
use raft_log::{FsError, Wal, WalError, WalSettings};
use support::idle::{Image, closed};
use support::modelled::{Modelled, Spec};
use support::*;

/// Writes that meet every part of a frame, several segments, and the dropping of some.
fn workload() -> Vec<Spec> {
    let plain = |term, chunks| Spec {
        hard: hard(1, term, Some(term)),
        append: chunks,
        ..Spec::default()
    };
    vec![
        Spec {
            identity: Some(Bytes::from("who")),
            ..plain(1, vec![])
        },
        plain(1, vec![chunk(1, 1, &[10, 200, 30])]),
        plain(
            1,
            vec![chunk(1, 4, &[600]), configuration_chunk(1, 5, "there")],
        ),
        plain(2, vec![chunk(2, 6, &[1, 2, 3])]),
        Spec {
            truncate_from: Some(LogIndex::new(7)),
            ..plain(3, vec![chunk(3, 7, &[500])])
        },
        plain(3, vec![chunk(3, 8, &[3000])]),
        Spec {
            snapshot: Some(mark(2, 6)),
            drop_before: LogIndex::new(7),
            ..plain(3, vec![])
        },
        plain(4, vec![chunk(4, 9, &[100]), chunk(4, 10, &[100])]),
        Spec {
            truncate_from: Some(LogIndex::new(10)),
            identity: Some(Bytes::from("who else")),
            ..plain(5, vec![])
        },
        Spec {
            snapshot: Some(mark(3, 8)),
            drop_before: LogIndex::new(9),
            ..plain(5, vec![chunk(5, 10, &[700])])
        },
        plain(5, vec![chunk(5, 11, &[700])]),
        // What was dropped is written anew, over and over.
        plain(5, vec![chunk(5, 12, &[900])]),
        Spec {
            snapshot: Some(mark(5, 11)),
            drop_before: LogIndex::new(12),
            ..plain(5, vec![chunk(5, 13, &[900])])
        },
        plain(5, vec![chunk(5, 14, &[900])]),
        plain(5, vec![chunk(5, 15, &[10])]),
    ]
}

/// Lives through the workload until the power fails; some writes share a sync.
fn live(life: &mut Modelled) {
    for (spec, number) in workload().iter().zip(0..) {
        life.begin(spec);
        if number % 3 != 1 {
            (0..20).for_each(|_| life.poll());
        }
    }
}

fn crashes() -> impl Iterator<Item = Crash> {
    [Crash::KeepAll, Crash::LoseAll]
        .into_iter()
        .chain((0..6).map(Crash::Some))
}

/// The power fails during each operation of the workload in turn, and again during each operation
/// of the opening that follows. In the end the log is in a state that was begun and includes all
/// that was durable, and can be written again.
#[test]
fn a_crash_at_each_operation_leaves_a_state_that_was_begun() {
    crash_at_each_operation(SETTINGS);
}

/// As above, where segments are written anew and made ahead: nothing of what they were comes back.
#[test]
fn a_crash_at_each_operation_brings_back_nothing_of_a_segment_written_anew() {
    crash_at_each_operation(WITH_SPARES);
}

/// As above, where a later group may be on the disk and an earlier one not.
#[test]
fn a_crash_at_each_operation_keeps_no_group_without_those_before_it() {
    crash_at_each_operation(WITH_GROUPS);
}

fn crash_at_each_operation(settings: WalSettings) {
    for operation in 0.. {
        let fs = MemFs::new();
        fs.crash_at(operation);
        let opened = Modelled::open(fs.clone(), settings, &[MemoryLog::new()]);
        let mut possible = vec![MemoryLog::new()];
        if let Some(life) = opened {
            let mut life = life.unwrap();
            live(&mut life);
            possible = life.possible().to_vec();
        }
        for crash in crashes() {
            crash_while_opening(&fs, settings, crash, &possible);
        }
        if fs.started() <= operation {
            assert!(operation > 30, "only {operation} operations");
            return;
        }
    }
}

fn crash_while_opening(fs: &MemFs, settings: WalSettings, first: Crash, possible: &[MemoryLog]) {
    for operation in 0.. {
        let torn = fs.crash(first);
        torn.crash_at(operation);
        let opened = Modelled::open(torn.clone(), settings, possible);
        let again = torn.crash(Crash::Some(operation as u64));
        let candidates = match &opened {
            // Once it was opened, what was found has to stay.
            Some(Ok(life)) => life.possible(),
            _ => possible,
        };
        let mut life = Modelled::open(again, settings, candidates)
            .unwrap()
            .unwrap();
        if opened.is_some() {
            let last = life.newest().recovered().last.get();
            life.begin(&Spec {
                hard: hard(9, 9, None),
                append: vec![chunk(9, last + 1, &[300])],
                ..Spec::default()
            });
            life.rest();
            assert_eq!(life.undecided(), 0);
            life.crash(Crash::LoseAll);
            return;
        }
    }
}

/// Without the frame that closes an idle log, the last write can't be told from a torn one: it
/// is gone, and nothing else is.
#[test]
fn damage_to_the_newest_frame_of_a_busy_log_is_a_torn_tail() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=2 {
        write(&mut log, append(number, vec![chunk(1, number, &[10])]));
    }
    let mut image = fs.image();
    image.values_mut().next().unwrap()[256 + 200] ^= 1;
    let (log, recovered) = open(&MemFs::of(image));
    assert_eq!(recovered.last, LogIndex::new(1));
    let torn = log.torn_tail().unwrap();
    assert_eq!((torn.offset, torn.last), (256, LogIndex::new(1)));
    assert!(torn.found.starts_with("a frame body"), "{torn}");
}

/// A folder that was copied badly: its last segment ends too soon. Nothing else on the disk says so,
/// but what is dropped is told, once.
#[test]
fn a_last_segment_that_was_cut_short_is_told() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=3 {
        write(&mut log, append(number, vec![chunk(1, number, &[300])]));
    }
    assert_eq!(log.torn_tail(), None);
    let name = fs.image().keys().next().unwrap().clone();
    for (length, last, bytes) in [(1535, 2, 506), (1025, 2, 1), (900, 1, 388), (512, 1, 0)] {
        let mut image = fs.image();
        image.get_mut(&name).unwrap().truncate(length);
        let short = MemFs::of(image);
        let (log, recovered) = open(&short);
        assert_eq!(recovered.last, LogIndex::new(last), "{length}");
        // Cut where a frame ends it can't be told from what an opening leaves.
        let told = log.torn_tail().map(|torn| torn.bytes);
        assert_eq!(told, (bytes > 0).then_some(bytes), "{length}");
        if let Some(torn) = log.torn_tail() {
            assert_eq!(
                (torn.file.as_str(), torn.offset),
                (name.as_str(), last * 512)
            );
            assert_eq!((torn.last, torn.behind.len()), (LogIndex::new(last), 0));
        }
        let again = short.crash(Crash::KeepAll);
        assert_eq!(open(&again).0.torn_tail(), None, "it is gone");
    }
}

/// Opening does not change a log that it refuses: nothing else says who the node is.
/// The frame takes over what the chunk says of its payloads, and does not verify if that is not so.
#[test]
fn a_frame_of_payloads_that_are_not_those_sealed_is_not_taken_for_whole() {
    for payload in [10, 5_000] {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        write(&mut log, append(1, vec![chunk(1, 1, &[10])]));
        let mut builder = ChunkBuilder::new();
        let command = vec![1; payload];
        builder
            .push_client(ClientHeader::default(), &command)
            .unwrap();
        // With what a command carries beside its payload.
        let lying = |sum, bytes: &[u8]| {
            crc32c::crc32c_append(sum, bytes) ^ u32::from(matches!(bytes.len(), 34 | 5_024))
        };
        let (term, first) = (Term::new(1), LogIndex::new(2));
        let sealed = builder.seal(term, first, LogTime::ZERO, lying);
        write(&mut log, append(2, vec![sealed.unwrap()]));
        let found = try_open(&MemFs::of(fs.image()));
        assert!(
            !matches!(found, Ok((_, found)) if found.last.get() > 1),
            "{payload}"
        );
    }
}

#[test]
fn a_refused_log_is_left_as_it_is() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append_as("who", 1, vec![chunk(1, 1, &[10])]));
    write(&mut log, append(2, vec![chunk(1, 2, &[10])]));
    settle(&mut log);
    let mut image = fs.image();
    image.values_mut().next().unwrap()[200] ^= 1;
    let once = try_open(&MemFs::of(image.clone()));
    assert!(once.is_ok(), "the second frame says it, too");
    image.values_mut().next().unwrap()[256 + 200] ^= 1;
    let fs = MemFs::of(image.clone());
    assert!(try_open(&fs).is_err());
    assert_eq!(fs.image(), image);
}

/// Older segments were dropped for the oldest one, so it must begin with a frame, also when
/// nothing in it is needed any more.
#[test]
fn the_oldest_segment_must_begin_with_a_frame() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for (number, length) in [(1, 1500), (2, 1500), (3, 1500), (4, 1000)] {
        write(&mut log, append(number, vec![chunk(1, number, &[length])]));
    }
    let mark_at = |number, last| Write {
        snapshot: Some(mark(1, last).into()),
        drop_before: LogIndex::new(last + 1),
        ..empty(number)
    };
    write(&mut log, mark_at(5, 1));
    settle(&mut log);
    log.begin(mark_at(6, 3));
    let mut image = fs.image();
    assert_eq!(image.keys().next().unwrap(), "0000000000000002.wal");
    image.values_mut().next().unwrap()[..256].fill(0);
    let error = try_open(&MemFs::of(image)).unwrap_err();
    assert!(
        matches!(&error, WalError::Corrupt { file, offset: 0, .. } if file == "0000000000000002.wal"),
        "{error}"
    );
}

/// Frames of the cut tail stand where new ones go, but no crash brings them back.
#[test]
fn what_was_cut_never_follows_what_is_written_after() {
    for seed in 0..100 {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        write(&mut log, append(1, vec![chunk(1, 1, &[10])]));
        for number in 2..=5 {
            log.begin(append(number, vec![chunk(1, number, &[10])]));
        }
        let torn = fs.crash(Crash::Some(seed));
        let (mut log, recovered) = open(&torn);
        let kept = recovered.last.get();
        log.begin(append(9, vec![chunk(2, kept + 1, &[10])]));
        for again in [Crash::KeepAll, Crash::LoseAll, Crash::Some(seed)] {
            let (_, recovered) = open(&torn.crash(again));
            let terms: Vec<_> = recovered.runs.iter().map(|run| run.term.get()).collect();
            assert!(recovered.last.get() <= kept + 1);
            assert!(
                recovered.last.get() == kept || terms == [1, 2],
                "{recovered:?}"
            );
        }
    }
}

#[test]
fn a_log_of_a_later_version_is_left_alone() {
    let (image, ..) = closed();
    for at in [0, 512] {
        let mut later = image.clone();
        let content = later.values_mut().next().unwrap();
        content[at + 4] = 2;
        let checksum = crc32c::crc32c(&content[at..at + 124]);
        content[at + 124..at + 128].copy_from_slice(&checksum.to_le_bytes());
        let fs = MemFs::of(later.clone());
        let error = try_open(&fs).unwrap_err();
        assert!(
            matches!(error, WalError::UnknownVersion { version: 2, .. }),
            "{error}"
        );
        assert_eq!(fs.image(), later);
    }
}

/// A log of three frames of one block each.
fn three_frames(log_id: u64, first_length: usize) -> Image {
    let fs = MemFs::new();
    let settings = WalSettings { log_id, ..SETTINGS };
    let (mut log, _) = run(Wal::open(fs.clone(), settings)).unwrap().unwrap();
    write(&mut log, append(1, vec![chunk(1, 1, &[first_length])]));
    for number in 2..=3 {
        write(&mut log, append(number, vec![chunk(1, number, &[10])]));
    }
    fs.image()
}

/// A frame that is right in itself, in the place of the next one, is not taken for it: neither
/// one of another log, nor one that followed another frame.
#[test]
fn frames_that_followed_something_else_are_strangers() {
    let ours = three_frames(1, 10);
    for theirs in [three_frames(2, 10), three_frames(1, 11)] {
        let mut mixed = ours.clone();
        let content = mixed.values_mut().next().unwrap();
        content[512..].copy_from_slice(&theirs.values().next().unwrap()[512..]);
        let (_, recovered) = open(&MemFs::of(mixed));
        assert_eq!(recovered.last, LogIndex::new(2));
    }
    assert_eq!(open(&MemFs::of(ours)).1.last, LogIndex::new(3));
}

#[test]
fn errors_of_the_disk_while_opening_say_what_was_tried() {
    for kind in ["lock", "list", "read", "set length", "sync", "sync folder"] {
        let (image, ..) = closed();
        let fs = MemFs::of(image);
        let broken = FsError::Io {
            detail: String::from("broken"),
        };
        fs.fail_next(kind, broken.clone());
        let Err(WalError::Fs { cause, .. }) = try_open(&fs) else {
            panic!("{kind}");
        };
        assert_eq!(cause, broken);
    }
}

/// A full disk when the log needs a new segment: what was durable stays, and nothing more comes.
#[test]
fn a_full_disk_latches_and_loses_nothing() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append(1, vec![chunk(1, 1, &[1500])]));
    fs.fail_next(
        "create",
        FsError::NoSpace {
            detail: String::from("full"),
        },
    );
    log.begin(append(2, vec![chunk(1, 2, &[1500])]));
    assert!(matches!(
        poll(&mut log),
        Poll::Ready(Err(LogError::Full { .. }))
    ));
    log.begin(append(3, vec![chunk(1, 3, &[1])]));
    assert!(matches!(
        poll(&mut log),
        Poll::Ready(Err(LogError::Full { .. }))
    ));
    assert_eq!(open(&fs.crash(Crash::KeepAll)).1.last, LogIndex::new(1));
}

/// An idle log writes one frame more and waits for nothing; a busy one writes none.
#[test]
fn only_an_idle_log_writes_a_closing_frame() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=3 {
        write(&mut log, empty(number));
        assert!(poll(&mut log).is_pending());
    }
    let busy = fs.drain_log();
    assert_eq!(busy.iter().filter(|kind| **kind == "write").count(), 3);
    for _ in 0..50 {
        assert!(poll(&mut log).is_pending());
    }
    assert_eq!(fs.drain_log(), ["write"]);
}

/// What a witness keeps: ids, and configurations whole.
#[test]
fn entries_without_payloads_are_found_as_they_were_and_the_log_says_so() {
    let stripped = chunk(1, 2, &[600, 3000]).ids_only(crc32c::crc32c_append);
    let fs = MemFs::default();
    let (mut wal, recovered) = open(&fs);
    assert!(!recovered.holds_ids_only);
    for (number, chunk) in [
        (1, configuration_chunk(1, 1, "there")),
        (2, stripped.clone()),
    ] {
        let append = Write {
            hard: hard(1, 1, None),
            append: chunk.into(),
            ..empty(number)
        };
        write(&mut wal, append);
    }
    let (wal, recovered) = open(&fs.kill());
    assert!(recovered.holds_ids_only);
    let (last, found) = (recovered.last, recovered.configurations.len());
    assert_eq!((last, found), (LogIndex::new(3), 1));
    let loaded = run(wal.load(LogIndex::new(1)..LogIndex::new(4), usize::MAX));
    let loaded = loaded.unwrap().unwrap();
    assert!(loaded[0].is_config() && !loaded[0].is_ids_only());
    assert_eq!(loaded[1], stripped);
    assert!(loaded[1].is_ids_only());
}

/// What counts is what is kept: entries that are gone leave nothing behind that asks for a witness.
#[test]
fn a_log_that_holds_no_entry_without_its_payload_any_more_does_not_say_so() {
    for compacted in [false, true] {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        let entry = chunk(1, 1, &[10]).ids_only(crc32c::crc32c_append);
        write(&mut log, append(1, vec![entry]));
        let mut removal = empty(2);
        match compacted {
            true => removal.snapshot = Some(Box::new(mark(1, 1))),
            false => removal.truncate_from = Some(LogIndex::new(1)),
        }
        write(&mut log, removal);
        let (_, recovered) = open(&fs.crash(Crash::LoseAll));
        assert!(recovered.runs.is_empty());
        assert!(!recovered.holds_ids_only, "{compacted}");
    }
}
