//! Segments that are longer than what is read of them at a time, and are read ahead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "part of the tests")]

mod support;

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use raft_core::log::Recovered;
use raft_log::rare::Site;
use raft_log::{Answer, Completion, Fs, Operation, Wal, WalError, WalSettings};
use support::idle::{Image, closed};
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

/// A folder that is read in another way than most.
#[derive(Clone, Default)]
struct Odd {
    disk: MemFs,
    /// How many bytes longer files are listed than they are.
    listed_longer: u64,
    /// Whether little is read at a time.
    reads_little: bool,
    reads: Arc<Mutex<Reads>>,
}

#[derive(Default)]
struct Reads {
    /// Until so many bytes were asked for, a read ends only when the next one has begun.
    awaited_bytes: usize,
    asked_bytes: usize,
    started: usize,
    ended: usize,
    /// How many were under way at most.
    most: usize,
}

impl Fs for Odd {
    fn start(&self, operation: Operation) -> Completion {
        let is_list = operation == Operation::List;
        let asked = match operation {
            Operation::Read { length, .. } => Some(length),
            _ => None,
        };
        let mut started = self.disk.start(operation);
        let longer = self.listed_longer;
        if is_list {
            return Box::pin(async move {
                let Answer::Names(mut names) = started.await? else {
                    panic!("no names");
                };
                names.iter_mut().for_each(|(_, length)| *length += longer);
                Ok(Answer::Names(names))
            });
        }
        let Some(asked) = asked else {
            return started;
        };
        let mut reads = self.reads.lock().unwrap();
        reads.asked_bytes += asked;
        reads.started += 1;
        reads.most = reads.most.max(reads.started - reads.ended);
        let (number, reads) = (reads.started, Arc::clone(&self.reads));
        Box::pin(poll_fn(move |cx| {
            let mut reads = reads.lock().unwrap();
            let is_last = reads.asked_bytes >= reads.awaited_bytes;
            if reads.started == number && !is_last {
                return Poll::Pending;
            }
            reads.ended += 1;
            started.as_mut().poll(cx)
        }))
    }

    fn rarely(&self, site: Site) -> bool {
        self.reads_little && site == Site::ReadLess
    }
}

fn open_odd(fs: &Odd, settings: WalSettings) -> (Wal<Odd>, Recovered) {
    let Some(opened) = run(Wal::open(fs.clone(), settings)) else {
        panic!("opening hangs");
    };
    opened.unwrap()
}

/// While a part is looked at, also the last one of a segment, and of a frame that is longer than a part; and
/// never many, or they would fill the memory.
#[test]
fn the_next_part_is_under_way_before_one_is_looked_at() {
    let image = image();
    let fs = Odd {
        disk: MemFs::of(image.clone()),
        ..Odd::default()
    };
    fs.reads.lock().unwrap().awaited_bytes = image.values().map(Vec::len).sum();
    let (_, found) = open_odd(&fs, LONG);
    assert_eq!(found.last.get(), ENTRIES);
    let reads = fs.reads.lock().unwrap();
    assert!(reads.asked_bytes >= reads.awaited_bytes, "all is read");
    assert!((2..=4).contains(&reads.most), "{}", reads.most);
}

#[test]
fn what_is_read_ahead_of_a_file_that_is_shorter_than_listed_is_not_there() {
    let image = image();
    let (_, whole) = open_with(&MemFs::of(image.clone()), LONG);
    for listed_longer in [1, 4_096, 700_000, 3 << 20] {
        let fs = Odd {
            disk: MemFs::of(image.clone()),
            listed_longer,
            ..Odd::default()
        };
        let (log, found) = open_odd(&fs, LONG);
        assert!(log.damage().is_none(), "{listed_longer}");
        assert_eq!(found, whole, "{listed_longer}");
    }
}

/// A tail that a crash cut off, of a file whose length is listed as it was.
#[test]
fn a_tail_that_is_listed_and_not_there_is_torn() {
    let mut before = 0;
    for (name, content) in image() {
        for (start, count) in starts(&content).into_iter().zip(before..).step_by(3) {
            let mut image = image_up_to(&name);
            let end = start + if count < ENTRIES { 150 } else { 100 };
            image.get_mut(&name).unwrap().truncate(end);
            let fs = Odd {
                disk: MemFs::of(image),
                listed_longer: (content.len() - end) as u64,
                ..Odd::default()
            };
            let (log, found) = open_odd(&fs, LONG);
            assert!(log.damage().is_none(), "{name} {start}");
            assert_eq!(found.last.get(), count, "{name} {start}");
            let left = fs.disk.image().get(&name).map_or(0, Vec::len);
            assert_eq!(left, start, "{name} is cut");
        }
        before += starts(&content).len() as u64;
    }
}

/// Of each frame, where a part ends within its header, its body or its padding.
#[test]
fn whatever_frames_parts_end_in_the_same_is_found() {
    let (image, expected, entries_of) = closed();
    let fs = Odd {
        disk: MemFs::of(image.clone()),
        reads_little: true,
        ..Odd::default()
    };
    let (log, found) = open_odd(&fs, SETTINGS);
    assert_eq!(found, expected);
    assert_eq!(entries(&load_all(&log, &found)), entries_of);
    let reads = fs.reads.lock().unwrap().started;
    let bytes: usize = image.values().map(Vec::len).sum();
    assert!(reads > bytes / 300, "{reads} reads of {bytes} bytes");
}
