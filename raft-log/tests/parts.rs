//! Segments that are longer than what is read of them at a time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "part of the tests")]

mod support;

use raft_log::{Wal, WalError, WalSettings};
use support::idle::Image;
use support::*;

const LONG: WalSettings = WalSettings {
    segment_bytes: 4 << 20,
    block_bytes: 4096,
    ..SETTINGS
};

/// An entry a frame: some of them beyond where reading stops for a while, some longer than what is read
/// at a time, one longer than a segment.
const LENGTHS: [usize; 17] = [
    300_000, 300_000, 1_500_000, 300_000, 1_040_000, 200_000, 300_000, 2_500_000, 10, 300_000,
    900_000, 5_000_000, 10, 1_048_576, 1_044_000, 10, 300_000,
];

const ENTRIES: u64 = LENGTHS.len() as u64;

/// What such a log leaves.
fn image() -> Image {
    let fs = MemFs::new();
    let (mut log, _) = open_with(&fs, LONG);
    for (length, number) in LENGTHS.iter().zip(1..) {
        let chunks = vec![chunk(1, number, &[*length])];
        let first = (number == 1).then(|| append_as("who", number, chunks.clone()));
        write(&mut log, first.unwrap_or_else(|| append(number, chunks)));
    }
    settle(&mut log);
    fs.image()
}

/// Where frames begin in a segment.
fn starts(segment: &[u8]) -> Vec<usize> {
    let blocks = segment.chunks(4096).enumerate();
    let is_frame = |block: &[u8]| block.starts_with(b"QRWL");
    blocks
        .filter(|(_, block)| is_frame(block))
        .map(|(number, _)| number * 4096)
        .collect()
}

#[test]
fn all_is_found_again() {
    let fs = MemFs::of(image());
    assert!(fs.image().len() > 3, "segments");
    let (log, found) = open_with(&fs, LONG);
    assert!(log.damage().is_none());
    assert_eq!(found.identity.as_deref(), Some(&b"who"[..]));
    let lengths: Vec<usize> = load_all(&log, &found)
        .iter()
        .map(raft_core::chunk::Chunk::payload_bytes)
        .collect();
    let expected: Vec<usize> = LENGTHS.iter().map(|length| length + 24).collect();
    assert_eq!(lengths, expected);
}

/// Whatever a crash tore of the last segment, what stands before is found, and no more.
#[test]
fn a_torn_tail_is_cut_wherever_it_begins() {
    let mut before = 0;
    for (name, content) in image() {
        for (start, count) in starts(&content).into_iter().zip(before..) {
            let mut image = image_up_to(&name);
            // Within the body, if it has one.
            let torn = if count < ENTRIES { 200 } else { 100 };
            image.get_mut(&name).unwrap()[start + torn..].fill(0);
            let fs = MemFs::of(image);
            let (log, found) = open_with(&fs, LONG);
            assert!(log.damage().is_none(), "{name} {start}");
            assert_eq!(found.last.get(), count, "{name} {start}");
            let left = fs.image().get(&name).map_or(0, Vec::len);
            assert_eq!(left, start, "{name} is cut");
        }
        before += starts(&content).len() as u64;
    }
    assert_eq!(before, ENTRIES + 1, "with one that closes the log");
}

fn image_up_to(last: &str) -> Image {
    let mut image = image();
    image.retain(|name, _| name.as_str() <= last);
    image
}

/// What was promised is missed wherever it stood, and what is left of its segment is kept.
#[test]
fn damage_is_told_from_a_torn_tail_wherever_it_is() {
    let image = image();
    let mut before = 0;
    for (name, content) in &image {
        for (start, count) in starts(content).into_iter().zip(before..) {
            if count == 0 || count >= ENTRIES {
                continue;
            }
            let mut rotten = image.clone();
            rotten.get_mut(name).unwrap()[start + 150] ^= 1;
            let fs = MemFs::of(rotten.clone());
            let (log, found): (Wal<MemFs>, _) = open_with(&fs, LONG);
            let place = format!("{name} {start}");
            let Some(WalError::Corrupt { file, offset, .. }) = log.damage() else {
                panic!("{place}: {:?}", log.damage());
            };
            assert_eq!((file, *offset), (name, start as u64));
            assert_eq!(found.last.get(), count, "{place}");
            let reached = found.lost_through.unwrap().index.get();
            assert_eq!(reached, ENTRIES, "{place}");
            let kept = &fs.image()[&format!("{name}.damaged")];
            assert!(*kept == rotten[name], "{place}: kept as it was found");
        }
        before += starts(content).len() as u64;
    }
}
