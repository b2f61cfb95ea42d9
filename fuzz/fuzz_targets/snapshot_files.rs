//! Opening a store of snapshots whose files hold anything: files that were written and then damaged,
//! with or without their headers' checksums made right again, or bytes that never were a snapshot.
//!
//! Opening may refuse, and so may reading. Neither may panic, nor hand out content that is not the
//! snapshot's as long as no checksum was forged; and a snapshot that was half received can always be
//! received to the end, whatever became of the half.
#![no_main]

#[path = "../../raft-log/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use support::MemFs;
use support::snapshots::{
    content, open_store, opened, read_all, receiving, resume, snapshot, taking, work,
};

type Image = BTreeMap<String, Vec<u8>>;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (taken, received) = (input.number() % 2_000, input.number() % 2_000);
    let mut image = written(taken, received, input.number());
    let mut forged = false;
    while !input.0.is_empty() {
        forged |= damage(&mut image, &mut input);
    }
    check(MemFs::of(image), taken, received, forged);
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

/// A snapshot that counts, and a part of another one.
fn written(taken: usize, received: usize, parts: usize) -> Image {
    let fs = MemFs::new();
    let (mut store, _) = opened(&fs);
    for job in taking(5, &content(5, taken), &[parts % 700 + 1]) {
        work(&mut store, job);
    }
    let jobs = receiving(9, &content(9, received), &[300]);
    let most = jobs.len() - 1;
    for job in jobs.into_iter().take(parts % (most + 1)) {
        work(&mut store, job);
    }
    fs.image()
}

/// One damage to one file; whether it has a checksum of its own.
fn damage(image: &mut Image, input: &mut Input<'_>) -> bool {
    let which = usize::from(input.byte()) % image.len().max(1);
    let Some(name) = image.keys().nth(which).cloned() else {
        input.0 = &[];
        return false;
    };
    let action = input.byte() % 6;
    if action == 0 {
        image.remove(&name);
        return false;
    }
    let Some(file) = image.get_mut(&name) else {
        return false;
    };
    let at = input.number() % file.len().max(1);
    match action {
        1 => file.truncate(at),
        2 => file.extend((0..at).map(|_| input.byte())),
        3 => {
            // Another block of the same file.
            let (block, from) = (at / 256 * 256, input.number() / 256 * 256);
            let bytes = file.get(from..from + 256).unwrap_or(&[0; 256]).to_vec();
            if let Some(room) = file.get_mut(block..block + 256) {
                room.copy_from_slice(&bytes);
            }
        }
        4 => return sign_again(file),
        _ => {
            let byte = input.byte();
            if let Some(to) = file.get_mut(at) {
                *to = byte;
            }
        }
    }
    false
}

/// Makes the header's checksum right again, so that what it says is looked at.
fn sign_again(file: &mut [u8]) -> bool {
    let Some(length) = file.get(12..16).and_then(|bytes| bytes.try_into().ok()) else {
        return false;
    };
    let end = (u32::from_le_bytes(length) as usize).saturating_add(56);
    let Some(checksum) = file.get(..end).map(crc32c::crc32c) else {
        return false;
    };
    if let Some(place) = file.get_mut(end..end + 4) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    true
}

/// Opens, reads, receives and opens again.
fn check(fs: MemFs, taken: usize, received: usize, forged: bool) {
    let Ok((mut store, newest)) = open_store(&fs).expect("opening hangs") else {
        return;
    };
    if let Some(newest) = newest {
        if let Ok(found) = read_all(&mut store, newest.id, 500) {
            assert_eq!(found.len() as u64, newest.id.length);
            assert!(forged || found == content(5, taken), "not the content");
        }
    }
    let sent = content(9, received);
    let snapshot = snapshot(9, &sent);
    if resume(&mut store, &snapshot, &sent).is_err() {
        assert_eq!(resume(&mut store, &snapshot, &sent), Ok(0));
    }
    assert_eq!(
        read_all(&mut store, snapshot.id, 500).expect("it is intact"),
        sent
    );
    let (_, again) = opened(&MemFs::of(fs.image()));
    let again = again.expect("there is one").id.last;
    assert!(
        again >= snapshot.id.last,
        "neither what was received nor a newer one"
    );
}
