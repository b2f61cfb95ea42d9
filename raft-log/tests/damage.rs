//! What opening does with what was durable and is damaged.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use bytes::Bytes;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::{HardState, Log, Recovered, Write};
use raft_log::WalError;
use support::crashes::crash_twice;
use support::idle::{Image, closed};
use support::*;

/// A damaged log remembers what it promised, whatever else it lost.
fn assert_kept(recovered: &Recovered, whole: &Recovered) {
    assert_eq!(recovered.hard, whole.hard);
    assert_eq!(recovered.identity, whole.identity);
    let lost_through = recovered.lost_through.unwrap();
    assert!(lost_through >= end_of(whole), "{lost_through}");
    assert!(lost_through.term <= recovered.hard.term);
}

fn end_of(recovered: &Recovered) -> EntryId {
    let term = recovered.runs.last().map_or(Term::ZERO, |run| run.term);
    EntryId::new(term, recovered.last)
}

/// The closed log with a hole in its second frame, in the term of its last entry.
fn holed() -> (Image, Recovered) {
    let fs = MemFs::of(closed().0);
    let (mut log, recovered) = open(&fs);
    write(
        &mut log,
        Write {
            hard: hard(2, 3, Some(9)),
            ..append(5, vec![chunk(2, 7, &[40])])
        },
    );
    settle(&mut log);
    let mut image = fs.image();
    let (_, whole) = open(&MemFs::of(image.clone()));
    assert_eq!(whole.last, recovered.last.next());
    image.values_mut().next().unwrap()[512 + 300] ^= 1;
    (image, whole)
}

#[test]
fn what_was_found_is_told_with_its_place_and_kept_aside() {
    let (image, _) = holed();
    let fs = MemFs::of(image.clone());
    let (log, recovered) = open(&fs);
    let text = log.damage().unwrap().to_string();
    let (name, content) = image.iter().next().unwrap();
    assert!(text.contains(&format!("in {name} at offset 512")), "{text}");
    assert!(text.contains("expected frame 2"), "{text}");
    assert!(text.contains("found a frame body with checksum"), "{text}");
    assert_eq!(recovered.last, LogIndex::new(3), "what stands before it");
    let after = fs.image();
    for (name, content) in &image {
        assert_eq!(&after[&format!("{name}.damaged")], content);
    }
    assert_eq!(after[name], content[..512]);
}

/// Where whole frames stand behind the hole, it is known to the entry how far the log reached.
#[test]
fn how_far_the_log_reached_is_told_as_well_as_it_can_be() {
    let (image, whole) = holed();
    let (_, recovered) = open(&MemFs::of(image.clone()));
    assert_eq!(recovered.lost_through, Some(end_of(&whole)));
    assert_eq!(recovered.hard, hard(2, 3, Some(9)));
    // Without the last frames' bodies all that is known is where they began, and the term then.
    let mut darker = image;
    let (last, _) = darker.iter().next_back().unwrap();
    let last = last.clone();
    let content = darker.get_mut(&last).unwrap();
    content[200] ^= 1;
    let (_, recovered) = open(&MemFs::of(darker));
    let bound = EntryId::new(Term::new(3), whole.last);
    assert_eq!(recovered.lost_through, Some(bound));
}

/// A frame whose header, length and all, is garbage or was never written hides no frame behind it.
#[test]
fn damage_is_found_whatever_the_header_says() {
    let (image, whole) = holed();
    for garbage in [0x00, 0xff] {
        let mut damaged = image.clone();
        let content = damaged.values_mut().next().unwrap();
        content[512..768].fill(garbage);
        let (log, recovered) = open(&MemFs::of(damaged));
        let damage = log.damage().unwrap();
        assert!(
            matches!(damage, WalError::Corrupt { offset: 512, .. }),
            "{damage}"
        );
        assert_kept(&recovered, &whole);
    }
}

/// What was promised is told at each opening, until the log durably reaches as far again.
#[test]
fn a_damage_is_remembered_until_the_log_reaches_as_far_again() {
    let (image, whole) = holed();
    let mut fs = MemFs::of(image);
    for _ in 0..3 {
        fs = fs.crash(Crash::KeepAll);
        let (_, recovered) = open(&fs);
        assert_eq!(recovered.lost_through, Some(end_of(&whole)));
        assert_eq!(recovered.hard, whole.hard);
    }
    fs = fs.crash(Crash::KeepAll);
    let (mut log, recovered) = open(&fs);
    assert!(log.damage().is_none(), "it was cut off");
    let next = recovered.last.get() + 1;
    let entry = |number, index| Write {
        hard: hard(3, 3, Some(9)),
        ..append(number, vec![chunk(2, index, &[5])])
    };
    for index in next..whole.last.get() {
        write(&mut log, entry(index, index));
    }
    settle(&mut log);
    fs = fs.crash(Crash::KeepAll);
    let (mut log, recovered) = open(&fs);
    assert_eq!(
        recovered.lost_through,
        Some(end_of(&whole)),
        "one is missing"
    );
    log.begin(entry(9, whole.last.get()));
    assert_eq!(
        open(&fs.crash(Crash::LoseAll)).1.lost_through,
        Some(end_of(&whole))
    );
    finish(&mut log).unwrap();
    settle(&mut log);
    assert!(!fs.image().contains_key("REPAIR"));
    assert_eq!(open(&fs.crash(Crash::LoseAll)).1.lost_through, None);
}

/// An entry of a later term counts more than any of an earlier one.
#[test]
fn a_later_term_reaches_farther() {
    let (image, _) = holed();
    let fs = MemFs::of(image);
    let (mut log, recovered) = open(&fs);
    let chunk = chunk(4, recovered.last.get() + 1, &[5]);
    write(
        &mut log,
        Write {
            hard: hard(3, 4, None),
            ..append(1, vec![chunk])
        },
    );
    settle(&mut log);
    assert_eq!(open(&fs.crash(Crash::KeepAll)).1.lost_through, None);
}

/// The power fails at each operation of an opening that finds damage, and at each of the next one.
/// Nothing promised is forgotten, and what was set aside is there in the end.
#[test]
fn a_crash_at_each_operation_of_the_repair_forgets_nothing() {
    let (image, whole) = holed();
    let crashes = crash_twice(&image, run_to_crash, |last| {
        let (log, recovered) = open(last);
        assert_kept(&recovered, &whole);
        assert_eq!(entries(&load_all(&log, &recovered)).len(), 3);
        let files = last.image();
        for (name, content) in &image {
            assert_eq!(&files[&format!("{name}.damaged")], content);
        }
    });
    assert!(crashes > 200, "{crashes}");
}

/// Opens; `false` when the power failed meanwhile.
fn run_to_crash(fs: &MemFs) -> bool {
    match run(raft_log::Wal::open(fs.clone(), SETTINGS)) {
        Some(opened) => {
            opened.unwrap();
            true
        }
        None => false,
    }
}

/// What must be remembered may rot as well. It is there twice: one copy tells, and then there are two
/// again. Where neither does, nobody knows what was promised.
#[test]
fn a_damaged_note_is_read_from_its_other_copy() {
    let (image, whole) = holed();
    let fs = MemFs::of(image);
    open(&fs);
    let noted = fs.image();
    let bytes = &noted["REPAIR"];
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        let mut rotten = noted.clone();
        rotten.get_mut("REPAIR").unwrap()[at] ^= 1;
        let fs = MemFs::of(rotten);
        let (_, recovered) = open(&fs);
        assert_kept(&recovered, &whole);
        let there = fs.crash(Crash::LoseAll).image();
        assert_eq!(there["REPAIR"], *bytes, "{at}");
    }
    let mut rotten = noted.clone();
    for at in [50, 4096 + 50] {
        rotten.get_mut("REPAIR").unwrap()[at] ^= 1;
    }
    let error = try_open(&MemFs::of(rotten)).unwrap_err();
    assert!(
        matches!(&error, WalError::Corrupt { file, .. } if file == "REPAIR"),
        "{error}"
    );
}

/// A log of which older segments were dropped until so many were left, and what it holds. Nothing
/// but the first frame of a segment has to say who the node is.
fn dropped(frames: &[usize], left: usize) -> (Image, Recovered) {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    let identity = Some(Bytes::from("who"));
    write(
        &mut log,
        Write {
            identity,
            ..append(1, vec![chunk(1, 1, &[10])])
        },
    );
    for (number, bytes) in (2..).zip(frames) {
        let forgotten = Write {
            snapshot: Some(Box::new(mark(1, number - 1))),
            drop_before: LogIndex::new(number),
            ..append(number, vec![chunk(1, number, &[*bytes])])
        };
        write(&mut log, forgotten);
        settle(&mut log);
    }
    let image = fs.image();
    assert_eq!(image.len(), left);
    let (_, recovered) = open(&MemFs::of(image.clone()));
    (image, recovered)
}

/// Who a node is may change while there is nothing else to keep: at first only its name and its
/// life, then its cluster (found by a world in which disks rot and nodes join, seed 88787).
#[test]
fn no_single_frame_is_all_that_says_who_the_node_has_become() {
    for opened_anew in [false, true] {
        let mut fs = MemFs::new();
        let (mut log, _) = open(&fs);
        write(&mut log, append_as("nobody yet", 1, Vec::new()));
        settle(&mut log);
        if opened_anew {
            fs = fs.crash(Crash::KeepAll);
            log = open(&fs).0;
        }
        write(&mut log, append_as("who", 2, Vec::new()));
        for number in 3..=5 {
            write(&mut log, append(number, vec![chunk(1, number - 2, &[10])]));
        }
        settle(&mut log);
        let image = fs.image();
        let (_, whole) = open(&MemFs::of(image.clone()));
        assert_eq!(whole.identity, Some(Bytes::from("who")));
        for (name, content) in &image {
            for byte in 0..content.len() {
                let mut damaged = image.clone();
                damaged.get_mut(name).unwrap()[byte] ^= 4;
                let (_, recovered) = open(&MemFs::of(damaged));
                assert_eq!(recovered.identity, whole.identity, "{name} {byte}");
            }
        }
    }
}

/// So long as a log that began anew says once who the node is, the note says it, too.
#[test]
fn a_note_stays_until_the_log_says_twice_who_the_node_is() {
    let (image, whole) = dropped(&[1500, 200, 100], 1);
    let mut damaged = image;
    damaged.values_mut().next().unwrap()[20] ^= 1;
    let fs = MemFs::of(damaged);
    let (mut log, recovered) = open(&fs);
    assert_kept(&recovered, &whole);
    let snapshot = Write {
        snapshot: Some(Box::new(mark(1, whole.last.get()))),
        ..empty(1)
    };
    write(&mut log, snapshot);
    settle(&mut log);
    assert!(fs.image().contains_key("REPAIR"), "one frame says it");
    write(
        &mut log,
        append(2, vec![chunk(1, whole.last.get() + 1, &[10])]),
    );
    settle(&mut log);
    let image = fs.image();
    assert!(!image.contains_key("REPAIR"));
    let (_, whole) = open(&MemFs::of(image.clone()));
    let newest = image.keys().rfind(|name| name.ends_with(".wal")).unwrap();
    let mut damaged = image.clone();
    damaged.get_mut(newest).unwrap()[20] ^= 1;
    let (_, recovered) = open(&MemFs::of(damaged));
    assert_eq!(recovered.identity, whole.identity);
    assert_kept(&recovered, &whole);
}

/// The log rots a second time, and so does the note of the first, beside what a crash left of one that was
/// to take its place (found by seed 158470): both are written anew in one opening.
#[test]
fn a_note_is_mended_beside_a_log_that_is_mended_again() {
    let flip = |image: &mut Image, name: &str, at: usize| image.get_mut(name).unwrap()[at] ^= 4;
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append_as("who", 1, vec![chunk(1, 1, &[10])]));
    for number in 2..=9 {
        write(&mut log, append(number, vec![chunk(1, number, &[10])]));
    }
    settle(&mut log);
    let mut image = fs.image();
    flip(&mut image, "0000000000000001.wal", 3 * 256 + 130);
    let fs = MemFs::of(image);
    let (mut log, recovered) = open(&fs);
    let kept = recovered.last.get();
    assert!((1..9).contains(&kept), "{kept}");
    for number in 1..=3 {
        let entry = chunk(1, kept + number, &[10]);
        write(&mut log, append(number, vec![entry]));
    }
    settle(&mut log);
    let mut image = fs.image();
    let left_over = image["REPAIR"].clone();
    image.insert(String::from("REPAIR.new"), left_over);
    flip(&mut image, "REPAIR", 30);
    flip(&mut image, "0000000000000002.wal", 256 + 130);
    let (log, recovered) = open(&MemFs::of(image));
    assert!(log.damage().is_some());
    assert_eq!(recovered.identity, Some(Bytes::from("who")));
    assert_eq!(recovered.lost_through.map(|lost| lost.index.get()), Some(9));
}

/// Who it is may be said in several ways behind the damage: what was said last counts.
#[test]
fn who_the_node_has_become_is_told_by_the_last_frame_that_says_it() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append_as("nobody yet", 1, Vec::new()));
    write(&mut log, empty(2));
    write(&mut log, empty(3));
    write(&mut log, append_as("half known", 4, Vec::new()));
    write(&mut log, append_as("who", 5, Vec::new()));
    for number in 6..=8 {
        write(&mut log, append(number, vec![chunk(1, number - 5, &[10])]));
    }
    settle(&mut log);
    let mut image = fs.image();
    image.values_mut().next().unwrap()[512 + 20] ^= 1;
    let (log, recovered) = open(&MemFs::of(image));
    assert!(log.damage().is_some());
    assert_eq!(recovered.identity, Some(Bytes::from("who")));
}

/// A vote that stands in the damaged part alone is not given a second time.
#[test]
fn a_vote_behind_the_damage_is_remembered() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    let voted = |number, term, vote| Write {
        hard: hard(1, term, vote),
        ..empty(number)
    };
    for (number, term, vote) in [(1, 1, None), (2, 1, Some(2)), (3, 2, None), (4, 2, Some(3))] {
        write(&mut log, voted(number, term, vote));
    }
    settle(&mut log);
    for frame in 1..4 {
        let mut image = fs.image();
        image.values_mut().next().unwrap()[frame * 256 + 20] ^= 1;
        let (log, recovered) = open(&MemFs::of(image));
        assert!(log.damage().is_some());
        assert_eq!(recovered.hard, hard(1, 2, Some(3)), "frame {frame}");
    }
}

/// Before a hull was at work, nothing says that the identity is complete.
#[test]
fn a_log_that_never_had_a_boot_is_refused() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=3 {
        write(
            &mut log,
            Write {
                hard: HardState::default(),
                ..empty(number)
            },
        );
    }
    settle(&mut log);
    let mut image = fs.image();
    image.values_mut().next().unwrap()[256 + 20] ^= 1;
    assert!(try_open(&MemFs::of(image)).is_err());
}

#[test]
fn a_missing_segment_is_a_loss_like_any_and_refused_at_the_front() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    for number in 1..=6 {
        write(&mut log, append(number, vec![chunk(1, number, &[1500])]));
    }
    let image = fs.image();
    assert_eq!(image.len(), 6);
    for missing in 0..5 {
        let name = image.keys().nth(missing).unwrap().clone();
        let mut damaged = image.clone();
        damaged.remove(&name);
        let opened = try_open(&MemFs::of(damaged));
        if missing == 0 {
            assert!(matches!(opened, Err(WalError::Corrupt { .. })));
            continue;
        }
        let (log, recovered) = opened.unwrap();
        let damage = log.damage().unwrap();
        assert!(matches!(damage, WalError::Corrupt { file, .. } if *file == name));
        assert_eq!(recovered.last.get(), missing as u64);
        let reached = EntryId::new(Term::new(1), LogIndex::new(6));
        assert_eq!(recovered.lost_through, Some(reached));
    }
}
