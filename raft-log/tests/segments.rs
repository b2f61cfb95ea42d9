//! Segments: what a log may be told of them, and which of them go when.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use std::task::Poll;

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::{Log, LogError, Write};
use raft_log::{FsError, Wal, WalError, WalSettings};
use support::*;

/// A log of five segments with an entry each, and its disk.
fn five_segments() -> (MemFs, Wal<MemFs>) {
    let (fs, log) = five_segments_with(SETTINGS);
    assert_eq!(fs.image().len(), 5);
    (fs, log)
}

fn five_segments_with(settings: WalSettings) -> (MemFs, Wal<MemFs>) {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, settings);
    for number in 1..=5 {
        write(&mut log, append(number, vec![chunk(1, number, &[1_500])]));
    }
    fs.drain_log();
    (fs, log)
}

/// A snapshot of the first `last` entries, none of which is needed any more.
fn compaction(number: u64, last: u64) -> Write {
    Write {
        snapshot: Some(mark(1, last).into()),
        drop_before: LogIndex::new(last + 1),
        ..empty(number)
    }
}

fn full() -> FsError {
    FsError::NoSpace {
        detail: String::from("full"),
    }
}

/// How many operations of this kind there were since somebody asked.
fn count(fs: &MemFs, kind: &str) -> usize {
    let done = fs.drain_log().into_iter();
    done.filter(|done| *done == kind).count()
}

fn names(fs: &MemFs) -> Vec<String> {
    fs.image().into_keys().collect()
}

/// Each is gone durably before the next goes, so that a crash leaves no gap between them.
#[test]
fn segments_that_nobody_needs_go_one_after_the_other() {
    let (fs, mut log) = five_segments();
    write(&mut log, compaction(6, 3));
    settle(&mut log);
    assert_eq!(names(&fs), ["0000000000000004.wal", "0000000000000005.wal"]);
    let done = fs.drain_log();
    let of_folder = |kind: &&&str| **kind == "remove" || **kind == "sync folder";
    let found: Vec<_> = done.iter().filter(of_folder).copied().collect();
    assert_eq!(found, ["remove", "sync folder"].repeat(3));
    let recovered = open(&fs.crash(Crash::LoseAll)).1;
    assert_eq!(recovered.last, LogIndex::new(5));
}

/// Letting go of more must wait: what is gone durably must be the oldest.
#[test]
fn segments_go_in_order_whatever_else_is_let_go_of_meanwhile() {
    let (fs, mut log) = five_segments();
    write(&mut log, empty(6));
    settle(&mut log);
    fs.hold();
    for (number, last) in [(7, 3), (8, 4)] {
        log.begin(compaction(number, last));
        while poll(&mut log).is_pending() {
            fs.release();
        }
    }
    assert!(names(&fs).len() > 3, "some of the first are still there");
    fs.unhold();
    settle(&mut log);
    let left = [4, 5, 6].map(|number| format!("{number:016}.wal"));
    assert_eq!(names(&fs), left);
    write(&mut log, empty(9));
    settle(&mut log);
    assert_eq!(names(&fs), left[1..]);
    assert_eq!(open(&fs.crash(Crash::LoseAll)).1.last, LogIndex::new(5));
}

/// Nor for one of them that will be written anew, behind many that go: those of an earlier life are none.
#[test]
fn a_write_does_not_wait_for_segments_that_go() {
    let (fs, log) = five_segments();
    drop(log);
    let (mut log, _) = open_with(&fs.crash(Crash::KeepAll), WITH_SPARES);
    for number in 6..=7 {
        write(&mut log, append(number, vec![chunk(1, number, &[1_500])]));
    }
    settle(&mut log);
    let fs = log.fs().clone();
    write(&mut log, compaction(8, 6));
    fs.hold();
    // The first has the spare that there is.
    for (number, index) in [(9, 8), (10, 9)] {
        log.begin(append(number, vec![chunk(1, index, &[1_500])]));
        while poll(&mut log).is_pending() {
            fs.release();
        }
    }
    let left = names(&fs);
    let oldest = &left[0];
    assert!(
        oldest.as_str() < "0000000000000006.wal",
        "all were waited for: {left:?}"
    );
    fs.unhold();
    settle(&mut log);
    assert_eq!(open(&fs.crash(Crash::LoseAll)).1.last, LogIndex::new(9));
}

#[test]
fn segments_go_only_when_the_snapshot_for_them_is_durable_and_nobody_asks_for_them() {
    let (fs, mut log) = five_segments();
    // Taken, but what it stands for is kept for followers that lag.
    write(
        &mut log,
        Write {
            drop_before: LogIndex::new(2),
            ..compaction(6, 3)
        },
    );
    settle(&mut log);
    let oldest = |fs: &MemFs| names(fs)[0].clone();
    assert_eq!(oldest(&fs), "0000000000000002.wal");
    fs.hold();
    log.begin(compaction(7, 3));
    assert!(poll(&mut log).is_pending());
    assert_eq!(oldest(&fs), "0000000000000002.wal", "not durable yet");
    fs.unhold();
    settle(&mut log);
    assert_eq!(oldest(&fs), "0000000000000004.wal");
}

/// The story of a spare: a segment that nobody needs is kept, and is the next but one.
#[test]
fn a_segment_that_nobody_needs_is_written_anew() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    for number in 1..=4 {
        write(&mut log, append(number, vec![chunk(1, number, &[1_500])]));
    }
    write(&mut log, compaction(5, 2));
    settle(&mut log);
    let kept = names(&fs);
    assert_eq!(kept.len(), 4, "two segments, two spares: {kept:?}");
    fs.drain_log();
    write(&mut log, append(6, vec![chunk(1, 5, &[1_500])]));
    assert_eq!(names(&fs).len(), 4, "no file is made");
    let done = fs.drain_log();
    assert!(!done.contains(&"create"), "{done:?}");
    let (log, recovered) = open(&fs.crash(Crash::LoseAll));
    assert_eq!(recovered.last, LogIndex::new(5));
    let indices: Vec<_> = load_all(&log, &recovered)
        .iter()
        .map(Chunk::last_index)
        .collect();
    assert_eq!(indices, [3, 4, 5].map(LogIndex::new));
}

/// Whoever fills a segment does not wait for the next one to be made.
#[test]
fn the_next_segment_is_made_while_there_is_room_in_this_one() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    write(&mut log, append(1, vec![chunk(1, 1, &[100])]));
    settle(&mut log);
    assert_eq!(names(&fs).len(), 1, "it is far from full");
    write(&mut log, append(2, vec![chunk(1, 2, &[900])]));
    settle(&mut log);
    assert_eq!(names(&fs).len(), 2);
    fs.drain_log();
    write(&mut log, append(3, vec![chunk(1, 3, &[900])]));
    let done = fs.drain_log();
    assert_eq!(done[..4], ["rename", "write", "sync", "sync folder"]);
}

/// However much is written while it is made: two would take the room of two.
#[test]
fn one_spare_is_made_at_a_time() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    write(&mut log, append(1, vec![chunk(1, 1, &[100])]));
    fs.hold();
    for (number, made) in [(2, 1), (3, 0)] {
        fs.drain_log();
        log.begin(append(number, vec![chunk(1, number, &[400])]));
        while poll(&mut log).is_pending() {
            fs.release();
        }
        let done = fs.drain_log().into_iter();
        assert_eq!(done.filter(|kind| *kind == "create").count(), made);
    }
    fs.unhold();
    settle(&mut log);
    assert_eq!(names(&fs).len(), 2);
}

/// What waits for a spare is written when it is there, and nothing before it or instead of it.
#[test]
fn a_write_waits_for_a_segment_that_is_being_made() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    write(&mut log, append(1, vec![chunk(1, 1, &[1_500])]));
    fs.hold();
    fs.drain_log();
    log.begin(append(2, vec![chunk(1, 2, &[1_500])]));
    for _ in 0..20 {
        assert!(poll(&mut log).is_pending());
    }
    let done = fs.drain_log();
    assert_eq!(done, ["sync"], "of the spare, and not even a closing frame");
    fs.unhold();
    let answer = poll(&mut log);
    assert_eq!(answer, Poll::Ready(Ok(proof(2))), "nobody need ask again");
    let recovered = open(&fs.crash(Crash::LoseAll)).1;
    assert_eq!(recovered.last, LogIndex::new(2));
}

/// A disk without room for another segment stops nobody as long as there is room in this one; and where none
/// could be made, it is not tried again with each write.
#[test]
fn a_spare_that_can_not_be_made_is_missed_when_a_segment_is_needed() {
    for (kind, has_room) in [("create", true), ("sync", true), ("create", false)] {
        let fs = MemFs::new();
        let (mut log, _) = open_with(&fs, WITH_SPARES);
        write(&mut log, append(1, vec![chunk(1, 1, &[100])]));
        if kind == "create" {
            fs.fail_next(kind, full());
        }
        write(&mut log, append(2, vec![chunk(1, 2, &[700])]));
        if kind == "sync" {
            fs.fail_next(kind, full());
        }
        settle(&mut log);
        assert_eq!(names(&fs), ["0000000000000001.wal"], "of a failed {kind}");
        fs.drain_log();
        write(&mut log, append(3, vec![chunk(1, 3, &[10])]));
        settle(&mut log);
        assert_eq!(count(&fs, "create"), 0, "it is not tried again");
        if !has_room {
            fs.fail_next("create", full());
        }
        log.begin(append(4, vec![chunk(1, 4, &[1_500])]));
        let answer = finish(&mut log);
        let last = match has_room {
            true => {
                assert_eq!(answer, Ok(proof(4)));
                settle(&mut log);
                assert_eq!(count(&fs, "create"), 2, "the segment, and again one ahead");
                4
            }
            false => {
                assert!(matches!(answer, Err(LogError::Full { .. })), "{answer:?}");
                3
            }
        };
        let recovered = open(&fs.crash(Crash::LoseAll)).1;
        assert_eq!(recovered.last, LogIndex::new(last));
    }
}

/// Who waits for a spare that can't be made gets a segment of its own, once what was made is out of the way.
#[test]
fn a_write_that_waits_for_a_spare_in_vain_makes_its_own_segment() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    write(&mut log, append(1, vec![chunk(1, 1, &[1_500])]));
    fs.fail_next("sync", full());
    fs.drain_log();
    log.begin(append(2, vec![chunk(1, 2, &[1_500])]));
    assert_eq!(finish(&mut log), Ok(proof(2)));
    let done = fs.drain_log();
    assert_eq!(done[..3], ["sync", "remove", "create"]);
    let recovered = open(&fs.crash(Crash::LoseAll)).1;
    assert_eq!(recovered.last, LogIndex::new(2));
}

/// Writes that do not wait for each other's sync are still acknowledged in their order.
#[test]
fn several_groups_are_written_at_once_and_no_more_than_allowed() {
    let fs = MemFs::new();
    let settings = WalSettings {
        spare_segments: 0,
        ..WITH_GROUPS
    };
    let (mut log, _) = open_with(&fs, settings);
    write(&mut log, empty(1));
    fs.hold();
    fs.drain_log();
    for number in 2..=6 {
        log.begin(empty(number));
    }
    assert!(poll(&mut log).is_pending());
    assert_eq!(fs.drain_log(), ["write", "sync"].repeat(3));
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(2))));
    assert_eq!(
        fs.drain_log(),
        ["write", "sync"],
        "the two that waited share one"
    );
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(3))));
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(4))));
    assert!(poll(&mut log).is_pending());
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(6))));
}

/// The first frame of a segment says that all before it is durable, and the file must be there.
#[test]
fn a_group_that_begins_a_segment_is_under_way_alone() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_GROUPS);
    write(&mut log, append(1, vec![chunk(1, 1, &[600])]));
    settle(&mut log);
    fs.hold();
    fs.drain_log();
    for (number, bytes) in [(2, 10), (3, 1_500), (4, 10)] {
        log.begin(append(number, vec![chunk(1, number, &[bytes])]));
    }
    assert!(poll(&mut log).is_pending());
    let first = fs.drain_log();
    assert_eq!(first, ["write", "sync"], "the second begins a segment");
    fs.release();
    assert_eq!(poll(&mut log), Poll::Ready(Ok(proof(2))));
    let second = fs.drain_log();
    assert!(
        second.contains(&"create") && !second.contains(&"write"),
        "{second:?}"
    );
    fs.unhold();
    assert_eq!(finish(&mut log), Ok(proof(4)));
    let recovered = open(&fs.crash(Crash::LoseAll)).1;
    assert_eq!(recovered.last, LogIndex::new(4));
}

/// A log of an earlier life, even of another log, may have left what it kept to be written.
#[test]
fn spares_of_an_earlier_life_go() {
    let (fs, mut log) = five_segments();
    settle(&mut log);
    let mut image = fs.crash(Crash::LoseAll).image();
    let first = image["0000000000000001.wal"].clone();
    image.insert(String::from("spare-1.wal"), first);
    image.insert(String::from("spare-my.wal"), Vec::new());
    let fs = MemFs::of(image);
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    let names = |fs: &MemFs| {
        names(fs)
            .into_iter()
            .filter(|name| name.starts_with("spare"))
    };
    assert!(names(&fs).eq(["spare-my.wal"]), "only its own");
    let fs = fs.crash(Crash::LoseAll);
    assert!(names(&fs).eq(["spare-my.wal"]), "durably");
    write(&mut log, append(6, vec![chunk(1, 6, &[1_500])]));
}

/// One of an odd length would make the next segment too short.
#[test]
fn only_segments_of_the_usual_length_are_kept() {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, WITH_SPARES);
    for (number, bytes) in [(1, 5_000), (2, 1_500), (3, 1_500)] {
        write(&mut log, append(number, vec![chunk(1, number, &[bytes])]));
    }
    write(&mut log, compaction(4, 1));
    settle(&mut log);
    let lengths: Vec<_> = fs.image().into_values().map(|bytes| bytes.len()).collect();
    assert_eq!(lengths, [2_048; 3]);
}

#[test]
fn a_segment_that_can_not_be_removed_stops_the_log() {
    for (kind, settings) in [
        ("remove", SETTINGS),
        ("sync folder", SETTINGS),
        ("rename", WITH_SPARES),
        ("sync folder", WITH_SPARES),
    ] {
        let (fs, mut log) = five_segments_with(settings);
        settle(&mut log);
        let detail = String::from("broken");
        log.begin(compaction(6, 3));
        fs.fail_next(kind, FsError::Io { detail });
        let answers: Vec<_> = (0..20).map(|_| poll(&mut log)).collect();
        let failed = answers.last().unwrap();
        assert!(
            matches!(failed, Poll::Ready(Err(LogError::Storage { .. }))),
            "{kind}: {failed:?}"
        );
    }
}

/// The frame after it names it: were it lost, all that follows would be lost with it.
#[test]
fn nothing_is_durable_after_a_closing_frame_that_could_not_be_written() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, empty(1));
    let detail = String::from("broken");
    fs.fail_next("write", FsError::Io { detail });
    assert_eq!(settle(&mut log), None, "nobody waits for it");
    log.begin(append(2, vec![chunk(1, 1, &[10])]));
    let failed = finish(&mut log);
    assert!(
        matches!(failed, Err(LogError::Storage { .. })),
        "{failed:?}"
    );
}

#[test]
fn a_closing_frame_is_durable_before_the_segment_that_follows_it() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append(1, vec![chunk(1, 1, &[1_500])]));
    settle(&mut log);
    write(&mut log, append(2, vec![chunk(1, 2, &[1_500])]));
    assert_eq!(names(&fs).len(), 2);
    let recovered = open(&fs.crash(Crash::LoseAll)).1;
    assert_eq!(recovered.last, LogIndex::new(2));
}

/// What a new segment repeats is all that those before it said, so that they may go.
#[test]
fn what_older_segments_said_outlives_them() {
    let (fs, mut log) = five_segments();
    let who = Bytes::from("who");
    let told = Write {
        identity: Some(who.clone()),
        hard: hard(1, 7, Some(3)),
        ..compaction(6, 3)
    };
    write(&mut log, told);
    for number in 7..=8 {
        let entry = chunk(1, number - 1, &[1_500]);
        let held = Write {
            hard: hard(1, 7, Some(3)),
            ..append(number, vec![entry])
        };
        write(&mut log, held);
    }
    let last = Write {
        hard: hard(1, 7, Some(3)),
        ..compaction(9, 7)
    };
    write(&mut log, last);
    settle(&mut log);
    assert_eq!(names(&fs).len(), 1, "all of it stands in the newest");
    let (log, recovered) = open(&fs.crash(Crash::LoseAll));
    assert_eq!(recovered.identity, Some(who));
    assert_eq!(recovered.snapshot, Some(mark(1, 7)));
    assert_eq!(recovered.hard, hard(1, 7, Some(3)));
    assert_eq!(
        (recovered.last, recovered.runs.len()),
        (LogIndex::new(7), 0)
    );
    assert_eq!(load_all(&log, &open(&MemFs::of(fs.image())).1), []);
}

#[test]
fn settings_that_no_log_can_keep_are_refused() {
    let try_open = |segment_bytes, block_bytes| {
        let settings = WalSettings {
            segment_bytes,
            block_bytes,
            ..SETTINGS
        };
        let opened = run(Wal::open(MemFs::new(), settings)).unwrap();
        opened.map(|_| ())
    };
    for (segment_bytes, block_bytes) in [(256, 256), (1 << 20, 65_536), (65_536, 65_536)] {
        assert_eq!(try_open(segment_bytes, block_bytes), Ok(()));
    }
    let none = WalSettings {
        groups_in_flight: 0,
        ..SETTINGS
    };
    let refused = run(Wal::open(MemFs::new(), none)).unwrap().map(|_| ());
    assert!(matches!(refused, Err(WalError::Settings { .. })));
    let bad = [
        (4096, 0),
        (4096, 128),
        (4096, 300),
        (1 << 20, 131_072),
        (255, 256),
        (0, 256),
    ];
    for (segment_bytes, block_bytes) in bad {
        let refused = try_open(segment_bytes, block_bytes);
        assert!(
            matches!(refused, Err(WalError::Settings { .. })),
            "{segment_bytes} and {block_bytes}"
        );
    }
}

/// All at once, each with what was given and what would do.
#[test]
fn all_that_is_wrong_with_settings_is_told() {
    let bad = WalSettings {
        segment_bytes: 200,
        groups_in_flight: 0,
        block_bytes: 300,
        ..SETTINGS
    };
    let refused = run(Wal::open(MemFs::new(), bad)).unwrap().unwrap_err();
    let problems = bad.validate();
    assert_eq!(problems.len(), 3);
    assert_eq!(refused, WalError::Settings { problems });
    assert_eq!(
        refused.to_string(),
        "log settings: block_bytes is 300; it must be a power of two from 256 to 65536; \
         groups_in_flight is 0; it must be at least 1; \
         segment_bytes is 200; it must be at least block_bytes, 300"
    );
}
