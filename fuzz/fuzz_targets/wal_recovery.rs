//! Opening a write-ahead log whose files hold anything: a log that was written and then damaged,
//! with or without its checksums made right again, or bytes that never were a log.
//!
//! Opening may refuse. It may not panic, and what it accepts must hang together: the entries it
//! tells of can be read, the next write can follow them, and the next opening finds both.
#![no_main]

#[path = "../../raft-log/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use raft_core::ids::LogIndex;
use raft_core::log::{Recovered, Write};
use support::{MemFs, append, chunk, configuration_chunk, entries, hard, mark, try_open};

type Image = BTreeMap<String, Vec<u8>>;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut image = match input.byte() % 4 {
        0 => raw_segments(&mut input),
        _ => written_log(&mut input),
    };
    while !input.0.is_empty() {
        damage(&mut image, &mut input);
    }
    check(MemFs::of(image));
});

/// Takes numbers off the fuzzer's bytes; zeros when they have run out.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }
}

/// Up to three files of the bytes as they are.
fn raw_segments(input: &mut Input<'_>) -> Image {
    let count = usize::from(input.byte() % 3) + 1;
    let length = input.0.len().div_ceil(count).max(1);
    let files = input.0.chunks(length).zip(1..);
    let image = files.map(|(bytes, number)| (format!("{number:016x}.wal"), bytes.to_vec()));
    let image = image.collect();
    input.0 = &[];
    image
}

/// A log as this library writes it.
fn written_log(input: &mut Input<'_>) -> Image {
    let fs = MemFs::new();
    let Ok((mut log, _)) = try_open(&fs) else {
        return Image::new();
    };
    let mut last = 0;
    let mut snapshot = 0;
    for number in 1..=u64::from(input.byte() % 8) + 1 {
        let shape = input.byte();
        let mut write = append(number, Vec::new());
        write.hard = hard(1, number, (shape & 1 == 1).then_some(number));
        if shape & 2 != 0 && last > snapshot + 1 {
            write.truncate_from = Some(LogIndex::new(last));
            last -= 1;
        }
        if shape & 4 != 0 {
            write
                .append
                .push(configuration_chunk(number, last + 1, "here"));
            last += 1;
        }
        if shape & 8 != 0 {
            let length = usize::from(input.byte()) * 4;
            write.append.push(chunk(number, last + 1, &[length, 3]));
            last += 2;
        }
        if shape & 16 != 0 {
            snapshot = last.saturating_sub(1).max(snapshot);
            write.snapshot = Some(Box::new(mark(1, snapshot)));
            write.drop_before = LogIndex::new(snapshot + 1);
        }
        if shape & 32 != 0 {
            write.identity = Some(vec![shape; usize::from(shape)].into());
        }
        support::write(&mut log, write);
        if shape & 64 != 0 {
            support::settle(&mut log);
        }
    }
    fs.image()
}

/// One damage to one file.
fn damage(image: &mut Image, input: &mut Input<'_>) {
    let which = usize::from(input.byte()) % image.len().max(1);
    let Some(name) = image.keys().nth(which).cloned() else {
        input.0 = &[];
        return;
    };
    let action = input.byte() % 7;
    if action == 0 {
        image.remove(&name);
        return;
    }
    let Some(content) = image.get_mut(&name) else {
        return;
    };
    let at = input.number() % content.len().max(1);
    match action {
        1 => content.truncate(at),
        2 => content.extend((0..at).map(|_| input.byte())),
        3 => {
            // A block of zeros, or of another place.
            let block = at / 256 * 256;
            let from = input.number() / 256 * 256;
            let bytes = content.get(from..from + 256).unwrap_or(&[0; 256]).to_vec();
            if let Some(room) = content.get_mut(block..block + 256) {
                room.copy_from_slice(&bytes);
            }
        }
        4 => sign_again(image),
        _ => {
            let byte = input.byte();
            if let Some(to) = content.get_mut(at) {
                *to = byte;
            }
        }
    }
}

/// Makes the checksums of all frames right again, so that what they say is looked at.
fn sign_again(image: &mut Image) {
    let mut previous = [0; 4];
    for content in image.values_mut() {
        let mut at = 0;
        while let Some(frame) = content.get_mut(at..).filter(|rest| rest.len() >= 128) {
            if !frame.starts_with(b"QRWL") {
                break;
            }
            let number = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().unwrap());
            let (block, body) = (number(88) as usize, number(104) as usize);
            let checksum = frame.get(128..128 + body).map_or(0, crc32c::crc32c);
            frame[112..116].copy_from_slice(&previous);
            frame[116..120].copy_from_slice(&checksum.to_le_bytes());
            previous = crc32c::crc32c(&frame[..124]).to_le_bytes();
            frame[124..128].copy_from_slice(&previous);
            at += (128 + body).next_multiple_of(block.clamp(256, 65_536));
        }
    }
}

/// Opens, reads, writes and opens again.
fn check(fs: MemFs) {
    let Ok((mut log, recovered)) = try_open(&fs) else {
        return;
    };
    let found = loaded(&log, &recovered);
    let Some(next) = recovered
        .last
        .get()
        .checked_add(1)
        .filter(|next| *next < u64::MAX)
    else {
        return;
    };
    let added = chunk(u64::MAX, next, &[1]);
    let write: Write = Write {
        hard: hard(u64::MAX, u64::MAX, None),
        ..append(1, vec![added.clone()])
    };
    support::write(&mut log, write);
    let (log, again) = try_open(&MemFs::of(fs.image())).expect("what was accepted opens again");
    assert_eq!(again.identity, recovered.identity);
    assert_eq!(again.snapshot, recovered.snapshot);
    let mut expected = found;
    expected.extend(entries(&[added]));
    assert_eq!(loaded(&log, &again), expected);
}

/// The entries from the snapshot to the last one, without a gap.
fn loaded(log: &raft_log::Wal<MemFs>, recovered: &Recovered) -> support::Entries {
    let found = entries(&support::load_all(log, recovered));
    let snapshot = recovered
        .snapshot
        .as_ref()
        .map_or(0, |mark| mark.last.index.get());
    let indexes: Vec<u64> = found.iter().map(|entry| entry.1).collect();
    assert_eq!(
        indexes.first().copied(),
        (!found.is_empty()).then_some(snapshot + 1)
    );
    assert!(indexes.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(recovered.last.get(), snapshot + found.len() as u64);
    found
}
