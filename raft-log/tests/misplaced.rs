//! Blocks and files of a log at the place of others, as a disk leaves them that writes or reads at the
//! wrong place: right in themselves, and wrong where they stand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "part of the tests")]

mod support;

use bytes::Bytes;
use raft_log::{WalError, WalSettings};
use support::idle::Image;
use support::modelled::Spec;
use support::resting::*;
use support::*;

/// How often what was misplaced did what.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Tally {
    /// The log is as whole as ever.
    harmless: usize,
    /// Damage was told, and nothing wrong was found.
    damaged: usize,
    /// Opening failed and changed nothing.
    refused: usize,
    /// Nothing was told, and the newest writes are gone.
    short: usize,
}

impl Tally {
    /// Opens the log with something misplaced in it. Nothing is found that it never held.
    fn open(&mut self, log: &Resting, image: &Image, what: &str) {
        let fs = MemFs::of(image.clone());
        let opened = match try_open(&fs) {
            Ok(opened) => opened,
            Err(WalError::Corrupt { .. }) => {
                assert_eq!(fs.image(), *image, "{what}: refused, and changed");
                self.refused += 1;
                return;
            }
            Err(error) => panic!("{what}: {error}"),
        };
        let found = (opened.1.clone(), entries(&load_all(&opened.0, &opened.1)));
        let was_once = log.states.contains(&found) && found != *log.whole();
        if opened.0.damage().is_none() && was_once {
            self.short += 1;
        } else if log.judge_opened(opened, what).is_some() {
            self.damaged += 1;
        } else {
            self.harmless += 1;
        }
    }
}

/// Every place of a block.
fn places(image: &Image) -> Vec<(&str, usize)> {
    let all = image.iter().flat_map(|(name, content)| {
        let blocks = (0..content.len()).step_by(BLOCK);
        blocks.map(move |at| (name.as_str(), at))
    });
    all.collect()
}

fn block<'a>(image: &'a Image, (name, at): (&str, usize)) -> &'a [u8] {
    &image[name][at..at + BLOCK]
}

fn put(image: &mut Image, (name, at): (&str, usize), block: &[u8]) {
    image.get_mut(name).unwrap()[at..at + BLOCK].copy_from_slice(block);
}

/// Each of these blocks over each of the log's, which may be the same ones: then there are two of it.
fn blocks(log: &Resting, theirs: &Image) -> Tally {
    let mut tally = Tally::default();
    for from in places(theirs) {
        for to in places(&log.image) {
            if block(theirs, from) != block(&log.image, to) {
                let mut image = log.image.clone();
                put(&mut image, to, block(theirs, from));
                tally.open(log, &image, &format!("block {from:?} at {to:?}"));
            }
        }
    }
    tally
}

/// Any two blocks of the log, each at the other's place.
fn exchanged_blocks(log: &Resting) -> Tally {
    let mut tally = Tally::default();
    let places = places(&log.image);
    for (number, one) in places.iter().enumerate() {
        for other in &places[..number] {
            let mut image = log.image.clone();
            put(&mut image, *one, block(&log.image, *other));
            put(&mut image, *other, block(&log.image, *one));
            if image != log.image {
                tally.open(log, &image, &format!("{one:?} and {other:?} exchanged"));
            }
        }
    }
    tally
}

/// Each of these files under each name of a segment but the newest, and any two of those exchanged. (Where
/// the newest goes, nothing else remembers that it was there: assumption 10.)
fn files(log: &Resting, theirs: &Image) -> Tally {
    let mut tally = Tally::default();
    let older = log.image.keys().rev().skip(1);
    for name in older {
        for (from, content) in theirs {
            let mut image = log.image.clone();
            let before = image.insert(name.clone(), content.clone());
            if before.as_ref() == Some(content) {
                continue;
            }
            tally.open(log, &image, &format!("{from} as {name}"));
            let is_newest = log.image.keys().next_back() == Some(from);
            if log.image.get(from) == Some(content) && !is_newest {
                image.insert(from.clone(), log.image[name].clone());
                tally.open(log, &image, &format!("{from} and {name} exchanged"));
            }
        }
    }
    tally
}

/// The same writes by another node into another log, and more of them: what is after all of ours.
fn longer() -> Resting {
    let mut specs = events("they", 3);
    specs.extend((10..20).map(|index| plain(9, Some(7), vec![chunk(9, index, &[100])])));
    Resting::after(&specs, of_another(EVENTFUL), false)
}

fn of_another(settings: WalSettings) -> WalSettings {
    WalSettings {
        log_id: 7,
        ..settings
    }
}

/// Every block over every other: behind all but the last frame stands one that witnesses it, and behind
/// that the closing one.
#[test]
fn every_block_over_every_other_is_found_or_harmless() {
    let log = eventful();
    let tally = blocks(&log, &log.image);
    assert_eq!((tally.refused, tally.short), (0, 0), "{tally:?}");
    assert!(tally.damaged > 200 && tally.harmless > 20, "{tally:?}");
    let tally = exchanged_blocks(&log);
    assert_eq!((tally.refused, tally.short), (0, 0), "{tally:?}");
    assert!(tally.damaged > 80, "{tally:?}");
}

/// Nothing of another log is taken in, neither its entries nor its votes nor whose it is; in the first
/// place it would be the log, and all of ours a torn tail.
#[test]
fn every_block_of_another_log_is_found_or_harmless() {
    let log = eventful();
    let same_shape = Resting::after(&events("they", 3), of_another(EVENTFUL), false);
    for theirs in [same_shape, longer()] {
        let tally = blocks(&log, &theirs.image);
        assert_eq!((tally.refused, tally.short), (0, 0), "{tally:?}");
        assert!(tally.damaged > 200 && tally.harmless > 20, "{tally:?}");
        let tally = files(&log, &theirs.image);
        assert_eq!((tally.refused, tally.short), (1, 0), "{tally:?}");
        assert!(tally.damaged > 5, "{tally:?}");
    }
}

/// A whole first frame of another log makes it that log's, were it not for all the others.
#[test]
fn another_logs_first_block_in_the_first_place_is_refused() {
    let (log, theirs) = (
        short_log(7, SETTINGS),
        short_log(6, of_another(SETTINGS)).image,
    );
    let tally = blocks(&log, &theirs);
    assert_eq!((tally.refused, tally.short), (1, 0), "{tally:?}");
    assert!(tally.damaged > 40, "{tally:?}");
}

#[test]
fn a_folder_with_frames_of_two_logs_is_refused_with_both_named() {
    let log = eventful();
    let theirs = longer();
    let mut image = log.image.clone();
    let first = "0000000000000001.wal";
    image.insert(first.to_owned(), theirs.image[first].clone());
    let error = try_open(&MemFs::of(image)).unwrap_err().to_string();
    let ours = format!("{:016x}", SETTINGS.log_id);
    for part in [first, "0000000000000007", &ours] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn every_file_as_every_other_is_found() {
    let log = eventful();
    let tally = files(&log, &log.image);
    let found = Tally {
        damaged: tally.damaged,
        ..Tally::default()
    };
    assert_eq!(tally, found);
    assert!(tally.damaged == 15, "{tally:?}");
}

/// After compaction nothing stands before the first frame that is left, and its number, its predecessor
/// and its log are whatever it says: the number of its segment alone tells that it belongs there.
#[test]
fn blocks_and_files_at_the_front_of_a_compacted_log_are_found() {
    let all = [1500, 1500, 1500, 200, 200];
    for left in [&all[..2], &all[..4], &all] {
        let log = compacted(left);
        let theirs = Resting::after(&compaction("they", 3, left), of_another(SETTINGS), true);
        let mut others = vec![log.image.clone(), theirs.image];
        others.extend((1..left.len()).map(|frames| compacted(&left[..frames]).image));
        for other in &others {
            let tally = blocks(&log, other);
            assert_eq!(tally.short, 0, "{tally:?}");
            assert!(tally.refused <= 4 && tally.damaged >= 30, "{tally:?}");
            assert_eq!(files(&log, other).short, 0);
        }
    }
}

/// A file of an older segment of the log as its only one: a file that was written anew, and never was.
#[test]
fn an_older_segment_as_the_only_one_is_refused() {
    let log = compacted(&[1500, 1500, 1500, 200, 200]);
    let only = log.image.keys().next().unwrap();
    let mut tried = 0;
    for frames in 1..4 {
        for (name, content) in compacted(&[1500; 4][..frames]).image {
            assert_ne!(name, *only);
            let image = Image::from([(only.clone(), content)]);
            let error = try_open(&MemFs::of(image)).unwrap_err();
            assert!(matches!(error, WalError::Corrupt { .. }), "{error}");
            tried += 1;
        }
    }
    assert!(tried > 3, "{tried}");
}

/// Opens a log whose newest frame was torn, with each of these blocks at each place behind that: they
/// witness nothing.
fn witness_nothing(torn: &Image, behind: (&str, usize), strangers: &Image) {
    let opened = |image: &Image| {
        let (log, found) = try_open(&MemFs::of(image.clone())).unwrap();
        assert_eq!(log.damage(), None);
        (entries(&load_all(&log, &found)), found)
    };
    let expected = opened(torn);
    let (name, offset) = behind;
    let mut tried = 0;
    for from in places(strangers) {
        for place in (offset..torn[name].len()).step_by(BLOCK) {
            let mut image = torn.clone();
            put(&mut image, (name, place), block(strangers, from));
            assert_eq!(opened(&image), expected, "{from:?} at {place}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

/// The first segment of a log, with so many entries of a block each and the closing frame.
fn short_log(entries: u64, settings: WalSettings) -> Resting {
    let specs: Vec<Spec> = (1..=entries)
        .map(|index| Spec {
            identity: (index == 1).then(|| Bytes::from("who")),
            ..plain(1, None, vec![chunk(1, index, &[10])])
        })
        .collect();
    let log = Resting::after(&specs, settings, false);
    assert_eq!(log.image.len(), 1);
    log
}

/// A frame of another log knows nothing of this one's, however late it is.
#[test]
fn a_frame_of_another_log_behind_a_torn_tail_is_no_witness() {
    let mut ours = short_log(4, SETTINGS).image;
    let first = "0000000000000001.wal";
    for torn in [3, 4] {
        put(&mut ours, (first, torn * BLOCK), &[0; BLOCK]);
    }
    let theirs = short_log(7, of_another(SETTINGS)).image;
    witness_nothing(&ours, (first, 4 * BLOCK), &theirs);
}

/// A log that was given up begins anew with the numbers it had before, but not with the same segments.
#[test]
fn a_frame_of_what_was_given_up_behind_a_torn_tail_is_no_witness() {
    let before = short_log(7, SETTINGS).image;
    let mut damaged = before.clone();
    put(&mut damaged, ("0000000000000001.wal", 0), &[0; BLOCK]);
    let fs = MemFs::of(damaged);
    let (mut log, _) = open(&fs);
    assert!(log.damage().is_some());
    for index in 1..=4 {
        write(&mut log, append(index, vec![chunk(1, index, &[10])]));
    }
    settle(&mut log);
    let mut image = fs.image();
    let second = "0000000000000002.wal";
    for torn in [3, 4] {
        put(&mut image, (second, torn * BLOCK), &[0; BLOCK]);
    }
    witness_nothing(&image, (second, 4 * BLOCK), &before);
}

const BLOCK: usize = 256;
